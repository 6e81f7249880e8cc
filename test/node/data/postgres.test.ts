/** PostgreSQL as a source: a real server, a small OMOP CDM of made-up people, and what must not happen. */
import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readDeclaration } from '@flamesh/node/data/declaration.js'
import type { DeclaredPostgres } from '@flamesh/node/data/declared-source.js'
import { withTable } from '@flamesh/node/data/open-table.js'
import { openPostgres, usesTls } from '@flamesh/node/data/postgres.js'
import { openRows, proposeSchema } from '@flamesh/node/data/schema.js'
import type { Value } from '@flamesh/node/data/values.js'
import { createIdentity } from '@flamesh/node/store/identity.js'
import { flamesh } from '../cli/harness.js'
import { PostgresServer, withPostgres } from './postgres-server.js'

const OMOP = fileURLToPath(new URL('../../../docs/examples/sources/omop.yaml', import.meta.url))
const PASSWORD = 'readerreader'
const [DIABETES, TYPE_2, WITH_COMPLICATION, ASTHMA, HBA1C, WEIGHT, PERCENT, KILOGRAM] = [
  ...[201820, 201826, 443732, 317009, 3004410, 3025315, 8554, 9529],
] as const

/** Rows as SQL; null, numbers and texts. */
const values = (rows: readonly (readonly (string | number | null)[])[]): string =>
  rows
    .map((row) => `(${row.map((cell) => (typeof cell === 'string' ? `'${cell}'` : String(cell))).join(', ')})`)
    .join(', ')

interface Person {
  readonly id: number
  readonly female: boolean
  readonly born: number
  /** days of 2020 */
  readonly diagnosed: readonly number[]
  readonly hba1c: readonly { readonly day: number; readonly value: number | null; readonly unit: number }[]
  readonly stays: readonly number[]
  readonly died: boolean
}

const day = (of2020: number): string => new Date(Date.UTC(2020, 0, 1 + of2020)).toISOString().slice(0, 10)

/** Made up, without chance: every branch of the query has someone. */
const PEOPLE: readonly Person[] = Array.from({ length: 240 }, (_, id) => ({
  id: id + 1,
  female: id % 2 === 0,
  born: 1940 + (id % 40),
  diagnosed: id % 6 === 5 ? [] : id % 3 === 0 ? [90 + (id % 10), 20 + (id % 7)] : [50 + (id % 30)],
  hba1c: [
    { day: 5, value: 99, unit: PERCENT },
    ...(id % 4 === 0 ? [] : [{ day: 200 + (id % 9), value: 50 + (id % 60) / 8, unit: PERCENT }]),
    ...(id % 5 === 0 ? [{ day: 150, value: 6 + (id % 30) / 16, unit: PERCENT }] : []),
    { day: 140, value: null, unit: PERCENT },
    { day: 141, value: 42, unit: KILOGRAM },
  ],
  stays: Array.from({ length: id % 4 }, (_, at) => at * 90),
  died: id % 11 === 0,
}))

/** What the query should give, worked out here from the same people. */
const EXPECTED = PEOPLE.filter(({ diagnosed }) => diagnosed.length > 0).map((person): readonly Value[] => {
  const since = Math.min(...person.diagnosed)
  const [first] = person.hba1c
    .filter((one) => one.unit === PERCENT && one.value !== null && one.day >= since)
    .sort((a, b) => a.day - b.day)
  const stays = person.stays.filter((one) => one >= since).length
  const epochDay = Date.UTC(2020, 0, 1) / 86_400_000
  return [
    person.female ? 'female' : 'male',
    2020 - person.born,
    epochDay + since,
    first?.value ?? undefined,
    stays,
    person.died ? 1 : 0,
  ]
})

