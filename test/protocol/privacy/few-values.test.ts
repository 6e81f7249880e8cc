import assert from 'node:assert/strict'
import { countsOfNeighbours } from '@flamesh/protocol/privacy/few-values.js'
import fc from 'fast-check'
import { assertSuppressed, type Row, rowsOf, runFederated, splitBy } from '../analyses/federation.js'

const UNIT = 1n << 110n
const sumsOf = (values: readonly bigint[]): [number, bigint, bigint] => [
  values.length,
  values.reduce((sum, value) => sum + value, 0n) * UNIT,
  values.reduce((sum, value) => sum + value * value, 0n) * UNIT,
]

/** What n, Σx and Σx² say to whoever knows that the values are a, a + 1 and a + 2: the attack itself, by elimination. */
function solved(values: readonly number[], a: number): readonly number[] {
  const [z, zz] = [1, 2].map((power) => values.reduce((sum, value) => sum + (value - a) ** power, 0)) as [
    number,
    number,
  ]
  return [values.length - z + (zz - z) / 2, 2 * z - zz, (zz - z) / 2]
}

/** Eight sites with the same share of each value, and of an even spread beside it. */
const sites = (counts: Readonly<Record<number, number>>) => {
  const rows = Object.entries(counts).flatMap(([x, count]) =>
    Array.from({ length: count }, (_, at): Row => ({ x: Number(x), y: (at * 7) % 41, g: at % 2 === 0 ? 'a' : 'b' })),
  )
  return [...splitBy(rows, (_, at) => at % 8).values()].map((one) => rowsOf(one))
}
const g = { column: 'g', levels: ['a', 'b'] }

describe('a numeric column of few values', () => {
  it('is solved by its sums: the attack', () => {
    assert.deepEqual(solved([0, 0, 0, 1, 1, 2], 0), [3, 2, 1])
    assert.deepEqual(solved([4, 4, 5, 5, 5], 4), [2, 3, 0])
  })

  it('has its counts among those that are held against the rule, whatever they are', () => {
    fc.assert(
      fc.property(fc.integer({ min: -50, max: 50 }), fc.tuple(fc.nat(30), fc.nat(30), fc.nat(30)), (a, counts) => {
        const values = counts.flatMap((count, at) => new Array<bigint>(count).fill(BigInt(a + at)))
        if (values.length === 0) return
        const found = countsOfNeighbours(...sumsOf(values), UNIT).map((one) => one.filter((count) => count > 0n).join())
        assert.ok(found.includes(counts.filter((count) => count > 0).join()), `${counts} from ${a}`)
      }),
    )
  })

  it('is none if its values are no whole numbers or lie apart', () => {
    assert.deepEqual(countsOfNeighbours(3, UNIT / 2n, UNIT, UNIT), [])
    assert.deepEqual(countsOfNeighbours(...sumsOf([20n, 41n, 57n, 63n, 80n]), UNIT), [])
    assert.deepEqual(countsOfNeighbours(0, 0n, 0n, UNIT), [])
  })

  it('keeps its moments to itself where a value has few rows', () => {
    // moments takes fewer than 13 for few
    for (const [analysis, enough] of [
      ['describe', 8],
      ['moments', 16],
    ] as const) {
      const of = (counts: Readonly<Record<number, number>>, by?: object) =>
        runFederated(analysis, sites(counts), { columns: ['x', 'y'], ...(by === undefined ? {} : { by }) }).result
          .describe
      const few = of({ 0: 100, 1: 60, 2: 3 })
      assert.deepEqual([few.x.n, few.x.mean, few.x.variance], [163, null, null], analysis)
      assert.notEqual(few.y.mean, null)
      assert.notEqual(of({ 0: 100, 1: 60, 2: enough }).x.mean, null)
      // half of them in either group
      const grouped = of({ 0: 100, 1: 60, 2: enough }, g)
      assert.deepEqual([grouped.x.mean, grouped.x.by.a.mean], [null, null])
    }
  })

  it('enters no model and no correlation where a value has few rows', () => {
    const rare = sites({ 0: 100, 1: 60, 2: 3 })
    const common = sites({ 0: 100, 1: 60, 2: 30 })
    for (const [analysis, parameters] of [
      ['linear', { outcome: 'y', covariates: ['x'], strata: 'none' }],
      ['ridge', { outcome: 'y', covariates: ['x'], strata: 'none', penalty: '1' }],
      ['correlation', { columns: ['x', 'y'] }],
      ['pca', { columns: ['x', 'y'], matrix: 'correlation' }],
    ] as const) {
      assertSuppressed(runFederated(analysis, rare, parameters), 'small-cell')
      assert.equal(runFederated(analysis, common, parameters).outcome.kind, 'result', analysis)
    }
  })
})
