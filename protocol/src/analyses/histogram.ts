/**
 * `histogram`: how many values of a column lie in each of the job's bins, below and above them, of everyone and by group.
 * Counts are exact. Implements docs/spec/analyses/histogram.md. Bins are the job's and never the rows'; two jobs with bins
 * that differ a little tell what lies between.
 */
import { z } from 'zod'
import { subsetAllowed, withheldCells, withheldGroups } from '../privacy/disclosure.js'
import { placesOf } from '../privacy/strata.js'
import type { Analysis, DisclosureRules, Rows } from './analysis.js'
import {
  codesOf,
  columnSchema,
  completeFactor,
  completeFields,
  factorSchema,
  levelsOfFactor,
  numbersOf,
} from './columns.js'
import { type Layout, openSum, planOf, vectorOf, zeroVector } from './layout.js'
import { marginsOf, total } from './table.js'

/** With the two outside, as many bins as a factor may have levels. */
const MAX_BREAKS = 39
/** Jobs hold no floats: a number with a fraction is text. */
const breakSchema = z.union([z.int(), z.string().regex(/^-?\d{1,30}\.\d{1,30}$/)])

const parametersSchema = z
  .strictObject({
    column: columnSchema,
    breaks: z
      .array(breakSchema)
      .min(2)
      .max(MAX_BREAKS)
      .refine((breaks) => breaks.every((one, at) => at === 0 || Number(one) > Number(breaks[at - 1])), 'not ascending'),
    by: factorSchema.optional(),
  })
  .refine(({ column, by }) => by?.column !== column, 'the column is its own group')
export type HistogramParameters = z.infer<typeof parametersSchema>

const countSchema = z.union([z.null(), z.int().min(0)])
const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  n: z.int().min(0),
  missing: z.int().min(0),
  /** below the first break, each bin, above the last; null if withheld */
  bins: z.array(countSchema),
  /** empty without `by` */
  groups: z.array(countSchema),
  /** bin by bin, in each a count by group; empty without `by` */
  cells: z.array(countSchema),
})
type Released = z.infer<typeof releasedSchema>

function binNames({ breaks }: HistogramParameters): readonly string[] {
  const last = breaks.length - 1
  const between = breaks.slice(1).map((to, at) => `[${breaks[at]}, ${to}${at + 1 === last ? ']' : ')'}`)
  return [`below ${breaks[0]}`, ...between, `above ${breaks[last]}`]
}

const groupsOf = ({ by }: HistogramParameters): readonly string[] => (by === undefined ? [] : levelsOfFactor(by))

function layoutOf(parameters: HistogramParameters): Layout {
  const { column, by } = parameters
  const bins = binNames(parameters).map((name) => `${column} ${name}`)
  const groups = groupsOf(parameters).map((level) => `${by?.column}=${level}`)
  const cells = by === undefined ? bins : bins.flatMap((bin) => groups.map((group) => `${bin}, ${group}`))
  return { counts: ['missing', ...[...bins, ...groups].map((name) => `sites with ${name}`), ...cells], sums: [] }
}

/** 0 below the first break; a value at a break is in the bin that begins there, at the last in the one that ends. */
function binOf(value: number, breaks: readonly number[]): number {
  if (value === breaks.at(-1)) return breaks.length - 1
  const above = breaks.findIndex((one) => value < one)
  return above < 0 ? breaks.length : above
}

function contribute(rows: Rows, parameters: HistogramParameters): Float64Array {
  const { column, by } = parameters
  const layout = layoutOf(parameters)
  const breaks = parameters.breaks.map(Number)
  const groups = groupsOf(parameters)
  const values = numbersOf(rows, column)
  const codes = by === undefined ? new Int32Array(rows.count) : codesOf(rows, by)
  const width = Math.max(1, groups.length)
  const cells = new Array<number>((breaks.length + 1) * width).fill(0)
  values.forEach((value, row) => {
    const group = codes[row] as number
    if (Number.isNaN(value) || group < 0) return
    const at = binOf(value, breaks) * width + group
    cells[at] = (cells[at] as number) + 1
  })
  const used = total(cells)
  if (!subsetAllowed(used, [breaks.length + 1, groups.length])) return zeroVector(layout)
  const { rowTotals: bins, columnTotals: columns } = marginsOf(cells, width)
  const present = [...bins, ...(by === undefined ? [] : columns)].map((count) => (count > 0 ? 1 : 0))
  return vectorOf(layout, [rows.count - used, ...present, ...cells])
}

