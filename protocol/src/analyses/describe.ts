/**
 * `describe`: how many values a column has, how many are missing, their mean and variance, of everyone and by group. One
 * round: sums are exact enough (layout.ts) to centre after the opening. Implements docs/spec/analyses.md, "describe". A
 * variance of 0 says that all values are equal, and a mean of two values tells each the other's: minimumCell is the limit.
 */
import { z } from 'zod'
import { isSmallCell } from '../privacy/disclosure.js'
import type { Analysis, DisclosureRules } from './analysis.js'
import {
  columnsOfGrouped,
  completeGrouped,
  contributeGrouped,
  type Group,
  type Grouped,
  givesValuesAway,
  groupedLayout,
  groupedSchema,
  openGrouped,
  type Powers,
  presentGrouped,
  releaseColumn,
} from './grouped.js'
import { planOf, quotient, SUM_BITS } from './layout.js'

export type DescribeParameters = Grouped

const momentsSchema = z.strictObject({
  /** null if withheld */
  n: z.union([z.null(), z.int().min(0)]),
  mean: z.union([z.null(), z.number()]),
  /** with n − 1; null also for fewer than two values */
  variance: z.union([z.null(), z.number()]),
})
type Moments = z.infer<typeof momentsSchema>

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  rows: z.int().min(0),
  /** in the order of the parameters */
  columns: z.array(
    z.strictObject({
      sites: z.int().min(0),
      missing: z.int().min(0),
      overall: momentsSchema,
      groups: z.array(momentsSchema),
    }),
  ),
})
export type DescribeReleased = z.infer<typeof releasedSchema>

const POWERS: Powers = { highest: 2 }
const WITHHELD: Moments = { n: null, mean: null, variance: null }

export function momentsOf({ n, sums: [sum = 0n, squares = 0n] }: Group, rules: DisclosureRules): Moments {
  if (n === 0 || isSmallCell(n, rules)) return { n, mean: null, variance: null }
  const count = BigInt(n)
  // n·Σx² − (Σx)², exactly, in units of 2^-260
  const spread = ((count * squares) << BigInt(SUM_BITS)) - sum * sum
  const variance = n < 2 ? null : Math.max(0, quotient(spread, (count * (count - 1n)) << BigInt(2 * SUM_BITS)))
  return { n, mean: quotient(sum, count << BigInt(SUM_BITS)), variance }
}

export const describe: Analysis<DescribeParameters, never, DescribeReleased> = {
  name: 'describe',
  version: 1,
  iterative: false,
  definition: [
    'parameters: columns (numeric), by (a factor, optional)',
    'round: contributors, rows; for each column: sites with at least 3 values, missing (value or group), n and sites with any by group; for each column and group: Σx, Σx²',
    'released: rows; for each column sites, missing, n, mean, variance (n − 1) of everyone and by group, groups that are small or at few sites withheld with a complement',
  ],
  parameters: groupedSchema,
  state: z.never(),
  released: releasedSchema,
  columns: columnsOfGrouped,
  complete: completeGrouped,
  plan: (parameters) => planOf(groupedLayout(parameters, POWERS)),
  contribute: (rows, parameters) => contributeGrouped(rows, parameters, POWERS),
  combine(sum, context) {
    const opened = openGrouped(sum, context, POWERS)
    if (opened.kind !== 'opened') return opened
    const { contributors, rows } = opened
    const columns = opened.columns.map((column) =>
      releaseColumn(column, context, momentsOf, WITHHELD, givesValuesAway(column, context.rules)),
    )
    return {
      kind: 'result',
      released: { contributors, leftOut: context.survivors - contributors, rows, columns },
    }
  },
  present({ contributors, leftOut, rows, columns }, parameters) {
    return {
      describe: presentGrouped(columns, parameters, (moments) => ({
        ...moments,
        sd: moments.variance === null ? null : Math.sqrt(moments.variance),
      })),
      ...(parameters.by === undefined ? {} : { by: parameters.by }),
      rows,
      contributors,
      sites_left_out: leftOut,
    }
  },
}
