/**
 * Rows of files that DuckDB reads, as a source: it runs in the process of a command, never in the daemon, has no network and
 * no extensions but those built in, sees the named files alone, and gives its result piece by piece. Implements docs/spec/jobs.md,
 * "Datasets". What it guarantees against a file that is made to break its reader is what DuckDB guarantees: see the threat model.
 */
import { existsSync } from 'node:fs'
import type { DuckDBConnection, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { SourceColumn, SourceTable, SourceType } from './source.js'

/** What DuckDB may use before it writes to its temporary folder. Reading takes less; joins and sorting may take it all. */
const MEMORY_LIMIT = '1GB'
/** Each has buffers of its own: more cost memory, and the rows are written by one. */
const THREADS = 2

/** Which rows, and what may be read for them. */
export interface DuckDbRequest {
  /** one SELECT */
  readonly query: string
  /** which relative paths begin in; nothing outside is read */
  readonly folder: string
  /** only these files of it; undefined: all */
  readonly files?: readonly string[]
}

const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`
const list = (values: readonly string[]): string => `[${values.map(literal).join(', ')}]`

/** The rows of one file. */
export function fileQuery(file: string, kind: 'parquet' | 'json'): string {
  // all of the file tells the types: a part of it would let a later record fail
  return kind === 'parquet'
    ? `SELECT * FROM read_parquet(${literal(file)})`
    : `SELECT * FROM read_json(${literal(file)}, format = 'newline_delimited', sample_size = -1, map_inference_threshold = -1)`
}

/**
 * `temporary`: a private folder for what does not fit into memory. Until it is closed the process works in the folder of the
 * request. Throws `file-not-found`, `query-invalid`, `source-type`, and, also while rows are consumed, `source-failed`.
 */
export async function openDuckDb(request: DuckDbRequest, temporary: string): Promise<SourceTable> {
  if (!existsSync(request.folder)) {
    const { folder } = request
    throw new FlameshError('file-not-found', `there is no folder ${folder}`, { meta: { file: folder } })
  }
  const { DuckDBInstance } = await import('@duckdb/node-api').catch((cause: unknown) => {
    const hint = 'export the rows as CSV, or read them from a database'
    throw new FlameshError('source-failed', 'DuckDB is not installed, or not made for this machine', { cause, hint })
  })
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    memory_limit: MEMORY_LIMIT,
    threads: String(THREADS),
    temp_directory: temporary,
  })
  const connection = await instance.connect()
  const before = process.cwd()
  const close = async (): Promise<void> => {
    process.chdir(before)
    connection.closeSync()
    instance.closeSync()
  }
  try {
    process.chdir(request.folder)
    const seen = request.files === undefined ? ['directories', [`${request.folder}/`]] : ['paths', request.files]
    await connection.run(`SET allowed_${seen[0]} = ${list(seen[1] as readonly string[])}`)
    // the day of a moment must not depend on the shell that a command is typed in
    await connection.run("SET TimeZone = 'UTC'")
    await connection.run('SET enable_external_access = false')
    await connection.run('SET lock_configuration = true')
    return { ...(await run(connection, request.query)), close }
  } catch (error) {
    await close()
    throw error instanceof FlameshError ? error : failed(error)
  }
}

async function run(connection: DuckDBConnection, query: string): Promise<Omit<SourceTable, 'close'>> {
  const { DuckDBTypeId, StatementType } = await import('@duckdb/node-api')
  const statements = await connection.extractStatements(query).catch((error: Error) => {
    // what the library says of a query of comments alone
    if (error.message !== 'Error in native callback') throw error
  })
  const only = statements?.count === 1 ? await statements.prepare(0) : undefined
  if (only?.statementType !== StatementType.SELECT) {
    throw new FlameshError('query-invalid', 'the query of the source is not one SELECT', {
      hint: 'a source is read, never written: one SELECT, which may begin with WITH',
    })
  }
  const result = await only.stream()
  const columns = result.columnNames().map((name, index): SourceColumn => {
    const found = result.columnType(index)
    const written = found.alias ?? DuckDBTypeId[found.typeId]
    return { name, type: typeOf(written, found) ?? refuseType(name, written) }
  })
  async function* batches(): AsyncGenerator<readonly (readonly (string | null)[])[]> {
    try {
      for await (const chunk of result) yield chunk.getRows().map((row) => row.map(cellOf))
    } catch (error) {
      throw failed(error)
    }
  }
  return { columns, batches: batches() }
}

const INTEGERS =
  /^(BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER|UBIGINT|HUGEINT|UHUGEINT|BIGNUM)$/

function typeOf(name: string, type: DuckDBType): SourceType | undefined {
  if (INTEGERS.test(name)) return 'integer'
  if (name === 'DECIMAL') return 'scale' in type && type.scale === 0 ? 'integer' : 'number'
  if (name === 'FLOAT' || name === 'DOUBLE') return 'number'
  if (name === 'DATE' || /^TIMESTAMP(_S|_MS|_NS)?$/.test(name)) return 'date'
  return /^(VARCHAR|ENUM|UUID|SQLNULL)$/.test(name) ? 'level' : undefined
}

function refuseType(column: string, type: string): never {
  throw new FlameshError('source-type', `column ${column} is a ${type}, which is no value of a dataset`, {
    meta: { column, type },
    hint: type.startsWith('TIMESTAMP')
      ? `say whose days are meant, in a query: (${column} AT TIME ZONE 'Europe/Berlin')::DATE`
      : 'leave it out or take what is needed of it, with a query as the source',
  })
}

const MIDNIGHT = ' 00:00:00'

function cellOf(value: DuckDBValue): string | null {
  if (value === null || typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (typeof value === 'boolean') return value ? '1' : '0'
  const text = String(value)
  return text.endsWith(MIDNIGHT) ? text.slice(0, -MIDNIGHT.length) : text
}

/** What DuckDB says of a query or a file that holds nothing of the rows. */
const TELLABLE = [
  /^(Parser|Syntax|Binder|Catalog|Permission|IO|Out of Memory) Error: .*/,
  /^Invalid Input Error: Malformed JSON in file ".*", at byte \d+ in (line|record\/value) \d+/,
  /^Invalid Input Error: (No magic bytes|File '.*' too small|Failed to read Parquet|Values were not provided).*/,
]

function failed(cause: unknown): FlameshError {
  const message = cause instanceof Error ? cause.message.replace(/^Failed to [a-z ]+: /, '') : ''
  const told = TELLABLE.map((one) => one.exec(message)?.[0]).find((one) => one !== undefined)
  // its count of lines is one off at times
  const what = (told ?? message.split(':')[0] ?? '').replace(/ in (line|record\/value) (\d+)$/, ' near line $2')
  if (/^(Parser|Syntax|Binder|Catalog) /.test(what)) {
    const hint = 'correct the query of the source; try it with the duckdb command'
    return new FlameshError('query-invalid', `DuckDB: ${what}`, { hint })
  }
  return new FlameshError('source-failed', `DuckDB: ${what}`, { hint: hintFor(what) })
}

function hintFor(what: string): string {
  if (what.startsWith('Permission '))
    return 'a query reads files of its folder and nothing else, links out of it neither'
  if (what.startsWith('Missing Extension ')) return 'a query reads files, nothing of a network'
  if (what.startsWith('Out of Memory '))
    return 'let the query join or sort less, or make room on the disk of the node’s folder'
  if (/^(IO Error|Invalid Input Error: .)/.test(what)) return 'is the file there, and whole?'
  return 'what else it says may hold values of rows: run the query with the duckdb command to see it'
}
