/** Two questions with two patients of one site between them: what a researcher may try, through the whole mesh. */
import assert from 'node:assert/strict'
import { type Moments, momentsOf, SITES } from '../data.js'
import { BY_HAND, type Federation } from '../federation.js'
import { approve, assertEnded, assertReleased, outcomeOf, submit } from '../jobs.js'

interface Entry {
  readonly job: string
  readonly rows: number
  readonly withheld: string | null
  readonly against: readonly string[]
  readonly status: string | null
  readonly included: boolean | null
}

async function entryOf(federation: Federation, name: string, job: string): Promise<Entry> {
  const { jobs } = await federation.node(name).document<{ jobs: readonly Entry[] }>('ledger', 'show', '--job', job)
  assert.equal(jobs.length, 1, name)
  return jobs[0] as Entry
}

export function ledgers(federation: () => Federation): void {
  it('a site keeps its rows out of a sum that differs from an earlier one by two of its patients', async () => {
    const everyone = await submit(federation())
    await approve(federation(), everyone)
    await assertReleased(federation(), everyone)
    // nobody else has patients that old
    const others = await submit(federation(), { where: [{ column: 'age', below: 85 }] })
    await approve(federation(), others)
    const { status, sites, result } = await outcomeOf(federation(), others)
    assert.equal(status, 'released')
    assert.deepEqual(
      Object.keys(sites)
        .filter((name) => sites[name]?.included === true)
        .sort(),
      [...SITES],
    )
    const { age } = (result as { describe: { age: Moments } }).describe
    const expected = momentsOf(SITES.filter((name) => name !== BY_HAND))
    assert.equal(age.n, expected.n, 'the two are not told by the difference')
    assert.ok(Math.abs(age.mean - expected.mean) < 1e-9 * expected.mean)
    await assertEnded(federation(), others, SITES)
    const { rows, withheld, against, status: end, included } = await entryOf(federation(), BY_HAND, others)
    assert.deepEqual([rows, withheld, end, included], [22, 'too-similar', 'released', true])
    assert.ok(against.length > 0)
    assert.equal((await entryOf(federation(), SITES[0] as string, others)).withheld, null)
    assert.equal((await entryOf(federation(), BY_HAND, everyone)).status, 'released')
  })
}
