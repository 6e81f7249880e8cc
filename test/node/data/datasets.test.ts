import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatasetStore, loadRows } from '@flamesh/node/data/datasets.js'
import { proposeSchema } from '@flamesh/node/data/schema.js'
import type { Column } from '@flamesh/protocol/analyses/analysis.js'

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

  it('prunes old versions that no job needs, and abandoned copies, after a day', async () => {
    const old = await add()
    await writeFile(file, CSV.replace('4,1,m,1', '4,1,m,2'))
    const needed = await add()
    await writeFile(file, CSV.replace('4,1,m,1', '4,1,m,0'))
    const current = await add()
    const home = join(store.folder, 'lung')
    await mkdir(join(home, '.unfinished-version-00'))
    const tomorrow = Date.now() + 25 * 3_600_000
    assert.deepEqual(await store.prune(new Set([needed.version])), [], 'not yet')
    assert.deepEqual(await store.prune(new Set([needed.version]), tomorrow), [old.version])
    assert.deepEqual((await readdir(home)).sort(), [needed.version, current.version, 'current'].sort())
    await utimes(join(home, needed.version), new Date(0), new Date(0))
    await writeFile(file, CSV.replace('4,1,m,1', '4,1,m,2'))
    await add()
    await writeFile(file, CSV)
    await add()
    assert.ok(!(await store.prune(new Set())).includes(needed.version), 'adding it again counts as new')
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
