/**
 * `feasibility`: how many rows the job's `where` keeps, by the levels of no, one or two factors. Counts are exact or withheld, and
 * nothing below the minimum is told: not even whether there is anybody. Implements docs/spec/analyses/feasibility.md. It does not
 * see other questions: the site's ledger does.
 */
import { z } from 'zod'
import { subsetAllowed, suppressed } from '../privacy/disclosure.js'
import {
  isFew,
  isOfFewSites,
  type SitedStratum,
  type Stratum,
  sumOfStrata,
  withheldByStrata,
} from '../privacy/strata.js'
import type { Analysis, AnalysisContext, Rows } from './analysis.js'
import { codesOf, completeFactor, type Factor, factorSchema, isRecord, levelsOfFactor } from './columns.js'
import { type Layout, openSum, planOf, vectorOf, zeroVector } from './layout.js'
import { total } from './table.js'

const parametersSchema = z.strictObject({
  by: z
    .array(factorSchema)
    .max(2)
    .refine(([a, b]) => a === undefined || b === undefined || a.column < b.column, {
      message: 'are two different columns, in the order of their names',
    }),
})
export type FeasibilityParameters = z.infer<typeof parametersSchema>

const countSchema = z.union([z.null(), z.int().min(0)])
const countsSchema = z.array(countSchema)
const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  /** fewer rows than these are not told apart from none */
  minimum: z.int().min(1),
  /** null: of all rows at the contributing sites all but fewer than the minimum, or none, are kept */
  n: countSchema,
  /** row by row, each factor's rest last; null if withheld; empty without a factor */
  cells: countsSchema,
  /** of two factors; empty otherwise */
  rowTotals: countsSchema,
  columnTotals: countsSchema,
})
type Released = z.infer<typeof releasedSchema>

/** Rows without a value, with another level, or of a site that has too few rows for so many levels. */
const REST = 'other or none'

const strataOf = (factor: Factor | undefined): readonly string[] =>
  factor === undefined ? [] : [...levelsOfFactor(factor), REST]

const named = (factor: Factor): readonly string[] =>
  strataOf(factor).map((level) =>
    'is' in factor && level !== REST ? `(${factor.column}=${factor.is})=${level}` : `${factor.column}=${level}`,
  )

interface Shape {
  readonly height: number
  readonly width: number
}

const shapeOf = ({ by: [rows, columns] }: FeasibilityParameters): Shape => ({
  height: Math.max(1, strataOf(rows).length),
  width: Math.max(1, strataOf(columns).length),
})

function layoutOf({ by }: FeasibilityParameters): Layout {
  const [rows = [], columns = []] = by.map(named)
  const cells =
    rows.length === 0 ? [''] : columns.length === 0 ? rows : rows.flatMap((a) => columns.map((b) => `${a}, ${b}`))
  const levels = [...rows, ...columns]
  const slot = (what: string) => (name: string) => (name === '' ? what : `${what} with ${name}`)
  return {
    counts: [
      'sites with other rows',
      ...levels.map((level) => `sites with ${level}`),
      ...levels.map((level) => `sites with other rows with ${level}`),
      ...cells.map(slot('rows')),
      ...cells.map(slot('other rows')),
    ],
    sums: [],
  }
}

/** Cell by cell; all in the last one if the site has too few rows for the levels. */
function cellsOf(rows: Rows, { by }: FeasibilityParameters, { height, width }: Shape, divided: boolean): number[] {
  const places = new Int32Array(rows.count)
  for (const factor of by) {
    const rest = levelsOfFactor(factor).length
    const codes = codesOf(rows, factor)
    for (let row = 0; row < rows.count; row++) {
      const code = codes[row] as number
      places[row] = (places[row] as number) * (rest + 1) + (divided && code >= 0 ? code : rest)
    }
  }
  const cells = new Array<number>(height * width).fill(0)
  for (let row = 0; row < rows.count; row++) {
    const at = places[row] as number
    cells[at] = (cells[at] as number) + 1
  }
  return cells
}

const rowSums = <T>(cells: readonly T[], width: number, sum: (part: readonly T[]) => T): T[] =>
  Array.from({ length: cells.length / width }, (_, row) => sum(cells.slice(row * width, (row + 1) * width)))
const columnSums = <T>(cells: readonly T[], width: number, sum: (part: readonly T[]) => T): T[] =>
  Array.from({ length: width }, (_, column) => sum(cells.filter((_, at) => at % width === column)))

/** Of the factors there are, the sums of cells by level. */
function marginsOf<T>(cells: readonly T[], by: readonly Factor[], width: number, sum: (part: readonly T[]) => T): T[] {
  if (by.length === 0) return []
  return [...rowSums(cells, width, sum), ...(by.length === 1 ? [] : columnSums(cells, width, sum))]
}

