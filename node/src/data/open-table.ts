/** From what a person names, a file, to a table that can be read: a CSV file as it is, anything else through a spool. */
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { Declaration } from './declaration.js'
import type { SourceTable } from './source.js'
import { spool, withScratch } from './spool.js'
import { csvTable, type Table } from './table.js'

/** What is not in this list is a CSV file. */
const FILE_KINDS = [
  [/\.(parquet|pq)$/i, 'parquet'],
  [/\.(jsonl|ndjson)(\.gz)?$/i, 'json'],
] as const

async function openFile(file: string, kind: 'parquet' | 'json', temporary: string): Promise<SourceTable> {
  if (!existsSync(file)) throw new FlameshError('file-not-found', `there is no file ${file}`, { meta: { file } })
  const { fileQuery, openDuckDb } = await import('./duckdb.js')
  const path = resolve(file)
  return openDuckDb({ query: fileQuery(path, kind), folder: dirname(path), files: [path] }, temporary)
}

/**
 * Works with the table while it can be read. `scratch`: the folder that private folders of commands lie in. Throws what
 * `csvTable`, a source and `spool` throw.
 */
export async function withTable<T>(
  scratch: string,
  file: string,
  declaration: Declaration,
  work: (table: Table) => Promise<T>,
): Promise<T> {
  const kind = FILE_KINDS.find(([pattern]) => pattern.test(file))?.[1]
  if (kind === undefined) return work(await csvTable(file, declaration))
  return withScratch(scratch, async (folder) =>
    work(await spool(folder, file, await openFile(file, kind, folder), declaration)),
  )
}
