/**
 * The CSV of a result folder (RFC 4180), read strictly: an unknown value is an error with the file, the line and what was
 * expected there. Columns may come in any order and a file may have more of them than are read.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'

/** What a cell may hold. `read` answers undefined if it does not. */
export interface Cell<T> {
  readonly expects: string
  readonly read: (text: string) => T | undefined
}

export const TEXT: Cell<string> = { expects: 'text', read: (text) => text }

export const NUMBER: Cell<number> = {
  expects: 'a number from 0 up',
  read: (text) => {
    const value = Number(text)
    return text.trim() !== '' && Number.isFinite(value) && value >= 0 ? value : undefined
  },
}

export const SHARE: Cell<number> = {
  expects: 'a share from 0 to 1',
  read: (text) => {
    const value = NUMBER.read(text)
    return value !== undefined && value <= 1 ? value : undefined
  },
}

export const YES_OR_NO: Cell<boolean> = {
  expects: 'true or false',
  read: (text) => ({ true: true, false: false })[text],
}

/** An empty cell says that there is no such thing: null. */
export function orEmpty<T>(cell: Cell<T>): Cell<T | null> {
  return { expects: `${cell.expects}, or nothing`, read: (text) => (text === '' ? null : cell.read(text)) }
}

export type Columns = Readonly<Record<string, Cell<unknown>>>
export type Row<C extends Columns> = { readonly [K in keyof C]: C[K] extends Cell<infer T> ? T : never }

export function malformed(file: string, line: number, what: string, hint: string): FlameshError {
  return new FlameshError('run-malformed', `${file} line ${line}: ${what}`, { hint, meta: { file, line } })
}

interface CsvRecord {
  readonly line: number
  readonly cells: readonly string[]
}

/** The records of a text, one at a time: the propagation of a large run has a million. */
export function* csvRecords(file: string, text: string): Generator<CsvRecord> {
  let at = 0
  let line = 1
  while (at < text.length) {
    const end = text.indexOf('\n', at)
    const plain = text.slice(at, end < 0 ? text.length : end)
    if (!plain.includes('"')) {
      const cells = (plain.endsWith('\r') ? plain.slice(0, -1) : plain).split(',')
      if (cells.length > 1 || cells[0] !== '') yield { line, cells }
      at += plain.length + 1
      line += 1
    } else {
      const quoted = quotedRecord(file, text, at, line)
      yield { line, cells: quoted.cells }
      line += quoted.lines
      at = quoted.next
    }
  }
}

/** One record that has quoted fields, which may hold commas, doubled quotes and line ends. */
function quotedRecord(
  file: string,
  text: string,
  start: number,
  line: number,
): { readonly cells: readonly string[]; readonly lines: number; readonly next: number } {
  const cells: string[] = []
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y
  for (field.lastIndex = start; ; ) {
    const match = field.exec(text)
    if (match === null) {
      throw malformed(
        file,
        line,
        'a quoted field is not closed, or goes on after it',
        'write a quote inside quotes twice',
      )
    }
    const [, quoted, plain, after] = match
    cells.push(quoted === undefined ? (plain as string) : quoted.replaceAll('""', '"'))
    if (after !== ',') {
      const next = field.lastIndex
      return { cells, next, lines: text.slice(start, next).split('\n').length - 1 || 1 }
    }
  }
}

/** Reads a whole table. `each` sees one row after the other, so that what is not needed is not kept. */
export function readTable<C extends Columns>(
  file: string,
  text: string,
  columns: C,
  each: (row: Row<C>) => void,
): void {
  const records = csvRecords(file, text.startsWith('\ufeff') ? text.slice(1) : text)
  const header = records.next().value as CsvRecord | undefined
  const hint = `the first line names the columns: ${Object.keys(columns).join(',')}`
  if (header === undefined) throw malformed(file, 1, 'the file is empty', hint)
  const places = Object.entries(columns).map(([name, cell]) => {
    const place = header.cells.indexOf(name)
    if (place < 0) throw malformed(file, header.line, `there is no column "${name}"`, hint)
    return { name, cell, place }
  })
  for (const { line, cells } of records) {
    if (cells.length !== header.cells.length) {
      const what = `${cells.length} fields instead of ${header.cells.length}`
      throw malformed(file, line, what, 'every line has as many fields as the header; was the file cut off?')
    }
    const row: Record<string, unknown> = {}
    for (const { name, cell, place } of places) {
      const text = cells[place] as string
      const value = cell.read(text)
      if (value === undefined) {
        throw malformed(file, line, `${name} is "${text.slice(0, 40)}"`, `${name} is ${cell.expects}`)
      }
      row[name] = value
    }
    each(row as Row<C>)
  }
}

export function readRows<C extends Columns>(file: string, text: string, columns: C): readonly Row<C>[] {
  const rows: Row<C>[] = []
  readTable(file, text, columns, (row) => rows.push(row))
  return rows
}
