/** Synthetic patients from a seed: an age, a treatment, an outcome that depends on both. No relation to any real data. */
import type { DatasetDescription } from '@flamesh/protocol/jobs/dataset.js'
import type { SimulatedSite } from './federation.js'
import { seededRandom } from './kernel/random.js'

export const SYNTHETIC_COLUMNS: DatasetDescription['columns'] = [
  { name: 'age', type: 'integer' },
  { name: 'treated', type: 'integer', levels: ['0', '1'] },
  { name: 'event', type: 'integer', levels: ['0', '1'] },
]

/** Sites `site-1` … with about `rows` patients each. */
export function syntheticSites(seed: number, sites: number, rows: number): readonly SimulatedSite[] {
  return Array.from({ length: sites }, (_, at) => {
    const random = seededRandom(seed, `rows/${at}`)
    const count = Math.max(1, Math.round(rows * (0.5 + random.fraction())))
    const age = Float64Array.from({ length: count }, () => 40 + random.integer(45))
    const treated = Float64Array.from({ length: count }, () => random.integer(2))
    const event = age.map((years, row) => {
      const logit = (years - 62) / 15 - 0.7 * (treated[row] as number)
      return random.fraction() < 1 / (1 + Math.exp(-logit)) ? 1 : 0
    })
    const columns = new Map([
      ['age', age],
      ['treated', treated],
      ['event', event],
    ])
    return { name: `site-${at + 1}`, rows: { count, columns } }
  })
}