async function fillOmop(server: PostgresServer): Promise<void> {
  let measurement = 0
  const conditions = PEOPLE.flatMap(({ id, diagnosed }) => [
    ...diagnosed.map((at) => [id, at % 2 ? TYPE_2 : WITH_COMPLICATION, day(at)] as const),
    [id, ASTHMA, day(1)] as const,
  ])
  const measurements = PEOPLE.flatMap(({ id, hba1c }) => [
    ...hba1c.map((one) => [++measurement, id, HBA1C, day(one.day), one.value, one.unit] as const),
    [++measurement, id, WEIGHT, day(300), 80, PERCENT] as const,
  ])
  const stays = PEOPLE.flatMap(({ id, stays: at }) => [
    ...at.map((one) => [id, 9201, day(one)] as const),
    [id, 9202, day(360)] as const,
  ])
  await server.sql(`
    CREATE TABLE concept (concept_id integer PRIMARY KEY, concept_name varchar(255));
    INSERT INTO concept VALUES (8507, 'MALE'), (8532, 'FEMALE'), (${TYPE_2}, 'Type 2 diabetes mellitus');
    CREATE TABLE concept_ancestor (ancestor_concept_id integer, descendant_concept_id integer);
    INSERT INTO concept_ancestor VALUES ${values([
      ...[TYPE_2, WITH_COMPLICATION].flatMap((one) => [DIABETES, TYPE_2].map((above) => [above, one])),
      [ASTHMA, ASTHMA],
    ])};
    CREATE TABLE person (person_id integer PRIMARY KEY, gender_concept_id integer, year_of_birth integer);
    INSERT INTO person VALUES ${values(PEOPLE.map(({ id, female, born }) => [id, female ? 8532 : 8507, born]))};
    CREATE TABLE death (person_id integer, death_date date);
    INSERT INTO death VALUES ${values(PEOPLE.filter(({ died }) => died).map(({ id }) => [id, day(364)]))};
    CREATE TABLE condition_occurrence (person_id integer, condition_concept_id integer, condition_start_date date);
    INSERT INTO condition_occurrence VALUES ${values(conditions)};
    CREATE TABLE measurement (measurement_id integer, person_id integer, measurement_concept_id integer,
      measurement_date date, value_as_number numeric, unit_concept_id integer);
    INSERT INTO measurement VALUES ${values(measurements)};
    CREATE TABLE visit_occurrence (person_id integer, visit_concept_id integer, visit_start_date date);
    INSERT INTO visit_occurrence VALUES ${values(stays)};
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
    CREATE TABLE secret (a integer); INSERT INTO secret VALUES (1)`)
}

