/**
 * The schema of a dataset as declared and inferred from its rows, and what of it the mesh may know. Implements
 * docs/spec/jobs.md, "Schemas can leak": levels only where they are few, none below five rows unless the operator
 * confirms it, bounds and free text never. It cannot tell that a level is a name: that is why the operator is asked.
 */
import type { ColumnDescription } from '@flamesh/protocol/jobs/dataset.js'
import { ColumnScan, type ProposedColumn } from './column-scan.js'
import { type CsvForm, guessSeparator, openCsv, type Separator } from './csv.js'
import { checkDeclaration, type Declaration } from './declaration.js'
import { type Encoding, guessEncoding } from './encoding.js'
import { type Decimal, MISSING_TOKENS, readerOf, type Thousands, type Value } from './values.js'

/** Something the file was read by: declared, or guessed for a reason. */
export interface Found<T> {
  readonly value: T
  readonly guessed: boolean
  readonly because: string
}

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
  readonly file: string
  readonly rows: number
  /** what was declared */
  readonly declaration: Declaration
  readonly form: FileForm
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

const declared = <T>(value: T): Found<T> => ({ value, guessed: false, because: 'declared' })
const guessed = <T>(value: T, because: string): Found<T> => ({ value, guessed: true, because })

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

async function foundForm(file: string, { encoding, separator }: Declaration) {
  const guess = encoding === undefined ? await guessEncoding(file) : undefined
  const foundEncoding = guess === undefined ? declared(encoding as Encoding) : guessed(guess.encoding, guess.because)
  const foundSeparator =
    separator === undefined
      ? guessed(await guessSeparator(file, foundEncoding.value), 'the header has it most')
      : declared(separator)
  return { encoding: foundEncoding, separator: foundSeparator }
}

export const csvFormOf = ({ encoding, separator }: Pick<FileForm, 'encoding' | 'separator'>): CsvForm => ({
  encoding: encoding.value,
  separator: separator.value,
})

/**
 * Reads a file once and proposes a schema. Throws what `openCsv` throws, `declaration-invalid`, `csv-value` with line and
 * column, and `too-many-levels`.
 */
export async function proposeSchema(file: string, declaration: Declaration = {}): Promise<Proposal> {
  const form = await foundForm(file, declaration)
  const { header, batches, blankLines, fingerprint } = await openCsv(file, csvFormOf(form))
  checkDeclaration(declaration, header)
  const scans = header.map((name) => new ColumnScan(name, file, declaration))
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
    declaration.decimal === undefined ? foundDecimal(form.separator.value, scans) : declared(declaration.decimal)
  return {
    file,
    rows,
    declaration,
    form: {
      ...form,
      decimal,
      thousands:
        declaration.thousands === undefined ? guessed(null, 'only if declared') : declared(declaration.thousands),
      missing: declaration.missing === undefined ? guessed(MISSING_TOKENS, 'the usual') : declared(declaration.missing),
    },
    columns: scans.map((scan) => scan.result(decimal.value)),
    blankLines: blankLines(),
    emptyRows: { rows: emptyRows, firstLine },
    fingerprint: fingerprint(),
  }
}

/** A row of values, one for each column of the proposal; undefined where there is none. */
export type ValueRow = readonly Value[]

/** Reads the file again, as the proposal says. A cell that fits no longer is given as it stands. */
export async function openRows(
  proposal: Proposal,
): Promise<{ readonly batches: AsyncIterable<readonly ValueRow[]>; fingerprint(): string }> {
  const { batches, fingerprint } = await openCsv(proposal.file, csvFormOf(proposal.form))
  const readers = proposal.columns.map(({ reading, missingAs }) => {
    const read = readerOf(reading)
    const missing = new Set(Object.keys(missingAs))
    return (cell: string): Value => (missing.has(cell) ? undefined : (read(cell) ?? cell))
  })
  async function* values(): AsyncGenerator<readonly ValueRow[]> {
    for await (const batch of batches) {
      yield batch.map(({ cells }) => readers.map((read, index) => read(cells[index] as string)))
    }
  }
  return { batches: values(), fingerprint }
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