function contribute(rows: Rows, parameters: FeasibilityParameters): Float64Array {
  const layout = layoutOf(parameters)
  if (!subsetAllowed(rows.count, [])) return zeroVector(layout)
  const { by } = parameters
  const shape = shapeOf(parameters)
  const divided = subsetAllowed(
    rows.count,
    by.map((factor) => levelsOfFactor(factor).length),
  )
  const kept = cellsOf(rows, parameters, shape, divided)
  const { others: rest } = rows
  const others = rest === undefined ? kept.map(() => 0) : cellsOf(rest, parameters, shape, divided)
  const anyOf = (cells: readonly number[]): number[] =>
    marginsOf(cells, by, shape.width, total).map((count) => (count > 0 ? 1 : 0))
  return vectorOf(layout, [total(others) > 0 ? 1 : 0, ...anyOf(kept), ...anyOf(others), ...kept, ...others])
}

interface Opened {
  readonly whole: SitedStratum
  readonly cells: readonly Stratum[]
  readonly rows: readonly SitedStratum[]
  readonly columns: readonly SitedStratum[]
}

function readStrata(
  counts: readonly number[],
  contributors: number,
  { parameters, everyRow = false }: AnalysisContext<FeasibilityParameters>,
): Opened {
  const { by } = parameters
  const { height, width } = shapeOf(parameters)
  const levels = marginsOf(new Array<number>(height * width).fill(0), by, width, total).length
  const [othersSites = 0, ...rest] = counts
  const first = 2 * levels
  const cells = Array.from({ length: height * width }, (_, at) => ({
    kept: rest[first + at] as number,
    others: everyRow ? Number.POSITIVE_INFINITY : (rest[first + height * width + at] as number),
  }))
  const sited = marginsOf(cells, by, width, sumOfStrata).map((level, at) => ({
    ...level,
    keptSites: rest[at] as number,
    othersSites: rest[levels + at] as number,
  }))
  return {
    whole: { ...sumOfStrata(cells), keptSites: contributors, othersSites },
    cells,
    rows: sited.slice(0, by.length === 0 ? 0 : height),
    columns: sited.slice(height),
  }
}

type Counts = Pick<Released, 'n' | 'cells' | 'rowTotals' | 'columnTotals'>

function release({ whole, cells, rows, columns }: Opened, context: AnalysisContext<FeasibilityParameters>): Counts {
  const { rules, parameters } = context
  const factors = parameters.by.length
  const isTold = !isFew(whole, rules) && !isOfFewSites(whole, rules)
  const withheld = isTold && factors > 0 ? withheldByStrata(cells, rows, columns, rules) : undefined
  const told = (strata: readonly Stratum[], hidden: readonly boolean[] | undefined): (number | null)[] =>
    strata.map(({ kept }, at) => (hidden === undefined || hidden[at] ? null : kept))
  return {
    n: isTold ? whole.kept : null,
    cells: factors === 0 ? [] : told(cells, withheld?.cells),
    rowTotals: factors === 2 ? told(rows, withheld?.rows) : [],
    columnTotals: factors === 2 ? told(columns, withheld?.columns) : [],
  }
}

export const feasibility: Analysis<FeasibilityParameters, never, Released> = {
  name: 'feasibility',
  version: 1,
  method: 'a count of rows, none shown below the minimum',
  iterative: false,
  definition: [
    'parameters: by (up to two factors, ordered by column)',
    'round: contributors (sites with at least 3 rows kept); sites with other rows, that is rows that where does not keep; sites with each level, then sites with other rows of each level; the rows cell by cell, then the other rows; a level more for each factor, of rows without an agreed level, and of all rows of a site with too few for the levels',
    'released: n, unless all rows but fewer than the minimum are kept; nothing if n is below the minimum, none included; cells and margins, those of too few rows, of all but too few or of few sites withheld with others, none counted as too few',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  others: true,
  columns: ({ by }) => by,
  complete(written, levelsOf) {
    if (!isRecord(written)) return written
    const { by = [] } = written
    const factors = (Array.isArray(by) ? by : [by]).map((one: unknown) => completeFactor(one, levelsOf))
    const columnOf = (factor: unknown): string => (isRecord(factor) ? String(factor['column']) : '')
    return { ...written, by: factors.sort((a, b) => (columnOf(a) < columnOf(b) ? -1 : 1)) }
  },
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine(sum, context) {
    const opened = openSum(layoutOf(context.parameters), sum, context)
    if (opened.kind !== 'reading') return opened
    const { contributors } = opened
    const { minimumCell: minimum } = context.rules
    const strata = readStrata(opened.counts, contributors, context)
    // the same end as with too few contributors: which of the two it was would tell something of the count
    if (strata.whole.kept < minimum) return suppressed('too-few-contributors', 'too few sites had enough rows')
    return {
      kind: 'result',
      released: { contributors, leftOut: context.survivors - contributors, minimum, ...release(strata, context) },
    }
  },
  present({ contributors, leftOut, minimum, n, cells, rowTotals, columnTotals }, { by }) {
    const [rows, columns] = by
    const strata =
      rows === undefined
        ? {}
        : columns === undefined
          ? { names: strataOf(rows), counts: cells }
          : {
              rows: strataOf(rows),
              cols: strataOf(columns),
              counts_by_row: cells,
              row_totals: rowTotals,
              col_totals: columnTotals,
            }
    return {
      ...strata,
      n,
      minimum,
      withheld: n === null || cells.includes(null),
      ...(rows === undefined ? {} : { row_factor: rows }),
      ...(columns === undefined ? {} : { col_factor: columns }),
      contributors,
      sites_left_out: leftOut,
    }
  },
}
