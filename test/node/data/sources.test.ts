/** Sources with types: files that DuckDB reads, and what becomes of their rows. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { DatasetStore, loadRows } from '@flamesh/node/data/datasets.js'
import { type Declaration, readDeclaration } from '@flamesh/node/data/declaration.js'
import { withTable } from '@flamesh/node/data/open-table.js'
import { openRows, proposeSchema } from '@flamesh/node/data/schema.js'
import type { SourceColumn, SourceTable } from '@flamesh/node/data/source.js'
import { spool, withScratch } from '@flamesh/node/data/spool.js'
import type { Value } from '@flamesh/node/data/values.js'

type Cells = readonly (string | null)[]

describe('sources of datasets', () => {
  let root: string
  let scratch: string
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'flamesh-sources-'))
    scratch = join(root, 'scratch')
  })
  afterEach(() => rm(root, { recursive: true }))

  const parquet = async (query: string, name = 'data.parquet'): Promise<string> => {
    const file = join(root, name)
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    await connection.run(`COPY (${query}) TO '${file}' (FORMAT parquet)`)
    connection.closeSync()
    instance.closeSync()
    return file
  }
  /** The columns of a file as [name, type, guessed, missing], and its rows. */
  const read = (file: string | undefined, declaration: Declaration = {}) =>
    withTable(scratch, file, declaration, async (table) => {
      const proposal = await proposeSchema(table, declaration)
      const rows: (readonly Value[])[] = []
      for await (const batch of (await openRows(proposal)).batches) rows.push(...batch)
      const columns = proposal.columns.map(({ name, type, guessed, missing }) => [name, type, guessed, missing])
      return { proposal, columns, rows }
    })
  const readQuery = (query: string) => read(undefined, { source: { query, folder: root } })
  const refused = async (code: string, message: RegExp, work: () => Promise<unknown>, never = /needle/) =>
    assert.rejects(work, (error: { code: string; message: string; hint?: string; meta: object }) => {
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      assert.doesNotMatch(`${error.message} ${error.hint} ${JSON.stringify(error.meta)}`, never)
      return true
    })
  /** A source that holds its rows, and remembers whether it was closed. */
  const held = (columns: readonly SourceColumn[], rows: readonly Cells[]): SourceTable & { closed: boolean } => ({
    columns,
    batches: (async function* () {
      yield rows.slice(0, 1)
      yield rows.slice(1)
    })(),
    closed: false,
    async close() {
      this.closed = true
    },
  })

  it('takes types from Parquet, and null alone for missing', async () => {
    const file = await parquet(`
      SELECT i AS whole, i * 10000000000::HUGEINT AS big, (i / 4)::DOUBLE AS real, 0.1::FLOAT AS single,
        (i / 8)::DECIMAL(18, 3) AS exact, i::DECIMAL(10, 0) AS counted, i % 2 = 0 AS flag,
        DATE '2020-02-28' + i::INTEGER AS day, TIMESTAMP '2020-01-01' + INTERVAL (i) DAY AS midnight,
        CASE i % 2 WHEN 0 THEN 'NA' ELSE '7' END AS label, 'name ' || i AS note, (CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END)::ENUM('a', 'b') AS kind,
        CASE WHEN i > 3 THEN i END AS gaps, NULL::VARCHAR AS nothing
      FROM range(12) t(i)`)
    const { columns, rows } = await read(file)
    assert.deepEqual(columns, [
      ['whole', 'integer', false, 0],
      ['big', 'number', false, 0],
      ['real', 'number', false, 0],
      ['single', 'number', false, 0],
      ['exact', 'number', false, 0],
      ['counted', 'integer', false, 0],
      ['flag', 'integer', false, 0],
      ['day', 'integer', false, 0],
      ['midnight', 'integer', false, 0],
      ['label', 'level', false, 0],
      ['note', 'text', false, 0],
      ['kind', 'level', false, 0],
      ['gaps', 'integer', false, 4],
      ['nothing', 'level', false, 12],
    ])
    assert.deepEqual(rows[3]?.slice(0, 12), [
      ...[3, 30_000_000_000, 0.75, Math.fround(0.1), 0.375, 3, 0, 18_323, 18_265, '7', 'name 3', 'b'],
    ])
    assert.deepEqual(
      rows.map((row) => row[12]),
      [...[undefined, undefined, undefined, undefined], ...[4, 5, 6, 7, 8, 9, 10, 11]],
    )
  })

  it('names the row of a value that does not fit, and never the value', async () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ["SELECT CASE i WHEN 2 THEN 'NaN'::DOUBLE ELSE i END AS a FROM range(5) t(i)", /^row 3, column a: not a number$/],
      ["SELECT CASE i WHEN 4 THEN '-inf'::DOUBLE ELSE i END AS a FROM range(5) t(i)", /^row 5, column a: not a number/],
      ['SELECT 9007199254740992 + i AS a FROM range(5) t(i)', /^row 1, column a: not a whole number below 2\^53, the /],
      [
        "SELECT TIMESTAMP '2020-01-01 00:00:00' + INTERVAL (i) HOUR AS a FROM range(3) t(i)",
        /^row 2, column a: not a day/,
      ],
      ["SELECT 'infinity'::DATE AS a", /^row 1, column a: not a day/],
    ]
    for (const [query, message] of cases) {
      const file = await parquet(query)
      await refused('csv-value', message, () => read(file), /NaN|inf|90071|2020/)
    }
  })

  it('refuses types that are no values, and says what to do', async () => {
    for (const [value, type] of [
      ['[1, 2]', 'LIST'],
      ['{a: 1}', 'STRUCT'],
      ["TIMESTAMPTZ '2020-01-01 00:00:00+01'", 'TIMESTAMP_TZ'],
      ["'x'::BLOB", 'BLOB'],
      ["TIME '10:00:00'", 'TIME'],
    ]) {
      const file = await parquet(`SELECT 1 AS a, ${value} AS b`)
      await refused('source-type', new RegExp(`^column b is a ${type}, `), () => read(file))
    }
  })

  it('lets declarations stand before the types of the source', async () => {
    const file = await parquet(`
      SELECT i % 2 AS code, TIMESTAMP '1999-12-31 10:00:00' AS seen, DATE '2000-01-02' AS born, i % 3 AS score,
        '1,5' AS written, 'm' AS sex, i AS id FROM range(6) t(i)`)
    const { columns, rows, proposal } = await read(file, {
      epoch: '2000-01-01',
      missing: ['2'],
      decimal: ',',
      columns: {
        code: { type: 'level' },
        seen: { type: 'date' },
        born: { epoch: '1999-01-01' },
        written: { type: 'number' },
        id: { keep: false },
      },
      derive: { sex: { from: 'sex', map: { m: 'male' } } },
    })
    assert.deepEqual(
      columns.map(([name, type]) => [name, type]),
      [
        ['code', 'level'],
        ['seen', 'integer'],
        ['born', 'integer'],
        ['score', 'integer'],
        ['written', 'number'],
        ['sex', 'level'],
      ],
    )
    assert.deepEqual(rows.slice(1, 3), [
      ['1', -1, 366, 1, 1.5, 'male'],
      ['0', -1, 366, undefined, 1.5, 'male'],
    ])
    assert.equal(proposal.declaration.missing?.length, 1, 'what is stored is what the operator declared')
    await refused('declaration-invalid', /^separator: only a CSV file/, () => read(file, { separator: ';' }))
    await refused('declaration-invalid', /no such column/, () => read(file, { columns: { nope: { type: 'level' } } }))
  })

  it('reads records of JSON lines, the late ones too', async () => {
    const file = join(root, 'visits.ndjson')
    const lines = Array.from({ length: 30_000 }, (_, i) => ({ sex: i % 2 ? 'f' : '1', age: i % 90, day: '2020-03-01' }))
    const last = { age: 33.5, late: true }
    await writeFile(file, [...lines, last].map((one) => JSON.stringify(one)).join('\n'))
    const { columns, rows } = await read(file)
    assert.deepEqual(columns, [
      ['sex', 'level', false, 1],
      ['age', 'number', false, 0],
      ['day', 'integer', false, 1],
      ['late', 'integer', false, 30_000],
    ])
    assert.deepEqual(rows.at(-1), [undefined, 33.5, undefined, 1])
    await writeFile(file, '{"a": 1}\n{"a": {"b": 1}}\n')
    await refused('source-type', /^column a is a JSON, /, () => read(file))
    await writeFile(file, '{"a": 1}\n{"a": "needle"}\n{"a": needle}\n')
    await refused('source-failed', /^line 3: not JSON$/, () => read(file))
    await refused('source-failed', /Malformed JSON in file .*visits\.ndjson", at byte \d+ near line \d$/, () =>
      readQuery("SELECT * FROM 'visits.ndjson'"),
    )
  })

  it('reads a query over files of a folder', async () => {
    await parquet(
      "SELECT i AS id, CASE i % 2 WHEN 0 THEN 'f' ELSE 'm' END AS sex FROM range(40) t(i)",
      'people.parquet',
    )
    await writeFile(
      join(root, 'visits.csv'),
      `id,score\n${Array.from({ length: 80 }, (_, i) => `${i % 40},${i}`).join('\n')}`,
    )
    const here = process.cwd()
    const { columns, rows } = await readQuery(`
      WITH latest AS (SELECT id, max(score) AS score FROM 'visits.csv' GROUP BY id)
      SELECT sex, score FROM 'people.parquet' JOIN latest USING (id) ORDER BY id -- one row a person`)
    assert.deepEqual(columns, [
      ['sex', 'level', false, 0],
      ['score', 'integer', false, 0],
    ])
    assert.deepEqual(rows.slice(0, 2), [
      ['f', 40],
      ['m', 41],
    ])
    assert.equal(process.cwd(), here)
  })

  it('runs the query that the reference shows', async () => {
    const page = await readFile(new URL('../../../docs/reference/datasets.md', import.meta.url), 'utf8')
    const block = /```yaml\n(source:\n {2}query:.*?)```/s.exec(page)?.[1] ?? ''
    const study = join(root, 'study.yaml')
    await writeFile(study, block.replace(/folder: \S+/, 'folder: export'))
    await mkdir(join(root, 'export', 'lab'), { recursive: true })
    await parquet("SELECT i AS id, 'f' AS sex, DATE '1950-01-01' AS born FROM range(3) t(i)", 'export/patients.parquet')
    await writeFile(
      join(root, 'export', 'lab', '2024.csv'),
      'patient,code,value\n0,4548-4,5.5\n0,4548-4,6.5\n1,718-7,14\n',
    )
    const { columns, rows } = await read(undefined, (await readDeclaration(study)).declaration)
    assert.deepEqual(
      columns.map(([name, type]) => [name, type]),
      [
        ['sex', 'level'],
        ['birth_year', 'integer'],
        ['hba1c', 'number'],
      ],
    )
    assert.deepEqual(new Set(rows.map((row) => row[2])), new Set([6.5, undefined]))
    assert.equal(rows.length, 3)
  })

  it('reads nothing outside of the folder, writes nothing, and has no network', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'flamesh-outside-'))
    try {
      await writeFile(join(outside, 'secret.csv'), 'a\nneedle\n')
      const secret = join(outside, 'secret.csv')
      for (const [query, code] of [
        [`SELECT * FROM '${secret}'`, 'source-failed'],
        [`SELECT content FROM read_text('${secret}')`, 'source-failed'],
        [`SELECT content FROM read_text('${root}/../${secret.slice(tmpdir().length + 1)}')`, 'source-failed'],
        [`SELECT * FROM glob('${outside}/*')`, 'source-failed'],
        ["SELECT * FROM read_csv('http://127.0.0.1:9/a.csv')", 'source-failed'],
        [`COPY (SELECT 1) TO '${outside}/out.csv'`, 'source-failed'],
        ["COPY (SELECT 1) TO 'out.csv'", 'query-invalid'],
        ['SELECT 1; SELECT 2', 'query-invalid'],
        ['CREATE TABLE t AS SELECT 1', 'query-invalid'],
        ["SET memory_limit = '1TB'", 'query-invalid'],
        ['INSTALL httpfs', 'query-invalid'],
        ["ATTACH 'other.db'", 'query-invalid'],
        ['EXPLAIN ANALYZE SELECT 1', 'query-invalid'],
        ['SELEC 1', 'query-invalid'],
        ['SELECT nothing FROM (SELECT 1 AS a)', 'query-invalid'],
        ['-- nothing', 'query-invalid'],
      ] as const)
        await refused(code, /./, () => readQuery(query))
      assert.deepEqual(await readdir(outside), ['secret.csv'])
      assert.deepEqual((await readdir(root)).sort(), ['scratch'])
    } finally {
      await rm(outside, { recursive: true })
    }
  })

  it('shows no value of a row on which a query failed', async () => {
    await refused('source-failed', /^DuckDB: Conversion Error$/, () =>
      readQuery("SELECT (CASE i WHEN 70000 THEN 'needle' ELSE '1' END)::INTEGER AS a FROM range(80000) t(i)"),
    )
    assert.deepEqual(await readdir(scratch), [])
  })

  it('names the line of JSON lines that is none', async () => {
    const file = join(root, 'data.jsonl')
    for (const [line, bad] of [
      [2, '{"a":}'],
      [2, '{"a":"needle'],
      [4, '{"a":1,"needle"}'],
    ] as const) {
      const lines = ['{"a":1}', '{"a":2}', '', '{"a":3}', '{"a":4}']
      lines[line - 1] = bad
      await writeFile(file, lines.join('\n'))
      await refused('source-failed', new RegExp(`^line ${line}: not JSON$`), () => read(file))
    }
  })

  it('has days that do not depend on where a command is typed', async () => {
    const before = process.env['TZ']
    try {
      for (const zone of ['America/New_York', 'Asia/Tokyo']) {
        process.env['TZ'] = zone
        const { rows } = await readQuery("SELECT (TIMESTAMPTZ '2020-01-01 00:30:00+02')::DATE AS d")
        assert.deepEqual(rows, [[Date.UTC(2019, 11, 31) / 86_400_000]])
      }
    } finally {
      if (before === undefined) delete process.env['TZ']
      else process.env['TZ'] = before
    }
  })

  it('says what is wrong with a file that is none', async () => {
    await refused('file-not-found', /there is no file/, () => read(join(root, 'nothing.parquet')))
    const elsewhere = { source: { query: 'SELECT 1', folder: join(root, 'nowhere') } }
    await refused('file-not-found', /there is no folder/, () => read(undefined, elsewhere))
    const file = join(root, 'broken.parquet')
    await writeFile(file, 'PAR1 needle is all there is')
    await refused('source-failed', /^DuckDB: Invalid Input Error: (No magic bytes|File)/, () => read(file))
  })

  it('gives back any text, by row', async () => {
    const columns: SourceColumn[] = [{ name: 'sep=;', type: 'level' }, { name: ' b"c', type: 'text' }, { name: 'd' }]
    const cells: Cells[] = [
      ['a,b', 'two\nlines', '1'],
      [null, null, null],
      ['"q"', 'x', '2'],
      ['', 'y\r\nz', null],
    ]
    const source = held(columns, cells)
    await withScratch(scratch, async (folder) => {
      const table = await spool(folder, 'held', source, {})
      assert.equal(source.closed, true)
      const csv = await table.open()
      assert.deepEqual(csv.header, ['sep=;', 'b"c', 'd'])
      const found: unknown[] = []
      for await (const batch of csv.batches) found.push(...batch)
      assert.deepEqual(
        found,
        cells.map((row, at) => ({ line: at + 1, cells: row.map((cell) => cell ?? '') })),
      )
    })
  })

  it('counts a row without values as a row, also of one column', async () => {
    await withScratch(scratch, async (folder) => {
      const table = await spool(folder, 'held', held([{ name: 'a', type: 'integer' }], [['1'], [null], ['x']]), {})
      await refused('csv-value', /^row 3, column a/, () => proposeSchema(table))
    })
  })

  it('refuses names and rows that no dataset has, and closes the source all the same', async () => {
    await withScratch(scratch, async (folder) => {
      for (const [names, rows, code] of [
        [['a', 'a '], [], 'csv-header'],
        [['', 'b'], [], 'csv-header'],
        [
          ['a', 'b'],
          [
            ['1', '2'],
            ['1', 'needle'.repeat(200_000)],
          ],
          'source-row',
        ],
        [['a', 'b'], [['1', 'needle\0']], 'source-row'],
      ] as const) {
        const source = held(
          names.map((name) => ({ name })),
          rows as readonly Cells[],
        )
        await refused(code, /^(row \d|two columns|column 1)/, () => spool(folder, 'held', source, {}))
        assert.equal(source.closed, true)
      }
    })
  })

  it('keeps the copy to itself, and deletes it whatever happens', async () => {
    await withScratch(scratch, async (folder) => {
      await spool(folder, 'held', held([{ name: 'a' }], [['1'], ['2']]), {})
      assert.equal((await stat(scratch)).mode & 0o777, 0o700)
      assert.equal((await stat(folder)).mode & 0o777, 0o700)
      const [file] = await readdir(folder)
      assert.equal((await stat(join(folder, file as string))).mode & 0o777, 0o600)
    })
    assert.deepEqual(await readdir(scratch), [])
    const file = await parquet("SELECT 'NaN'::DOUBLE AS a")
    await assert.rejects(read(file))
    assert.deepEqual(await readdir(scratch), [])
  })

  it('deletes what a command left that is no more, and nothing else', async () => {
    const [gone, running] = [join(scratch, '4194305-dead'), join(scratch, `${process.ppid}-alive`)]
    await mkdir(gone, { recursive: true })
    await mkdir(running)
    await writeFile(join(gone, 'rows.csv'), 'a\n1\n')
    await withScratch(scratch, async () => undefined)
    assert.deepEqual(await readdir(scratch), [`${process.ppid}-alive`])
  })

  it('becomes a version like a CSV file, and the same rows are the same version', async () => {
    const store = await DatasetStore.open(join(root, 'datasets'), new Uint8Array(32).fill(1))
    const file = await parquet('SELECT i AS a, i % 3 AS b FROM range(3000) t(i)')
    const add = () => withTable(scratch, file, {}, async (table) => store.add('lung', await proposeSchema(table)))
    const { version, roundedRows } = await add()
    assert.equal(roundedRows, 3000)
    const rows = loadRows(store.folder, 'lung', version, new Set(['a']), 1 << 30)
    assert.deepEqual(
      rows.columns.get('a'),
      Float64Array.from({ length: 3000 }, (_, i) => i),
    )
    assert.equal((await add()).version, version)
    await store.verify('lung')
    assert.equal((await store.show('lung')).form, null)
  })
})