/**
 * Which cells to withhold, given that bins and groups are known but for the hidden ones: what is known of those is their
 * sum, so they are one bin and one group of the table that is protected. Undefined if only withholding groups would do.
 */
function withheldInside(
  cells: readonly number[],
  hiddenBins: readonly boolean[],
  hiddenGroups: readonly boolean[],
  rules: DisclosureRules,
): readonly boolean[] | undefined {
  const [rowOf, columnOf] = [placesOf(hiddenBins), placesOf(hiddenGroups)]
  const width = Math.max(...columnOf) + 1
  const merged = new Array<number>((Math.max(...rowOf) + 1) * width).fill(0)
  const placeOf = (at: number): number =>
    (rowOf[Math.floor(at / columnOf.length)] as number) * width + (columnOf[at % columnOf.length] as number)
  cells.forEach((count, at) => {
    merged[placeOf(at)] = (merged[placeOf(at)] as number) + count
  })
  const withheld = withheldCells(merged, width, rules)
  if (withheld === undefined) return undefined
  return cells.map(
    (_, at) =>
      withheld[placeOf(at)] === true ||
      hiddenBins[Math.floor(at / columnOf.length)] === true ||
      hiddenGroups[at % columnOf.length] === true,
  )
}

const without = (counts: readonly number[], hidden: readonly boolean[]): (number | null)[] =>
  counts.map((count, at) => (hidden[at] ? null : count))

/** `sites` with any row of a bin, then of a group. */
function release(
  cells: readonly number[],
  sites: readonly number[],
  groups: number,
  rules: DisclosureRules,
): Pick<Released, 'bins' | 'groups' | 'cells'> {
  const { rowTotals: bins, columnTotals: columns } = marginsOf(cells, Math.max(1, groups))
  const hiddenOf = (counts: readonly number[], from: number): readonly boolean[] =>
    withheldGroups(
      counts.map((rows, at) => ({ rows, sites: sites[from + at] as number })),
      rules,
    )
  const hiddenBins = hiddenOf(bins, 0)
  if (groups === 0) return { bins: without(bins, hiddenBins), groups: [], cells: [] }
  const hiddenGroups = hiddenOf(columns, bins.length)
  const hidden = withheldInside(cells, hiddenBins, hiddenGroups, rules)
  return {
    bins: without(bins, hiddenBins),
    groups: columns.map((count, at) => (hidden === undefined || hiddenGroups[at] ? null : count)),
    cells: cells.map((count, at) => (hidden === undefined || hidden[at] ? null : count)),
  }
}

export const histogram: Analysis<HistogramParameters, never, Released> = {
  name: 'histogram',
  version: 1,
  iterative: false,
  definition: [
    'parameters: column (numeric), breaks (ascending), by (a factor, optional)',
    'round: contributors; missing (value or group), sites with any value in each bin (below the breaks, [a, b), the last closed, above), sites with each group, then the cells bin by bin, in each by group',
    'released: n, missing, counts by bin and by group, small ones and those at few sites withheld with a complement; cells, small ones withheld with three complements each, what is withheld of bins and groups counted as one; groups and cells all withheld if that is not enough',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: ({ column, by }) => [column, ...(by === undefined ? [] : [by])],
  complete: (written, levelsOf) =>
    completeFields(written, { by: (by) => (by === undefined ? undefined : completeFactor(by, levelsOf)) }),
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine(sum, context) {
    const { parameters, rules, survivors } = context
    const opened = openSum(layoutOf(parameters), sum, context)
    if (opened.kind !== 'reading') return opened
    const { contributors } = opened
    const groups = groupsOf(parameters).length
    const margins = parameters.breaks.length + 1 + groups
    const [missing = 0, ...rest] = opened.counts
    const cells = rest.slice(margins)
    return {
      kind: 'result',
      released: {
        contributors,
        leftOut: survivors - contributors,
        n: total(cells),
        missing,
        ...release(cells, rest.slice(0, margins), groups, rules),
      },
    }
  },
  present({ contributors, leftOut, n, missing, bins, groups, cells }, parameters) {
    const { column, breaks, by } = parameters
    const names = binNames(parameters)
    const counted =
      by === undefined
        ? { names, counts: bins }
        : {
            rows: names,
            cols: groupsOf(parameters),
            counts_by_row: cells,
            row_totals: bins,
            col_totals: groups,
            by,
          }
    return {
      ...counted,
      breaks: breaks.map(Number),
      n,
      missing,
      withheld: [...bins, ...groups, ...cells].includes(null),
      column,
      contributors,
      sites_left_out: leftOut,
    }
  },
}
