/**
 * `table1`: the baseline table of a report in one round. Numeric columns as `describe … by` sums them, factors counted by group,
 * with standardised mean differences and a p value for each. Implements docs/spec/analyses/table1.md. It looks at one column at a
 * time: what two columns say together about a group that is small in both is not looked at.
 */
import { z } from 'zod'
import { type Level, subsetAllowed, withheldAcross, withheldGroups, withheldInside } from '../privacy/disclosure.js'
import type { Analysis, AnalysisContext, DisclosureRules, Outcome, Rows } from './analysis.js'
import {
  codesOf,
  columnOf,
  columnSchema,
  completeFactor,
  completeFields,
  type Factor,
  factorSchema,
  levelLabels,
  levelsOfFactor,
} from './columns.js'
import { momentsOf, momentsSchema, WITHHELD } from './describe.js'
import {
  contributeGrouped,
  givesValuesAway,
  groupedLayout,
  groupSizes,
  groupsOf,
  openGrouped,
  type Powers,
  presentGrouped,
  releaseColumn,
} from './grouped.js'
import { without } from './histogram.js'
import { type Layout, openSum, planOf, vectorOf, zeroVector } from './layout.js'
import { marginsOf, pearson, testSchema, total } from './table.js'
import { comparisonOf, comparisonOfCounts } from './table1-tests.js'

const MAX_VARIABLES = 64

const parametersSchema = z
  .strictObject({
    columns: z.array(columnSchema).max(MAX_VARIABLES),
    factors: z.array(factorSchema).max(MAX_VARIABLES),
    by: factorSchema.optional(),
  })
  .refine(({ columns, factors }) => columns.length + factors.length > 0, 'there is nothing to describe')
  .refine(({ columns, factors, by }) => {
    const names = [...columns, ...factors.map(columnOf), ...(by === undefined ? [] : [by.column])]
    return new Set(names).size === names.length
  }, 'a column appears twice')
export type Table1Parameters = z.infer<typeof parametersSchema>

const countSchema = z.union([z.null(), z.int().min(0)])
const releasedFactorSchema = z.strictObject({
  missing: z.int().min(0),
  /** null if withheld, as everywhere below */
  levels: z.array(countSchema),
  /** rows that have a level, by group; empty without `by`, as `cells` */
  groups: z.array(countSchema),
  /** level by level, in each a count by group */
  cells: z.array(countSchema),
  test: testSchema,
})
export type ReleasedFactor = z.infer<typeof releasedFactorSchema>

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  rows: z.int().min(0),
  /** rows by group; empty without `by` */
  groups: z.array(countSchema),
  columns: z.array(
    z.strictObject({
      sites: z.int().min(0),
      missing: z.int().min(0),
      overall: momentsSchema,
      groups: z.array(momentsSchema),
    }),
  ),
  factors: z.array(releasedFactorSchema),
})
type Released = z.infer<typeof releasedSchema>

const POWERS: Powers = { highest: 2 }

/** Counts of a factor: missing, sites with each level, sites with each group, cells. */
function factorCounts(factor: Factor, groups: readonly string[]): readonly string[] {
  const levels = levelLabels(factor)
  const cells = groups.length === 0 ? levels : levels.flatMap((level) => groups.map((group) => `${level}, ${group}`))
  return [
    `missing ${factor.column}`,
    ...levels.map((level) => `sites with ${level}`),
    ...groups.map((group) => `sites with any ${factor.column}, ${group}`),
    ...cells,
  ]
}

const labelsOf = ({ by }: Table1Parameters): readonly string[] => (by === undefined ? [] : levelLabels(by))

/** Counts of the groups and of the factors, before those of the numeric columns. */
function ownCounts(parameters: Table1Parameters): readonly string[] {
  const groups = labelsOf(parameters)
  return [
    ...groups,
    ...groups.map((group) => `sites with ${group}`),
    ...parameters.factors.flatMap((factor) => factorCounts(factor, groups)),
  ]
}

function layoutOf(parameters: Table1Parameters): Layout {
  const { counts, sums } = groupedLayout(parameters, POWERS)
  return { counts: [...ownCounts(parameters), ...counts], sums }
}

const presence = (counts: readonly number[]): readonly number[] => counts.map((count) => (count > 0 ? 1 : 0))

