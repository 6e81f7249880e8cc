import assert from 'node:assert/strict'
import { type CountedSet, checkGroups, derivableContributors } from '@flamesh/protocol/secagg/guard.js'
import fc from 'fast-check'

/** "a1 … an" */
const sites = (name: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `${name}${i + 1}`)
const union = (...parts: readonly (readonly string[])[]): ReadonlySet<string> => new Set(parts.flat())
const itself = (site: string): string => site
const [B, C, D] = [sites('b', 5), sites('c', 5), sites('d', 5)]
const v = ['v']

/** Every vector of coefficients in −range … range, as sums: what someone could compute from the opened sums. */
function combinations(count: number, range: number): readonly (readonly number[])[] {
  if (count === 0) return [[]]
  const values = Array.from({ length: 2 * range + 1 }, (_, i) => i - range)
  return combinations(count - 1, range).flatMap((rest) => values.map((value) => [...rest, value]))
}

/** The sites that a combination of the sets' sums depends on. */
function support(sets: readonly ReadonlySet<string>[], coefficients: readonly number[]): readonly string[] {
  return [...union(...sets.map((set) => [...set]))].filter(
    (site) => sets.reduce((sum, set, i) => sum + (set.has(site) ? coefficients[i]! : 0), 0) !== 0,
  )
}

const universe = sites('s', 8)
const someSet = fc.subarray([...universe], { minLength: 1 }).map((list) => new Set(list))
const history = fc.array(someSet, { maxLength: 3 })

describe('the guard by groups', () => {
  it('accepts a first set of enough organisations and refuses a smaller one, against nothing', () => {
    assert.deepEqual(checkGroups([], union(B), 5, itself), { ok: true })
    assert.deepEqual(checkGroups([], union(B.slice(1)), 5, itself), { ok: false, groups: [B.slice(1)], against: [] })
  })

  it('refuses the set that would leave one site by difference, and names both', () => {
    const refused = checkGroups([union(C), union(B)], union(B, v), 5, itself)
    assert.deepEqual(refused, { ok: false, groups: [v], against: [1] })
  })

  it('refuses what no pair of sets shows: half of the first plus the second minus the third', () => {
    const all = [union(v, B), union(v, C), union(B, C)] as const
    for (const pair of [all.slice(0, 2), all.slice(1), [all[0], all[2]]]) {
      for (const coefficients of combinations(2, 3)) assert.notDeepEqual(support(pair, coefficients), v)
    }
    assert.deepEqual(support(all, [1, 1, -1]), v)
    for (const last of [0, 1, 2]) {
      const refused = checkGroups(
        all.filter((_, i) => i !== last),
        all[last]!,
        5,
        itself,
      )
      assert.deepEqual(!refused.ok && refused.groups, [v])
    }
  })

  it('names several earlier sets where only all of them together refuse', () => {
    const [p, q, r, s] = [sites('p', 3), sites('q', 3), sites('r', 3), sites('s', 3)] as const
    const [first, second] = [union(p, q), union(p, r)]
    const candidate = union(p, q, r, s)
    assert.deepEqual(checkGroups([first], candidate, 5, itself), { ok: true })
    assert.deepEqual(checkGroups([second], candidate, 5, itself), { ok: true })
    const refused = checkGroups([first, union(p, q, r, s), second], candidate, 5, itself)
    assert.deepEqual(refused, { ok: false, groups: [p, q, r, s], against: [0, 2] })
  })

  it('accepts the same set again, disjoint sets, and growth by enough', () => {
    assert.deepEqual(checkGroups([union(B)], union(B), 5, itself), { ok: true })
    assert.deepEqual(checkGroups([union(B)], union(C), 5, itself), { ok: true })
    assert.deepEqual(checkGroups([union(B), union(B, C)], union(B, C, D), 5, itself), { ok: true })
  })

  it('counts organisations, not sites', () => {
    const oneHouse = (site: string): string => (site.startsWith('b') ? 'house' : site)
    assert.deepEqual(checkGroups([], union(B), 2, oneHouse), { ok: false, groups: [B], against: [] })
    assert.deepEqual(checkGroups([], union(B, v), 2, oneHouse), { ok: true })
  })

  it('needs the consent of every site of a small group', () => {
    const pair = ['v', 'w']
    const check = (consents: readonly string[]) => checkGroups([union(B)], union(B, pair), 5, itself, new Set(consents))
    assert.deepEqual(check(pair), { ok: true })
    assert.deepEqual(check(v), { ok: false, groups: [pair], against: [0] })
    assert.deepEqual(check(B), { ok: false, groups: [pair], against: [0] })
  })

  it('leaves no combination of certified sums over fewer than the minimum', () => {
    let accepted = 0
    fc.assert(
      fc.property(history, someSet, fc.integer({ min: 2, max: 3 }), (sets, candidate, minCohort) => {
        if (!checkGroups(sets, candidate, minCohort, itself).ok) return
        accepted++
        const all = [...sets, candidate]
        for (const coefficients of combinations(all.length, 2)) {
          const left = support(all, coefficients)
          assert.ok(left.length === 0 || left.length >= minCohort)
        }
      }),
      { numRuns: 400 },
    )
    assert.ok(accepted > 20, 'the property must not hold for want of cases')
  })

  it('gives reasons that hold, and hold no longer when any of them is left out', () => {
    fc.assert(
      fc.property(history, someSet, (sets, candidate) => {
        const refused = checkGroups(sets, candidate, 3, itself)
        if (refused.ok) return
        const recheck = (indices: readonly number[]) =>
          checkGroups(
            indices.map((i) => sets[i]!),
            candidate,
            3,
            itself,
          ).ok
        assert.equal(recheck(refused.against), false)
        for (const index of refused.against) assert.equal(recheck(refused.against.filter((i) => i !== index)), true)
        assert.deepEqual(
          checkGroups(sets, candidate, 3, itself, new Set(refused.groups.flat())),
          { ok: true },
          'the consents it asks for help',
        )
      }),
    )
  })
})

