import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DatasetStore } from '@flamesh/node/data/datasets.js'
import { proposeSchema } from '@flamesh/node/data/schema.js'
import { WorkerRunner } from '@flamesh/node/runner/worker-runner.js'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import type { ContributeOutcome, ContributeRequest } from '@flamesh/protocol/ports.js'

const ENTRY = new URL('./entry.ts', import.meta.url)

describe('worker runner', function () {
  this.timeout(60_000)
  let folder: string
  let version: string
  let runner: WorkerRunner

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-runner-'))
    await writeFile(join(folder, 'd.csv'), 'x,g,t\n1,a,424242\n2,b,p\n3,a,q\n4,b,r\n5,a,s\n6,b,u\n7,a,v\n')
    const store = await DatasetStore.open(join(folder, 'datasets'), new Uint8Array(32))
    version = (await store.add('d', await proposeSchema(join(folder, 'd.csv')))).version
    runner = new WorkerRunner({
      datasetsFolder: join(folder, 'datasets'),
      entry: ENTRY,
      memoryLimitMb: 64,
    })
  })
  after(async () => {
    await runner.close()
    await rm(folder, { recursive: true })
  })

  const request = (analysis: string, change: Partial<ContributeRequest> = {}): ContributeRequest => ({
    job: 'a'.repeat(64),
    analysis,
    analysisVersion: 1,
    image: null,
    round: 1,
    parameters: {},
    state: undefined,
    dataset: 'd',
    datasetVersion: version,
    where: [],
    ...change,
  })
  const ask = (analysis: string, change?: Partial<ContributeRequest>) => runner.contribute(request(analysis, change))
  const values = (outcome: ContributeOutcome) => (outcome.ok ? [...outcome.values] : outcome.code)
  /** the thread that answers now works */
  const works = async (): Promise<void> => assert.deepEqual(values(await ask('sum')), [7, 28])

  it('computes on the rows that meet the conditions, of the version named', async () => {
    await works()
    const where = [{ column: 'g', operator: 'is', values: ['a'] }]
    assert.deepEqual(values(await ask('sum', { where })), [4, 16])
    assert.deepEqual(
      values(await ask('sum', { where: [...where, { column: 'x', operator: 'above', values: [3] }] })),
      [2, 12],
    )
    await works()
    assert.deepEqual(values(await ask('state', { state: 5 })), [5])
    assert.ok((await ask('sum')).ok && ((await ask('sum')) as { values: unknown }).values instanceof Float64Array)
  })

  it('answers in the order it was asked', async () => {
    const states = [1, 2, 3, 4, 5, 6]
    const order: number[] = []
    await Promise.all(states.map(async (state) => order.push(...(values(await ask('state', { state })) as number[]))))
    assert.deepEqual(order, states)
  })

  const failures: [string, string, Partial<ContributeRequest>, string][] = [
    ['an analysis it does not have', 'nothing', {}, 'analysis-unknown'],
    ['a version it does not have', 'sum', { analysisVersion: 2 }, 'analysis-unknown'],
    ['parameters that do not fit', 'sum', { parameters: { more: 1 } }, 'job-invalid'],
    ['a request that cannot be handed over', 'sum', { parameters: () => 1 }, 'job-invalid'],
    ['a dataset it does not have', 'sum', { dataset: 'e' }, 'dataset-missing'],
    ['rows it does not have', 'sum', { datasetVersion: 'b'.repeat(64) }, 'dataset-missing'],
    ['a path for a dataset', 'sum', { dataset: '../datasets/d' }, 'dataset-name'],
    ['an order of levels', 'sum', { where: [{ column: 'g', operator: 'above', values: [1] }] }, 'column-type'],
    ['a refusal by the analysis', 'refuse', {}, 'column-type'],
    ['an exception', 'leak', {}, 'analysis-failed'],
    ['a value that is not finite', 'nan', {}, 'not-finite'],
    ['too much memory', 'hog', {}, 'out-of-memory'],
    ['an exit', 'exit', {}, 'analysis-failed'],
  ]
  for (const [what, analysis, change, code] of failures) {
    it(`names ${what}, and works afterwards`, async () => {
      const outcome = await ask(analysis, change)
      assert.ok(!outcome.ok)
      assert.equal(outcome.code, code)
      assert.doesNotMatch(outcome.message, /424242|cannot use|\d\.\d/, 'no value of the data')
      await works()
    })
  }

  it('outlives a thread that dies between two requests', async () => {
    const [first] = values(await ask('die-later')) as number[]
    let next = first
    // a request that meets the dying thread fails by name; those after it find a new one
    while (next === first) {
      const outcome = await ask('thread')
      if (outcome.ok) next = outcome.values[0]
      else assert.equal(outcome.code, 'analysis-failed')
    }
    await works()
  })

  it('ends an analysis that takes too long, and works afterwards', async () => {
    const hasty = new WorkerRunner({ datasetsFolder: join(folder, 'datasets'), entry: ENTRY, timeLimitMs: 1000 })
    assert.deepEqual(values(await hasty.contribute(request('spin'))), 'time-limit')
    assert.deepEqual(values(await hasty.contribute(request('sum'))), [7, 28])
    await hasty.close()
  })

  it('ends an analysis that nobody waits for, and works afterwards', async () => {
    const running = new Uint8Array(new SharedArrayBuffer(1))
    const controller = new AbortController()
    const spinning = runner.contribute(request('spin', { state: running.buffer }), controller.signal)
    const next = ask('sum')
    while (running[0] === 0) await sleep(5)
    controller.abort()
    assert.deepEqual([values(await spinning), values(await next)], ['cancelled', [7, 28]])
  })

  it('never begins one that nobody waits for when its turn comes', async () => {
    const controller = new AbortController()
    const [before] = values(await ask('thread')) as number[]
    const first = ask('sum')
    const never = runner.contribute(request('exit'), controller.signal)
    const rows = runner.rowsForImage(request('exit'), controller.signal)
    controller.abort()
    assert.deepEqual(values(await first), [7, 28])
    assert.deepEqual([values(await never), (await rows).ok], ['cancelled', false])
    // it would have taken its thread with it
    assert.deepEqual(values(await ask('thread')), [before])
  })

  it('refuses rows beyond the memory limit before it reads them', async () => {
    const columns = Array.from({ length: 300 }, (_, index) => `c${index}`)
    const row = `1,${columns.map(() => 2)}\n`
    await writeFile(join(folder, 'wide.csv'), `x,${columns}\n${row.repeat(6000)}`)
    const store = await DatasetStore.open(join(folder, 'datasets'), new Uint8Array(32))
    const wide = await store.add('wide', await proposeSchema(join(folder, 'wide.csv')))
    const where = columns.map((column) => ({ column, operator: 'present', values: [] }))
    const change = { dataset: 'wide', datasetVersion: wide.version, where }
    const tight = new WorkerRunner({ datasetsFolder: join(folder, 'datasets'), entry: ENTRY, memoryLimitMb: 24 })
    const refused = await tight.contribute(request('sum', change))
    assert.ok(!refused.ok && refused.code === 'out-of-memory' && /do not fit/.test(refused.message))
    assert.deepEqual(values(await tight.contribute(request('sum', { ...change, where: [] }))), [6000, 6000])
    await tight.close()
  })

  it('runs the built-in analyses unless told otherwise', async () => {
    const builtIn = new WorkerRunner({ datasetsFolder: join(folder, 'datasets') })
    builtIn.warm()
    const rows = Array.from({ length: 40 }, (_, row) => `${row % 2},${row < 25 ? 'a' : 'b'}`).join('\n')
    await writeFile(join(folder, 'table.csv'), `event,sex\n${rows}\n`)
    const store = await DatasetStore.open(join(folder, 'datasets'), new Uint8Array(32))
    const added = await store.add('table', await proposeSchema(join(folder, 'table.csv')))
    const parameters = { rows: { column: 'sex', levels: ['a', 'b'] }, columns: { column: 'event', levels: ['0', '1'] } }
    const version = findAnalysis('table')!.version
    const outcome = await builtIn.contribute(
      request('table', { analysisVersion: version, parameters, dataset: 'table', datasetVersion: added.version }),
    )
    // contributors and missing lead, the four cells follow
    assert.ok(outcome.ok)
    assert.deepEqual([...outcome.values.slice(-4)], [13, 12, 7, 8])
    await builtIn.close()
  })

  it('stops at once, and calls that no failure of the analysis', async () => {
    const stopping = new WorkerRunner({ datasetsFolder: join(folder, 'datasets'), entry: ENTRY })
    const running = stopping.contribute(request('spin'))
    const queued = stopping.contribute(request('sum'))
    await stopping.close()
    assert.deepEqual(
      [values(await running), values(await queued), values(await stopping.contribute(request('sum')))],
      ['runner-closed', 'runner-closed', 'runner-closed'],
    )
    await stopping.close()
  })

  it('keeps no process alive while it is idle', () => {
    const script = `
      import { WorkerRunner } from '@flamesh/node/runner/worker-runner.js'
      const runner = new WorkerRunner({ datasetsFolder: ${JSON.stringify(join(folder, 'datasets'))}, entry: new URL(${JSON.stringify(ENTRY.href)}) })
      runner.warm()
      console.log((await runner.contribute(${JSON.stringify(request('sum'))})).ok)`
    const child = spawnSync(
      process.execPath,
      ['--conditions=source', '--import=tsx', '--input-type=module', '-e', script],
      { encoding: 'utf8', timeout: 30_000 },
    )
    assert.deepEqual([child.stdout.trim(), child.status], ['true', 0])
  })
})