function contribute(rows: Rows, parameters: Table1Parameters): Float64Array {
  const { factors, by } = parameters
  const layout = layoutOf(parameters)
  const groups = groupsOf(parameters).length
  if (!subsetAllowed(rows.count, [groups, ...factors.map((factor) => levelsOfFactor(factor).length)])) {
    return zeroVector(layout)
  }
  const group = by === undefined ? new Int32Array(rows.count) : codesOf(rows, by)
  const width = Math.max(1, groups)
  const sizes = new Array<number>(groups).fill(0)
  if (groups > 0) for (const code of group) if (code >= 0) sizes[code] = (sizes[code] as number) + 1
  const counted = factors.flatMap((factor) => {
    const cells = new Array<number>(levelsOfFactor(factor).length * width).fill(0)
    codesOf(rows, factor).forEach((code, row) => {
      const at = code * width + (group[row] as number)
      if (code >= 0 && (group[row] as number) >= 0) cells[at] = (cells[at] as number) + 1
    })
    const { rowTotals, columnTotals } = marginsOf(cells, width)
    const inGroups = groups === 0 ? [] : columnTotals
    return [rows.count - total(cells), ...presence([...rowTotals, ...inGroups]), ...cells]
  })
  const vector = vectorOf(layout, [...sizes, ...presence(sizes), ...counted])
  const numeric = contributeGrouped(rows, parameters, POWERS)
  vector.set(numeric.subarray(1), vector.length - numeric.length + 1)
  return vector
}

interface Counted {
  readonly missing: number
  readonly cells: readonly number[]
  readonly levels: readonly Level[]
  readonly groups: readonly Level[]
}

/** Counts in the order of `factorCounts`. */
function countedOf(counts: readonly number[], levels: number, groups: number): Counted {
  const [missing = 0, ...rest] = counts
  const cells = rest.slice(levels + groups)
  const { rowTotals, columnTotals } = marginsOf(cells, Math.max(1, groups))
  const levelOf = (rows: number, sites: number | undefined): Level => ({ rows, sites: sites as number })
  return {
    missing,
    cells,
    levels: rowTotals.map((rows, at) => levelOf(rows, rest[at])),
    groups: groups === 0 ? [] : columnTotals.map((rows, at) => levelOf(rows, rest[levels + at])),
  }
}

/** Groups are known from the first line of the table, so if their margins and those of the levels tell a cell, the levels go. */
function releaseFactor(
  { missing, cells, levels, groups }: Counted,
  hiddenGroups: readonly boolean[],
  rules: DisclosureRules,
): ReleasedFactor {
  const counts = levels.map(({ rows }) => rows)
  const sizes = groups.map(({ rows }) => rows)
  const hiddenLevels = withheldGroups(levels, rules)
  if (groups.length === 0) return { missing, levels: without(counts, hiddenLevels), groups: [], cells: [], test: null }
  const hidden = withheldInside(cells, hiddenLevels, hiddenGroups, rules)
  const all = (list: readonly unknown[]): null[] => list.map(() => null)
  if (hidden === undefined) return { missing, levels: all(levels), groups: all(groups), cells: all(cells), test: null }
  return {
    missing,
    levels: without(counts, hiddenLevels),
    groups: without(sizes, hiddenGroups),
    cells: without(cells, hidden),
    test: hidden.includes(true) ? null : pearson(cells, counts, sizes),
  }
}

function combine(sum: readonly bigint[], context: AnalysisContext<Table1Parameters>): Outcome<never, Released> {
  const { parameters, rules, survivors } = context
  const opened = openSum(layoutOf(parameters), sum, context)
  if (opened.kind !== 'reading') return opened
  const own = ownCounts(parameters).length
  const numeric = openGrouped([sum[0] as bigint, ...sum.slice(1 + own)], context, POWERS)
  if (numeric.kind !== 'opened') return numeric
  const groups = groupsOf(parameters).length
  const header = Array.from({ length: groups }, (_, at) => ({
    rows: opened.counts[at] as number,
    sites: opened.counts[groups + at] as number,
  }))
  let from = 2 * groups
  const factors = parameters.factors.map((factor) => {
    const levels = levelsOfFactor(factor).length
    const width = factorCounts(factor, labelsOf(parameters)).length
    from += width
    return countedOf(opened.counts.slice(from - width, from), levels, groups)
  })
  const enough = numeric.columns.filter(({ sites }) => sites >= rules.minimumContributors)
  const hidden = withheldAcross([header, ...enough.map(groupSizes), ...factors.map((one) => one.groups)], rules)
  const { contributors } = opened
  return {
    kind: 'result',
    released: {
      contributors,
      leftOut: survivors - contributors,
      rows: numeric.rows,
      groups: without(
        header.map(({ rows }) => rows),
        hidden[0] ?? [],
      ),
      columns: numeric.columns.map((column) => {
        const small = hidden[1 + enough.indexOf(column)] ?? []
        return releaseColumn(column, small, context, momentsOf, WITHHELD, givesValuesAway(column, small, rules))
      }),
      factors: factors.map((one, at) => releaseFactor(one, hidden[1 + enough.length + at] ?? [], rules)),
    },
  }
}

