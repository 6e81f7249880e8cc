import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Check, clockFinding } from '@flamesh/node/cli/doctor-checks.js'
import { createIdentity } from '@flamesh/node/store/identity.js'
import { flamesh } from './harness.js'

describe('doctor', () => {
  let dir: string
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'flamesh-doctor-'))
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ hub: 'http://127.0.0.1:1', hubKey: 'ab'.repeat(32) }))
    await createIdentity(join(dir, 'keys'))
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  const examine = async (): Promise<{ exit: number; outcomes: Record<string, Check['outcome']> }> => {
    const { exit, stdout } = await flamesh(['doctor', '--dir', dir, '--json'])
    const { checks } = JSON.parse(stdout) as { checks: Check[] }
    for (const check of checks) assert.ok(check.outcome === 'ok' || check.hint, `${check.name} gives no hint`)
    return { exit, outcomes: Object.fromEntries(checks.map(({ name, outcome }) => [name, outcome])) }
  }

  it('finds a whole folder in order, and warns of a hub and a daemon that are off', async () => {
    const { exit, outcomes } = await examine()
    assert.equal(exit, 0)
    for (const name of ['folder', 'keys', 'datasets', 'audit log', 'containers'])
      assert.equal(outcomes[name], 'ok', name)
    for (const name of ['policy', 'hub', 'clock', 'membership', 'peers']) assert.equal(outcomes[name], 'warn', name)
  })

  it('fails on an open folder, a readable key, a broken policy or a cut audit log', async () => {
    const key = join(dir, 'keys', 'signing.key')
    const cases: readonly (readonly [string, () => void, () => void])[] = [
      ['folder', () => chmodSync(dir, 0o755), () => chmodSync(dir, 0o700)],
      ['keys', () => chmodSync(key, 0o644), () => chmodSync(key, 0o600)],
      ['policy', () => writeFileSync(join(dir, 'policy.yaml'), 'version: 2\n'), () => rmSync(join(dir, 'policy.yaml'))],
      ['audit log', () => writeFileSync(join(dir, 'audit.log'), '{}\n{}\n'), () => rmSync(join(dir, 'audit.log'))],
    ]
    for (const [name, harm, heal] of cases) {
      harm()
      const sick = await examine()
      assert.equal(sick.outcomes[name], 'fail', name)
      assert.equal(sick.exit, 3)
      heal()
      assert.notEqual((await examine()).outcomes[name], 'fail', name)
    }
  })

  it('fails where a container engine is configured and does not answer', async () => {
    const hub = { hub: 'http://127.0.0.1:1', hubKey: 'ab'.repeat(32) }
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...hub, containerSocket: join(dir, 'none.sock') }))
    const { exit, outcomes } = await examine()
    assert.deepEqual([exit, outcomes['containers']], [3, 'fail'])
  })

  it('never prints a secret', async () => {
    const { readFileSync } = await import('node:fs')
    const { stdout } = await flamesh(['doctor', '--dir', dir, '--json'])
    for (const name of ['signing.key', 'sealing.key', 'dataset.salt']) {
      assert.ok(!stdout.includes(readFileSync(join(dir, 'keys', name), 'utf8').trim()))
    }
  })

  it('sees a clock that is behind the hub, and none that is ahead of an old checkpoint', () => {
    const now = 1_800_000_000_000
    assert.equal(clockFinding(now + 10 * 60_000, now).outcome, 'fail')
    assert.equal(clockFinding(now + 30_000, now).outcome, 'ok')
    assert.equal(clockFinding(now - 20 * 3_600_000, now).outcome, 'ok')
  })
})
