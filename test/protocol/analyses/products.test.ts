import assert from 'node:assert/strict'
import { pairsOf } from '@flamesh/protocol/analyses/algebra.js'
import { addProduct, addWeighted as addTriple, type Sums, zeroSums } from '@flamesh/protocol/analyses/double-double.js'
import { addMoments, addWeighted } from '@flamesh/protocol/analyses/products.js'
import fc from 'fast-check'

const UNIT = 400n

/** A double as an exact integer in units of 2^-400, below which nothing is. */
function exactly(value: number): bigint {
  let [scaled, shift] = [value, UNIT]
  while (!Number.isInteger(scaled)) [scaled, shift] = [scaled * 2, shift - 1n]
  return BigInt(scaled) << shift
}

const product = (a: number, b: number): bigint => (exactly(a) * exactly(b)) >> UNIT
const sumAt = ({ high, low }: Sums, at: number): bigint => exactly(high[at] as number) + exactly(low[at] as number)
const exactSum = (values: Iterable<bigint>): bigint => [...values].reduce((sum, value) => sum + value, 0n)

function moments(columns: readonly Float64Array[]): Sums {
  const sums = zeroSums(columns.length + pairsOf(columns.length).length)
  addMoments(columns, sums, 0, columns.length)
  return sums
}

const columnsOf = (rows: readonly (readonly number[])[], value: (drawn: number, column: number) => number) =>
  (rows[0] ?? []).map((_, j) => Float64Array.from(rows, (row) => value(row[j] as number, j)))

const table = (drawn: fc.Arbitrary<number>) =>
  fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 200 }))
    .chain(([columns, rows]) =>
      fc.array(fc.array(drawn, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows }),
    )

describe('products of columns', () => {
  it('of whole numbers are exact, wherever they begin', () => {
    const offset = [0, 1e9, -7, 1e12, 12345]
    fc.assert(
      fc.property(table(fc.integer({ min: 0, max: 1_000_000_000 })), (rows) => {
        const columns = columnsOf(rows, (drawn, j) => drawn + (offset[j] as number))
        const sums = moments(columns)
        columns.forEach((column, j) => {
          assert.equal(sumAt(sums, j), exactSum(Array.from(column, exactly)))
        })
        pairsOf(columns.length).forEach(([i, j], at) => {
          const [a, b] = [columns[i] as Float64Array, columns[j] as Float64Array]
          assert.equal(
            sumAt(sums, columns.length + at),
            exactSum(Array.from(a, (x, row) => product(x, b[row] as number))),
          )
        })
      }),
      { numRuns: 60 },
    )
  })

  it('carry twenty digits of what varies, far from zero and in any unit', () => {
    const offset = [0, 1e6, -3e5, 40, 1]
    const unit = [1, 1, 1e-9, 1e9, 1e-3]
    const drawn = fc.double({ min: -1, max: 1, noNaN: true }).map((x) => Math.round(x * 2 ** 50) / 2 ** 50)
    fc.assert(
      fc.property(table(drawn), (rows) => {
        const columns = columnsOf(rows, (x, j) => (x + (offset[j] as number)) * (unit[j] as number))
        const sums = moments(columns)
        const n = BigInt(rows.length)
        const size = columns.length
        const first = (j: number): bigint => exactSum(Array.from(columns[j] as Float64Array, exactly))
        const centred = (i: number, j: number): bigint => {
          const b = columns[j] as Float64Array
          const second = exactSum(Array.from(columns[i] as Float64Array, (x, row) => product(x, b[row] as number)))
          return n * second - ((first(i) * first(j)) >> UNIT)
        }
        const spread = (j: number): number => Math.sqrt(Number(centred(j, j)) / Number(1n << UNIT))
        pairsOf(size).forEach(([i, j], at) => {
          const found = n * sumAt(sums, size + at) - ((sumAt(sums, i) * sumAt(sums, j)) >> UNIT)
          const error = Math.abs(Number(found - centred(i, j))) / Number(1n << UNIT)
          // a value that lies far from all others is cut less finely, and the mean itself is known to 106 bits
          const mean = (k: number): number => Math.abs(Number(first(k)) / Number(1n << UNIT))
          const allowed = 2 ** -62 * spread(i) * spread(j) + 2 ** -98 * mean(i) * mean(j)
          assert.ok(error <= allowed, `${error} of ${spread(i)} · ${spread(j)}`)
        })
      }),
      { numRuns: 60 },
    )
  })

  it('with weights are those of pairs of doubles, about the mean', () => {
    const drawn = fc.double({ min: -1, max: 1, noNaN: true })
    fc.assert(
      fc.property(table(drawn), (rows) => {
        const columns = columnsOf(rows, (x, j) => x + 10 ** (2 * j))
        const weights = Float64Array.from(rows, ([x = 0]) => x * x + 0.01)
        const residuals = Float64Array.from(rows, ([x = 0], row) => Math.sin(row) * x)
        const size = columns.length + 1
        const all = [new Float64Array(rows.length).fill(1), ...columns]
        const [found, expected] = [zeroSums(size + pairsOf(size).length), zeroSums(size + pairsOf(size).length)]
        addWeighted(columns, weights, residuals, found, 0)
        for (const [j, column] of all.entries())
          for (const [row, x] of column.entries()) addProduct(expected, j, x, residuals[row] as number)
        for (const [at, [i, j]] of pairsOf(size).entries())
          for (const [row, weight] of weights.entries())
            addTriple(expected, size + at, weight, all[i]?.[row] as number, all[j]?.[row] as number)
        // what the committee computes: about the weighted mean
        const about = (sums: Sums, i: number, j: number): number => {
          const at = (a: number, b: number): bigint =>
            sumAt(sums, size + pairsOf(size).findIndex(([k, l]) => k === a && l === b))
          return Number(at(0, 0) * at(i, j) - at(0, i) * at(0, j)) / Number(1n << (2n * UNIT))
        }
        for (const [i, j] of pairsOf(size).filter(([k]) => k > 0)) {
          // of a column that does not vary the difference of rounded sums may be a little below 0
          const spread = (k: number): number => Math.sqrt(Math.max(0, about(expected, k, k)))
          const scale = spread(i) * spread(j)
          assert.ok(Math.abs(about(found, i, j) - about(expected, i, j)) <= 1e-12 * scale + 1e-20 * 10 ** (2 * (i + j)))
        }
        for (let j = 0; j < size; j++) {
          const [one, other] = [sumAt(found, j), sumAt(expected, j)].map((sum) => Number(sum) / Number(1n << UNIT)) as [
            number,
            number,
          ]
          assert.ok(Math.abs(one - other) <= 1e-13 * rows.length * 10 ** (2 * Math.max(0, j - 1)))
        }
      }),
      { numRuns: 40 },
    )
  })
})
