/**
 * `table`: two factors cross-tabulated, with Pearson's χ² and, of two levels by two, what is in table-tests.ts. Counts are exact.
 * Implements docs/spec/analyses.md, "table". An empty cell is released as 0: it says that nobody is both, which the margins of a
 * small cohort may say about someone.
 */
import { z } from 'zod'
import { checkSites, subsetAllowed, withheldCells } from '../privacy/disclosure.js'
import type { Analysis, DisclosureRules, Rows } from './analysis.js'
import { codesOf, completeFactor, completeFields, factorSchema, levelLabels, levelsOfFactor } from './columns.js'
import { chiSquareTail } from './distributions.js'
import { type Layout, openSum, planOf, vectorOf, zeroVector } from './layout.js'
import { type Fourfold, fisherOfTable, fourfoldTests } from './table-tests.js'

const parametersSchema = z
  .strictObject({ rows: factorSchema, columns: factorSchema })
  .refine(({ rows, columns }) => rows.column !== columns.column, 'rows and columns are the same column')
export type TableParameters = z.infer<typeof parametersSchema>

const countSchema = z.union([z.null(), z.int().min(0)])
const pearsonSchema = z.strictObject({ chisq: z.number(), df: z.int().min(1), smallestExpected: z.number() })
export type PearsonTest = z.infer<typeof pearsonSchema>
export const testSchema = z.union([z.null(), pearsonSchema])
const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  n: z.int().min(0),
  missing: z.int().min(0),
  /** row by row; null if withheld */
  counts: z.array(countSchema),
  rowTotals: z.array(countSchema),
  columnTotals: z.array(countSchema),
  /** null if any cell is withheld, or if the table has only one row or column with anyone in it */
  test: testSchema,
})
type Released = z.infer<typeof releasedSchema>

function layoutOf({ rows, columns }: TableParameters): Layout {
  const [across, down] = [levelLabels(rows), levelLabels(columns)]
  const cells = across.flatMap((row) => down.map((column) => `${row}, ${column}`))
  return { counts: ['missing', ...[...across, ...down].map((level) => `sites with ${level}`), ...cells], sums: [] }
}

function contribute(data: Rows, parameters: TableParameters): Float64Array {
  const layout = layoutOf(parameters)
  const height = levelsOfFactor(parameters.rows).length
  const width = levelsOfFactor(parameters.columns).length
  const rows = codesOf(data, parameters.rows)
  const columns = codesOf(data, parameters.columns)
  const cells = new Array<number>(height * width).fill(0)
  let used = 0
  for (let at = 0; at < data.count; at++) {
    const row = rows[at] as number
    const column = columns[at] as number
    if (row < 0 || column < 0) continue
    used++
    cells[row * width + column] = (cells[row * width + column] as number) + 1
  }
  if (!subsetAllowed(used, [height, width])) return zeroVector(layout)
  const { rowTotals, columnTotals } = marginsOf(cells, width)
  return vectorOf(layout, [
    data.count - used,
    ...[...rowTotals, ...columnTotals].map((sum) => (sum > 0 ? 1 : 0)),
    ...cells,
  ])
}

export const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)

/** Of cells row by row. */
export function marginsOf(cells: readonly number[], width: number): { rowTotals: number[]; columnTotals: number[] } {
  return {
    rowTotals: Array.from({ length: cells.length / width }, (_, row) =>
      total(cells.slice(row * width, (row + 1) * width)),
    ),
    columnTotals: Array.from({ length: width }, (_, column) => total(cells.filter((_, at) => at % width === column))),
  }
}

/** Pearson's χ² of cells row by row. Rows and columns that nobody is in are left out, as if their levels had not been named. */
export function pearson(
  counts: readonly number[],
  rowTotals: readonly number[],
  columnTotals: readonly number[],
): PearsonTest | null {
  const n = total(rowTotals)
  // nobody at all would be a table of −1 by −1
  const [height, width] = [rowTotals, columnTotals].map((totals) => totals.filter((sum) => sum > 0).length - 1)
  if (!height || !width || n === 0) return null
  const df = height * width
  let chisq = 0
  let smallestExpected = n
  rowTotals.forEach((rowTotal, row) => {
    columnTotals.forEach((columnTotal, column) => {
      const expected = (rowTotal * columnTotal) / n
      if (expected === 0) return
      const excess = (counts[row * columnTotals.length + column] as number) - expected
      chisq += (excess * excess) / expected
      smallestExpected = Math.min(smallestExpected, expected)
    })
  })
  return { chisq, df, smallestExpected }
}

