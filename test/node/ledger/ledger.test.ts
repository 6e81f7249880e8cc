/** What the ledger writes down, and when: before anything is handed on, once a job, and over restarts. */
import assert from 'node:assert/strict'
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readLedger } from '@flamesh/node/ledger/entries.js'
import { Ledger } from '@flamesh/node/ledger/ledger.js'
import { ledgerRunner } from '@flamesh/node/runner/ledger-runner.js'
import { below, csvOf, patients, Site, sumOf } from './site.js'

describe('the ledger', function () {
  this.timeout(60_000)
  let site: Site
  beforeEach(async () => {
    site = await Site.open(csvOf(patients(40)))
  })
  afterEach(() => site.close())

  const entriesOnDisk = async () => [...(await readLedger(site.ledgerFolder)).entries.values()]

  it('is on disk before the vector is handed on, with what it is about', async () => {
    const request = site.request([below(50)])
    let onDisk: unknown
    const runner = ledgerRunner({
      ...site.parts,
      runner: {
        ...site.plain,
        contribute: (asked) => ({
          outcome: entriesOnDisk().then((found) => {
            onDisk = found
            return site.contribute(asked, site.plain)
          }),
          cancel: () => undefined,
        }),
      },
    })
    assert.ok((await site.contribute(request, runner)).ok)
    const [entry] = await entriesOnDisk()
    assert.deepEqual(onDisk, [entry])
    assert.ok(entry)
    const { job, dataset, version, where, columns, rows, withheld, rounds, status, researcher } = entry
    assert.deepEqual(
      { job, dataset, version, rows, withheld, rounds, status, researcher, columns },
      {
        job: request.job,
        dataset: 'd',
        version: site.version,
        rows: 20,
        withheld: null,
        rounds: 1,
        status: null,
        researcher: 'ruth',
        columns: ['age'],
      },
    )
    assert.deepEqual(JSON.parse(where), request.where)
  })

  it('decides once a job, for every round and over a restart', async () => {
    const [first, second] = [site.request([below(50)]), site.request([below(51)])]
    const kept = sumOf(await site.contribute(first))
    assert.equal(sumOf(await site.contribute(second)), 'zeros')
    await site.restart()
    // by now each is too similar to something, or to nothing
    assert.deepEqual(sumOf(await site.contribute({ ...first, round: 2 })), kept)
    assert.equal(sumOf(await site.contribute({ ...second, round: 2 })), 'zeros')
    assert.deepEqual(
      (await entriesOnDisk()).map(({ rounds, withheld, against }) => ({ rounds, withheld, against })),
      [
        { rounds: 2, withheld: null, against: [] },
        { rounds: 2, withheld: 'too-similar', against: [first.job] },
      ],
    )
  })

  it('lets one of two pass that come at the same time', async () => {
    const outcomes = await Promise.all([50, 51, 52].map((age) => site.ask([below(age)])))
    assert.equal(outcomes.filter((one) => one !== 'zeros').length, 1)
  })

  it('counts what may have left, and not what was never handed on', async () => {
    const failing = site.request([below(50)], { analysis: 'unknown' })
    assert.equal(sumOf(await site.contribute(failing)), 'analysis-unknown')
    assert.equal(site.entry(failing.job), undefined)
    assert.notEqual(await site.ask([below(51)]), 'zeros')
    // zeros left of this one: it stands in no later one's way
    assert.equal(await site.ask([below(52)]), 'zeros')
    assert.notEqual(await site.ask([below(57)]), 'zeros')
    // this one's first round left; that its second fails changes nothing
    const half = site.request([below(65)])
    assert.notEqual(sumOf(await site.contribute(half)), 'zeros')
    assert.equal(sumOf(await site.contribute({ ...half, round: 2, analysis: 'unknown' })), 'analysis-unknown')
    await site.restart()
    assert.equal(await site.ask([below(66)]), 'zeros')
  })

  it('enters nothing for a job that nobody waits for any more', async () => {
    const request = site.request([])
    const run = site.guarded.contribute(request)
    run.cancel()
    assert.equal(sumOf(await run.outcome), 'cancelled')
    assert.equal(site.entry(request.job), undefined)
  })

  it('fails as it does without a ledger where the rows do not fit the question', async () => {
    const where = [{ column: 'sex', operator: 'above' as const, values: [1] }]
    assert.equal(await site.ask(where), 'column-type')
    assert.equal(sumOf(await site.contribute(site.request([], { dataset: 'e' }))), 'dataset-missing')
    assert.deepEqual(await entriesOnDisk(), [])
  })

  it('knows how jobs ended, and says so once', async () => {
    const request = site.request([])
    await site.contribute(request)
    assert.deepEqual(site.book.open(), [request.job])
    await site.book.ended(request.job, 'released', 'released')
    await site.book.ended(request.job, 'released', 'released', true)
    await site.book.ended(request.job, 'released', 'released', true)
    await site.book.ended('0'.repeat(64), 'released', 'released')
    await site.restart()
    const { status, included } = site.entry(request.job) ?? {}
    assert.deepEqual({ status, included, open: site.book.open() }, { status: 'released', included: true, open: [] })
    const lines = (await readFile(join(site.ledgerFolder, 'ledger.log'), 'utf8')).trim().split('\n')
    assert.equal(lines.length, 3)
  })

  it('keeps out whatever it has no room to remember', async () => {
    assert.notEqual(await site.ask([]), 'zeros')
    await site.restart({ sets: 1, bytes: 1000 })
    const other = site.request([below(50)])
    assert.equal(sumOf(await site.contribute(other)), 'zeros')
    assert.equal(site.entry(other.job)?.withheld, 'ledger-full')
    assert.notEqual(await site.ask([]), 'zeros', 'these rows are remembered')
    await site.restart({ sets: 2, bytes: 10 })
    assert.equal(await site.ask([below(50)]), 'zeros')
    await site.restart({ sets: 2, bytes: 100 })
    site.asked = 'b5'.repeat(32)
    assert.notEqual(await site.ask([below(50)]), 'zeros')
  })

  it('hands nothing on where a set of rows is not as it was written', async () => {
    await site.ask([])
    const folder = join(site.ledgerFolder, 'd')
    const [set = ''] = (await readdir(folder)).filter((name) => name.endsWith('.rows'))
    const bytes = await readFile(join(folder, set))
    bytes[0] = (bytes[0] ?? 0) ^ 1
    await writeFile(join(folder, set), bytes)
    assert.equal(await site.ask([]), 'ledger-damaged')
    await truncate(join(folder, set), 0)
    assert.equal(await site.ask([below(50)]), 'ledger-damaged')
  })

  it('nor where what its sums are about besides is not', async () => {
    site.asked = 'c5'.repeat(32)
    const parameters = { columns: ['age'], by: { column: 'sex', levels: ['f', 'm'] } }
    const request = site.request([], { parameters })
    await site.contribute(request)
    const { parts } = site.entry(request.job) ?? {}
    assert.ok(parts)
    await site.restart()
    assert.equal(site.entry(request.job)?.parts, parts)
    const file = join(site.ledgerFolder, 'd', `${parts}.rows`)
    const bytes = await readFile(file)
    await writeFile(file, bytes.subarray(4))
    assert.equal(await site.ask([below(50)]), 'ledger-damaged')
    await rm(file)
    assert.equal(await site.ask([below(50)]), 'ledger-damaged')
    await writeFile(file, bytes)
    assert.notEqual(await site.ask([below(50)]), 'zeros')
  })

  it('is for its owner alone, holds no value of the rows, and shows an edit', async () => {
    await site.ask([])
    for (const name of await readdir(site.ledgerFolder, { recursive: true })) {
      const { mode } = await stat(join(site.ledgerFolder, name))
      assert.equal(mode & 0o077, 0, name)
    }
    const file = join(site.ledgerFolder, 'ledger.log')
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace('"rows":40', '"rows":41'))
    await assert.rejects(readLedger(site.ledgerFolder), { code: 'audit-broken' })
    await assert.rejects(Ledger.open(site.ledgerFolder), { code: 'audit-broken' })
    await writeFile(file, text)
  })

  it('takes long and odd texts of a job, shortened', async () => {
    const odd = '\u0001"\\\n'.repeat(500)
    const facts = () => ({ ...site.parts.facts(''), purpose: odd, columns: [odd, odd], researcher: odd, name: odd })
    const where = Array.from({ length: 32 }, (_, at) => ({
      column: 'sex',
      operator: 'in' as const,
      values: ['f', 'm', `\u0001"${at}`.repeat(50)],
    }))
    const request = site.request(where)
    assert.ok((await site.contribute(request, ledgerRunner({ ...site.parts, facts }))).ok)
    assert.equal((await entriesOnDisk())[0]?.job, request.job)
  })
})
