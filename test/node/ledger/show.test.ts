/** `flamesh ledger show`, and what `audit verify` and `doctor` say of the ledger, on a folder whose daemon is off. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createIdentity } from '@flamesh/node/store/identity.js'
import { flamesh } from '../cli/harness.js'
import { below, csvOf, patients, Site } from './site.js'

describe('flamesh ledger show', function () {
  this.timeout(60_000)
  let site: Site
  const jobs: string[] = []
  before(async () => {
    site = await Site.open(csvOf(patients(40)))
    for (const age of [50, 51, 60]) {
      const request = site.request([below(age)])
      jobs.push(request.job)
      await site.contribute(request)
    }
    await site.book.ended(jobs[0] as string, 'suppressed', 'too-few-contributors', true)
    await site.book.ended(jobs[2] as string, 'released', 'released', false)
    writeFileSync(
      join(site.folder, 'config.json'),
      JSON.stringify({ hub: 'http://127.0.0.1:1', hubKey: 'ab'.repeat(32) }),
    )
    await createIdentity(join(site.folder, 'keys'))
  })
  after(() => site.close())

  const show = async (...args: readonly string[]) => {
    const { exit, stdout } = await flamesh(['ledger', 'show', ...args, '--dir', site.folder, '--json'])
    assert.equal(exit, 0, stdout)
    return (JSON.parse(stdout) as { jobs: Record<string, unknown>[] }).jobs
  }

  it('tells for whom sums of which rows may have left, and what became of them', async () => {
    const all = await show()
    const told = all.map(({ rows, contributed, withheld, against, status, included }) => [
      ...[rows, contributed, withheld, against, status, included],
    ])
    assert.deepEqual(told, [
      [20, true, null, [], 'suppressed', true],
      [21, false, 'too-similar', [jobs[0]], null, null],
      [30, true, null, [], 'released', false],
    ])
    assert.deepEqual(all[0]?.['where'], [below(50)])
    const { stdout } = await flamesh(['ledger', 'show', '--dir', site.folder])
    assert.match(stdout, /ruth \(org-r\) +describe +age +age below 50 +20 +1 +suppressed: too-few-contributors$/m)
    const first = (jobs[0] as string).slice(0, 12)
    assert.match(stdout, new RegExp(`21 +1 +zeros \\(too-similar to ${first}\\); not ended$`, 'm'))
    assert.match(stdout, /30 +1 +released, without this site$/m)
  })

  it('looks for a dataset, a job and a day', async () => {
    assert.equal((await show('d')).length, 3)
    assert.equal((await show('other')).length, 0)
    assert.deepEqual(
      (await show('--job', (jobs[1] as string).slice(0, 8))).map(({ job }) => job),
      [jobs[1]],
    )
    assert.equal((await show('--since', '2020-01-01')).length, 3)
    assert.equal((await show('--since', '2999-01-01')).length, 0)
    const { exit, stderr } = await flamesh(['ledger', 'show', '--since', 'yesterday', '--dir', site.folder])
    assert.equal(exit, 2)
    assert.match(stderr, /--since: "yesterday" is not a day/)
  })

  it('is verified with the audit log, and looked at by the doctor', async () => {
    const verify = () => flamesh(['audit', 'verify', '--dir', site.folder, '--json'])
    const { ledger } = JSON.parse((await verify()).stdout)
    assert.equal(ledger.entries, 5)
    const ledgerCheck = async () => {
      const { checks } = JSON.parse((await flamesh(['doctor', '--dir', site.folder, '--json'])).stdout)
      return checks.find(({ name }: { name: string }) => name === 'ledger')
    }
    const { outcome, message } = await ledgerCheck()
    assert.deepEqual([outcome, message], ['ok', '3 jobs, zeros for 1; questions differ in 5 rows or in none'])
    const file = join(site.ledgerFolder, 'ledger.log')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace('"rows":21', '"rows":20'))
    assert.equal((await verify()).exit, 8)
    assert.equal((await ledgerCheck()).outcome, 'fail')
    writeFileSync(file, text)
  })
})
