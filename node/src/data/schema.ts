/**
 * The schema of a dataset as declared and inferred from its rows, and what of it the mesh may know. Implements
 * docs/spec/jobs.md, "Schemas can leak": levels only where they are few, none below five rows unless the operator
 * confirms it, bounds and free text never. It cannot tell that a level is a name: that is why the operator is asked.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { ColumnDescription } from '@flamesh/protocol/jobs/dataset.js'
import { ColumnScan } from './column-scan.js'
import type { CsvRecord, Separator } from './csv.js'
import { type Declaration, declaredColumn, declaredDerive } from './declaration.js'
import { compileDerive, deriveText, Underivable } from './derive.js'
import type { Encoding } from './encoding.js'
import type { ProposedColumn } from './proposed-column.js'
import { checkedDeclaration, csvTable, declared, type Found, guessed, labelColumns, type Table } from './table.js'
import { type Decimal, MISSING_TOKENS, readerOf, type Thousands, type Value } from './values.js'

/** How the file was read. */
export interface FileForm {
  readonly encoding: Found<Encoding>
  readonly separator: Found<Separator>
  readonly decimal: Found<Decimal>
  readonly thousands: Found<Thousands | null>
  readonly missing: Found<readonly string[]>
}

/** What was found in a file, for the operator to confirm. Holds counts and rare levels: it stays at the site. */
export interface Proposal {
  readonly table: Table
  readonly rows: number
  /** what was declared */
  readonly declaration: Declaration
  /** undefined: of a source, whose columns have types */
  readonly form: FileForm | undefined
  /** the columns of the file, in its order */
  readonly sources: readonly ProposedColumn[]
  /** the columns of the dataset: those of the file that are kept, and the derived ones */
  readonly columns: readonly ProposedColumn[]
  /** lines without anything, which are no rows */
  readonly blankLines: number
  /** rows without a single value, which are rows all the same; the line of the first, if there are any */
  readonly emptyRows: { readonly rows: number; readonly firstLine: number | null }
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

function foundDecimal(separator: Separator, scans: readonly ColumnScan[]): Found<Decimal> {
  const evidence = scans.map((scan) => scan.evidence())
  const columnsWith = (sign: keyof (typeof evidence)[number]): readonly string[] =>
    scans.filter((_, index) => evidence[index]?.[sign]).map(({ name }) => name)
  const [commas, points] = [columnsWith('comma'), columnsWith('point')]
  if (commas.length === 0) return guessed('.', points.length === 0 ? 'no column has a fraction' : `as in ${points[0]}`)
  if (points.length > 0) return guessed('.', `as in ${points[0]}, but ${commas[0]} has commas`)
  if (separator === ',') return guessed('.', 'the comma separates fields')
  return guessed(',', `as in ${commas[0]}`)
}

/**
 * Reads a CSV file, or another table, once and proposes a schema. Throws what `openCsv` throws, `declaration-invalid`,
 * `csv-value` with line or row and column, and `too-many-levels`.
 */
export async function proposeSchema(given: string | Table, declaration: Declaration = {}): Promise<Proposal> {
  const table = typeof given === 'string' ? await csvTable(given, declaration) : given
  const { header, batches, blankLines, fingerprint } = await table.open()
  const holds = checkedDeclaration(table, declaration, header)
  const labels = labelColumns(table, declaration)
  const scans = header.map((name) => new ColumnScan(name, table, holds, labels.has(name)))
  let rows = 0
  let emptyRows = 0
  let firstLine: number | null = null
  for await (const batch of batches) {
    for (const { line, cells } of batch) {
      rows++
      let present = false
      for (const [index, scan] of scans.entries()) present = scan.add(cells[index] as string, line) || present
      if (present) continue
      emptyRows++
      firstLine ??= line
    }
  }
  const decimal =
    table.form === undefined || holds.decimal !== undefined
      ? declared(holds.decimal ?? '.')
      : foundDecimal(table.form.separator.value, scans)
  const sources = scans.map((scan) => scan.result(decimal.value))
  const { derive = {} } = declaration
  const isKept = ({ name }: ProposedColumn): boolean =>
    declaredColumn(declaration, name).keep !== false && declaredDerive(declaration, name) === undefined
  return {
    table,
    rows,
    declaration,
    form: table.form && {
      ...table.form,
      decimal,
      thousands:
        declaration.thousands === undefined ? guessed(null, 'only if declared') : declared(declaration.thousands),
      missing: declaration.missing === undefined ? guessed(MISSING_TOKENS, 'the usual') : declared(declaration.missing),
    },
    sources,
    columns: [...sources.filter(isKept), ...(await derivedColumns(table, derive, sources))],
    blankLines: blankLines(),
    emptyRows: { rows: emptyRows, firstLine },
    fingerprint: fingerprint(),
  }
}

/** A row of values, one for each column; undefined where there is none. */
export type ValueRow = readonly Value[]

/** The values of the file's own columns, as proposed. A cell that fits no longer is given as it stands. */
function rowReader(sources: readonly ProposedColumn[]): (record: CsvRecord) => ValueRow {
  const readers = sources.map(({ reading, missingAs }) => {
    const read = readerOf(reading)
    const missing = new Set(Object.keys(missingAs))
    return (cell: string): Value => (missing.has(cell) ? undefined : (read(cell) ?? cell))
  })
  return ({ cells }) => readers.map((read, index) => read(cells[index] as string))
}

/** Reads the file once more, if there is something to derive. Throws `declaration-invalid`, `csv-value`, `too-many-levels`. */
async function derivedColumns(
  table: Table,
  derive: NonNullable<Declaration['derive']>,
  sources: readonly ProposedColumn[],
): Promise<readonly ProposedColumn[]> {
  const derivations = Object.entries(derive).map(([name, one]) => {
    const derivation = compileDerive(name, one, sources)
    const columns = { [name]: { type: derivation.type } }
    return {
      derivation,
      scan: new ColumnScan(name, table, { missing: [], decimal: '.', columns }),
      note: deriveText(one),
    }
  })
  if (derivations.length === 0) return []
  const valuesOf = rowReader(sources)
  for await (const batch of (await table.open()).batches) {
    for (const record of batch) {
      const row = valuesOf(record)
      for (const { derivation, scan } of derivations) {
        const value = derivation.derive(row)
        if (value instanceof Underivable) {
          const { name } = derivation
          const hint = 'add it to the mapping, say otherwise, or correct the line'
          throw new FlameshError('csv-value', `${table.unit} ${record.line}, column ${name}: ${value.reason}`, {
            meta: { file: table.name, [table.unit]: record.line, column: name },
            hint,
          })
        }
        scan.add(value === undefined ? '' : String(value), record.line)
      }
    }
  }
  return derivations.map(({ scan, note }) => ({ ...scan.result('.'), reading: { as: 'derived' }, note }))
}

/** Reads the table again, as the proposal says. Throws as `openCsv`, and `csv-changed` where it is another file by now. */
export async function openRows(
  proposal: Proposal,
): Promise<{ readonly batches: AsyncIterable<readonly ValueRow[]>; fingerprint(): string }> {
  const { table, sources, columns, declaration } = proposal
  const { batches, fingerprint } = await table.open()
  const valuesOf = rowReader(sources)
  const makers = columns.map(({ name }): ((row: ValueRow) => Value | Underivable) => {
    const derive = declaredDerive(declaration, name)
    if (derive !== undefined) return compileDerive(name, derive, sources).derive
    const index = sources.findIndex((source) => source.name === name)
    return (row) => row[index]
  })
  const made = (record: CsvRecord): ValueRow => {
    const row = valuesOf(record)
    return makers.map((make) => {
      const value = make(row)
      if (value instanceof Underivable) throw changedFile()
      return value
    })
  }
  async function* values(): AsyncGenerator<readonly ValueRow[]> {
    for await (const batch of batches) yield batch.map(made)
  }
  return { batches: values(), fingerprint }
}

export function changedFile(): FlameshError {
  return new FlameshError('csv-changed', 'the file changed between its inspection and now', {
    hint: 'add the dataset again once nothing writes to the file any more',
  })
}

/** What the mesh may know of the columns: names, types, and the levels the operator confirmed. */
export function publishedColumns(
  columns: readonly ProposedColumn[],
  { rareLevels = false, withheld = [] }: Confirmation,
): ColumnDescription[] {
  return columns.map(({ name, type, reading, levels = [] }) => {
    const rare = typeof rareLevels === 'boolean' ? rareLevels : rareLevels.includes(name)
    const published = withheld.includes(name) ? [] : levels.filter((level) => rare || !level.rare)
    return {
      name,
      type,
      ...(published.length === 0 ? {} : { levels: published.map((level) => level.value) }),
      ...(reading.as === 'date' ? { epoch: reading.epoch } : {}),
    }
  })
}

/** One significant digit below a hundred rows, two above, never below ten. */
export function roundRows(rows: number): number {
  if (rows < 10) return 10
  const digits = rows < 100 ? 1 : 2
  return Number(rows.toPrecision(digits))
}
