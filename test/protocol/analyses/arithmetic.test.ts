import assert from 'node:assert/strict'
import { inverse, pairsOf, symmetric } from '@flamesh/protocol/analyses/algebra.js'
import { add, addPowers, addProduct, addWeighted, zeroSums } from '@flamesh/protocol/analyses/double-double.js'
import {
  BOUND,
  countSlots,
  FRACTION_BITS,
  openSum,
  planOf,
  quotient,
  SUM_BITS,
  SUM_BOUND,
  vectorOf,
  WORD_BITS,
} from '@flamesh/protocol/analyses/layout.js'
import { MAX_COHORT } from '@flamesh/protocol/limits.js'
import { addInto, decodeVector, encodeVector, fits } from '@flamesh/protocol/secagg/ring.js'
import fc from 'fast-check'
import { sumOf } from './federation.js'

const layout = { counts: ['rows'], sums: ['Σ'] }
const context = { parameters: undefined, rules: { minimumCell: 5, minimumContributors: 1 }, survivors: 3 }

/** A double as an exact integer in units of 2^-1100. */
function exactly(value: number): bigint {
  let scaled = value
  let shift = 1100n
  while (!Number.isInteger(scaled)) {
    scaled *= 2
    shift -= 1n
  }
  return BigInt(scaled) << shift
}

const real = fc.double({ min: -1e11, max: 1e11, noNaN: true }).filter((x) => x === 0 || Math.abs(x) > 1e-12)

describe('exact sums', () => {
  it('the bound leaves room for the largest cohort in 128 bits, and no more than a bit is wasted', () => {
    assert.ok(fits(MAX_COHORT, BOUND, 128, FRACTION_BITS))
    assert.ok(!fits(MAX_COHORT, BOUND * 2, 128, FRACTION_BITS))
    assert.equal(BOUND * 2 ** FRACTION_BITS, 2 ** WORD_BITS)
  })

  it('Σx² from the ring equals the exact sum to the last unit of 2^-130 a site', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(real, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 3 }),
        (sites) => {
          const vectors = sites.map((values) => {
            const sums = zeroSums(1)
            for (const value of values) addProduct(sums, 0, value, value)
            return vectorOf(layout, [values.length], sums)
          })
          const reading = openSum(layout, sumOf(vectors, planOf(layout)), { ...context, survivors: 3 })
          assert.ok(reading.kind === 'reading')
          const exact = sites
            .flat()
            .reduce((sum, value) => sum + ((exactly(value) * exactly(value)) >> BigInt(2 * 1100 - 220)), 0n)
          const error = exact - ((reading.sums[0] as bigint) << BigInt(220 - SUM_BITS))
          // relative 2^-100 of the double-double sums, or a unit of the ring a site
          const allowed = (exact >> 96n) + (BigInt(sites.length) << BigInt(220 - SUM_BITS))
          assert.ok(error <= allowed && -error <= allowed, `${error}`)
        },
      ),
    )
  })

  it('cancellation leaves what is exact', () => {
    const sums = zeroSums(2)
    for (const value of [1e16, 1, -1e16]) add(sums, 0, value)
    assert.equal((sums.high[0] as number) + (sums.low[0] as number), 1)
    addWeighted(sums, 1, 0.1, 0.1, 0.1)
    add(sums, 1, -(0.1 * 0.1 * 0.1))
    const exact = exactly(0.1) ** 3n - (exactly(0.1 * 0.1 * 0.1) << 2200n)
    assert.ok(
      Math.abs(((sums.high[1] as number) * 2 ** 150) / (Number(exact >> BigInt(3300 - 200)) / 2 ** 50) - 1) < 1e-9,
    )
  })

  it('carries powers to twice the precision of a double', () => {
    for (const x of [0.1, 1 / 3, -12345.678]) {
      const sums = zeroSums(4)
      addPowers(sums, 0, x)
      for (const power of [2, 3, 4]) {
        const at = power - 1
        add(sums, at, -(x ** power))
        const rest = exactly(x) ** BigInt(power) - (exactly(x ** power) << BigInt(1100 * at))
        const exact = Number(rest >> BigInt(1100 * power - 300)) / 2 ** 300
        assert.ok(Math.abs(((sums.high[at] as number) + (sums.low[at] as number)) / exact - 1) < 1e-9, `${x}^${power}`)
      }
      assert.deepEqual([sums.high[0], sums.low[0]], [x, 0])
    }
  })

  it('the product’s ring and plain integers agree on what a vector says', () => {
    const sums = zeroSums(1)
    for (const value of [1e-9, 12345.678, -0.1]) addProduct(sums, 0, value, 1)
    const vector = vectorOf(layout, [3], sums)
    const plan = planOf(layout)
    const encoded = encodeVector(vector, 128, plan.fractionBits, plan.bound, countSlots(plan))
    const words = decodeVector(encoded, 128, plan.fractionBits)
    const plain = sumOf([vector], plan)
    const whole = ([, , first = 0n, second = 0n]: readonly bigint[]): bigint => (first << BigInt(WORD_BITS)) + second
    assert.deepEqual(words.slice(0, 2), plain.slice(0, 2))
    // the last bit may be rounded either way
    assert.ok(Math.abs(Number(whole(words) - whole(plain))) <= 2)
  })

  it('the largest sums of the largest cohort neither wrap nor lose a bit', () => {
    const plan = planOf(layout)
    const largest = SUM_BOUND - 2 ** 47
    for (const [high, low] of [
      [largest, 2 ** 46],
      [-largest, -(2 ** 46)],
      [largest, 2 ** -6],
      [2 ** -15, -(2 ** -130)],
    ] as const) {
      const vector = vectorOf(layout, [1], { high: Float64Array.of(high), low: Float64Array.of(low) })
      const encoded = encodeVector(vector, 128, plan.fractionBits, plan.bound, countSlots(plan))
      let sum = encoded
      // 2^11 sites by doubling
      for (let sites = 1; sites < MAX_COHORT; sites *= 2) {
        const twice = sum.slice()
        addInto(twice, sum, 128)
        sum = twice
      }
      const reading = openSum(layout, decodeVector(sum, 128, plan.fractionBits), { ...context, survivors: MAX_COHORT })
      assert.ok(reading.kind === 'reading')
      const unit = exactly(2 ** -SUM_BITS)
      assert.equal(reading.sums[0], (BigInt(MAX_COHORT) * (exactly(high) + exactly(low))) / unit)
    }
  })

  it('what is beyond them is refused, and names its slot', () => {
    const plan = planOf(layout)
    for (const [high, low] of [
      [SUM_BOUND, 0],
      [-SUM_BOUND, 0],
      [Number.POSITIVE_INFINITY, 0],
      [Number.NaN, 0],
    ] as const)
      assert.throws(() => vectorOf(layout, [1], { high: Float64Array.of(high), low: Float64Array.of(low) }), {
        code: 'out-of-bound',
        meta: { slot: 'Σ' },
      })
    const encode = (high: number, low: number) =>
      encodeVector([1, 1, high, low], 128, plan.fractionBits, plan.bound, countSlots(plan))
    for (const [high, low, slot] of [
      [SUM_BOUND, SUM_BOUND, 2],
      [-SUM_BOUND, -1, 2],
      [2 * SUM_BOUND, 0, 2],
      [0, 2 * SUM_BOUND, 3],
    ] as const)
      assert.throws(() => encode(high, low), { code: 'out-of-bound', meta: { slot } })
    assert.throws(() => encode(1, Number.NaN), { code: 'not-finite', meta: { slot: 3 } })
    assert.doesNotThrow(() => encode(SUM_BOUND, 0))
  })

  it('a quotient has no negative zero', () => assert.ok(Object.is(quotient(0n, -5n), 0)))
})

