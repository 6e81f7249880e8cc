/**
 * Reads a CSV file record by record in bounded memory: UTF-8, with a header row, separated by commas, semicolons or
 * tabs. Implements docs/spec/jobs.md, "Datasets". It checks the form only: whether the values mean what their column
 * says is the operator's business.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { CsvError, parse } from 'csv-parse'
import { hasCode } from '../store/files.js'

/** What counts as no value, exactly as written here; more would swallow a level such as `Na`. */
const MISSING: ReadonlySet<string> = new Set(['', 'NA', 'N/A', 'NaN', 'null', '.'])
/** The announcement's own bounds (protocol/src/jobs/dataset.ts). */
const MAX_COLUMNS = 4096
const MAX_COLUMN_NAME = 128
/** A longer record is an unclosed quote rather than a patient. */
const MAX_RECORD_BYTES = 1 << 20
/** Enough for the header of a file with as many columns as are allowed. */
const HEADER_BYTES = 1 << 20
const NEWLINE = 0x0a

/** One field, or undefined if it is missing. */
export type Cell = string | undefined

export interface CsvFile {
  /** names of the columns, distinct, in the order of the file */
  readonly header: readonly string[]
  /** Consume once. Every record has as many cells as the header. */
  readonly records: AsyncIterable<readonly Cell[]>
  /**
   * SHA-256 of the bytes read, when the records are consumed: tells whether two readings met the same file. Never
   * leaves memory.
   */
  fingerprint(): string
}

function csvError(code: string, file: string, line: number | undefined, message: string, hint: string): FlameshError {
  return new FlameshError(code, line === undefined ? message : `line ${line}: ${message}`, {
    meta: { file, ...(line === undefined ? {} : { line }) },
    hint,
  })
}

async function firstLine(file: string): Promise<string> {
  try {
    const handle = await open(file, 'r')
    try {
      const buffer = Buffer.alloc(HEADER_BYTES)
      const { bytesRead } = await handle.read(buffer, 0, HEADER_BYTES, 0)
      return buffer.toString('utf8', 0, bytesRead).trimStart().split(/\r|\n/, 1)[0] ?? ''
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause)) throw cause
    const message = hasCode(cause, 'ENOENT') ? 'there is no such file' : 'the file cannot be read'
    throw new FlameshError('csv-unreadable', message, { meta: { file }, hint: 'check the path and the rights', cause })
  }
}

/** The separator the header uses most outside quotes; a comma if it uses none. */
function separatorOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '')
  const count = (separator: string): number => bare.split(separator).length
  return [',', ';', '\t'].reduce((best, candidate) => (count(candidate) > count(best) ? candidate : best))
}

/** Passes the bytes on, hashing them, and stops with the line number at the first that is not UTF-8. */
async function* checkedBytes(file: string, hash: ReturnType<typeof createHash>): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let lines = 1
  const decode = (bytes: Uint8Array, last: boolean): void => {
    try {
      decoder.decode(bytes, { stream: !last })
    } catch {
      throw csvError('csv-encoding', file, lines, 'not UTF-8', 'save the file as "CSV UTF-8", or convert it with iconv')
    }
  }
  for await (const chunk of createReadStream(file)) {
    const bytes = chunk as Buffer
    hash.update(bytes)
    let start = 0
    // line by line, because only the line number helps whoever has to mend the file
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      decode(bytes.subarray(start, end + 1), false)
      start = end + 1
      lines++
    }
    decode(bytes.subarray(start), false)
    yield bytes
  }
  decode(new Uint8Array(0), true)
}

