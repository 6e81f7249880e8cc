/**
 * The schema of a dataset as inferred from its rows, and what of it the mesh may know. Implements docs/spec/jobs.md,
 * "Schemas can leak": levels only where they are few, none below five rows unless the operator confirms it, bounds and
 * free text never. It cannot tell that a level is a name: that is why the operator is asked.
 */
import type { ColumnDescription } from '@flamesh/protocol/jobs/dataset.js'
import { MAX_FACTOR_LEVELS } from '@flamesh/protocol/limits.js'
import { type Cell, openCsv } from './csv.js'

export type ColumnType = ColumnDescription['type']

/** More levels than this share of the rows, and a level is close to being a patient. */
const MAX_LEVELS_PER_ROW = 0.33
/** A level with fewer rows is rare: its existence may name someone. */
export const RARE_LEVEL_ROWS = 5
/** The announcement's own bound (protocol/src/jobs/dataset.ts). */
const MAX_LEVEL_LENGTH = 64

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/
const INTEGER = /^[+-]?\d+$/
const DECIMAL_COMMA = /^[+-]?\d+,\d+$/

export interface Level {
  readonly value: string
  readonly rows: number
  readonly rare: boolean
}

/** One column as the site's own operator sees it. */
export interface ProposedColumn {
  readonly name: string
  readonly type: ColumnType
  readonly missing: number
  /** in order: numeric for integers, else by code unit; undefined if there are too many to be levels */
  readonly levels: readonly Level[] | undefined
  /** something the operator should look at */
  readonly note: string | undefined
}

/** What was found in a file, for the operator to confirm. Holds counts and rare levels: it stays at the site. */
export interface Proposal {
  readonly file: string
  readonly rows: number
  readonly columns: readonly ProposedColumn[]
  /** of the file these columns were inferred from */
  readonly fingerprint: string
}

/** What the operator confirmed. `--yes` is the empty confirmation: every level with enough rows, no rare one. */
export interface Confirmation {
  /** publish rare levels too: of every column, or of these */
  readonly rareLevels?: boolean | readonly string[]
  /** publish no level at all of these columns */
  readonly withheld?: readonly string[]
}

/**
 * The number a cell stands for, or undefined if it stands for none. An integer beyond 2^53 is a label: it would lose
 * digits.
 */
export function numberOf(cell: string): number | undefined {
  if (!NUMBER.test(cell)) return undefined
  const value = Number(cell)
  if (!Number.isFinite(value) || (INTEGER.test(cell) && !Number.isSafeInteger(value))) return undefined
  // one zero: a negative one would be a level of its own
  return value === 0 ? 0 : value
}

/** What one pass over a column has to remember: never more than MAX_FACTOR_LEVELS + 1 distinct values. */
class ColumnScan {
  #missing = 0
  #present = 0
  #numeric = true
  #integer = true
  #decimalComma = true
  #distinct: Map<string, number> | undefined = new Map()

  add(cell: Cell): void {
    if (cell === undefined) {
      this.#missing++
      return
    }
    this.#present++
    const value = this.#numeric ? numberOf(cell) : undefined
    if (value === undefined) this.#numeric = false
    else this.#integer &&= Number.isInteger(value)
    this.#decimalComma &&= DECIMAL_COMMA.test(cell)
    this.#count(cell)
  }

  #count(cell: string): void {
    if (this.#distinct === undefined) return
    this.#distinct.set(cell, (this.#distinct.get(cell) ?? 0) + 1)
    // "1" and "1.0" are one level of an integer column, but may be two of another: leave room for both
    if (this.#distinct.size > 2 * MAX_FACTOR_LEVELS || cell.length > MAX_LEVEL_LENGTH) this.#distinct = undefined
  }

  #levels(ordered: boolean, rows: number): Level[] | undefined {
    if (this.#distinct === undefined) return undefined
    const counts = new Map<string, number>()
    for (const [cell, count] of this.#distinct) {
      const value = ordered ? String(Number(cell)) : cell
      counts.set(value, (counts.get(value) ?? 0) + count)
    }
    if (counts.size > MAX_FACTOR_LEVELS || counts.size > MAX_LEVELS_PER_ROW * rows) return undefined
    return [...counts]
      .map(([value, count]) => ({ value, rows: count, rare: count < RARE_LEVEL_ROWS }))
      .sort((a, b) => (ordered ? Number(a.value) - Number(b.value) : a.value < b.value ? -1 : 1))
  }

  result(name: string): ProposedColumn {
    const column = { name, missing: this.#missing, note: undefined }
    const rows = this.#missing + this.#present
    // a column without a single value may be anything; as a number it takes part in every analysis, with no rows
    if (this.#present === 0) return { ...column, type: 'number', levels: undefined, note: 'no row has a value' }
    if (this.#numeric && this.#integer) return { ...column, type: 'integer', levels: this.#levels(true, rows) }
    if (this.#numeric) return { ...column, type: 'number', levels: undefined }
    const note = this.#decimalComma ? 'looks like numbers with a decimal comma: write them with a point' : undefined
    const levels = this.#levels(false, rows)
    if (levels !== undefined) return { ...column, type: 'level', levels, note }
    return {
      ...column,
      type: 'text',
      levels: undefined,
      note: note ?? 'too many different values to be levels: not kept',
    }
  }
}

/** Reads a file once and proposes a schema. Throws what `openCsv` throws. */
export async function proposeSchema(file: string): Promise<Proposal> {
  const { header, records, fingerprint } = await openCsv(file)
  const scans = header.map(() => new ColumnScan())
  let rows = 0
  for await (const cells of records) {
    rows++
    for (const [index, cell] of cells.entries()) scans[index]?.add(cell)
  }
  const columns = header.map((name, index) => (scans[index] as ColumnScan).result(name))
  return { file, rows, columns, fingerprint: fingerprint() }
}

/** What the mesh may know of the columns: names, types, and the levels the operator confirmed. */
export function publishedColumns(
  columns: readonly ProposedColumn[],
  { rareLevels = false, withheld = [] }: Confirmation,
): ColumnDescription[] {
  return columns.map(({ name, type, levels = [] }) => {
    const rare = typeof rareLevels === 'boolean' ? rareLevels : rareLevels.includes(name)
    const published = withheld.includes(name) ? [] : levels.filter((level) => rare || !level.rare)
    return { name, type, ...(published.length === 0 ? {} : { levels: published.map((level) => level.value) }) }
  })
}

/** One significant digit below a hundred rows, two above, never below ten. */
export function roundRows(rows: number): number {
  if (rows < 10) return 10
  const digits = rows < 100 ? 1 : 2
  return Number(rows.toPrecision(digits))
}
