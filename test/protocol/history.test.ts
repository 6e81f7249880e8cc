import assert from 'node:assert/strict'
import {
  beyond,
  keepsProof,
  knownSets,
  mergeHistory,
  namedSets,
  type SurvivorHistory,
  survivorsHash,
  withEntries,
} from '@flamesh/protocol/history.js'
import fc from 'fast-check'

const sites = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => String(at).padStart(64, '0'))

const entryOf = (change: Partial<SurvivorHistory>): SurvivorHistory => ({
  key: 'aa'.repeat(32),
  dataset: 'lung',
  sites: sites(5),
  ownVersion: null,
  job: 'bb'.repeat(32),
  contributors: null,
  minCohort: 5,
  proven: true,
  ...change,
})

const someEntry = fc
  .record({
    contributors: fc.option(fc.integer({ min: 0, max: 5 })),
    minCohort: fc.integer({ min: 3, max: 7 }),
    sites: fc.constantFrom(sites(5), sites(6)),
    proven: fc.boolean(),
  })
  .map(entryOf)

describe('what is remembered of a set', () => {
  it('does not depend on the order in which it was learnt, nor on what came twice', () => {
    fc.assert(
      fc.property(fc.array(someEntry, { maxLength: 6 }), fc.integer(), (entries, turn) => {
        const at = entries.length === 0 ? 0 : Math.abs(turn) % entries.length
        const other = [...entries.slice(at), ...entries.slice(0, at)].reverse()
        assert.deepEqual(namedSets(withEntries([], entries)), namedSets(withEntries([], [...other, ...entries])))
      }),
    )
  })

  it('is the largest minimum and the smallest count, of what can be proven', () => {
    const known = mergeHistory(entryOf({ minCohort: 4, contributors: 5 }), entryOf({ minCohort: 6, contributors: 3 }))
    assert.deepEqual([known.minCohort, known.contributors], [6, 3])
    const voted = mergeHistory(known, entryOf({ minCohort: 9, proven: false }))
    assert.deepEqual([voted.minCohort, voted.proven], [6, true])
    assert.equal(mergeHistory(entryOf({ minCohort: 9, proven: false }), known).minCohort, 6)
    assert.deepEqual(namedSets([entryOf({ proven: false })]), [])
  })

  it('is compared fact by fact', () => {
    const named = (minCohort: number, contributors: number | null) => namedSets([entryOf({ minCohort, contributors })])
    const set = survivorsHash(sites(5))
    assert.deepEqual(beyond(named(5, 4), named(5, 4)), [])
    assert.deepEqual(beyond(named(5, null), named(6, 4)), [])
    for (const less of [[], named(4, 4), named(5, null), named(5, 5)])
      assert.deepEqual(beyond(named(5, 4), less), [set])
  })

  it('is complete with the sites of every named set, or not known', () => {
    const history = [entryOf({}), entryOf({ sites: sites(6) })]
    assert.deepEqual(
      knownSets(namedSets(history), history)
        ?.map((one) => one.sites.length)
        .sort(),
      [5, 6],
    )
    assert.equal(knownSets(namedSets(history), history.slice(1)), undefined)
  })
})

describe('the proof of a set', () => {
  it('is kept by sixteen of its sites, or all', () => {
    for (const count of [3, 16, 17, 300]) {
      const all = sites(count)
      assert.equal(all.filter((site) => keepsProof(site, all)).length, Math.min(16, count))
      assert.ok(!keepsProof('ff'.repeat(32), all))
    }
  })
})