describe('symmetric systems', () => {
  it('pairs and matrices are each other’s layout', () => {
    assert.deepEqual(pairsOf(3), [
      [0, 0],
      [0, 1],
      [0, 2],
      [1, 1],
      [1, 2],
      [2, 2],
    ])
    assert.deepEqual(symmetric(2, ['a', 'b', 'c']), [
      ['a', 'b'],
      ['b', 'c'],
    ])
  })

  it('the inverse times the matrix is one', () => {
    const rows = fc.array(fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 3, maxLength: 3 }), {
      minLength: 6,
      maxLength: 9,
    })
    fc.assert(
      fc.property(rows, (x) => {
        const matrix = [0, 1, 2].map((i) =>
          [0, 1, 2].map((j) =>
            x.reduce((sum, row) => sum + (row[i] as number) * (row[j] as number), i === j ? 0.1 : 0),
          ),
        )
        const inverted = inverse(matrix)
        assert.ok(inverted)
        for (const [i, row] of matrix.entries()) {
          for (const j of row.keys()) {
            const cell = row.reduce((sum, value, k) => sum + value * (inverted[k]?.[j] as number), 0)
            assert.ok(Math.abs(cell - (i === j ? 1 : 0)) < 1e-9)
          }
        }
      }),
    )
  })

  it('a matrix that is not positive definite has none', () => {
    for (const matrix of [
      [[0]],
      [[-1]],
      [[Number.NaN]],
      [
        [1, 1],
        [1, 1],
      ],
      [
        [1, 2],
        [2, 1],
      ],
      [
        [1, 1],
        [1, 1 + 1e-12],
      ],
    ])
      assert.equal(inverse(matrix), undefined)
  })
})
