/**
 * Reads a CSV file record by record in bounded memory, with the physical line each record begins on: RFC 4180 with any
 * of four separators and any line break, fields trimmed, blank lines passed over and counted. Implements
 * docs/spec/jobs.md, "Datasets". It knows fields, not values: what is missing or a number is decided in values.ts.
 */
import { createHash } from 'node:crypto'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { type Encoding, lineCounter, textOf } from './encoding.js'

export const SEPARATORS = [',', ';', '\t', '|'] as const
export type Separator = (typeof SEPARATORS)[number]

/** The announcement's own bounds (protocol/src/jobs/dataset.ts). */
const MAX_COLUMNS = 4096
const MAX_COLUMN_NAME = 128
/** In characters. A longer record is an unclosed quote rather than a patient. */
export const MAX_RECORD_LENGTH = 1 << 20

export interface CsvForm {
  readonly encoding: Encoding
  readonly separator: Separator
}

export interface CsvRecord {
  /** the line of the file it begins on, from one */
  readonly line: number
  /** trimmed; as many as the header has */
  readonly cells: readonly string[]
}

export interface CsvFile {
  /** names of the columns, distinct, in the order of the file */
  readonly header: readonly string[]
  /** Consume once: the records in order, many at a time. */
  readonly batches: AsyncIterable<readonly CsvRecord[]>
  /** lines without anything that were passed over, so far */
  blankLines(): number
  /**
   * SHA-256 of the bytes read, when the records are consumed: tells whether two readings met the same file. Never
   * leaves memory.
   */
  fingerprint(): string
}

export function csvError(
  code: string,
  file: string,
  line: number | undefined,
  message: string,
  hint: string,
): FlameshError {
  return new FlameshError(code, line === undefined ? message : `line ${line}: ${message}`, {
    meta: { file, ...(line === undefined ? {} : { line }) },
    hint,
  })
}

/** What spreadsheets write above the header to tell each other the separator. */
const SEPARATOR_LINE = /^sep=(.)$/

/** The separator that a line `sep=;` tells, or that the first line with anything in it uses most outside quotes; a comma if it uses none. */
export async function guessSeparator(file: string, encoding: Encoding): Promise<Separator> {
  let text = ''
  for await (const piece of textOf(file, encoding)) {
    text = (text + piece).trimStart()
    if (/[\r\n]/.test(text) || text.length > MAX_RECORD_LENGTH) break
  }
  const line = text.split(/[\r\n]/, 1)[0] ?? ''
  const told = SEPARATORS.find((one) => SEPARATOR_LINE.exec(line)?.[1] === one)
  if (told !== undefined) return told
  const bare = line.replace(/"[^"]*"/g, '')
  const count = (separator: string): number => bare.split(separator).length
  return SEPARATORS.reduce((best, candidate) => (count(candidate) > count(best) ? candidate : best))
}

/** The records of a text that arrives in pieces. */
export class RecordReader {
  #text = ''
  #at = 0
  #line = 1
  blankLines = 0
  /** undefined until the first record was met */
  header: readonly string[] | undefined
  readonly #plainEnd: RegExp
  readonly #separator: string

  constructor(
    private readonly file: string,
    separator: Separator,
  ) {
    this.#separator = separator
    this.#plainEnd = new RegExp(`["\\r\\n${separator === '\t' ? '\\t' : separator}]`, 'g')
  }

  /** Every record that is whole now, but the header. Throws `csv-header`, `csv-quote` or `csv-record`. */
  push(piece: string, last: boolean): CsvRecord[] {
    this.#text = this.#text.slice(this.#at) + piece
    this.#at = 0
    const records: CsvRecord[] = []
    while (this.#at < this.#text.length) {
      const line = this.#line
      const cells = this.#record(last)
      if (cells === undefined) break
      if (cells === 'blank') this.blankLines++
      else if (this.header === undefined) this.header = checkedHeader(this.file, line, cells)
      else records.push(checkedLength(this.file, this.header, { line, cells }))
    }
    return records
  }

