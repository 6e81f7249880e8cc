/**
 * A table of cells that is read as often as it takes: a CSV file, or what was copied from a source (spool.ts). It says how
 * its records are called in messages, and what is known of its columns before the first of them is read.
 */
import { type CsvFile, guessSeparator, openCsv, type Separator } from './csv.js'
import { checkDeclaration, checkTypedDeclaration, type Declaration, declaredColumn } from './declaration.js'
import { type Encoding, guessEncoding } from './encoding.js'
import type { SourceColumn } from './source.js'

/** Something a file was read by: declared, or guessed for a reason. */
export interface Found<T> {
  readonly value: T
  readonly guessed: boolean
  readonly because: string
}

export const declared = <T>(value: T): Found<T> => ({ value, guessed: false, because: 'declared' })
export const guessed = <T>(value: T, because: string): Found<T> => ({ value, guessed: true, because })

/** What messages call a table and the places in it. */
export interface Origin {
  /** a path, or what the source is called */
  readonly name: string
  /** the number of a record is that of a line of a text, or of a row */
  readonly unit: 'line' | 'row'
}

export interface Table extends Origin {
  /** undefined: of a source, which has no such form */
  readonly form: { readonly encoding: Found<Encoding>; readonly separator: Found<Separator> } | undefined
  /** what a source knows of its columns, in their order */
  readonly columns: readonly SourceColumn[]
  /** Throws what `openCsv` throws. */
  open(): Promise<CsvFile>
}

/** Throws `csv-unreadable`. */
export async function csvTable(file: string, { encoding, separator }: Declaration): Promise<Table> {
  const guess = encoding === undefined ? await guessEncoding(file) : undefined
  const foundEncoding = guess === undefined ? declared(encoding as Encoding) : guessed(guess.encoding, guess.because)
  const foundSeparator =
    separator === undefined
      ? guessed(await guessSeparator(file, foundEncoding.value), 'the header has it most')
      : declared(separator)
  return {
    name: file,
    unit: 'line',
    form: { encoding: foundEncoding, separator: foundSeparator },
    columns: [],
    open: () => openCsv(file, { encoding: foundEncoding.value, separator: foundSeparator.value }),
  }
}

/** What holds of the columns of a table. Throws `declaration-invalid`. */
export function checkedDeclaration(table: Table, declaration: Declaration, header: readonly string[]): Declaration {
  checkDeclaration(declaration, header)
  if (table.form !== undefined) return declaration
  checkTypedDeclaration(declaration)
  const columns = table.columns.map(({ name, type }) => {
    const own = declaredColumn(declaration, name)
    const known =
      type === 'integer' || type === 'number'
        ? { type, decimal: '.' as const }
        : type === 'date'
          ? { type, format: 'yyyy-mm-dd' as const }
          : type === 'text'
            ? { type }
            : {}
    // another type, or a format, and the operator reads the cells in a way of their own
    return [name, own.type !== undefined && own.type !== type ? own : { ...known, ...own }] as const
  })
  const { missing = [], decimal = '.' } = declaration
  return { ...declaration, missing, decimal, columns: Object.fromEntries(columns) }
}

/** The columns that hold labels, whatever they look like, because their source says so and nobody else anything. */
export function labelColumns({ columns }: Table, declaration: Declaration): ReadonlySet<string> {
  const labels = columns.filter(({ name, type }) => {
    const own = declaredColumn(declaration, name)
    return type === 'level' && own.type === undefined && own.format === undefined
  })
  return new Set(labels.map(({ name }) => name))
}
