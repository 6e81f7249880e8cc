import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ContainerEngine } from '@flamesh/node/containers/engine.js'
import { sandboxOptions } from '@flamesh/node/containers/sandbox.js'
import { available, siteEngine, type TestEngine, testEngine, withEngine } from './fixture.js'
import { type EngineProxy, startProxy } from './proxy.js'
import { assertNothingLeft, codeOf, runScript, SMALL } from './runs.js'
import { scriptInput } from './script-input.js'

const GOOD = 'echo 1 > /flamesh/out/update.txt'
const ORPHAN = fileURLToPath(new URL('./orphan.ts', import.meta.url))
const MEBIBYTE = 1 << 20

describe('the life of a container', function () {
  this.timeout(60_000)
  let engine: TestEngine
  let proxy: EngineProxy | undefined

  before(async function () {
    this.timeout(120_000)
    if (available) engine = await testEngine()
  })
  afterEach(async () => {
    await proxy?.close()
    proxy = undefined
    if (available) await assertNothingLeft(engine)
  })

  /** A site whose engine is behind a proxy. */
  async function behindProxy(): Promise<{ proxy: EngineProxy; site: ContainerEngine }> {
    proxy = await startProxy(engine.socketPath, join(engine.folder, `p${Date.now() % 1e6}.sock`))
    const scratchFolder = join(engine.folder, 'scratch-proxy')
    return {
      proxy,
      site: new ContainerEngine({ node: 'site-p', scratchFolder, address: { socketPath: proxy.socketPath } }),
    }
  }

  async function running(count = 1): Promise<void> {
    while ((await engine.docker.listContainers()).length < count) await sleep(20)
  }

  const request = (script: string) => ({ image: engine.images.script, input: scriptInput(script), limits: SMALL })

  describe('sweeping', () => {
    withEngine('removes what a killed process of this node left, and nothing of another node', async () => {
      const scratch = join(engine.folder, 'scratch-orphan')
      const flags = ['--conditions=source', '--import', 'tsx']
      const args = [...flags, ORPHAN, engine.socketPath, scratch, 'site-o', engine.images.script]
      const child = spawn(process.execPath, args, { stdio: 'inherit' })
      await running()
      child.kill('SIGKILL')
      await once(child, 'exit')
      assert.deepEqual(await siteEngine(engine, 'site-b').sweep(), { containers: 0, folders: 0 })
      assert.equal((await engine.docker.listContainers()).length, 1, 'it runs on')
      assert.deepEqual(await siteEngine(engine, 'site-o', 'orphan').sweep(), { containers: 1, folders: 1 })
    })

    withEngine('leaves the runs of this process alone', async () => {
      const site = siteEngine(engine)
      const run = site.run(request(`sleep 2; ${GOOD}`))
      await running()
      assert.deepEqual(await site.sweep(), { containers: 0, folders: 0 })
      assert.equal(codeOf(await run), 'ok: 1')
    })
  })

  describe('cancelling', () => {
    withEngine('ends a run at once', async () => {
      const controller = new AbortController()
      const run = runScript(engine, 'sleep 60', {}, controller.signal)
      await running()
      controller.abort()
      assert.equal(codeOf(await run), 'cancelled')
    })

    withEngine('starts nothing if it came first', async () => {
      const { site, proxy } = await behindProxy()
      assert.equal(codeOf(await site.run(request(GOOD), AbortSignal.abort())), 'cancelled')
      assert.ok(!proxy.seen.some((line) => line.includes('/create')))
    })
  })

  describe('the engine', () => {
    it('that is not there is named, with what to do', async () => {
      const address = { socketPath: '/nowhere/docker.sock' }
      const site = new ContainerEngine({ node: 'site-a', scratchFolder: '/nowhere', address })
      const expected = { code: 'engine-unreachable', hint: /install Docker or Podman/ }
      await assert.rejects(site.check(), expected)
      await assert.rejects(site.sweep(), expected)
      const outcome = await site.run({ image: `r.example/x@sha256:${'0'.repeat(64)}`, input: scriptInput(GOOD) })
      assert.equal(codeOf(outcome), 'engine-unreachable')
    })

    withEngine('is described', async () => {
      const { version, processors } = await siteEngine(engine).check()
      assert.match(version, /^\d+\./)
      assert.ok(processors >= 1)
    })

    withEngine('that goes away in the middle is named, and what it kept is swept later', async () => {
      const { site, proxy } = await behindProxy()
      const run = site.run(request('sleep 60'))
      await running()
      await sleep(300)
      await proxy.close()
      assert.equal(codeOf(await run), 'engine-unreachable')
      assert.deepEqual(await siteEngine(engine, 'site-p', 'proxy').sweep(), { containers: 1, folders: 0 })
    })

    for (const [what, field, value] of [
      ['processes', 'PidsLimit', false],
      ['memory', 'MemoryLimit', false],
      ['swap', 'SwapLimit', false],
      ['CPU', 'CpuCfsQuota', false],
      ['seccomp', 'SecurityOptions', ['name=seccomp,profile=unconfined']],
      ['Linux', 'OSType', 'windows'],
    ] as const) {
      withEngine(`that does not limit ${what} is refused`, async () => {
        const { site, proxy } = await behindProxy()
        proxy.change(/^GET .*\/info/, (body) => Object.assign(body, { [field]: value }))
        const outcome = await site.run(request(GOOD))
        assert.equal(codeOf(outcome), 'engine-unsuited')
        assert.match(outcome.ok ? '' : outcome.message, new RegExp(what === 'processes' ? 'processes' : what))
        assert.ok(!proxy.seen.some((line) => line.includes('/create')))
      })
    }

    withEngine('that made another container than asked for is refused, before the start', async () => {
      for (const [what, change] of [
        ['network', (body) => Object.assign(body['HostConfig'] as object, { NetworkMode: 'bridge' })],
        [
          'environment',
          (body) => Object.assign(body['Config'] as object, { Env: ['HTTP_PROXY=http://user:pw@proxy'] }),
        ],
        ['mounts', (body) => (body['Mounts'] as object[]).push({ Type: 'volume', Destination: '/data', RW: true })],
        ['image', (body) => Object.assign(body, { Image: `sha256:${'0'.repeat(64)}` })],
      ] as const satisfies readonly (readonly [string, (body: Record<string, unknown>) => unknown])[]) {
        const { site, proxy } = await behindProxy()
        proxy.change(/^GET .*\/containers\/.*\/json/, change)
        const outcome = await site.run(request(GOOD))
        assert.equal(codeOf(outcome), 'engine-unsuited')
        assert.match(outcome.ok ? '' : outcome.message, new RegExp(what))
        assert.ok(!proxy.seen.some((line) => line.includes('/start')))
        await proxy.close()
      }
    })

    withEngine('is told nothing in URLs but a name', async () => {
      const { site, proxy } = await behindProxy()
      assert.equal(codeOf(await site.run(request(GOOD))), 'ok: 1')
      const create = proxy.seen.filter((line) => line.includes('/create'))
      assert.equal(create.length, 1)
      assert.match(create[0] as string, /^POST \/containers\/create\?name=flamesh-[0-9a-f]{24}$/)
    })
  })

  describe('an image', () => {
    it('is named by digest, with its registry', async () => {
      const digest = `sha256:${'0'.repeat(64)}`
      const site = new ContainerEngine({
        node: 'site-a',
        scratchFolder: '/nowhere',
        address: { socketPath: '/nowhere' },
      })
      const wrong = ['r.example/x', 'r.example/x:latest', `r.example/x:1@${digest}`, `x@${digest}`, `a/x@${digest}`]
      const odd = [
        digest,
        `-r.example/x@${digest}`,
        `r.example/a._b@${digest}`,
        `r.example/a___b@${digest}`,
        `https://r.example/x@${digest}`,
        `r.example/../x@${digest}`,
        `r.example/x@${digest}0`,
        '',
      ]
      for (const reference of [...wrong, ...odd, `r.example/x?y@${digest}`, `r.example/${'x'.repeat(600)}@${digest}`]) {
        await assert.rejects(site.ensureImage(reference), { code: 'image-reference' }, reference)
      }
      for (const reference of ['r.example/x', 'localhost/x', '127.0.0.1:5000/a/b', 'registry:5000/x-y/z_1']) {
        await assert.rejects(site.ensureImage(`${reference}@${digest}`), { code: 'engine-unreachable' }, reference)
      }
    })

    withEngine('is pulled once, and found by its digest afterwards', async () => {
      const reference = await engine.publish('pulled', 'FROM base\nENTRYPOINT ["/bin/sh"]\nLABEL pulled=yes\n')
      const { site, proxy } = await behindProxy()
      const id = await site.ensureImage(reference)
      assert.match(id, /^sha256:[0-9a-f]{64}$/)
      assert.equal(await site.ensureImage(reference), id)
      assert.equal(proxy.seen.filter((line) => line.startsWith('POST /images/create')).length, 1)
    })

    withEngine('that is in no registry is absent', async () => {
      const name = engine.images.script.split('@')[0]
      const site = siteEngine(engine)
      await assert.rejects(site.ensureImage(`${name}@sha256:${'0'.repeat(64)}`), { code: 'image-absent' })
      await assert.rejects(site.ensureImage(`127.0.0.1:9/x@sha256:${'0'.repeat(64)}`), { code: 'image-absent' })
    })

    withEngine('with another digest than its name says is refused', async () => {
      const { site, proxy } = await behindProxy()
      proxy.change(/^GET \/images\//, (body) => {
        body['RepoDigests'] = [`r.example/x@sha256:${'1'.repeat(64)}`]
      })
      assert.equal(codeOf(await site.run(request(GOOD))), 'image-digest')
    })

    for (const [what, dockerfile, code] of [
      ['that declares a volume', 'FROM base\nENTRYPOINT ["/bin/sh"]\nVOLUME /data\n', 'image-unsuited'],
      ['that works in /proc', 'FROM base\nENTRYPOINT ["/bin/sh"]\nWORKDIR /bin/..//proc/self/fd/8\n', 'image-unsuited'],
      ['without an entry point', 'FROM base\n', 'image-unsuited'],
      ['whose program is missing', 'FROM base\nENTRYPOINT ["/bin/missing"]\n', 'analysis-failed'],
    ] as const) {
      withEngine(`${what} is refused: ${code}`, async () => {
        const image = await engine.publish('odd', dockerfile)
        assert.equal(codeOf(await siteEngine(engine).run({ ...request(GOOD), image })), code)
      })
    }
  })

  describe('grants', () => {
    const script = `python3 -c 'x = bytearray(60 << 20)' || exit 1; ${GOOD}`

    withEngine('raise memory and time, and nothing else does', async () => {
      assert.equal(codeOf(await runScript(engine, script)), 'out-of-memory')
      assert.equal(codeOf(await runScript(engine, script, { grants: { memoryBytes: 128 * MEBIBYTE } })), 'ok: 1')
      const slow = { limits: { ...SMALL, timeMs: 300 }, grants: { timeMs: 20_000 } }
      assert.equal(codeOf(await runScript(engine, `sleep 1; ${GOOD}`, slow)), 'ok: 1')
    })

    withEngine('of a GPU where there is none fail to start', async () => {
      const outcome = await runScript(engine, GOOD, { grants: { gpu: 1 } })
      assert.equal(codeOf(outcome), 'image-start-failed')
      assert.match(outcome.operator.detail, /gpu/i)
    })

    withEngine('that are unknown or malformed are refused', async () => {
      for (const grants of [{ network: true }, { gpu: 0 }, { privileged: true }, { memoryBytes: 'all' }, [], 'gpu']) {
        assert.equal(codeOf(await runScript(engine, GOOD, { grants })), 'grant-unknown', JSON.stringify(grants))
      }
      assert.equal(codeOf(await runScript(engine, GOOD, { limits: { pids: 0 } })), 'limit-invalid')
    })

    it('of a GPU ask for a GPU', () => {
      const scratch = { folder: '/s', input: '/s/i', output: '/s/o', report: '/s/r' }
      const asked = { imageId: 'x', entry: 'map', scratch, labels: {}, limits: SMALL, processors: 2 } as const
      const requests = (gpu: number | 'all' | undefined) => sandboxOptions({ ...asked, gpu }).HostConfig?.DeviceRequests
      assert.deepEqual(requests(undefined), [])
      assert.deepEqual(requests(2), [{ Count: 2, Capabilities: [['gpu']] }])
      assert.deepEqual(requests('all'), [{ Count: -1, Capabilities: [['gpu']] }])
    })
  })
})