type Cells = Pick<Released, 'counts' | 'rowTotals' | 'columnTotals' | 'test'>

/** `sites` with any row of a level, rows first. */
function release(counts: readonly number[], sites: readonly number[], width: number, rules: DisclosureRules): Cells {
  const { rowTotals, columnTotals } = marginsOf(counts, width)
  const levels = [...rowTotals, ...columnTotals].map((rows, at) => ({ rows, sites: sites[at] as number }))
  const withheld = checkSites(levels, rules) === undefined ? withheldCells(counts, width, rules) : undefined
  if (withheld === undefined) {
    return {
      counts: counts.map(() => null),
      rowTotals: rowTotals.map(() => null),
      columnTotals: columnTotals.map(() => null),
      test: null,
    }
  }
  if (withheld.includes(true))
    return { counts: counts.map((count, at) => (withheld[at] ? null : count)), rowTotals, columnTotals, test: null }
  return { counts: [...counts], rowTotals, columnTotals, test: pearson(counts, rowTotals, columnTotals) }
}

/** Undefined if anything is withheld. */
const fisherOf = (counts: readonly (number | null)[], columns: number): number | null =>
  counts.every((count) => count !== null) ? fisherOfTable(counts, columns) : null

function fourfold(counts: readonly (number | null)[]): Fourfold | undefined {
  return counts.includes(null) ? undefined : (counts as Fourfold)
}

export const table: Analysis<TableParameters, never, Released> = {
  name: 'table',
  version: 1,
  method: 'a contingency table with Pearson’s χ² and Fisher’s exact test',
  iterative: false,
  definition: [
    'parameters: rows, columns (factors)',
    'round: contributors; missing (either factor), sites with any row of each level, then the cells row by row',
    'released: n, missing, cells and margins, small cells withheld with three complements each, everything if a level occurs at few sites; Pearson χ² if nothing is withheld',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: ({ rows, columns }) => [rows, columns],
  complete: (written, levelsOf) => {
    const factor = (value: unknown): unknown => completeFactor(value, levelsOf)
    return completeFields(written, { rows: factor, columns: factor })
  },
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine(sum, context) {
    const opened = openSum(layoutOf(context.parameters), sum, context)
    if (opened.kind !== 'reading') return opened
    const { parameters, rules, survivors } = context
    const { contributors } = opened
    const width = levelsOfFactor(parameters.columns).length
    const levels = levelsOfFactor(parameters.rows).length + width
    const [missing = 0, ...rest] = opened.counts
    const counts = rest.slice(levels)
    const cells = release(counts, rest.slice(0, levels), width, rules)
    return {
      kind: 'result',
      released: { contributors, leftOut: survivors - contributors, n: total(counts), missing, ...cells },
    }
  },
  present({ contributors, leftOut, n, missing, counts, rowTotals, columnTotals, test }, { rows, columns }) {
    return {
      rows: levelsOfFactor(rows),
      cols: levelsOfFactor(columns),
      counts_by_row: counts,
      row_totals: rowTotals,
      col_totals: columnTotals,
      n,
      missing,
      withheld: counts.includes(null),
      chisq: test?.chisq ?? null,
      df: test?.df ?? null,
      p: test === null ? null : chiSquareTail(test.chisq, test.df),
      smallest_expected: test?.smallestExpected ?? null,
      ...(counts.length === 4 && levelsOfFactor(rows).length === 2
        ? fourfoldTests(fourfold(counts))
        : { p_fisher: fisherOf(counts, levelsOfFactor(columns).length) }),
      row_factor: rows,
      col_factor: columns,
      contributors,
      sites_left_out: leftOut,
    }
  },
}
