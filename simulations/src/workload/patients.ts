/**
 * Synthetic patients: age, stage, treatment, a marker, and a time to an event that depends on them with known effects. Sites
 * differ in size and in their mix of patients, each by a Dirichlet distribution. No relation to any real data.
 */
import type { Column, Rows } from '@flamesh/protocol/analyses/analysis.js'
import type { DatasetDescription } from '@flamesh/protocol/jobs/dataset.js'
import { seededRandom } from '../kernel/random.js'
import type { Scenario } from '../scenarios/schema.js'
import { choose, dirichlet, exponential, normal } from './distributions.js'

export const SYNTHETIC_COLUMNS: DatasetDescription['columns'] = [
  { name: 'age', type: 'integer' },
  { name: 'stage', type: 'level', levels: ['1', '2', '3'] },
  { name: 'treated', type: 'integer', levels: ['0', '1'] },
  { name: 'marker', type: 'number' },
  { name: 'time', type: 'integer' },
  { name: 'event', type: 'integer', levels: ['0', '1'] },
]

export type Workload = Pick<Scenario['sites'], 'rows' | 'effects'>

/** Decades that ages fall into, and how common they are everywhere taken together. */
const DECADES = [40, 50, 60, 70]
const DECADE_SHARES = [0.2, 0.3, 0.3, 0.2]
const STAGE_SHARES = [0.5, 0.3, 0.2]
const TREATED_SHARES = [0.5, 0.5]
/** Log odds of an event at 60 years, in stage 1, untreated. */
const INTERCEPT = -0.4
const MEAN_TIME_DAYS = 900
const FOLLOW_UP_DAYS = 1460

/** How many patients each site has. Every site has one at least. */
export function siteSizes(seed: number, sites: number, { mean, sizeSkew }: Workload['rows']): readonly number[] {
  if (sizeSkew === undefined) return Array.from({ length: sites }, () => mean)
  const even = Array.from({ length: sites }, () => 1)
  const shares = dirichlet(seededRandom(seed, 'sizes'), sizeSkew, even)
  return shares.map((share) => Math.max(1, Math.round(share * mean * sites)))
}

/** The patients of the site at this place. */
export function patients(seed: number, place: number, count: number, { rows, effects }: Workload): Rows {
  const random = seededRandom(seed, `rows/${place}`)
  const mix = (shares: readonly number[]): readonly number[] =>
    rows.mixSkew === undefined ? shares : dirichlet(random, rows.mixSkew * shares.length, shares)
  const decades = mix(DECADE_SHARES)
  const stages = mix(STAGE_SHARES)
  const treatments = mix(TREATED_SHARES)
  const numbers = () => new Float64Array(count)
  const [age, treated, marker, time, event] = [numbers(), numbers(), numbers(), numbers(), numbers()]
  const stage: string[] = []
  for (let row = 0; row < count; row++) {
    const years = (DECADES[choose(random, decades)] as number) + random.integer(10)
    const level = choose(random, stages)
    const given = choose(random, treatments)
    const risk = (effects.age * (years - 60)) / 10 + effects.stage * level + effects.treated * given
    const happens = random.fraction() < 1 / (1 + Math.exp(-(INTERCEPT + risk)))
    const days = exponential(random, MEAN_TIME_DAYS * Math.exp(-risk))
    age[row] = years
    stage.push(String(level + 1))
    treated[row] = given
    marker[row] = Math.round(1000 * (10 + 0.1 * (years - 60) + risk + 2 * normal(random))) / 1000
    time[row] = Math.max(1, Math.ceil(happens ? Math.min(days, FOLLOW_UP_DAYS) : FOLLOW_UP_DAYS * random.fraction()))
    event[row] = happens ? 1 : 0
  }
  const columns: readonly (readonly [string, Column])[] = [
    ['age', age],
    ['stage', stage],
    ['treated', treated],
    ['marker', marker],
    ['time', time],
    ['event', event],
  ]
  return { count, columns: new Map(columns) }
}
