/**
 * A query to PostgreSQL as a source: one transaction that only reads and sees one state of the database, and a cursor of the
 * server, so that no more than a few rows are in memory. Implements docs/spec/jobs.md, "Datasets". What the role may read or
 * call is the database's to say.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { durationMs } from '@flamesh/protocol/jobs/document.js'
import type { Client, FieldDef } from 'pg'
import { isLoopback } from '../config/host-port.js'
import { readText } from '../config/read-file.js'
import { readSecret } from '../config/secret-file.js'
import type { DeclaredPostgres } from './declared-source.js'
import type { SourceColumn, SourceTable, SourceType } from './source.js'

const CONNECT_TIMEOUT_MS = 15_000
/** How much longer than the server's own limit an answer is waited for. */
const GRACE_MS = 15_000
const MAX_CA_BYTES = 1 << 20
/** Fetched at once. */
const BATCH_ROWS = 1000

/** Whether the connection is encrypted, and whom it must be to. The default trusts nothing but this machine. */
export function usesTls({ host, tls }: Pick<DeclaredPostgres, 'host' | 'tls'>): boolean {
  return tls === undefined ? !host.startsWith('/') && !isLoopback(host) : tls === 'verify-full'
}

/** Throws `query-invalid`, `source-type`, what reading its files throws, and, also while rows are consumed, `source-failed`. */
export async function openPostgres(declared: DeclaredPostgres, query: string): Promise<SourceTable> {
  const { Client } = (await import('pg')).default
  const { host, port, database, user, passwordFile, ca, timeout } = declared
  const timeoutMs = durationMs(timeout) as number
  const client = new Client({
    ...{ host, port, database, user, application_name: 'flamesh' },
    ...(passwordFile === undefined ? {} : { password: await readSecret(passwordFile) }),
    // an address is checked against the certificate as a name is
    ssl: usesTls(declared) && {
      host,
      // said here, so that no variable of the environment turns the check off
      rejectUnauthorized: true,
      ...(ca === undefined ? {} : { ca: await readText(ca, MAX_CA_BYTES) }),
    },
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: timeoutMs + GRACE_MS,
    keepAlive: true,
    // every value as the server writes it: numbers lose no digits, days get no time
    types: { getTypeParser: () => (value: string) => value },
  })
  // a connection that breaks fails the query that waits for it; without a listener it would end the process
  client.on('error', () => undefined)
  const close = (): Promise<void> => client.end().catch(() => undefined)
  try {
    await client.connect()
    await client.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL DateStyle = ISO; SET LOCAL extra_float_digits = 3;
       SET LOCAL cursor_tuple_fraction = 1; SET LOCAL statement_timeout = ${timeoutMs}`,
    )
    // a cursor is declared for one SELECT and for nothing else; `extended`: the server takes no second statement
    await client.query({ text: `DECLARE flamesh NO SCROLL CURSOR FOR ${query}`, queryMode: 'extended' } as {
      text: string
    })
    const columns = await columnsOf(client)
    return { columns, batches: rows(client, columns, declared), close }
  } catch (error) {
    await close()
    throw failed(error, declared)
  }
}

type ReadCell = (text: string) => string

interface FoundColumn extends SourceColumn {
  readonly read: ReadCell
}

const asItIs: ReadCell = (text) => text
const flag: ReadCell = (text) => (text === 't' ? '1' : '0')
/** The number that the four bytes hold, which takes more digits than the server writes. */
const single: ReadCell = (text) => (Number.isFinite(Number(text)) ? String(Math.fround(Number(text))) : text)
const dayIfMidnight: ReadCell = (text) => text.replace(/ 00:00:00$/, '')

/** By the name of a type in pg_type. */
const TYPES: Readonly<Record<string, readonly [SourceType, ReadCell]>> = {
  ...Object.fromEntries(['int2', 'int4', 'int8', 'oid'].map((name) => [name, ['integer', asItIs]])),
  bool: ['integer', flag],
  float4: ['number', single],
  float8: ['number', asItIs],
  numeric: ['number', asItIs],
  date: ['date', asItIs],
  timestamp: ['date', dayIfMidnight],
  uuid: ['level', asItIs],
}

/** `numeric(p, 0)` holds whole numbers: the modifier of the type is four more than precision × 2^16 + scale. */
const isWhole = ({ dataTypeModifier }: FieldDef): boolean =>
  dataTypeModifier >= 4 && ((dataTypeModifier - 4) & 0xffff) === 0

async function columnsOf(client: Client): Promise<readonly FoundColumn[]> {
  const { fields } = await client.query('FETCH 0 FROM flamesh')
  const { rows: found } = await client.query<{ oid: string; typname: string; typcategory: string }>(
    'SELECT oid, typname, typcategory FROM pg_catalog.pg_type WHERE oid = ANY($1::oid[])',
    [[...new Set(fields.map((field) => field.dataTypeID))]],
  )
  return fields.map((field) => {
    const { typname = 'type unknown to it', typcategory = '' } =
      found.find(({ oid }) => Number(oid) === field.dataTypeID) ?? {}
    if (typname === 'numeric' && isWhole(field)) return { name: field.name, type: 'integer', read: asItIs }
    const known = Object.hasOwn(TYPES, typname) ? TYPES[typname] : undefined
    // texts and enumerations of any name
    const [type, read] = known ?? (/^[SEX]$/.test(typcategory) ? (['level', asItIs] as const) : refuse(field, typname))
    return { name: field.name, type, read }
  })
}

function refuse({ name }: FieldDef, type: string): never {
  throw new FlameshError('source-type', `column ${name} is a ${type}, which is no value of a dataset`, {
    meta: { column: name, type },
    hint: type.startsWith('timestamp')
      ? `say whose days are meant, in the query: (${name} AT TIME ZONE 'Europe/Berlin')::date`
      : 'leave it out of the query, or cast what is needed of it',
  })
}

async function* rows(
  client: Client,
  columns: readonly FoundColumn[],
  declared: DeclaredPostgres,
): SourceTable['batches'] & AsyncGenerator {
  for (;;) {
    const { rows: batch } = await client
      .query<(string | null)[]>({ text: `FETCH ${BATCH_ROWS} FROM flamesh`, rowMode: 'array' })
      .catch((error: unknown) => {
        throw failed(error, declared)
      })
    if (batch.length === 0) return
    yield batch.map((row) =>
      row.map((cell, index) => (cell === null ? null : (columns[index] as FoundColumn).read(cell))),
    )
  }
}

/** Classes of SQLSTATE whose messages speak of the query, the role or the server, never of a value in a row. */
const TELLABLE = /^(08|25|28|3D|3F|42|53|55|57|0A)/
/** The query itself is not as it must be. */
const OF_THE_QUERY = /^(42|34|25006|0A)/

const PASSWORD = 'passwordFile, PGPASSWORD or PGPASSFILE'
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^28/, `check user and password: ${PASSWORD}`],
  [/^3D/, 'check the name of the database'],
  [/^57014/, 'a statement that needs longer says so: timeout: 2h'],
  [/^(0[1-9B-Z]|2[0-7]|3[89]|P0)/, 'what else it says may hold values of rows: run the query with psql to see it'],
]

function failed(cause: unknown, { host, port }: DeclaredPostgres): unknown {
  if (cause instanceof FlameshError) return cause
  const { code = '', message } = cause as Error & { readonly code?: string }
  const fromServer = /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]+$/.test(code)
  if (fromServer && OF_THE_QUERY.test(code)) {
    return new FlameshError('query-invalid', `PostgreSQL: ${message}`, {
      hint: 'a source is one SELECT; correct the query, or the rights of the role',
    })
  }
  const what = !fromServer || TELLABLE.test(code) ? message || code : `error ${code}`
  return new FlameshError('source-failed', `PostgreSQL at ${host}:${port}: ${what}`, {
    hint: fromServer
      ? (HINTS.find(([pattern]) => pattern.test(code))?.[1] ?? 'ask whoever runs the database')
      : `check address, network and certificate of the server, and where its password is: ${PASSWORD}`,
  })
}