describe('contributors of derivable differences', () => {
  const counted = (set: ReadonlySet<string>, contributors: number): CountedSet => ({ set, contributors })

  it('solves nested sets: the difference must have none or enough', () => {
    const check = (added: number) =>
      derivableContributors([counted(union(B, C), 8)], counted(union(B, C, D), 8 + added), 5)
    assert.deepEqual(check(0), { ok: true })
    assert.deepEqual(check(5), { ok: true })
    for (const few of [1, 2, 3, 4]) {
      assert.deepEqual(check(few), {
        ok: false,
        reason: 'few-contributors',
        groups: [{ sites: D, least: few, most: few }],
      })
    }
  })

  it('finds the one hospital among five that had rows', () => {
    const refused = derivableContributors([counted(union(B, C), 6)], counted(union(C), 5), 5)
    assert.deepEqual(refused, { ok: false, reason: 'few-contributors', groups: [{ sites: B, least: 1, most: 1 }] })
  })

  it('solves what needs all equations at once', () => {
    const [b, c, d] = [sites('b', 20), sites('c', 20), sites('d', 20)] as const
    const check = (total: number) =>
      derivableContributors([counted(union(b, c), total), counted(union(c, d), total)], counted(union(b, d), total), 5)
    assert.deepEqual(check(20), { ok: true }, 'ten in each group')
    const refused = check(8)
    assert.deepEqual(
      !refused.ok && refused.reason === 'few-contributors' && refused.groups.map(({ least, most }) => [least, most]),
      [
        [4, 4],
        [4, 4],
        [4, 4],
      ],
    )
    assert.deepEqual(check(9), { ok: false, reason: 'inconsistent' }, 'four and a half in each')
  })

  it('uses that contributors are whole', () => {
    // The counts say z = 2 + 2·w. There are only three z, so w did not contribute.
    const [x, y, z, w] = [sites('x', 3), sites('y', 2), sites('z', 3), ['w']] as const
    const known = [counted(union(x, w), 3), counted(union(x, y, z), 7)]
    assert.deepEqual(derivableContributors(known, counted(union(y, w), 2), 2), { ok: true })
  })

  it('refuses what the counts leave open', () => {
    const open = derivableContributors([counted(union(B, C), 8)], counted(union(C, D), 8), 5)
    assert.deepEqual(open, {
      ok: false,
      reason: 'few-contributors',
      groups: [B, C, D].map((group) => ({ sites: group, least: 3, most: 5 })),
    })
    assert.deepEqual(derivableContributors([counted(union(B, C), 10)], counted(union(C, D), 10), 5), { ok: true })
  })

  it('exempts groups whose sites all consented, and only these', () => {
    const check = (consents: readonly string[]) =>
      derivableContributors([counted(union(B), 5)], counted(union(B, v), 6), 5, new Set(consents)).ok
    assert.deepEqual([check([]), check(B), check(v)], [false, false, true])
  })

  it('says so when no contributors explain the counts', () => {
    const inconsistent = { ok: false, reason: 'inconsistent' }
    assert.deepEqual(derivableContributors([counted(union(B), 4)], counted(union(B), 5), 5), inconsistent)
    for (const impossible of [6, -1, 4.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      assert.deepEqual(derivableContributors([], counted(union(B), impossible), 5), inconsistent)
    }
  })

  it('notices counts that contradict each other only together', () => {
    const [b, c, d, e] = [sites('b', 20), sites('c', 20), sites('d', 20), sites('e', 20)] as const
    const check = (last: number) =>
      derivableContributors(
        [counted(union(b, c), 40), counted(union(d, e), 20), counted(union(b, d), 30)],
        counted(union(c, e), last),
        5,
      )
    assert.deepEqual(check(30), { ok: true })
    assert.deepEqual(check(29), { ok: false, reason: 'inconsistent' })
    const open = (last: number) =>
      derivableContributors(
        [counted(union(b, c), 20), counted(union(d, e), 20), counted(union(b, d), 20)],
        counted(union(c, e), last),
        5,
      )
    const reasons = [20, 19].map((last) => {
      const verdict = open(last)
      return verdict.ok || verdict.reason
    })
    assert.deepEqual(reasons, ['few-contributors', 'inconsistent'])
  })

  it('never passes a history from which fewer contributors than the minimum could be isolated', () => {
    let accepted = 0
    let refused = 0
    const contributing = fc.subarray([...universe]).map((list) => new Set(list))
    fc.assert(
      fc.property(history, someSet, contributing, fc.integer({ min: 2, max: 3 }), (sets, last, truth, minCohort) => {
        const all = [...sets, last].map((set) => counted(set, [...set].filter((site) => truth.has(site)).length))
        const verdict = derivableContributors(all.slice(0, -1), all.at(-1)!, minCohort)
        if (!verdict.ok) {
          refused++
          assert.equal(verdict.reason, 'few-contributors', 'true counts are never inconsistent')
          return
        }
        accepted++
        for (const coefficients of combinations(all.length, 2)) {
          const left = support(
            all.map((one) => one.set),
            coefficients,
          ).filter((site) => truth.has(site))
          assert.ok(left.length === 0 || left.length >= minCohort)
        }
      }),
      { numRuns: 600 },
    )
    assert.ok(accepted > 20 && refused > 20, 'both verdicts must occur')
  })

  it('gives bounds that hold for the truth', () => {
    const contributing = fc.subarray([...universe]).map((list) => new Set(list))
    fc.assert(
      fc.property(history, someSet, contributing, (sets, last, truth) => {
        const all = [...sets, last].map((set) => counted(set, [...set].filter((site) => truth.has(site)).length))
        const verdict = derivableContributors(all.slice(0, -1), all.at(-1)!, 4)
        if (verdict.ok || verdict.reason !== 'few-contributors') return
        for (const group of verdict.groups) {
          const actual = group.sites.filter((site) => truth.has(site)).length
          assert.ok(group.least <= actual && actual <= group.most)
        }
      }),
    )
  })
})
