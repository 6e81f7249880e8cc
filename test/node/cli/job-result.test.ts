/** `job result` against a daemon that has one: where its files lie, what is printed, and a report without a network. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EXIT } from '@flamesh/node/cli/exit-codes.js'
import { stateFolder } from '@flamesh/node/config/state-folder.js'
import { controlRoutes } from '@flamesh/node/control/api.js'
import { type ControlSocket, openControlSocket } from '@flamesh/node/control/control-socket.js'
import type { Daemon } from '@flamesh/node/control/daemon.js'
import { type FakePeer, fakePeer, jobView } from '../control/fake-peer.js'
import { exampleResult } from '../report/examples.js'
import { flamesh } from './harness.js'

const JOB = `abcdef${'0'.repeat(58)}`
const NAMES = ['result.json', 'receipt.json', 'result.csv', 'estimates.csv', 'report.html']

describe('job result', () => {
  let dir: string
  let peer: FakePeer
  let socket: ControlSocket

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'flamesh-result-'))
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ hub: 'http://127.0.0.1:1', hubKey: 'ab'.repeat(32) }))
    peer = fakePeer(jobView(JOB, { status: 'released', name: 'survival by age' }))
    const { result } = exampleResult('cox')
    peer.results.set(JOB, { job: JOB, status: 'released', result, receipt: Buffer.from('{}\n') })
    const daemon = { peer, onChange: () => () => undefined } as unknown as Daemon
    socket = await openControlSocket(stateFolder(dir), controlRoutes(daemon))
  })
  afterEach(async () => {
    await socket.close()
    rmSync(dir, { recursive: true })
  })

  it('writes its files into the folder of the node, and says where the report is', async () => {
    const { exit, stdout, stderr } = await flamesh(['job', 'result', 'abcdef', '--dir', dir])
    assert.equal(exit, EXIT.ok, stderr)
    const results = join(dir, 'results', JOB)
    assert.ok(NAMES.every((name) => existsSync(join(results, name))))
    assert.ok(stdout.includes(join(results, 'report.html')))
    const page = readFileSync(join(results, 'report.html'), 'utf8')
    assert.match(page, /<h1>survival by age<\/h1>/)
    assert.match(page, /<figure id="forest">/)
    assert.match(page, /The receipt does not verify/)
  })

  it('writes them where --out says, and lists them', async () => {
    const out = join(dir, 'figures', 'survival')
    const { exit, stdout } = await flamesh(['job', 'result', 'abcdef', '--dir', dir, '--out', out, '--json'])
    assert.equal(exit, EXIT.ok)
    const document = JSON.parse(stdout) as { files: readonly string[]; resultFile: string }
    assert.deepEqual(
      document.files,
      NAMES.map((name) => join(out, name)),
    )
    assert.equal(document.resultFile, join(out, 'result.json'))
    assert.ok(!existsSync(join(dir, 'results')))
  })
})