function explain(error: unknown, file: string, header: readonly string[], records: number): unknown {
  if (!(error instanceof CsvError)) return error
  const line = typeof error['lines'] === 'number' ? error['lines'] : undefined
  switch (error.code) {
    case 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH': {
      // a small file fails in the parser before anyone has seen its header: then the parser's own words have the numbers
      const [, wanted, got] = /expect (\d+), got (\d+)/.exec(error.message) ?? []
      const found = Array.isArray(error['record']) ? error['record'].length : (got ?? 'another number of')
      const message = `${found} fields where the header has ${header.length > 0 ? header.length : (wanted ?? 'others')}`
      return csvError('csv-record', file, line, message, 'a field that contains the separator must be in double quotes')
    }
    case 'CSV_QUOTE_NOT_CLOSED':
    case 'CSV_MAX_RECORD_SIZE':
      return csvError(
        'csv-quote',
        file,
        undefined,
        `a double quote after record ${records} is never closed`,
        'look for an odd number of double quotes; one inside a field is written twice',
      )
    case 'INVALID_OPENING_QUOTE' as typeof error.code:
    case 'CSV_INVALID_CLOSING_QUOTE':
    case 'CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE':
      return csvError(
        'csv-quote',
        file,
        line,
        'a double quote in the middle of a field',
        'put the whole field in double quotes and write the inner quote twice',
      )
    default:
      return csvError('csv-record', file, line, 'not a record', 'check the line in a text editor')
  }
}

function checkedHeader(file: string, names: readonly string[]): readonly string[] {
  const wrong = (message: string, hint: string): FlameshError => csvError('csv-header', file, 1, message, hint)
  if (names.length > MAX_COLUMNS)
    throw wrong(`more than ${MAX_COLUMNS} columns`, 'keep the columns that studies will ask for')
  for (const [index, name] of names.entries()) {
    if (name === '') {
      throw wrong(`column ${index + 1} has no name`, 'name it or remove it (in R: write.csv(…, row.names = FALSE))')
    }
    if (name.length > MAX_COLUMN_NAME) {
      throw wrong(
        `the name of column ${index + 1} is longer than ${MAX_COLUMN_NAME} characters`,
        'is the first line a header?',
      )
    }
    if (names.indexOf(name) !== index) throw wrong(`two columns are named "${name}"`, 'rename one of them')
  }
  return names
}

/**
 * Opens a CSV file and reads its header. Throws, here or while the records are consumed, `csv-unreadable`, `csv-empty`,
 * `csv-header`, `csv-encoding`, `csv-record` or `csv-quote`; `meta.line` is the line of the file, counted from one.
 * Messages name columns and lines, never a value below the header.
 */
export async function openCsv(file: string): Promise<CsvFile> {
  const delimiter = separatorOf(await firstLine(file))
  const hash = createHash('sha256')
  const parser = parse({ bom: true, delimiter, trim: true, skip_empty_lines: true, max_record_size: MAX_RECORD_BYTES })
  const bytes = Readable.from(checkedBytes(file, hash), { objectMode: false })
  bytes.on('error', (error) => parser.destroy(error))
  const iterator = bytes.pipe(parser)[Symbol.asyncIterator]() as AsyncIterator<string[]>
  let header: readonly string[] = []
  let records = 0
  const next = async (): Promise<IteratorResult<string[]>> => {
    try {
      return await iterator.next()
    } catch (error) {
      bytes.destroy()
      throw explain(error, file, header, records)
    }
  }

  const first = await next()
  if (first.done === true) {
    throw csvError(
      'csv-empty',
      file,
      undefined,
      'the file is empty',
      'the first line names the columns, each further line is a row',
    )
  }
  try {
    header = checkedHeader(file, first.value)
  } catch (error) {
    bytes.destroy()
    throw error
  }

  async function* cells(): AsyncGenerator<readonly Cell[]> {
    try {
      for (let one = await next(); one.done !== true; one = await next()) {
        records++
        yield one.value.map((field) => {
          const value = field.trim()
          return MISSING.has(value) ? undefined : value
        })
      }
    } finally {
      bytes.destroy()
    }
  }
  let fingerprint: string | undefined
  return { header, records: cells(), fingerprint: () => (fingerprint ??= hash.digest('hex')) }
}
