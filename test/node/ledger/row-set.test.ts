import assert from 'node:assert/strict'
import { closeJobs, closeTo, rowSetOf } from '@flamesh/node/ledger/row-set.js'
import fc from 'fast-check'

const ROWS = 80
const MINIMUM = 5
const rows = fc.uniqueArray(fc.nat(ROWS - 1))
const isFew = (count: number): boolean => count > 0 && count < MINIMUM
/** How often a sum of sums, each with its sign, holds each row. */
const left = (terms: readonly (readonly [number, ReadonlySet<number>])[]): number =>
  Array.from({ length: ROWS }, (_, row) =>
    terms.reduce((sum, [sign, set]) => sum + (set.has(row) ? sign : 0), 0),
  ).filter((times) => times !== 0).length
const same = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean =>
  left([
    [1, a],
    [-1, b],
  ]) === 0

/** By plain counting. */
function isClose(set: ReadonlySet<number>, earlier: readonly ReadonlySet<number>[], eachSide: boolean): boolean {
  const others = earlier.filter((one) => !same(one, set))
  const only = (a: ReadonlySet<number>, b: ReadonlySet<number>): number => [...a].filter((row) => !b.has(row)).length
  const pair = others.some(
    (one) =>
      isFew(
        left([
          [1, set],
          [-1, one],
        ]),
      ) ||
      (eachSide && (isFew(only(set, one)) || isFew(only(one, set)))),
  )
  const triple = others.some((a, at) =>
    others.slice(at + 1).some((b) =>
      [
        [1, -1, -1],
        [1, 1, -1],
        [1, -1, 1],
      ].some(([x = 0, y = 0, z = 0]) =>
        isFew(
          left([
            [x, set],
            [y, a],
            [z, b],
          ]),
        ),
      ),
    ),
  )
  return pair || triple
}

describe('sets of rows', () => {
  it('are close exactly where plain counting finds few rows that sums over one, two or three leave', () => {
    const near = fc
      .tuple(rows, rows, fc.uniqueArray(fc.nat(ROWS - 1), { maxLength: 7 }), fc.nat(3))
      .map(([a, b, changes, how]) => {
        const [x, y] = [new Set(a), new Set(b)]
        const base = [x, new Set([...x, ...y]), new Set([...x].filter((row) => !y.has(row))), y][how] as Set<number>
        for (const row of changes) if (!base.delete(row)) base.add(row)
        return { set: base, earlier: [new Set(a), y] }
      })
    let close = 0
    fc.assert(
      fc.property(
        near,
        fc.array(rows, { maxLength: 3 }),
        fc.boolean(),
        fc.boolean(),
        ({ set, earlier }, more, sameVersion, eachSide) => {
          const all = [...earlier, ...more.map((one) => new Set(one))]
          const sets = all.map((one) => ({ set: rowSetOf(one), sameVersion }))
          const found = closeTo(rowSetOf(set), sets, { minimum: MINIMUM, eachSide })
          const expected = isClose(set, all, eachSide && sameVersion)
          if (expected) close++
          assert.equal(found.length > 0, expected)
        },
      ),
      { numRuns: 500 },
    )
    assert.ok(close > 50 && close < 450, 'both answers occur')
  })

  it('and parts of jobs, where one is nearly a whole of another that it is no part of', () => {
    const near = fc
      .tuple(rows, rows, fc.uniqueArray(fc.nat(ROWS - 1), { maxLength: 7 }), fc.nat(3), fc.nat(3))
      .map(([a, b, changes, cut, keep]) => {
        // the level of a row is whether its number is below a multiple of 20; some rows change
        const [x, y] = [new Set(a), new Set(b)]
        const level = new Set([...x].filter((row) => row < 20 * cut))
        const second = [y, level, new Set([...level, ...y]), x][keep] as Set<number>
        for (const row of changes) if (!second.delete(row)) second.add(row)
        return [
          { whole: x, parts: [level, new Set([...x].filter((row) => !level.has(row)))] },
          { whole: second, parts: [new Set([...second].filter((row) => row % 2 === 0))] },
        ] as const
      })
    let onlyByParts = 0
    fc.assert(
      fc.property(near, fc.boolean(), fc.boolean(), ([first, second], turned, eachSide) => {
        const [before, now] = turned ? [second, first] : [first, second]
        const apart = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean =>
          [...a].some((row) => b.has(row)) &&
          isFew([...a].filter((row) => !b.has(row)).length + [...b].filter((row) => !a.has(row)).length)
        const wholes = isClose(now.whole, [before.whole], eachSide)
        const parts =
          !same(now.whole, before.whole) &&
          (now.parts.some((part) => apart(part, before.whole)) ||
            before.parts.some((part) => apart(part, now.whole)) ||
            (eachSide && now.parts.some((part) => before.parts.some((other) => apart(part, other)))))
        const setsOf = ({ whole, parts }: typeof now) => ({
          wholes: [rowSetOf(whole)],
          parts: parts.filter((part) => part.size > 0).map(rowSetOf),
        })
        const earlier = [{ ...setsOf(before), sameVersion: true }]
        const close = closeJobs(setsOf(now), earlier, { minimum: MINIMUM, eachSide })
        assert.deepEqual(close, wholes || parts ? [0] : [])
        if (parts && !wholes) onlyByParts++
      }),
      { numRuns: 3000 },
    )
    assert.ok(onlyByParts > 50, `${onlyByParts}`)
  })

  it('are equal words if they are equal, however they were made', () => {
    assert.deepEqual(rowSetOf([3, 5000, 64]), rowSetOf([64, 3, 3, 5000]))
    assert.deepEqual([...rowSetOf([0, 31, 32])], [0x80000001, 1])
    assert.equal(rowSetOf([]).length, 0)
  })
})
