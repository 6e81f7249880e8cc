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

/** The interval, from 0, that a time of at least 0 falls in, its end included; `intervals` if it is later than all. */
export function intervalOf(grid: Grid, time: number): number {
  if (time > gridPoint(grid, grid.intervals)) return grid.intervals
  let at = Math.max(0, Math.ceil(time / numberOf(grid.width)) - 1)
  while (at > 0 && time <= gridPoint(grid, at)) at--
  while (time > gridPoint(grid, at + 1)) at++
  return at
}
