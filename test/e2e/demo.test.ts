/** The demo as a newcomer runs it; its own comparisons decide. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './processes.js'

const DEMO = fileURLToPath(new URL('../../docs/examples/main-job/demo.js', import.meta.url))

describe('npm run demo', function () {
  this.timeout(300_000)

  let reports: string
  beforeEach(() => {
    reports = mkdtempSync(join(tmpdir(), 'flamesh-reports-'))
  })
  afterEach(() => rmSync(reports, { recursive: true }))

  it('ends well, prints one JSON document on stdout, and keeps the reports', async () => {
    const { exit, stdout, stderr } = await run([DEMO, '--json', '--reports', reports])
    assert.equal(exit, 0, stderr)
    const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: readonly { ok: boolean }[] }
    assert.ok(ok && checks.length > 0 && checks.every((check) => check.ok))
    assert.deepEqual(readdirSync(reports).sort(), ['cox.html', 'describe.html', 'table.html'])
    assert.match(readFileSync(join(reports, 'cox.html'), 'utf8'), /<b>valid<\/b>/)
  })
})
