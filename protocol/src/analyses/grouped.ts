/**
 * Numeric columns cut by a factor, as sums of powers: what `describe` and `moments` sum at a site, and which groups of the
 * opened sum may be released. Implements docs/spec/analyses.md, "describe" and "Disclosure", Groups. Any sum of more than
 * a few powers describes single values of a small group: whoever asks for them raises minimumCell.
 */
import { z } from 'zod'
import { type Level, MIN_SUBSET_ROWS, subsetAllowed, withheldAcross } from '../privacy/disclosure.js'
import { hasSmallValue } from '../privacy/few-values.js'
import type { AnalysisContext, ColumnUse, DisclosureRules, LevelsOf, Rows, Suppression } from './analysis.js'
import {
  codesOf,
  columnSchema,
  completeFactor,
  completeFields,
  factorSchema,
  levelsOfFactor,
  numbersOf,
} from './columns.js'
import { add, addPowers, addProduct, zeroSums } from './double-double.js'
import { type Layout, openSum, SUM_BITS, vectorOf, zeroVector } from './layout.js'

export const groupedSchema = z.strictObject({
  columns: z
    .array(columnSchema)
    .min(1)
    .max(64)
    .refine((columns) => new Set(columns).size === columns.length, 'a column appears twice'),
  by: factorSchema.optional(),
})
export type Grouped = z.infer<typeof groupedSchema>

export const columnsOfGrouped = ({ columns, by }: Grouped): readonly ColumnUse[] => [
  ...columns,
  ...(by === undefined ? [] : [by]),
]

export const completeGrouped = (written: unknown, levelsOf: LevelsOf): unknown =>
  completeFields(written, { by: (by) => (by === undefined ? undefined : completeFactor(by, levelsOf)) })

export const groupsOf = ({ by }: Grouped): readonly string[] => (by === undefined ? [] : levelsOfFactor(by))

/** One group at least: everyone. */
const cellCount = (parameters: Grouped): number => Math.max(1, groupsOf(parameters).length)

const EXPONENTS = ['', '²', '³', '⁴'] as const

/** Which powers are summed, and of what: the values themselves, or z = (x − centre) / scale; null leaves a column out. */
export interface Powers {
  readonly highest: 2 | 4
  readonly shifts?: readonly (Shift | null)[]
}

export interface Shift {
  readonly centre: number
  readonly scale: number
}

export function groupedLayout(parameters: Grouped, { highest, shifts }: Powers): Layout {
  const { by, columns } = parameters
  const groups = by === undefined ? [''] : groupsOf(parameters).map((level) => `, ${by.column}=${level}`)
  const exponents = EXPONENTS.slice(0, highest)
  const symbol = (column: string): string => (shifts === undefined ? column : `z(${column})`)
  return {
    counts: [
      'rows',
      ...columns.flatMap((c) => [
        `sites with ${c}`,
        `missing ${c}`,
        ...groups.flatMap((group) => [`n ${c}${group}`, `sites with any ${c}${group}`]),
      ]),
    ],
    sums: columns.flatMap((c) => groups.flatMap((group) => exponents.map((power) => `Σ ${symbol(c)}${power}${group}`))),
  }
}

export function contributeGrouped(rows: Rows, parameters: Grouped, powers: Powers): Float64Array {
  const { columns, by } = parameters
  const layout = groupedLayout(parameters, powers)
  if (!subsetAllowed(rows.count, by === undefined ? [] : [groupsOf(parameters).length])) return zeroVector(layout)
  const codes = by === undefined ? new Int32Array(rows.count) : codesOf(rows, by)
  const cells = cellCount(parameters)
  const sums = zeroSums(layout.sums.length)
  const counts = columns.flatMap((column, at) => {
    const values = numbersOf(rows, column)
    const shift = powers.shifts === undefined ? undefined : (powers.shifts[at] ?? null)
    const inGroup = new Array<number>(cells).fill(0)
    let used = 0
    for (let row = 0; row < rows.count; row++) {
      const value = values[row] as number
      const group = codes[row] as number
      if (Number.isNaN(value) || group < 0) continue
      used++
      inGroup[group] = (inGroup[group] as number) + 1
      if (shift === null) continue
      const x = shift === undefined ? value : (value - shift.centre) / shift.scale
      const slot = powers.highest * (at * cells + group)
      if (powers.highest === 2) {
        add(sums, slot, x)
        addProduct(sums, slot + 1, x, x)
      } else addPowers(sums, slot, x)
    }
    return [used >= MIN_SUBSET_ROWS ? 1 : 0, rows.count - used, ...inGroup.flatMap((n) => [n, n > 0 ? 1 : 0])]
  })
  return vectorOf(layout, [rows.count, ...counts], sums)
}

/** One group of values, or all: how many, and the exact sums of their powers from the first on. */
export interface Group {
  readonly n: number
  readonly sums: readonly bigint[]
}

