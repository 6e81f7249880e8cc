/** An engine that a process on another machine lends: here another process on this one, over real TLS, with a real authority. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readTls } from '@flamesh/node/config/tls-files.js'
import type { RunRequest } from '@flamesh/node/containers/engine.js'
import { RemoteEngine } from '@flamesh/node/containers/remote.js'
import { Daemon } from '../../e2e/processes.js'
import { testEngine, withEngine } from './fixture.js'

const FLAMESH = fileURLToPath(new URL('../../../node/bin/flamesh.js', import.meta.url))
const run = promisify(execFile)

describe('an engine of another machine', function () {
  this.timeout(120_000)
  let folder: string
  let daemon: Daemon | undefined
  let port = 0

  const at = (...parts: readonly string[]): string => join(folder, ...parts)

  /** A folder with the authority's certificate, and one of its own with its key. */
  async function certify(name: string, authority = 'authority'): Promise<string> {
    const home = at(name)
    await mkdir(home)
    const ca = ['-CA', at(`${authority}.pem`), '-CAkey', at(`${authority}.key`)]
    const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
    const files = ['-keyout', join(home, 'key.pem'), '-out', join(home, 'cert.pem')]
    await run('openssl', ['req', '-x509', '-newkey', 'ed25519', '-noenc', '-days', '2', ...subject, ...ca, ...files])
    await run('cp', [at(`${authority}.pem`), join(home, 'ca.pem')])
    await chmod(join(home, 'key.pem'), 0o600)
    return home
  }

  async function found(authority: string): Promise<void> {
    const files = ['-keyout', at(`${authority}.key`), '-out', at(`${authority}.pem`)]
    await run('openssl', ['req', '-x509', '-newkey', 'ed25519', '-noenc', '-days', '2', '-subj', '/CN=site', ...files])
  }

  const request = (image: string, changes: Partial<RunRequest> = {}): RunRequest => ({
    image,
    input: {
      entry: 'map',
      round: 1,
      parameters: {},
      state: new Float64Array(),
      output: { dimension: 1, bound: 100 },
      data: { csv: 'echo 42 > /flamesh/out/update.txt; echo said', schema: {} },
    },
    ...changes,
  })

  const script = (csv: string): Partial<RunRequest> => {
    const { input } = request('')
    return { input: { ...input, data: { csv, schema: {} } } as RunRequest['input'] }
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-lent-'))
  })
  after(async () => {
    await daemon?.end('SIGTERM')
    await rm(folder, { recursive: true, force: true })
  })

  withEngine('runs as one of its own would: the same digest, sandbox and failures', async () => {
    const { images, socketPath } = await testEngine()
    await found('authority')
    const args = ['--tls', await certify('server'), '--socket', socketPath, '--dir', at('lent'), '--json']
    const served = await Daemon.start([FLAMESH, 'engine', 'serve', '--listen', '127.0.0.1:0', ...args], [])
    daemon = served.daemon
    port = Number(served.ready['port'])
    const engine = new RemoteEngine('127.0.0.1', port, await readTls(await certify('node')))
    assert.ok((await engine.check()).processors >= 1)
    const outcome = await engine.run(request(images.script))
    assert.ok(outcome.ok, JSON.stringify(outcome))
    assert.deepEqual([...outcome.values], [42])
    assert.match(outcome.operator.log, /said/)
    const failing: readonly (readonly [string, Partial<RunRequest>])[] = [
      ['out-of-bound', script('echo 101 > /flamesh/out/update.txt')],
      ['analysis-failed', script('exit 3')],
      ['time-limit', { ...script('sleep 60'), limits: { timeMs: 300 } }],
      ['grant-unknown', { grants: { network: true } }],
      ['image-reference', { image: 'registry.example/x:latest' }],
      ['analysis-failed', script('wget -T 2 -q http://127.0.0.1:1/ || exit 9')],
    ]
    for (const [code, changes] of failing) {
      const failed = await engine.run(request(images.script, changes))
      assert.equal(failed.ok ? 'ok' : failed.code, code)
    }
    assert.deepEqual(await readdir(at('lent', 'runs')), [])
  })

  withEngine('ends a run nobody waits for any more, and leaves no container', async () => {
    const { images, docker } = await testEngine()
    const engine = new RemoteEngine('127.0.0.1', port, await readTls(at('node')))
    const stop = new AbortController()
    const running = engine.run(request(images.script, script('sleep 60')), stop.signal)
    const lent = async () =>
      (await docker.listContainers()).filter(({ Labels }) => Labels['flamesh.node']?.startsWith('lent-'))
    while ((await lent()).length === 0) await new Promise((resolve) => setTimeout(resolve, 50))
    stop.abort()
    const outcome = await running
    assert.equal(outcome.ok ? 'ok' : outcome.code, 'cancelled')
    while ((await lent()).length > 0) await new Promise((resolve) => setTimeout(resolve, 50))
  })

  withEngine('answers nobody without a certificate of its authority', async () => {
    await found('other')
    const stranger = new RemoteEngine('127.0.0.1', port, {
      ...(await readTls(await certify('stranger', 'other'))),
      ca: (await readTls(at('node'))).ca,
    })
    await assert.rejects(stranger.check(), { code: 'engine-unreachable' })
    const outcome = await stranger.run(request('x'))
    assert.equal(outcome.ok ? 'ok' : outcome.code, 'engine-unreachable')
    const deceived = new RemoteEngine('127.0.0.1', port, await readTls(at('stranger')))
    await assert.rejects(deceived.check(), { code: 'engine-unreachable' })
  })

  withEngine('says that it cannot be reached when it is gone, and sweeps what a kill left behind', async () => {
    const { images, docker, socketPath } = await testEngine()
    const engine = new RemoteEngine('127.0.0.1', port, await readTls(at('node')))
    const running = engine.run(request(images.script, script('sleep 60')))
    const lent = async () =>
      (await docker.listContainers({ all: true })).filter(({ Labels }) => Labels['flamesh.node']?.startsWith('lent-'))
    while ((await lent()).length === 0) await new Promise((resolve) => setTimeout(resolve, 50))
    await daemon?.end('SIGKILL')
    const outcome = await running
    assert.equal(outcome.ok ? 'ok' : outcome.code, 'engine-unreachable')
    assert.equal((await lent()).length, 1)
    const args = ['--tls', at('server'), '--socket', socketPath, '--dir', at('lent'), '--json']
    const served = await Daemon.start([FLAMESH, 'engine', 'serve', '--listen', '127.0.0.1:0', ...args], [])
    daemon = served.daemon
    assert.equal(served.ready['swept'], 1)
    assert.equal((await lent()).length, 0)
  })
})
