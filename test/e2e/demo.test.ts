/** The demo as a newcomer runs it; its own comparisons decide. */
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { run } from './processes.js'

const DEMO = fileURLToPath(new URL('../../docs/examples/main-job/demo.js', import.meta.url))

describe('npm run demo', function () {
  this.timeout(300_000)

  it('ends well, and prints one JSON document on stdout', async () => {
    const { exit, stdout, stderr } = await run([DEMO, '--json'])
    assert.equal(exit, 0, stderr)
    const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: readonly { ok: boolean }[] }
    assert.ok(ok && checks.length > 0 && checks.every((check) => check.ok))
  })
})
