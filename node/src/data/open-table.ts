/** From what a person names, a file or a source, to a table that can be read: a CSV file as it is, anything else through a spool. */
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { assert, FlameshError } from '@flamesh/protocol/errors.js'
import type { Declaration } from './declaration.js'
import type { DeclaredSource } from './declared-source.js'
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
  return openDuckDb({ query: fileQuery(path, kind), folder: dirname(path), files: [path] }, temporary)
}

async function openSource({ query, folder = '.' }: DeclaredSource, temporary: string): Promise<SourceTable> {
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
