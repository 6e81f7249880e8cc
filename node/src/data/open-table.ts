/** From what a person names, a file or a source, to a table that can be read: a CSV file as it is, anything else through a spool. */
import { isUtf8 } from 'node:buffer'
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { assert, FlameshError } from '@flamesh/protocol/errors.js'
import type { Declaration } from './declaration.js'
import { type DeclaredSource, isFhir } from './declared-source.js'
import { linesOf, MAX_LINE_BYTES } from './lines.js'
import type { SourceTable } from './source.js'
import { spool, withScratch } from './spool.js'
import { csvTable, type Table } from './table.js'

/** What is not in this list is a CSV file. */
const FILE_KINDS = [
  [/\.(parquet|pq)$/i, 'parquet'],
  [/\.(jsonl|ndjson)(\.gz)?$/i, 'json'],
] as const
type Kind = (typeof FILE_KINDS)[number][1]

async function openFile(file: string, kind: Kind, temporary: string): Promise<SourceTable> {
  if (!existsSync(file)) throw new FlameshError('file-not-found', `there is no file ${file}`, { meta: { file } })
  const { fileQuery, openDuckDb } = await import('./duckdb.js')
  const path = resolve(file)
  try {
    return await openDuckDb({ query: fileQuery(path, kind), folder: dirname(path), files: [path] }, temporary)
  } catch (error) {
    throw kind === 'json' ? ((await mistakeIn(path)) ?? error) : error
  }
}

/** The first line of a file of JSON lines that is none; what DuckDB says of it is one off at times. */
async function mistakeIn(file: string): Promise<FlameshError | undefined> {
  const wrong = (line: number, what: string): FlameshError =>
    new FlameshError('source-failed', `line ${line}: ${what}`, {
      meta: { file, line },
      hint: 'a file of JSON lines holds one record on each line; was it cut off?',
    })
  const tooLong = (line: number): FlameshError => wrong(line, `longer than ${MAX_LINE_BYTES} bytes`)
  for await (const lines of linesOf(file, tooLong)) {
    for (const [line, bytes] of lines) {
      if (!isUtf8(bytes)) return wrong(line, 'not UTF-8')
      const text = bytes.toString('utf8').trim()
      if (text !== '' && !isJson(text)) return wrong(line, 'not JSON')
    }
  }
  return undefined
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

async function openSource(source: DeclaredSource, temporary: string): Promise<SourceTable> {
  if (isFhir(source)) return (await import('./fhir/source.js')).openFhir(source, { temporary })
  const { query, folder = '.', postgres } = source
  if (postgres !== undefined) return (await import('./postgres.js')).openPostgres(postgres, query)
  const { openDuckDb } = await import('./duckdb.js')
  return openDuckDb({ query, folder }, temporary)
}

/**
 * Works with the table while it can be read: that of the file, else of the source that is declared. `scratch`: the folder that
 * private folders of commands lie in. Throws what `csvTable`, a source and `spool` throw.
 */
export async function withTable<T>(
  scratch: string,
  file: string | undefined,
  declaration: Declaration,
  work: (table: Table) => Promise<T>,
): Promise<T> {
  const { source } = declaration
  const kind = FILE_KINDS.find(([pattern]) => pattern.test(file ?? ''))?.[1]
  if (file !== undefined && kind === undefined) return work(await csvTable(file, declaration))
  assert(file !== undefined || source !== undefined, 'neither a file nor a source')
  return withScratch(scratch, async (folder) => {
    const opened =
      file === undefined
        ? await openSource(source as DeclaredSource, folder)
        : await openFile(file, kind as Kind, folder)
    return work(await spool(folder, file ?? 'the source', opened, declaration))
  })
}
