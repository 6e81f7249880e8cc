/**
 * `describe`: how many values a column has, how many are missing, their mean and variance, of everyone and by group. One
 * round: sums are exact enough (layout.ts) to centre after the opening. Implements docs/spec/analyses.md, "describe". A
 * variance of 0 says that all values are equal, and a mean of two values tells each the other's: minimumCell is the limit.
 */
import { z } from 'zod'
import { isSmallCell, MIN_SUBSET_ROWS, subsetAllowed, withheldGroups } from '../privacy/disclosure.js'
import type { Analysis, DisclosureRules, Rows } from './analysis.js'
import {
  codesOf,
  columnOf,
  columnSchema,
  completeFactor,
  completeFields,
  factorSchema,
  levelsOfFactor,
  numbersOf,
} from './columns.js'
import { add, addProduct, zeroSums } from './double-double.js'
import { type Layout, openSum, planOf, quotient, SUM_BITS, vectorOf, zeroVector } from './layout.js'

export const parametersSchema = z.strictObject({
  columns: z
    .array(columnSchema)
    .min(1)
    .max(64)
    .refine((columns) => new Set(columns).size === columns.length, 'a column appears twice'),
  by: factorSchema.optional(),
})
export type DescribeParameters = z.infer<typeof parametersSchema>

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

const groupsOf = ({ by }: DescribeParameters): readonly string[] => (by === undefined ? [] : levelsOfFactor(by))

/** One group at least: everyone. */
const cellCount = (parameters: DescribeParameters): number => Math.max(1, groupsOf(parameters).length)

function layoutOf(parameters: DescribeParameters): Layout {
  const { by, columns } = parameters
  const groups = by === undefined ? [''] : groupsOf(parameters).map((level) => `, ${by.column}=${level}`)
  return {
    counts: [
      'rows',
      ...columns.flatMap((c) => [
        `sites with ${c}`,
        `missing ${c}`,
        ...groups.flatMap((group) => [`n ${c}${group}`, `sites with any ${c}${group}`]),
      ]),
    ],
    sums: columns.flatMap((c) => groups.flatMap((group) => [`Σ ${c}${group}`, `Σ ${c}²${group}`])),
  }
}

function contribute(rows: Rows, parameters: DescribeParameters): Float64Array {
  const { columns, by } = parameters
  const layout = layoutOf(parameters)
  if (!subsetAllowed(rows.count, by === undefined ? [] : [groupsOf(parameters).length])) return zeroVector(layout)
  const codes = by === undefined ? new Int32Array(rows.count) : codesOf(rows, by)
  const cells = cellCount(parameters)
  const sums = zeroSums(layout.sums.length)
  const counts = columns.flatMap((column, at) => {
    const values = numbersOf(rows, column)
    const inGroup = new Array<number>(cells).fill(0)
    let used = 0
    for (let row = 0; row < rows.count; row++) {
      const value = values[row] as number
      const group = codes[row] as number
      if (Number.isNaN(value) || group < 0) continue
      used++
      inGroup[group] = (inGroup[group] as number) + 1
      const slot = 2 * (at * cells + group)
      add(sums, slot, value)
      addProduct(sums, slot + 1, value, value)
    }
    return [used >= MIN_SUBSET_ROWS ? 1 : 0, rows.count - used, ...inGroup.flatMap((n) => [n, n > 0 ? 1 : 0])]
  })
  return vectorOf(layout, [rows.count, ...counts], sums)
}

/** Exact sums of one group of values. */
interface Group {
  readonly n: number
  readonly sum: bigint
  readonly squares: bigint
}

const WITHHELD: Moments = { n: null, mean: null, variance: null }

function momentsOf({ n, sum, squares }: Group, rules: DisclosureRules): Moments {
  if (n === 0 || isSmallCell(n, rules)) return { n, mean: null, variance: null }
  const count = BigInt(n)
  // n·Σx² − (Σx)², exactly, in units of 2^-220
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
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: ({ columns, by }) => [...new Set([...columns, ...(by === undefined ? [] : [columnOf(by)])])],
  complete: (written, levelsOf) =>
    completeFields(written, { by: (by) => (by === undefined ? undefined : completeFactor(by, levelsOf)) }),
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine(sum, context) {
    const { parameters, rules, survivors } = context
    const opened = openSum(layoutOf(parameters), sum, context)
    if (opened.kind !== 'reading') return opened
    const { contributors, counts, sums } = opened
    const cells = cellCount(parameters)
    const columns = parameters.columns.map((_, at): DescribeReleased['columns'][number] => {
      const width = 2 + 2 * cells
      const [sites = 0, missing = 0, ...levels] = counts.slice(1 + at * width, 1 + (at + 1) * width)
      const groups = Array.from({ length: cells }, (_, group): Group => {
        const slot = 2 * (at * cells + group)
        return { n: levels[2 * group] as number, sum: sums[slot] as bigint, squares: sums[slot + 1] as bigint }
      })
      const overall = groups.reduce((a, b) => ({ n: a.n + b.n, sum: a.sum + b.sum, squares: a.squares + b.squares }))
      const named = parameters.by === undefined ? [] : groups
      // counts of the whole cohort are exempt, what they are counts of is not
      if (sites < rules.minimumContributors) {
        return { sites, missing, overall: { ...WITHHELD, n: overall.n }, groups: named.map(() => WITHHELD) }
      }
      const withheld = withheldGroups(
        groups.map(({ n }, g) => ({ rows: n, sites: levels[2 * g + 1] as number })),
        rules,
      )
      return {
        sites,
        missing,
        overall: momentsOf(overall, rules),
        groups: named.map((group, g) => (withheld[g] ? WITHHELD : momentsOf(group, rules))),
      }
    })
    return {
      kind: 'result',
      released: { contributors, leftOut: survivors - contributors, rows: counts[0] as number, columns },
    }
  },
  present({ contributors, leftOut, rows, columns }, parameters) {
    const shown = (moments: Moments): object => ({
      ...moments,
      sd: moments.variance === null ? null : Math.sqrt(moments.variance),
    })
    const groups = groupsOf(parameters)
    const described = parameters.columns.map((name, at): [string, object] => {
      const column = columns[at] as DescribeReleased['columns'][number]
      const byGroup = Object.fromEntries(groups.map((level, g) => [level, shown(column.groups[g] as Moments)]))
      const by = parameters.by === undefined ? {} : { by: byGroup }
      return [name, { ...shown(column.overall), missing: column.missing, sites: column.sites, ...by }]
    })
    return {
      describe: Object.fromEntries(described),
      ...(parameters.by === undefined ? {} : { by: parameters.by }),
      rows,
      contributors,
      sites_left_out: leftOut,
    }
  },
}