  /** The next record; undefined if the text at hand may not hold all of it. */
  #record(last: boolean): readonly string[] | 'blank' | undefined {
    const end = this.#text.indexOf('\n', this.#at)
    if (end >= 0) {
      const carriage = end > this.#at && this.#text.charCodeAt(end - 1) === 13
      const line = this.#text.slice(this.#at, carriage ? end - 1 : end)
      if (!line.includes('"') && !line.includes('\r')) {
        this.#at = end + 1
        this.#line++
        return this.#isBlank(line) || this.#isTold(line) ? 'blank' : line.split(this.#separator).map(trimmed)
      }
    }
    return this.#carefully(last)
  }

  /** A record with quotes in it, with a break that is a carriage return alone, or without a break at hand. */
  #carefully(last: boolean): readonly string[] | 'blank' | undefined {
    const text = this.#text
    const first = this.#at
    const cells: string[] = []
    let breaks = 0
    let at = first
    let quoted = false
    for (;;) {
      while (text[at] === ' ' || (text[at] === '\t' && this.#separator !== '\t')) at++
      if (text[at] === '"') {
        quoted = true
        const close = this.#closingQuote(at, breaks, last)
        if (close === undefined) return this.#waiting(breaks, last)
        const inner = text.slice(at + 1, close)
        breaks += breaksIn(inner)
        cells.push(inner.replaceAll('""', '"').trim())
        at = close + 1
        while (text[at] === ' ' || (text[at] === '\t' && this.#separator !== '\t')) at++
        if (at < text.length && !this.#isEnd(text[at] as string)) throw this.#quoteInside(breaks)
      } else {
        this.#plainEnd.lastIndex = at
        const found = this.#plainEnd.exec(text)
        const end = found?.index ?? text.length
        if (text[end] === '"') throw this.#quoteInside(breaks)
        cells.push(text.slice(at, end).trim())
        at = end
      }
      if (at >= text.length) {
        if (!last) return this.#waiting(breaks, last)
        break
      }
      if (text[at] === this.#separator) at++
      else if (text[at] === '\r' && at + 1 >= text.length && !last) return this.#waiting(breaks, last)
      else break
    }
    const whole = text.slice(first, at)
    const blank = !quoted && (this.#isBlank(whole) || this.#isTold(whole))
    if (at < text.length) {
      breaks++
      at += text[at] === '\r' && text[at + 1] === '\n' ? 2 : 1
    }
    this.#at = at
    this.#line += breaks
    return blank ? 'blank' : cells
  }

  /** Where the field that begins with a quote at `open` closes; undefined if not in the text at hand. */
  #closingQuote(open: number, breaks: number, last: boolean): number | undefined {
    for (let at = this.#text.indexOf('"', open + 1); at >= 0; at = this.#text.indexOf('"', at + 2)) {
      if (at + 1 < this.#text.length) {
        if (this.#text[at + 1] !== '"') return at
      } else return last ? at : undefined
    }
    if (!last) return undefined
    throw this.#unclosed(breaks)
  }

  #waiting(breaks: number, last: boolean): undefined {
    if (!last && this.#text.length - this.#at <= MAX_RECORD_LENGTH) return undefined
    throw this.#unclosed(breaks)
  }

  #unclosed(breaks: number): FlameshError {
    return csvError(
      'csv-quote',
      this.file,
      this.#line + breaks,
      'a double quote that begins in this line is never closed, or the record is longer than 1 MB',
      'look for an odd number of double quotes; one inside a field is written twice',
    )
  }

  #quoteInside(breaks: number): FlameshError {
    return csvError(
      'csv-quote',
      this.file,
      this.#line + breaks,
      'a double quote in the middle of a field',
      'put the whole field in double quotes and write the inner quote twice',
    )
  }

  #isEnd(one: string): boolean {
    return one === this.#separator || one === '\r' || one === '\n'
  }

  #isTold(line: string): boolean {
    return this.header === undefined && SEPARATOR_LINE.test(line)
  }

  /** A tab is nothing, unless it separates. */
  #isBlank(line: string): boolean {
    return line === '' || (this.#separator === '\t' ? /^ *$/.test(line) : line.trim() === '')
  }
}

const trimmed = (field: string): string => field.trim()

function breaksIn(text: string): number {
  return text.includes('\n') || text.includes('\r') ? lineCounter()(text) - 1 : 0
}

/** Throws `csv-header`. `line`: where the names stand, in a file. */
export function checkedHeader(file: string, line: number | undefined, names: readonly string[]): readonly string[] {
  const wrong = (message: string, hint: string): FlameshError => csvError('csv-header', file, line, message, hint)
  if (names.length > MAX_COLUMNS)
    throw wrong(`more than ${MAX_COLUMNS} columns`, 'keep the columns that studies will ask for')
  if (names.length === 0) throw wrong('there is no column', 'name what is to be read')
  const seen = new Set<string>()
  for (const [index, name] of names.entries()) {
    if (name === '') {
      throw wrong(
        `column ${index + 1} has no name`,
        'name it or remove it: a separator at the end of a line makes one, and R does without row.names = FALSE',
      )
    }
    if (name.length > MAX_COLUMN_NAME) {
      throw wrong(
        `the name of column ${index + 1} is longer than ${MAX_COLUMN_NAME} characters`,
        'is the first line a header?',
      )
    }
    if (seen.has(name)) throw wrong(`two columns are named "${name}"`, 'rename one of them')
    seen.add(name)
  }
  return names
}

function checkedLength(file: string, header: readonly string[], record: CsvRecord): CsvRecord {
  if (record.cells.length === header.length) return record
  const message = `${record.cells.length} fields where the header has ${header.length}`
  throw csvError(
    'csv-record',
    file,
    record.line,
    message,
    'a field that contains the separator must be in double quotes',
  )
}

/**
 * Opens a CSV file and reads its header. Throws, here or while the records are consumed, `csv-unreadable`, `csv-empty`,
 * `csv-header`, `csv-encoding`, `csv-record` or `csv-quote`; `meta.line` is the line of the file, counted from one.
 * Messages name columns and lines, never a value below the header.
 */
export async function openCsv(file: string, { encoding, separator }: CsvForm): Promise<CsvFile> {
  const hash = createHash('sha256')
  const records = new RecordReader(file, separator)
  async function* whole(): AsyncGenerator<readonly CsvRecord[]> {
    for await (const piece of textOf(file, encoding, hash)) yield records.push(piece, false)
    yield records.push('', true)
  }

  const source = whole()
  let first: readonly CsvRecord[] = []
  while (records.header === undefined) {
    const next = await source.next()
    if (next.done === true) {
      throw csvError(
        'csv-empty',
        file,
        undefined,
        'the file is empty',
        'the first line names the columns, each further line is a row',
      )
    }
    first = next.value
  }
  async function* batches(): AsyncGenerator<readonly CsvRecord[]> {
    yield first
    yield* source
  }
  let fingerprint: string | undefined
  return {
    header: records.header,
    batches: batches(),
    blankLines: () => records.blankLines,
    fingerprint: () => (fingerprint ??= hash.digest('hex')),
  }
}
