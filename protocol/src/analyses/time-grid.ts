/**
 * A public grid of equal intervals over a column of times. Times are rounded *up* to it, so that whoever is at risk in an
 * interval was at risk when it began; what is later than its end is cut off there. Implements docs/spec/analyses/survival.md.
 */
import { z } from 'zod'
import { numberOf, positiveSchema, scaled } from './decimals.js'

/** A curve has no more points: a vector has three words for each and for each group. */
const MAX_INTERVALS = 1000

export const gridSchema = z
  .strictObject({ width: positiveSchema, intervals: z.int().min(1).max(MAX_INTERVALS) })
  .refine(({ width, intervals }) => scaled(width).units * intervals <= Number.MAX_SAFE_INTEGER, 'too many digits')
export type Grid = z.infer<typeof gridSchema>

/**
 * The end of the first `intervals` intervals: the double nearest to the decimal number, as the data's times are, so that a
 * time on the grid is not rounded up to the next point.
 */
export function gridPoint({ width }: Grid, intervals: number): number {
  const { units, places } = scaled(width)
  return (units * intervals) / 10 ** places
}

/** For many times: the interval, from 0, that a time of at least 0 falls in, its end included; `intervals` if it is later than all. */
export function intervalsOf(grid: Grid): (time: number) => number {
  const points = Float64Array.from({ length: grid.intervals + 1 }, (_, at) => gridPoint(grid, at))
  const width = numberOf(grid.width)
  const last = points[grid.intervals] as number
  return (time) => {
    if (time > last) return grid.intervals
    let at = Math.max(0, Math.ceil(time / width) - 1)
    while (at > 0 && time <= (points[at] as number)) at--
    while (time > (points[at + 1] as number)) at++
    return at
  }
}

/** Rows with an event, and censored ones, by interval. */
export function seriesOf(
  intervalOfRow: ArrayLike<number>,
  events: Float64Array,
  intervals: number,
): readonly Float64Array[] {
  const [died, censored] = [new Float64Array(intervals), new Float64Array(intervals)]
  for (let row = 0; row < events.length; row++) {
    const own = events[row] === 1 ? died : censored
    const at = intervalOfRow[row] as number
    own[at] = (own[at] as number) + 1
  }
  return [died, censored]
}

/** By an event or censored. */
export const togetherOf = ([first = [], second = []]: readonly ArrayLike<number>[]): number[] =>
  Array.from(first, (count, at) => count + (second[at] as number))
