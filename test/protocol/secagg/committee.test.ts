import assert from 'node:assert/strict'
import {
  holdersOf,
  type Profile,
  profileOf,
  proposerOf,
  replicasOf,
  seedsOf,
  sliceRange,
  slicesOf,
  subsets,
} from '@flamesh/protocol/secagg/committee.js'
import fc from 'fast-check'

const profiles = [3, 4, 7].map((c) => profileOf(c)!)
const seats = (profile: Profile): readonly number[] => [...Array(profile.members).keys()]

/** Every set of `size` seats, by counting in binary: written apart from `subsets`. */
function choose(c: number, size: number): readonly (readonly number[])[] {
  return [...Array(2 ** c).keys()]
    .map((bits) => [...Array(c).keys()].filter((seat) => (bits >> seat) & 1))
    .filter((set) => set.length === size)
}

describe('committee profiles', () => {
  it('are the table of the specification', () => {
    const table = profiles.map((p) => [
      p.members,
      p.colluding,
      subsets(p).length,
      p.quorum,
      p.haves,
      p.replicas,
      p.maxAbsent,
    ])
    assert.deepEqual(table, [
      [3, 1, 3, 3, 3, 2, 0],
      [4, 1, 4, 3, 3, 3, 1],
      [7, 2, 21, 5, 5, 5, 2],
    ])
  })

  it('exist for no other number of seats', () => {
    for (const c of [-1, 0, 1, 2, 5, 6, 8, 10, 3.5, Number.NaN]) assert.equal(profileOf(c), undefined)
  })

  it('number the subsets in lexicographic order', () => {
    assert.deepEqual(subsets(profiles[1]!), [[0], [1], [2], [3]])
    const seven = subsets(profiles[2]!)
    assert.deepEqual(
      [seven[0], seven[5], seven[6], seven[20]],
      [
        [0, 1],
        [0, 6],
        [1, 2],
        [5, 6],
      ],
    )
    assert.deepEqual(
      seven.map((subset) => subset.join()),
      seven.map((subset) => subset.join()).toSorted(),
    )
  })

  for (const profile of profiles) {
    describe(`of ${profile.members} seats`, () => {
      const { members, colluding, quorum } = profile

      it('give t colluding seats all seeds but exactly one, and t+1 all of them', () => {
        const known = (set: readonly number[]) => new Set(set.flatMap((seat) => seedsOf(profile, seat)))
        for (const set of choose(members, colluding)) {
          const missing = subsets(profile).flatMap((_, index) => (known(set).has(index) ? [] : [index]))
          assert.deepEqual(
            missing.map((index) => subsets(profile)[index]),
            [set],
          )
        }
        for (const set of choose(members, colluding + 1)) assert.equal(known(set).size, subsets(profile).length)
      })

      it('agree on who holds a seed and which seeds a seat holds', () => {
        for (const seat of seats(profile)) {
          const held = subsets(profile).flatMap((_, index) => (holdersOf(profile, index).includes(seat) ? [index] : []))
          assert.deepEqual(seedsOf(profile, seat), held)
        }
        for (const index of [-1, subsets(profile).length, 0.5]) assert.deepEqual(holdersOf(profile, index), [])
      })

      it('have an honest member in the intersection of two quorums', () => {
        assert.ok(2 * quorum - members > colluding)
        if (members > 3 * colluding) assert.ok(quorum <= members - colluding, 'honest members are a quorum')
      })

      it('leave an honest holder of each seed and each slice among the Haves of a certified site', () => {
        for (const haves of choose(members, profile.haves)) {
          for (const liars of choose(members, colluding)) {
            const honest = haves.filter((seat) => !liars.includes(seat))
            subsets(profile).forEach((_, index) => {
              assert.ok(holdersOf(profile, index).some((seat) => honest.includes(seat)))
            })
            for (let slice = 0; slice < members; slice++) {
              assert.ok(replicasOf(profile, slice).some((seat) => honest.includes(seat)))
            }
          }
        }
      })

      it('spread slices in ring order, each to the same number of seats', () => {
        assert.deepEqual(replicasOf(profile, members + 1), replicasOf(profile, 1))
        for (let slice = 0; slice < 3 * members; slice++) {
          const replicas = replicasOf(profile, slice)
          assert.equal(new Set(replicas).size, profile.replicas)
          assert.equal(replicas[0], slice % members)
          replicas.slice(1).forEach((seat, i) => {
            assert.equal(seat, (replicas[i]! + 1) % members)
          })
          for (const seat of seats(profile)) {
            assert.equal(slicesOf(profile, seat, 3 * members).includes(slice), replicas.includes(seat))
          }
        }
      })
    })
  }
})

describe('proposers', () => {
  it('rotate over the present seats with round, attempt and view', () => {
    assert.deepEqual(
      [0, 1, 2, 3].map((view) => proposerOf([0, 2, 3], 0, 0, view)),
      [0, 2, 3, 0],
    )
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(6), { minLength: 1 }),
        fc.nat(64),
        fc.nat(32),
        fc.nat(100),
        (present, round, attempt, view) => {
          const turns = present.map((_, i) => proposerOf(present, round, attempt, view + i))
          assert.deepEqual(new Set(turns), new Set(present))
          assert.equal(proposerOf(present, round, attempt + 1, view), proposerOf(present, round, attempt, view + 1))
        },
      ),
    )
  })
})

describe('slices', () => {
  it('cut a vector into contiguous parts of balanced length', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.integer({ min: 1, max: 50 }), (dimension, slices) => {
        const ranges = [...Array(slices).keys()].map((slice) => sliceRange(dimension, slices, slice))
        assert.equal(ranges[0]!.from, 0)
        assert.equal(ranges.at(-1)!.to, dimension)
        ranges.slice(1).forEach((range, i) => {
          assert.equal(range.from, ranges[i]!.to)
        })
        const lengths = ranges.map(({ from, to }) => to - from)
        assert.ok(Math.max(...lengths) - Math.min(...lengths) <= 1)
      }),
    )
  })
})
