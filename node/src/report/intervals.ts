/** As a paper has them: an estimate and both ends of its interval in one column. */
import type { ResultColumn, ResultTable, Value } from './result-table.js'
import { placesOf, shortNumber, withInterval } from './text.js'
import { labelOf } from './words.js'

/** Names of the ends, with what they are of in the first group. */
const ENDS: readonly (readonly [low: RegExp, high: string])[] = [
  [/^(.*_)?ci_low$/, 'ci_high'],
  [/^(.+_)low$/, 'high'],
  [/^(.+_)lower$/, 'upper'],
  [/^()lower$/, 'upper'],
]
/** What `ci_low` or `lower` without more is of; of a quantile `lower` is a bound. */
const ESTIMATES = ['coef', 'r', 'estimate', 'difference', 'surv']

interface Interval {
  readonly low: string
  readonly high: string
  /** undefined: the interval stands by itself, as a prediction */
  readonly estimate: string | undefined
}

export function intervalsOf(names: readonly string[]): readonly Interval[] {
  return names.flatMap((low): Interval[] => {
    const end = ENDS.find(([pattern]) => pattern.test(low))
    const of = end?.[0].exec(low)?.[1] ?? ''
    const high = `${of}${end?.[1]}`
    const named = of.replace(/_$/, '')
    const estimate = (named === '' ? ESTIMATES : [named]).find((name) => names.includes(name))
    if (end === undefined || !names.includes(high) || (low === 'lower' && estimate === undefined)) return []
    return [{ low, high, estimate }]
  })
}

const finite = (value: Value): number | null => (typeof value === 'number' ? value : null)

/** One digit more than a picture has, where that is few. */
export function intervalText(estimate: number | null, low: number | null, high: number | null): string {
  const places = placesOf([estimate, low, high])
  return withInterval(estimate, low, high, places === 1 || places === 2 ? places + 1 : places)
}

function cellOf(row: readonly Value[], at: readonly number[]): Value {
  const [own, low, high] = at.map((i) => (i < 0 ? undefined : row[i]))
  if (at[0] === -1) {
    const [from, to] = [finite(low), finite(high)]
    return from === null || to === null ? low : `${shortNumber(from)} to ${shortNumber(to)}`
  }
  return typeof own === 'number' && low !== undefined ? intervalText(own, finite(low), finite(high)) : own
}

/** `titled` is what a column is called. */
export function withIntervals(table: ResultTable, titled: (column: ResultColumn) => string): ResultTable {
  const names = table.columns.map(({ name }) => name)
  const found = intervalsOf(names)
  const inside = new Set(found.flatMap(({ low, high, estimate }) => (estimate === undefined ? [high] : [low, high])))
  const kept = table.columns.flatMap((column): { column: ResultColumn; at: readonly number[] }[] => {
    if (inside.has(column.name)) return []
    const title = titled(column)
    const own = found.find(({ low, estimate }) => column.name === (estimate ?? low))
    if (own === undefined) return [{ column: { ...column, title }, at: [names.indexOf(column.name)] }]
    const alone = own.estimate === undefined
    const said = alone
      ? `${labelOf(column.name.replace(/_?(ci_)?low(er)?$/, ''))} interval`.trim()
      : `${title}\n(95 % interval)`
    const at = [alone ? -1 : names.indexOf(column.name), names.indexOf(own.low), names.indexOf(own.high)]
    return [{ column: { ...column, kind: 'interval', title: said }, at }]
  })
  return {
    ...table,
    columns: kept.map(({ column }) => column),
    rows: table.rows.map((row) => kept.map(({ at }) => (at.length === 1 ? row[at[0] as number] : cellOf(row, at)))),
  }
}