describe('PostgreSQL as a source', function () {
  this.timeout(120_000)
  let root: string
  let server: PostgresServer
  let passwordFile: string
  before(async function () {
    root = await mkdtemp(join(tmpdir(), 'flamesh-postgres-'))
    passwordFile = join(root, 'password')
    await writeFile(passwordFile, `${PASSWORD}\n`, { mode: 0o600 })
    if (this.test?.parent?.tests.every((one) => one.isPending())) return
    server = await PostgresServer.start()
    await fillOmop(server)
  })
  after(async () => {
    await server?.stop()
    await rm(root, { recursive: true })
  })

  const declared = (changes: Partial<DeclaredPostgres> = {}): DeclaredPostgres => ({
    ...{
      host: 'localhost',
      port: server.port,
      database: 'postgres',
      user: 'reader',
      passwordFile: passwordFile,
      timeout: '10m',
    },
    ...changes,
  })
  const read = (query: string, changes: Partial<DeclaredPostgres> = {}) => {
    const declaration = { source: { query, postgres: declared(changes) } }
    return withTable(join(root, 'scratch'), undefined, declaration, async (table) => {
      const proposal = await proposeSchema(table, declaration)
      const rows: (readonly Value[])[] = []
      for await (const batch of (await openRows(proposal)).batches) rows.push(...batch)
      return { columns: proposal.columns.map(({ name, type, guessed }) => [name, type, guessed]), rows }
    })
  }
  const refused = async (code: string, message: RegExp, query: string, changes: Partial<DeclaredPostgres> = {}) =>
    assert.rejects(read(query, changes), (error: Error & { code: string; hint?: string; meta: object }) => {
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      const told = `${error.stack} ${error.hint} ${JSON.stringify(error.meta)} ${(error.cause as Error)?.stack}`
      assert.doesNotMatch(told, /needle|readerreader/)
      return true
    })

  withPostgres('makes one row a person of an OMOP CDM, by the query of the example', async () => {
    const { source } = (await readDeclaration(OMOP)).declaration
    const { columns, rows } = await read(source !== undefined && 'query' in source ? source.query : '')
    assert.deepEqual(columns, [
      ['sex', 'level', false],
      ['age', 'integer', false],
      ['since', 'integer', false],
      ['hba1c', 'number', false],
      ['stays', 'integer', false],
      ['died', 'integer', false],
    ])
    assert.equal(rows.length, 200)
    assert.deepEqual(rows, EXPECTED)
  })

  withPostgres('registers it with a command, and reads it again for an update', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'flamesh-postgres-node-'))
    try {
      await writeFile(join(dir, 'config.json'), JSON.stringify({ hub: 'http://127.0.0.1:1', hubKey: 'ab'.repeat(32) }))
      await createIdentity(join(dir, 'keys'))
      const study = join(root, 'omop.yaml')
      const text = (await readFile(OMOP, 'utf8'))
        .replace('database: omop', `database: postgres\n    port: ${server.port}`)
        .replace('flamesh_reader', 'reader')
        .replace('/etc/flamesh/omop-password', 'password')
      await writeFile(study, text)
      const run = async (...args: readonly string[]) => {
        const ran = await flamesh(['dataset', ...args, '--dir', dir, '--json'])
        assert.equal(ran.exit, 0, ran.stdout + ran.stderr)
        assert.doesNotMatch(ran.stdout + ran.stderr, new RegExp(PASSWORD))
        return JSON.parse(ran.stdout)
      }
      const added = await run('add', 'diabetes', '--declaration', study, '--yes')
      assert.equal(added.rows, 200)
      assert.equal((await run('update', 'diabetes', '--yes')).version, added.version)
      await server.sql('DELETE FROM condition_occurrence WHERE person_id <= 6')
      const { diff } = await run('update', 'diabetes', '--yes')
      assert.deepEqual(diff.rows, { same: 195, removed: 5, added: 0 })
      const { declaration } = await run('show', 'diabetes')
      assert.equal(declaration.source.postgres.passwordFile, passwordFile)
      const shown = await flamesh(['dataset', 'show', 'diabetes', '--dir', dir])
      assert.match(shown.stdout, /^source +WITH diabetes .*PostgreSQL at localhost:\d+, database postgres, as reader/m)
      for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue
        const bytes = await readFile(join(entry.parentPath, entry.name), 'latin1')
        assert.ok(!bytes.includes(PASSWORD), entry.name)
      }
    } finally {
      await rm(dir, { recursive: true })
    }
  })

  withPostgres('takes types from the server, and every number as it is', async () => {
    await server.sql("CREATE TYPE colour AS ENUM ('red', 'blue')")
    const { columns, rows } = await read(`
      SELECT 9007199254740991::bigint AS big, 0.1::real AS single, 0.1::float8 AS double, 123.4500::numeric AS exact,
        7::numeric(10, 0) AS whole, true AS flag, DATE '1999-12-31' AS day, TIMESTAMP '2000-01-01' AS midnight,
        'NA'::text AS label, '42'::varchar(10) AS code, 'x'::char(4) AS padded, 'red'::colour AS kind, 1e-300::float8 AS tiny,
        NULL::integer AS gap, 5::smallint AS small FROM generate_series(1, 20)`)
    assert.deepEqual(
      columns.map(([name, type, guessed]) => [name, type, guessed]),
      [
        ...['big', 'single', 'double', 'exact', 'whole', 'flag', 'day', 'midnight', 'label', 'code', 'padded', 'kind'],
        ...['tiny', 'gap', 'small'],
      ].map((name, at) => [
        name,
        ['label', 'code', 'padded', 'kind'].includes(name)
          ? 'level'
          : [1, 2, 3, 12].includes(at)
            ? 'number'
            : 'integer',
        false,
      ]),
    )
    const row = [
      9007199254740991,
      Math.fround(0.1),
      0.1,
      123.45,
      7,
      1,
      -1 + 10_957,
      10_957,
      'NA',
      '42',
      'x',
      'red',
      1e-300,
    ]
    assert.deepEqual(rows[19], [...row, undefined, 5])
  })

  withPostgres('refuses what is no value, by row or by type, and shows none', async () => {
    await refused(
      'csv-value',
      /^row 2, column a: not a number$/,
      "SELECT * FROM (VALUES (1::float8), ('NaN'::float8)) v(a)",
    )
    await refused('csv-value', /^row 1, column a: not a day/, "SELECT TIMESTAMP '2020-01-01 10:00' AS a")
    await refused('csv-value', /^row 1, column a: not a day/, "SELECT 'infinity'::date AS a")
    await refused(
      'csv-value',
      /^row 1, column a: not a whole number below 2\^53$/,
      'SELECT 9007199254740993::bigint AS a',
    )
    for (const [value, type] of [
      ['now()', 'timestamptz'],
      ["'{}'::jsonb", 'jsonb'],
      ['ARRAY[1]', '_int4'],
      ["'1'::money", 'money'],
      ["'x'::bytea", 'bytea'],
    ])
      await refused('source-type', new RegExp(`^column b is a ${type}, `), `SELECT 1 AS a, ${value} AS b`)
    const query = "SELECT (CASE i WHEN 2500 THEN 'needle' ELSE '1' END)::integer AS a FROM generate_series(1, 5000) i"
    await refused('source-failed', /^PostgreSQL at localhost:\d+: error 22P02$/, query)
    assert.deepEqual(await readdir(join(root, 'scratch')), [])
  })

  withPostgres('reads, and does nothing else, whatever the role may do', async () => {
    const admin = { user: 'admin', passwordFile: join(root, 'admin') }
    await writeFile(admin.passwordFile, 'adminadmin', { mode: 0o600 })
    await server.sql(
      "CREATE SEQUENCE counted; CREATE FUNCTION erase() RETURNS integer LANGUAGE sql AS 'DELETE FROM secret RETURNING a'",
    )
    const written = join(root, 'written')
    for (const query of [
      'DELETE FROM secret',
      'WITH gone AS (DELETE FROM secret RETURNING a) SELECT a FROM gone',
      'SELECT 1; DELETE FROM secret',
      'SELECT 1; COMMIT; DELETE FROM secret',
      'COMMIT',
      'SELECT erase()',
      "SELECT nextval('counted')",
      'SELECT a INTO copied FROM secret',
      `COPY secret TO PROGRAM 'touch ${written}'`,
      'SET TRANSACTION READ WRITE',
      'EXPLAIN SELECT 1',
      'SELECT * FROM nothing',
      'SELEC 1',
      'SELECT a FROM secret FOR UPDATE',
    ])
      await refused('query-invalid', /^PostgreSQL: /, query, admin)
    assert.deepEqual((await server.sql('SELECT a, (SELECT is_called FROM counted) AS called FROM secret')).rows, [
      { a: 1, called: false },
    ])
    assert.ok(!(await readdir(root)).includes('written'))
    await refused('query-invalid', /permission denied for table secret/, 'SELECT a FROM secret')
  })

  withPostgres('sees one state of the database, a few rows at a time', async () => {
    await server.sql('CREATE TABLE many AS SELECT i FROM generate_series(1, 5000) i; GRANT SELECT ON many TO reader')
    const source = await openPostgres(declared(), 'SELECT i FROM many')
    let count = 0
    for await (const batch of source.batches) {
      if (count === 0) await server.sql('INSERT INTO many SELECT i FROM generate_series(5001, 9000) i')
      count += batch.length
    }
    await source.close()
    assert.equal(count, 5000)
    const endless = await openPostgres(declared(), 'SELECT generate_series(1, 2000000000) AS i')
    for await (const batch of endless.batches) {
      assert.equal(batch.length, 1000)
      break
    }
    await endless.close()
  })

  withPostgres('ends with an error when the server takes too long, or goes away', async () => {
    await refused('source-failed', /statement timeout/, 'SELECT 1 AS a, pg_sleep(600)::text AS b', { timeout: '200ms' })
    const source = await openPostgres(declared(), 'SELECT generate_series(1, 2000000000) AS i')
    const consume = async () => {
      for await (const _ of source.batches)
        await server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'flamesh'")
    }
    await assert.rejects(consume(), { code: 'source-failed' })
    await source.close()
    await refused('source-failed', /ECONNREFUSED/, 'SELECT 1 AS a', { port: 1 })
  })

  withPostgres('encrypts and checks whom it talks to, unless it is this machine or told otherwise', async () => {
    assert.deepEqual(
      ['db.example.org', '10.1.2.3', 'localhost', '127.0.0.1', '::1', '/run/postgresql'].map((host) =>
        usesTls({ host }),
      ),
      [true, true, false, false, false, false],
    )
    assert.equal(usesTls({ host: 'db.example.org', tls: 'none' }), false)
    const query = 'SELECT ssl::integer AS a FROM pg_stat_ssl WHERE pid = pg_backend_pid()'
    assert.deepEqual((await read(query)).rows, [[0]])
    const tls = 'verify-full'
    assert.deepEqual((await read(query, { tls, ca: server.ca })).rows, [[1]])
    await refused('source-failed', /self-signed certificate/, query, { tls })
    await refused('source-failed', /does not match certificate/, query, { tls, ca: server.ca, host: '127.0.0.1' })
    assert.deepEqual((await read(query, { host: server.folder })).rows, [[0]], 'a Unix socket')
  })

  withPostgres('checks the certificate whatever the environment says', async () => {
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    try {
      await refused('source-failed', /self-signed certificate/, 'SELECT 1 AS a', { tls: 'verify-full' })
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
    }
  })

  withPostgres('takes the password from a file of its own or the environment, and tells it to nobody', async () => {
    const query = 'SELECT 1 AS a'
    await writeFile(join(root, 'open'), PASSWORD, { mode: 0o644 })
    await chmod(join(root, 'open'), 0o644)
    await refused('key-permissions', /others can read/, query, { passwordFile: join(root, 'open') })
    await refused('file-not-found', /no file/, query, { passwordFile: join(root, 'nowhere') })
    await writeFile(join(root, 'wrong'), `${PASSWORD}needle`, { mode: 0o600 })
    await refused('source-failed', /password authentication failed/, query, { passwordFile: join(root, 'wrong') })
    const { passwordFile: _, ...without } = declared()
    const none = { postgres: without, query }
    const readWithout = () =>
      withTable(join(root, 'scratch'), undefined, { source: none }, async (table) => (await proposeSchema(table)).rows)
    const before = { ...process.env }
    try {
      process.env['PGPASSFILE'] = join(root, 'no-pgpass')
      await assert.rejects(readWithout(), { code: 'source-failed', message: /password must be a string/ })
      process.env['PGPASSWORD'] = PASSWORD
      assert.equal(await readWithout(), 1)
    } finally {
      for (const name of ['PGPASSFILE', 'PGPASSWORD']) {
        if (before[name] === undefined) delete process.env[name]
        else process.env[name] = before[name]
      }
    }
  })
})