/** Two groups as one; the sums of nobody are as many as those of the other. */
const together = (a: Group, b: Group): Group => ({
  n: a.n + b.n,
  sums: b.sums.map((value, k) => value + (a.sums[k] ?? 0n)),
})
const NOBODY: Group = { n: 0, sums: [] }

export interface OpenedColumn {
  readonly sites: number
  readonly missing: number
  readonly groups: readonly (Group & { readonly sites: number })[]
  readonly whole: Group
}

interface OpenedGroups {
  readonly kind: 'opened'
  readonly contributors: number
  readonly rows: number
  /** in the order of the parameters */
  readonly columns: readonly OpenedColumn[]
}

export function openGrouped(
  sum: readonly bigint[],
  context: AnalysisContext<Grouped>,
  powers: Powers,
): OpenedGroups | Suppression {
  const { parameters } = context
  const opened = openSum(groupedLayout(parameters, powers), sum, context)
  if (opened.kind !== 'reading') return opened
  const cells = cellCount(parameters)
  const width = 2 + 2 * cells
  const columns = parameters.columns.map((_, at): OpenedColumn => {
    const [sites = 0, missing = 0, ...levels] = opened.counts.slice(1 + at * width, 1 + (at + 1) * width)
    const groups = Array.from({ length: cells }, (_, group) => {
      const slot = powers.highest * (at * cells + group)
      return {
        n: levels[2 * group] as number,
        sites: levels[2 * group + 1] as number,
        sums: opened.sums.slice(slot, slot + powers.highest),
      }
    })
    const whole = groups.reduce(together, NOBODY)
    return { sites, missing, groups, whole }
  })
  return { kind: 'opened', contributors: opened.contributors, rows: opened.counts[0] as number, columns }
}

/**
 * Whether the first two sums may give away a value that few rows have (privacy/few-values.ts): of everyone, of a group that is
 * released, or of those that are not, which are what the others leave.
 */
export function givesValuesAway(
  { groups, whole }: OpenedColumn,
  small: readonly boolean[],
  rules: DisclosureRules,
): boolean {
  const left = groups.filter((_, g) => small[g]).reduce(together, NOBODY)
  return [whole, left, ...groups.filter((_, g) => !small[g])].some(({ n, sums: [sum = 0n, squares = 0n] }) =>
    hasSmallValue(n, sum, squares, 1n << BigInt(SUM_BITS), rules),
  )
}

export interface ReleasedColumn<M> {
  readonly sites: number
  readonly missing: number
  readonly overall: M
  readonly groups: M[]
}

export const groupSizes = ({ groups }: OpenedColumn): readonly Level[] =>
  groups.map(({ n, sites }) => ({ rows: n, sites }))

/** Of each column which groups are withheld; all of a column with values at too few sites. */
export function hiddenGroups(
  columns: readonly OpenedColumn[],
  rules: DisclosureRules,
): readonly (readonly boolean[])[] {
  const enough = columns.filter(({ sites }) => sites >= rules.minimumContributors)
  const hidden = withheldAcross(enough.map(groupSizes), rules)
  return columns.map((column) => hidden[enough.indexOf(column)] ?? column.groups.map(() => true))
}

/**
 * What of a column is released, `of` a group that may be; `withheld` stands for one that may not, and `small` says which. Of a
 * column that is `kept` back its counts are, and nothing by group.
 */
export function releaseColumn<M extends { readonly n: number | null }>(
  { sites, missing, groups, whole }: OpenedColumn,
  small: readonly boolean[],
  { parameters, rules }: AnalysisContext<Grouped>,
  of: (group: Group, rules: DisclosureRules) => M,
  withheld: M,
  kept = false,
): ReleasedColumn<M> {
  const named = parameters.by === undefined ? [] : groups
  // counts of the whole cohort are exempt, what they are counts of is not
  if (sites < rules.minimumContributors || kept)
    return { sites, missing, overall: { ...withheld, n: whole.n }, groups: named.map(() => withheld) }
  return {
    sites,
    missing,
    overall: of(whole, rules),
    groups: named.map((group, g) => (small[g] ? withheld : of(group, rules))),
  }
}

/** A result by column: of everyone and, if there is a factor, by level. */
export function presentGrouped<M>(
  columns: readonly ReleasedColumn<M>[],
  parameters: Grouped,
  shown: (moments: M) => object,
): Readonly<Record<string, object>> {
  const groups = groupsOf(parameters)
  return Object.fromEntries(
    parameters.columns.map((name, at): [string, object] => {
      const column = columns[at] as ReleasedColumn<M>
      const byGroup = Object.fromEntries(groups.map((level, g) => [level, shown(column.groups[g] as M)]))
      const by = parameters.by === undefined ? {} : { by: byGroup }
      return [name, { ...shown(column.overall), missing: column.missing, sites: column.sites, ...by }]
    }),
  )
}
