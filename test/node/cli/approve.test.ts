/** `job approve` on a terminal and with an operator's key, against a daemon that does as it is told. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EXIT } from '@flamesh/node/cli/exit-codes.js'
import { stateFolder } from '@flamesh/node/config/state-folder.js'
import { controlRoutes } from '@flamesh/node/control/api.js'
import { type ControlSocket, openControlSocket } from '@flamesh/node/control/control-socket.js'
import type { Daemon } from '@flamesh/node/control/daemon.js'
import type { StatusDocument } from '@flamesh/node/control/documents.js'
import { openSigned } from '@flamesh/protocol/encoding/signed.js'
import { OPERATOR_APPROVAL } from '@flamesh/protocol/jobs/operators.js'
import { type FakePeer, fakePeer, jobView } from '../control/fake-peer.js'
import { flamesh } from './harness.js'

const JOB = `abcdef${'0'.repeat(58)}`
const SITE = '55'.repeat(32)

describe('job approve', () => {
  let dir: string
  let peer: FakePeer
  let socket: ControlSocket

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'flamesh-approve-'))
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ hub: 'http://127.0.0.1:1', hubKey: 'ab'.repeat(32) }))
    peer = fakePeer(jobView(JOB, { status: 'waiting', mine: false }))
    const status = { key: SITE } as StatusDocument
    const daemon = { peer, status: () => status, onChange: () => () => undefined } as unknown as Daemon
    socket = await openControlSocket(stateFolder(dir), controlRoutes(daemon))
  })
  afterEach(async () => {
    await socket.close()
    rmSync(dir, { recursive: true })
  })

  const approve = (typed: string | undefined, ...more: readonly string[]) =>
    flamesh(['job', 'approve', 'abcdef', '--dir', dir, ...more], {}, typed)

  it('shows everything on a terminal, and takes nothing but a yes', async () => {
    for (const typed of ['n\n', '\n', '', 'maybe\n']) {
      const { exit, stderr } = await approve(typed)
      assert.equal(exit, EXIT.usage)
      assert.match(stderr, /^columns read +age$/m)
      assert.match(stderr, /Approve this job\? \[y\/N\] error: nothing was decided/)
    }
    assert.deepEqual(peer.calls, [])
    assert.equal((await approve('y\n')).exit, EXIT.ok)
    const consenting = await approve('yes\n', '--consent')
    assert.match(consenting.stderr, /and let this site's own aggregate for this question become derivable, for good\?/)
    assert.deepEqual(peer.calls, [`approve ${JOB}`, `approve ${JOB} consenting`])
  })

  it('asks nobody with --yes, --json or without a terminal', async () => {
    for (const [typed, ...more] of [['n\n', '--yes'], ['n\n', '--json'], [undefined]] as const) {
      const { exit, stderr } = await approve(typed, ...more)
      assert.equal(exit, EXIT.ok)
      assert.equal(stderr, '')
    }
    assert.equal(peer.calls.length, 3)
  })

  it('signs what it showed with the key of an operator whom the policy names', async () => {
    const file = join(dir, 'ada.key')
    const { key } = JSON.parse((await flamesh(['operator', 'key', file, '--json'])).stdout) as { key: string }
    const operators = [
      { name: 'bo', key: 'b0'.repeat(32), signed: true },
      { name: 'ada', key, signed: false },
      { name: 'cleo', key: 'c1'.repeat(32), signed: false },
    ]
    const approvals = { needed: 3, operators }
    Object.assign(peer.briefs, { approvals })
    const { exit, stdout, stderr } = await approve(undefined, '--key', file, '--consent')
    assert.equal(exit, EXIT.ok, stderr)
    assert.match(stdout, /job abcdef000000: signed; 3 operators must sign; signed: bo; not yet: ada, cleo/)
    const [signed] = peer.approvals
    assert.ok(signed)
    const { body, signers } = openSigned(signed, OPERATOR_APPROVAL)
    assert.deepEqual(signers, [key])
    assert.deepEqual(body, {
      job: JOB,
      site: SITE,
      policyHash: '77'.repeat(32),
      datasetVersion: '66'.repeat(32),
      name: 'ada',
      consent: true,
    })
  })

  it('says what is wrong with a key', async () => {
    const file = join(dir, 'ada.key')
    const codeOf = async (...args: readonly string[]): Promise<string> => {
      const { stdout } = await flamesh([...args, '--json'])
      return (JSON.parse(stdout) as { error?: { code: string } }).error?.code ?? 'ok'
    }
    const using = (): Promise<string> => codeOf('job', 'approve', JOB, '--dir', dir, '--key', file)
    assert.equal(await using(), 'file-not-found')
    assert.equal(await codeOf('operator', 'key', file), 'ok')
    assert.equal(await codeOf('operator', 'key', file), 'key-exists')
    assert.equal(await codeOf('operator', 'key', join(dir, 'nowhere', 'key')), 'file-unusable')
    assert.equal(await using(), 'operator-unknown')
    chmodSync(file, 0o640)
    assert.equal(await using(), 'key-permissions')
    chmodSync(file, 0o600)
    writeFileSync(file, 'short')
    assert.equal(await using(), 'key-malformed')
    assert.deepEqual(peer.calls, [])
  })
})
