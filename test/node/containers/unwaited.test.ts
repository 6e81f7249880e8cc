/** Runs of images that nobody waits for any more, as the node's runner ends them: container gone, disk clean, the next one's turn. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { ContainerEngine } from '@flamesh/node/containers/engine.js'
import { type ImageRun, ImageRunner } from '@flamesh/node/runner/image-runner.js'
import { siteRunner } from '@flamesh/node/runner/site-runner.js'
import type { ImageDescription } from '@flamesh/protocol/images/description.js'
import type { ContributeRequest, Run, Runner } from '@flamesh/protocol/ports.js'
import { eventually } from '../../e2e/processes.js'
import { available, type TestEngine, testEngine, withEngine } from './fixture.js'
import { type EngineProxy, startProxy } from './proxy.js'
import { assertNothingLeft, SMALL } from './runs.js'
import { type SlowRegistry, slowRegistry } from './slow-registry.js'

const SLEEP = 'echo begun; sleep 600'
const GOOD = 'echo 7 > /flamesh/out/update.txt'

describe('a run of an image that nobody waits for', function () {
  this.timeout(60_000)
  let engine: TestEngine
  let proxy: EngineProxy
  let images: ImageRunner
  let runner: Runner
  let runs: ImageRun[]

  before(async function () {
    this.timeout(120_000)
    if (available) engine = await testEngine()
  })
  beforeEach(async () => {
    if (!available) return
    proxy = await startProxy(engine.socketPath, join(engine.folder, 'unwaited.sock'))
    runs = []
    const address = { socketPath: proxy.socketPath }
    images = new ImageRunner({
      engine: new ContainerEngine({ node: 'site-u', scratchFolder: join(engine.folder, 'scratch-u'), address }),
      limits: { ...SMALL, timeMs: 600_000 },
      // the script that stands in the rows is the analysis
      rows: async ({ dataset }) => ({ ok: true, count: 12, csv: dataset, schema: {} }),
      onRun: async (run) => void runs.push(run),
    })
    runner = siteRunner({ contribute: () => assert.fail('not built in') }, images)
  })
  afterEach(async () => {
    if (!available) return
    await images.close()
    await proxy.close()
    await assertNothingLeft(engine)
  })

  function describing(image: string): ImageDescription {
    const output = [{ name: 'x', kind: 'sum', length: 1, lower: '-100', upper: '100' }] as const
    return { image, output, maxRounds: 1, combine: 'sum', resources: [] } as unknown as ImageDescription
  }

  function map(script: string, image = engine.images.script): Run {
    const about = { job: script, round: 1, parameters: { columns: [], values: {} }, state: undefined }
    return runner.contribute({ ...about, image: describing(image), dataset: script } as unknown as ContributeRequest)
  }

  const valuesOf = async (run: Run) => {
    const outcome = await run.outcome
    return outcome.ok ? [...outcome.values] : outcome.code
  }
  const containers = async (): Promise<number> => (await engine.docker.listContainers({ all: true })).length
  const created = (): number => proxy.seen.filter((line) => line.includes('/containers/create')).length

  const printed = () =>
    eventually('it has begun', async () => {
      const [found] = await engine.docker.listContainers()
      const log = found && (await engine.docker.getContainer(found.Id).logs({ stdout: true, stderr: true }))
      return log?.includes('begun') || undefined
    })

  withEngine('is killed where it runs, and the next one has its turn', async () => {
    const run = map(SLEEP)
    const next = map(GOOD)
    await printed()
    run.cancel()
    assert.equal(await valuesOf(run), 'cancelled')
    // contributors, then the two words of the sum
    assert.deepEqual(await valuesOf(next), [1, 7, 0])
    assert.equal(await containers(), 0)
    assert.deepEqual(
      runs.map(({ job, outcome }) => [job, outcome.ok]),
      [
        [SLEEP, false],
        [GOOD, true],
      ],
    )
    assert.equal(runs[0]?.outcome.operator.log, 'begun\n')
  })

  withEngine('is never begun if its turn has not come', async () => {
    const first = map(SLEEP)
    const never = map('echo never')
    const last = map(GOOD)
    await printed()
    never.cancel()
    first.cancel()
    assert.deepEqual(await Promise.all([first, never, last].map(valuesOf)), ['cancelled', 'cancelled', [1, 7, 0]])
    assert.equal(created(), 2)
    assert.deepEqual(
      runs.map(({ job }) => job),
      [SLEEP, GOOD],
    )
  })

  withEngine('is killed where it reduces', async () => {
    const script = 'FROM base\nENTRYPOINT ["/bin/sh", "-c", "echo begun; sleep 600"]\n'
    const image = describing(await engine.publish('slow-reduce', script))
    const about = { job: 'reduces', round: 1, parameters: { columns: [], values: {} }, state: undefined }
    const run = runner.reduce({ ...about, image, sums: Float64Array.of(1) })
    await printed()
    run.cancel()
    assert.equal(await valuesOf(run), 'cancelled')
  })

  describe('and waits for its image', () => {
    let registry: SlowRegistry

    afterEach(() => registry?.close())

    withEngine('is broken off, and the engine pulls no more', async () => {
      registry = await slowRegistry()
      const run = map(SLEEP, registry.image)
      const next = map(GOOD)
      const { hungUp } = await registry.layerAsked
      run.cancel()
      assert.equal(await valuesOf(run), 'cancelled')
      assert.deepEqual(await valuesOf(next), [1, 7, 0])
      await hungUp
      assert.equal(created(), 1)
    })
  })
})
