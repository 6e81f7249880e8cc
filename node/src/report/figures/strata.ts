/** Rates by stratum, group beside group, with the exact limits of a Poisson count (as in `rates`). */
import { gammaQuantile } from '@flamesh/protocol/analyses/distributions.js'
import { fixed } from '../text.js'
import { type Fields, isFields } from '../values.js'
import { forest } from './forest.js'
import type { Row } from './intervals.js'
import { columnOf, numberOf, type Shape } from './picture.js'

/** Each tail of a 95 % interval. */
const TAIL = 0.025

export const strata: Shape = (result) => {
  const groups = isFields(result['groups']) ? Object.entries(result['groups']) : []
  const per = numberOf(result['per'])
  const of = (group: unknown): Fields | undefined =>
    isFields(group) && isFields(group['strata']) ? group['strata'] : undefined
  const first = of(groups[0]?.[1])
  if (first === undefined || per === null) return []
  const by = columnOf(result['by'])
  const column = columnOf(result['strata']) ?? 'stratum'
  const rows = Object.keys(first).flatMap((level): readonly Row[] => {
    const heading = { label: `${column} ${level}`, estimate: null, low: null, high: null, said: '' }
    const own = groups.map(([group, one], g) =>
      rateRow(by === undefined ? heading.label : `${by} ${group}`, of(one)?.[level], per, g),
    )
    return by === undefined
      ? own
      : [heading, ...own.map((row) => ({ ...row, full: `${heading.label}, ${row.label}`, indented: true }))]
  })
  const title = `rate per ${fixed(per)} of ${typeof result['time'] === 'string' ? result['time'] : 'time'}`
  return forest({
    id: 'strata',
    title: `Rates by ${column}`,
    rows,
    axis: { title, logarithmic: false },
    numbers: 'rate (95 % interval)',
    alike: true,
    legend: 'Events for so much person-time in each stratum, with exact 95 % limits of a Poisson count.',
  })
}

function rateRow(name: string, cell: unknown, per: number, series: number): Row {
  const [events, time] = isFields(cell) ? [numberOf(cell['events']), numberOf(cell['time'])] : [null, null]
  if (events === null || time === null || time <= 0)
    return { label: name, estimate: null, low: null, high: null, said: 'withheld' }
  return {
    label: name,
    estimate: (events / time) * per,
    low: events === 0 ? 0 : (gammaQuantile(1 - TAIL, events) / time) * per,
    high: (gammaQuantile(TAIL, events + 1) / time) * per,
    series,
  }
}