const percentOf = (count: number | null, of: number | null): number | null =>
  count === null || of === null || of === 0 ? null : (100 * count) / of

function present(released: Released, parameters: Table1Parameters): Record<string, unknown> {
  const { contributors, leftOut, rows, groups, columns, factors } = released
  const { by } = parameters
  const names = groupsOf(parameters)
  const width = names.length
  const described = presentGrouped(columns, parameters, (moments) => ({
    ...moments,
    sd: moments.variance === null ? null : Math.sqrt(moments.variance),
  }))
  const factorsOf = <T>(shown: (factor: ReleasedFactor, level: number) => T): Record<string, Record<string, T>> =>
    Object.fromEntries(
      parameters.factors.map((factor, at): [string, Record<string, T>] => [
        factor.column,
        Object.fromEntries(
          levelsOfFactor(factor).map((level, which) => [level, shown(factors[at] as ReleasedFactor, which)]),
        ),
      ]),
    )
  const whole = factorsOf(({ levels, missing }, level) => {
    const n = levels[level] as number | null
    return { n, percent: percentOf(n, rows - missing) }
  })
  const byGroup = factorsOf(({ cells, groups: sizes }, level) =>
    Object.fromEntries(
      names.map((name, group) => {
        const n = cells[level * width + group] as number | null
        return [name, { n, percent: percentOf(n, sizes[group] as number | null) }]
      }),
    ),
  )
  const comparison = Object.fromEntries([
    ...parameters.columns.map((name, at) => [name, comparisonOf(columns[at]?.groups ?? [])]),
    ...parameters.factors.map(({ column }, at) => {
      const { cells, test } = factors[at] as ReleasedFactor
      return [column, comparisonOfCounts(cells, width, test)]
    }),
  ])
  const missing = Object.fromEntries(
    parameters.factors.map(({ column }, at) => [column, (factors[at] as ReleasedFactor).missing]),
  )
  return {
    ...(parameters.columns.length === 0 ? {} : { describe: described }),
    ...(parameters.factors.length === 0 ? {} : { factors: whole, factors_missing: missing }),
    ...(by === undefined
      ? {}
      : {
          ...(parameters.factors.length === 0 ? {} : { factors_by: byGroup }),
          comparison,
          groups: Object.fromEntries(names.map((name, at) => [name, groups[at]])),
          by,
        }),
    rows,
    contributors,
    sites_left_out: leftOut,
  }
}

export const table1: Analysis<Table1Parameters, never, Released> = {
  name: 'table1',
  version: 1,
  method: 'a baseline table: means with standard deviations, counts with percentages, and tests between groups',
  iterative: false,
  definition: [
    'parameters: columns (numeric), factors, by (a factor, optional)',
    'round: contributors; rows by group and sites with each; for each factor missing (level or group), sites with each level, sites with any level by group, cells level by level, in each by group; then as describe version 1 of the columns by the same factor',
    'released: rows by group; columns as describe version 1; for each factor missing, counts by level and by group, cells; groups that are small or at few sites withheld in each with one complement for all, levels likewise, cells as in histogram; all of a factor if that is not enough; Pearson χ² of a factor of which nothing is withheld',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: ({ columns, factors, by }) => [...columns, ...factors, ...(by === undefined ? [] : [by])],
  complete: (written, levelsOf) =>
    completeFields(written, {
      columns: (columns) => columns ?? [],
      factors: (factors) =>
        Array.isArray(factors) ? factors.map((factor) => completeFactor(factor, levelsOf)) : (factors ?? []),
      by: (by) => (by === undefined ? undefined : completeFactor(by, levelsOf)),
    }),
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine,
  present,
}
