import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatasetStore, loadRows } from '@flamesh/node/data/datasets.js'
import { proposeSchema } from '@flamesh/node/data/schema.js'
import type { Column } from '@flamesh/protocol/analyses/analysis.js'
import fc from 'fast-check'

const SALT = new Uint8Array(32).fill(1)
const PLENTY = 1 << 30
const CSV = `id,age,sex,ecog,name\n${Array.from({ length: 2500 }, (_, row) => `${row},${row % 7 === 0 ? 'NA' : row / 4},${row % 2 ? 'f' : 'm'},${row === 9 ? 3 : row % 3},person ${row}`).join('\n')}\n`

describe('datasets', () => {
  let root: string
  let file: string
  let store: DatasetStore
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'flamesh-datasets-'))
    file = join(root, 'lung.csv')
    await writeFile(file, CSV)
    store = await DatasetStore.open(join(root, 'datasets'), SALT)
  })
  afterEach(() => rm(root, { recursive: true }))

  const add = async (name = 'lung') => store.add(name, await proposeSchema(file))
  const load = (version: string, ...names: string[]) => loadRows(store.folder, 'lung', version, new Set(names), PLENTY)

  it('gives back every stored value, in any choice of columns', async () => {
    const { version } = await add()
    const rows = load(version, 'sex', 'age', 'ecog')
    assert.equal(rows.count, 2500)
    const index = Array.from({ length: 2500 }, (_, row) => row)
    const expected: [string, Column][] = [
      ['age', Float64Array.from(index, (row) => (row % 7 === 0 ? Number.NaN : row / 4))],
      ['sex', index.map((row) => (row % 2 ? 'f' : 'm'))],
      ['ecog', Float64Array.from(index, (row) => (row === 9 ? 3 : row % 3))],
    ]
    assert.deepEqual(new Map(rows.columns), new Map(expected))
    assert.deepEqual([...load(version, 'age').columns.keys()], ['age'])
    assert.deepEqual([...load(version, 'nothing', 'name').columns.keys()], [], 'absent and text columns are absent')
  })

  it('keeps no free text, and lets nobody else read', async () => {
    const { version } = await add()
    const folder = join(store.folder, 'lung', version)
    for (const entry of await readdir(folder)) {
      assert.ok(!(await readFile(join(folder, entry), 'latin1')).includes('person'))
      assert.equal((await stat(join(folder, entry))).mode & 0o777, 0o600)
    }
    assert.equal((await stat(folder)).mode & 0o777, 0o700)
  })

  it('announces the confirmed schema and a rounded size only', async () => {
    const { version } = await add()
    assert.deepEqual(await store.describeDatasets(), [
      {
        name: 'lung',
        version,
        roundedRows: 2500,
        columns: [
          { name: 'id', type: 'integer' },
          { name: 'age', type: 'number' },
          { name: 'sex', type: 'level', levels: ['f', 'm'] },
          { name: 'ecog', type: 'integer', levels: ['0', '1', '2'] },
          { name: 'name', type: 'text' },
        ],
      },
    ])
    const local = await store.show('lung')
    assert.deepEqual(local.columns[3]?.levels?.at(-1), { value: '3', rows: 1, rare: true })
  })

  it('names versions by salted hashes of rows and confirmation', async () => {
    const first = await add()
    assert.equal((await add()).version, first.version)
    assert.deepEqual(await readdir(join(store.folder, 'lung')), [first.version, 'current'].sort())
    const confirmed = await store.add('lung', await proposeSchema(file), { rareLevels: true })
    const elsewhere = await DatasetStore.open(join(root, 'elsewhere'), new Uint8Array(32).fill(2))
    const salted = await elsewhere.add('lung', await proposeSchema(file))
    await writeFile(file, CSV.replace('4,1,m,1', '4,1,m,2'))
    const changed = await add()
    assert.equal(new Set([first.version, confirmed.version, salted.version, changed.version]).size, 4)
    assert.match(first.version, /^[0-9a-f]{64}$/)
    assert.equal((await store.show('lung')).version, changed.version)
    assert.equal((load(first.version, 'ecog').columns.get('ecog') as Float64Array)[4], 1, 'old versions stay')
  })

  it('refuses a file that changed after it was inspected', async () => {
    const proposal = await proposeSchema(file)
    for (const change of ['4,1,m,2', '4,1,x,1', '4,one,m,1']) {
      await writeFile(file, CSV.replace('4,1,m,1', change))
      await assert.rejects(store.add('lung', proposal), { code: 'csv-changed' })
    }
    await writeFile(file, `${CSV}1,1,m,1,x\n`)
    await assert.rejects(store.add('lung', proposal), { code: 'csv-changed' })
    assert.deepEqual(await store.list(), [])
    assert.deepEqual(await readdir(join(store.folder, 'lung')), [])
  })

  it('refuses names that are paths, and a file without rows', async () => {
    const proposal = await proposeSchema(file)
    for (const name of ['../x', '.hidden', '', 'a/b', 'x'.repeat(65)]) {
      await assert.rejects(store.add(name, proposal), { code: 'dataset-name' })
      assert.throws(() => loadRows(store.folder, name, 'a'.repeat(64), new Set(), PLENTY), { code: 'dataset-name' })
    }
    await writeFile(file, 'a,b\n')
    await assert.rejects(add(), { code: 'dataset-empty' })
  })

  it('names what is missing, damaged or too large', async () => {
    await assert.rejects(store.show('lung'), { code: 'dataset-missing' })
    const { version } = await add()
    await store.verify('lung')
    for (const other of ['a'.repeat(64), '..', `${version}/../${version}`]) {
      assert.throws(() => load(other, 'age'), { code: 'dataset-missing' })
    }
    assert.throws(() => loadRows(store.folder, 'lung', version, new Set(['age', 'sex']), 2 * 2500 * 8 - 1), {
      code: 'out-of-memory',
    })
    const rows = join(store.folder, 'lung', version, 'rows.bin')
    const content = await readFile(rows)
    content[5]! ^= 1
    await writeFile(rows, content)
    await assert.rejects(store.verify('lung'), { code: 'dataset-damaged' })
    await appendFile(rows, 'x')
    assert.throws(() => load(version, 'age'), { code: 'dataset-damaged' })
    await writeFile(join(store.folder, 'lung', version, 'schema.json'), '{}')
    await assert.rejects(store.show('lung'), { code: 'dataset-damaged' })
  })

  const change = async (to: string) => {
    await writeFile(file, CSV.replace('4,1,m,1', to))
    return add()
  }
  const TOMORROW = Date.now() + 25 * 3_600_000

  it('prunes all but the last two versions, and abandoned copies, after a day and if no job is open', async () => {
    const old = await add()
    const before = await change('4,1,m,2')
    const current = await change('4,1,m,0')
    const home = join(store.folder, 'lung')
    await mkdir(join(home, '.unfinished-version-00'))
    assert.deepEqual(await store.prune(new Set()), [], 'not yet')
    assert.deepEqual(await store.prune(new Set(['lung']), TOMORROW), [], 'a job is open')
    assert.deepEqual(await store.prune(new Set(['other']), TOMORROW), [old.version])
    assert.deepEqual((await readdir(home)).sort(), [before.version, current.version, 'current'].sort())
    assert.deepEqual(
      (await store.versions('lung')).map(({ version, stored }) => [version, stored]),
      [
        [current.version, true],
        [before.version, true],
        [old.version, false],
      ],
    )
    await utimes(join(home, before.version), new Date(0), new Date(0))
    await change('4,1,m,2')
    await change('4,1,f,2')
    await change('4,1,f,1')
    assert.ok(!(await store.prune(new Set())).includes(before.version), 'adding it again counts as new')
  })

  it('retires: nothing is announced, rows stay for open jobs and are deleted after them', async () => {
    const { version } = await add()
    await add('other')
    await store.retire('lung')
    assert.deepEqual(
      (await store.describeDatasets()).map(({ name }) => name),
      ['other'],
    )
    await assert.rejects(store.show('lung'), { code: 'dataset-missing', message: /retired on \d{4}-/ })
    await assert.rejects(store.retire('lung'), { code: 'dataset-missing' })
    assert.deepEqual(await store.prune(new Set(['lung']), TOMORROW), [])
    assert.equal(load(version, 'age').count, 2500, 'a job in flight keeps its rows')
    assert.deepEqual(await store.prune(new Set(), TOMORROW), [version])
    assert.throws(() => load(version, 'age'), { code: 'dataset-missing' })
    assert.equal((await add()).version, version)
    assert.equal((await store.show('lung')).version, version, 'adding it ends the retirement')
  })

  it('tells versions apart in counts, and never by a value of a row', async () => {
    const first = await add()
    await assert.rejects(store.diff('lung'), { code: 'dataset-missing', message: /no version before/ })
    const changed = `${CSV.replace('4,1,m,1', '4,NA,x,1').replace(/\n2499.*\n$/, '\n')}9999,1,x,3,new\n9998,2,f,1,new\n`
    await writeFile(file, changed)
    const second = await add()
    const diff = await store.diff('lung')
    assert.deepEqual(diff, {
      from: { version: first.version, rows: 2500 },
      to: { version: second.version, rows: 2501 },
      columns: diff.columns,
      rows: { same: 2498, removed: 2, added: 3 },
    })
    assert.deepEqual(diff.columns, [
      {
        name: 'sex',
        before: { type: 'level', missing: 0 },
        now: { type: 'level', missing: 0 },
        levels: [
          { value: 'm', before: 1250, now: 1249 },
          { value: 'x', before: 0, now: 2 },
        ],
      },
      {
        name: 'ecog',
        before: { type: 'integer', missing: 0 },
        now: { type: 'integer', missing: 0 },
        levels: [
          { value: '0', before: 833, now: 832 },
          { value: '1', before: 833, now: 834 },
          { value: '3', before: 1, now: 2 },
        ],
      },
    ])
    assert.deepEqual((await store.diff('lung', second.version.slice(0, 8), first.version)).rows, {
      same: 2498,
      removed: 3,
      added: 2,
    })
    await assert.rejects(store.diff('lung', 'ffff'), { code: 'dataset-missing', message: /ffff/ })
  })

  it('counts the rows that two versions share, in any order, in the columns that both have', async () => {
    const cell = fc.constantFrom('1', '2.5', '')
    const level = fc.constantFrom('a', 'b', '')
    const rows = fc.array(fc.tuple(cell, level), { minLength: 1, maxLength: 30 })
    const declaration = { columns: { x: { type: 'number' }, l: { type: 'level' } } } as const
    const version = async (some: readonly (readonly string[])[], more = '') => {
      await writeFile(
        file,
        `x,l${more && ',more'}\n${some.map((row) => row.join(',') + (more && `,${more}`)).join('\n')}\n`,
      )
      return store.add('p', await proposeSchema(file, { columns: { ...declaration.columns } }))
    }
    await fc.assert(
      fc.asyncProperty(rows, rows, async (some, others) => {
        // blank lines would be no rows
        const [a, b] = [some, others].map((all) => all.map(([x, l]) => [x, l === '' ? 'a' : l]))
        const from = await version(a!)
        const to = await version(b!, '7')
        const left = b!.map(String)
        const same = a!.map(String).filter((row) => {
          const at = left.indexOf(row)
          if (at >= 0) left.splice(at, 1)
          return at >= 0
        }).length
        const { rows: found, columns } = await store.diff('p', from.version, to.version)
        assert.deepEqual(found, { same, removed: a!.length - same, added: b!.length - same })
        assert.equal(columns.find(({ name }) => name === 'more')?.before, null)
      }),
      { numRuns: 15 },
    )
  })

  it('passes over a dataset whose first copy was cut short', async () => {
    await mkdir(join(store.folder, 'half', '.unfinished-version-00'), { recursive: true })
    const { version } = await add()
    assert.deepEqual(
      (await store.list()).map((dataset) => [dataset.name, dataset.version]),
      [['lung', version]],
    )
  })
})
