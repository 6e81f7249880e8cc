/** When members may say that no opening will have a quorum: never if one can still come about. */
import assert from 'node:assert/strict'
import { profileOf } from '@flamesh/protocol/secagg/committee.js'
import { cannotAgree } from '@flamesh/protocol/secagg/member/differing.js'
import fc from 'fast-check'

const keys = 'abcdefg'.split('')

/** Signers of each value, from one value a member. */
function openings(values: readonly (number | undefined)[]): readonly ReadonlySet<string>[] {
  const found = new Map<number, Set<string>>()
  for (const [seat, value] of values.entries())
    if (value !== undefined) found.set(value, (found.get(value) ?? new Set()).add(keys[seat] as string))
  return [...found.values()]
}

function decided(members: number, ...values: readonly (number | undefined)[]): boolean {
  const profile = profileOf(members)
  assert.ok(profile)
  return cannotAgree(openings(values), keys.slice(0, values.length), profile)
}

describe('members that differ', () => {
  it('end it if all differ, and wait where one more signature of a liar would do', () => {
    assert.ok(decided(4, 0, 1, 2, 3))
    assert.ok(!decided(4, 0, 1, 2, undefined), 'one is silent')
    assert.ok(!decided(4, 0, 0, 1, 2))
    assert.ok(!decided(4, 0, 0, 1, 1))
    assert.ok(!decided(4, 0, 0, 0, 1))
    assert.ok(!decided(4, undefined, undefined, undefined, undefined))
    assert.ok(decided(4, 0, 1, 2), 'with an absent seat')
    assert.ok(!decided(4, 0, 0, 1))
    assert.ok(decided(3, 0, 1, 2))
    assert.ok(decided(7, 0, 0, 1, 1, 2, 2, 3))
    assert.ok(!decided(7, 0, 0, 0, 1, 2, 3, 4))
    assert.ok(decided(7, 0, 1, 2, 3, 4, 5, undefined))
  })

  it('never do so while honest members and as many liars as are allowed can make a quorum', () => {
    const seat = fc.record({
      value: fc.integer({ min: 0, max: 3 }),
      /** seen by the member that judges */
      seen: fc.boolean(),
      /** what a liar signs too, and whether that was seen */
      more: fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.boolean()), { maxLength: 3 }),
    })
    let ended = 0
    const run = fc.record({
      members: fc.constantFrom(3, 4, 7),
      absent: fc.nat(2),
      liars: fc.nat(),
      seats: fc.array(seat, { minLength: 7, maxLength: 7 }),
    })
    fc.assert(
      fc.property(run, ({ members, absent, liars, seats }) => {
        const profile = profileOf(members)
        assert.ok(profile)
        const present = keys.slice(0, members - Math.min(absent, profile.maxAbsent))
        const final = new Map<number, Set<string>>()
        const seen = new Map<number, Set<string>>()
        const sign = (table: Map<number, Set<string>>, value: number, key: string) =>
          table.set(value, (table.get(value) ?? new Set()).add(key))
        for (const [at, key] of present.entries()) {
          const one = seats[at] as (typeof seats)[number]
          const isLiar = (at + liars) % present.length < profile.colluding
          for (const [value, isSeen] of [[one.value, one.seen] as const, ...(isLiar ? one.more : [])]) {
            sign(final, value, key)
            if (isSeen) sign(seen, value, key)
          }
        }
        if (!cannotAgree([...seen.values()], present, profile)) return
        ended++
        for (const signers of final.values()) assert.ok(signers.size < profile.quorum)
      }),
      { numRuns: 20_000, seed: 4 },
    )
    assert.ok(ended > 100, String(ended))
  })
})
