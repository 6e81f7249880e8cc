/**
 * Σ z and Σ z·zᵀ of many columns over a site's rows, in blocks that stay in the cache. Each column is taken about a number near its
 * mean, which is put back exactly afterwards, so that products need no more digits than what varies has. Runs at a site only.
 *
 * `addMoments` cuts what is left of a value into a part of 23 bits, whose products add up without rounding, and a rest: sums
 * are within 2^-65 of their size about the mean, and exact where values are whole numbers of some unit up to four million of
 * them apart. `addWeighted` works on doubles: weights have been rounded anyway.
 */
import { pairsOf } from './algebra.js'
import { add, addProduct, addWeighted as addTriple, type Sums, zeroSums } from './double-double.js'

/** Rows of a block: 64 products of two numbers of 23 bits and a sign fit 53, and twenty columns of it the nearest cache. */
const BLOCK = 64
const PART_BITS = 22

/** What a column is taken about, and the number whose addition rounds what is left to a multiple of its unit. */
interface Shift {
  readonly by: number
  readonly rounder: number
}

function shiftOf(values: Float64Array): Shift {
  let sum = 0
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  for (let row = 0; row < values.length; row++) {
    const value = values[row] as number
    sum += value
    if (value < least) least = value
    if (value > most) most = value
  }
  if (!(least < most)) return { by: values.length === 0 ? 0 : least, rounder: 0 }
  const mean = sum / values.length
  let squares = 0
  for (let row = 0; row < values.length; row++) {
    const left = (values[row] as number) - mean
    squares += left * left
  }
  // few bits, so that a difference from it needs no more than the values have
  const unit = powerBelow(Math.sqrt(squares / values.length)) / 8
  const by = unit > 0 ? Math.round(mean / unit) * unit : mean
  const reach = 2 * powerBelow(Math.max(most - by, by - least))
  return { by, rounder: 1.5 * 2 ** (52 - PART_BITS) * reach }
}

/** The largest power of two not above a positive number. */
const powerBelow = (value: number): number => 2 ** Math.floor(Math.log2(value))

/** Rows [from, from + BLOCK) of all columns about their shifts: whole, and cut in two. */
class Block {
  readonly whole: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  /** whether any column has a low part here */
  rough = false
  rows = 0
  /** of the columns, and one or two of zeros if they are not a multiple of three */
  readonly size: number

  constructor(
    private readonly columns: readonly Float64Array[],
    private readonly shifts: readonly Shift[],
  ) {
    this.size = 3 * Math.ceil(columns.length / 3)
    const length = BLOCK * this.size
    this.whole = new Float64Array(length)
    this.high = new Float64Array(length)
    this.low = new Float64Array(length)
  }

  read(from: number): void {
    const { columns, shifts, whole, high, low } = this
    let any = 0
    this.rows = Math.min(BLOCK, (columns[0]?.length ?? 0) - from)
    for (const [j, column] of columns.entries()) {
      const { by, rounder } = shifts[j] as Shift
      for (let row = 0, at = j * BLOCK; row < this.rows; row++, at++) {
        const value = column[from + row] as number
        const left = value - by
        // what the subtraction rounded off
        const taken = left - value
        const error = value - (left - taken) - (by + taken)
        const part = left + rounder - rounder
        const rest = left - part + error
        whole[at] = left
        high[at] = part
        low[at] = rest
        any += rest === 0 ? 0 : 1
      }
    }
    this.rough = any > 0
  }
}

/** Σ a[i + row] · b[j + row] */
function dot(a: Float64Array, i: number, b: Float64Array, j: number, rows: number): number {
  let sum = 0
  for (let row = 0; row < rows; row++) sum += (a[i + row] as number) * (b[j + row] as number)
  return sum
}

/**
 * out[i · size + j] = Σ a_i · b_j for i ≤ j, of columns of a block; `size` is a multiple of 3. Nine sums at a time: each number that is
 * read is used three times, and no addition waits for the one before.
 */
function triangle(a: Float64Array, b: Float64Array, size: number, rows: number, out: Float64Array): void {
  for (let i = 0; i < size; i += 3) {
    for (let j = i; j < size; j += 3) {
      // nothing is destructured in here: that makes an array each time
      let xu = 0
      let xv = 0
      let xw = 0
      let yu = 0
      let yv = 0
      let yw = 0
      let zu = 0
      let zv = 0
      let zw = 0
      const i0 = i * BLOCK
      const i1 = i0 + BLOCK
      const i2 = i1 + BLOCK
      const j0 = j * BLOCK
      const j1 = j0 + BLOCK
      const j2 = j1 + BLOCK
      for (let row = 0; row < rows; row++) {
        const x = a[i0 + row] as number
        const y = a[i1 + row] as number
        const z = a[i2 + row] as number
        const u = b[j0 + row] as number
        const v = b[j1 + row] as number
        const w = b[j2 + row] as number
        xu += x * u
        xv += x * v
        xw += x * w
        yu += y * u
        yv += y * v
        yw += y * w
        zu += z * u
        zv += z * v
        zw += z * w
      }
      const at = i * size + j
      out[at] = xu
      out[at + 1] = xv
      out[at + 2] = xw
      out[at + size] = yu
      out[at + size + 1] = yv
      out[at + size + 2] = yw
      out[at + 2 * size] = zu
      out[at + 2 * size + 1] = zv
      out[at + 2 * size + 2] = zw
    }
  }
}

function total(a: Float64Array, i: number, rows: number): number {
  let sum = 0
  for (let row = 0; row < rows; row++) sum += a[i + row] as number
  return sum
}

/** What is put back: `of` holds Σ w·d and Σ w·d·dᵀ about the shifts, `weight` Σ w as high + low. */
function putBack(
  sums: Sums,
  [first, second]: readonly [first: number | undefined, second: number],
  about: Sums,
  shifts: readonly Shift[],
  [weight, rest]: readonly [number, number],
): void {
  const size = shifts.length
  const by = (j: number): number => (shifts[j] as Shift).by
  const moment = (slot: number, j: number, times: number): void => {
    addProduct(sums, slot, times, about.high[j] as number)
    add(sums, slot, times * (about.low[j] as number))
  }
  if (first !== undefined) {
    for (let j = 0; j < size; j++) {
      moment(first + j, j, 1)
      addProduct(sums, first + j, weight, by(j))
      add(sums, first + j, rest * by(j))
    }
  }
  for (const [at, [i, j]] of pairsOf(size).entries()) {
    add(sums, second + at, about.high[size + at] as number, about.low[size + at])
    moment(second + at, j, by(i))
    moment(second + at, i, by(j))
    addTriple(sums, second + at, weight, by(i), by(j))
    add(sums, second + at, rest * by(i) * by(j))
  }
}

/** Adds Σ z to the slots from `first` on, if there are any, and Σ z_i·z_j for all pairs to those from `second` on. */
export function addMoments(
  columns: readonly Float64Array[],
  sums: Sums,
  first: number | undefined,
  second: number,
): void {
  const rows = columns[0]?.length ?? 0
  const shifts = columns.map(shiftOf)
  const block = new Block(columns, shifts)
  const { whole, high, low, size } = block
  const about = zeroSums(columns.length + pairsOf(columns.length).length)
  const [exact, rest, more] = [0, 1, 2].map(() => new Float64Array(size * size)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  for (let from = 0; from < rows; from += BLOCK) {
    block.read(from)
    triangle(high, high, size, block.rows, exact)
    if (block.rough) {
      triangle(high, low, size, block.rows, rest)
      triangle(low, whole, size, block.rows, more)
    }
    for (let i = 0, slot = columns.length; i < columns.length; i++) {
      add(about, i, total(high, i * BLOCK, block.rows), total(low, i * BLOCK, block.rows))
      for (let j = i, at = i * size + i; j < columns.length; j++, at++, slot++)
        add(about, slot, exact[at] as number, block.rough ? (rest[at] as number) + (more[at] as number) : 0)
    }
  }
  putBack(sums, [first, second], about, shifts, [rows, 0])
}

/**
 * Adds Σ w, Σ w·z and Σ w·z_i·z_j to the slots from `first` on, in the order of `pairsOf`, of a weight w by row. `each` sees every block,
 * and its first row; the answer is what the columns of the blocks are taken about.
 */
export function addInformation(
  columns: readonly Float64Array[],
  weights: Float64Array,
  sums: Sums,
  first: number,
  each: (block: Block, from: number) => void = () => undefined,
): readonly Shift[] {
  const size = columns.length
  const shifts = columns.map(shiftOf)
  const block = new Block(columns, shifts)
  const { whole } = block
  const weighted = new Float64Array(whole.length)
  const found = new Float64Array(block.size * block.size)
  const about = zeroSums(size + pairsOf(size).length)
  const weight = zeroSums(1)
  for (let from = 0; from < weights.length; from += BLOCK) {
    block.read(from)
    const { rows } = block
    add(weight, 0, total(weights, from, rows))
    for (let j = 0, a = 0; j < size; j++, a += BLOCK) {
      for (let row = 0; row < rows; row++)
        weighted[a + row] = (whole[a + row] as number) * (weights[from + row] as number)
      add(about, j, total(weighted, a, rows))
    }
    triangle(weighted, whole, block.size, rows, found)
    for (let i = 0, slot = size; i < size; i++)
      for (let j = i; j < size; j++, slot++) add(about, slot, found[i * block.size + j] as number)
    each(block, from)
  }
  const [high, low] = [weight.high[0] as number, weight.low[0] as number]
  add(sums, first, high, low)
  putBack(sums, [first + 1, first + 1 + size], about, shifts, [high, low])
  return shifts
}

/**
 * Of a model with an intercept and a weight and a residual w and r by row: adds Σ r and Σ z·r to the slots from `first` on, then Σ w,
 * Σ w·z and Σ w·z_i·z_j, the intercept being the column before all others.
 */
export function addWeighted(
  columns: readonly Float64Array[],
  weights: Float64Array,
  residuals: Float64Array,
  sums: Sums,
  first: number,
): void {
  const size = columns.length
  // Σ r and Σ d·r
  const plain = zeroSums(1 + size)
  const shifts = addInformation(columns, weights, sums, first + 1 + size, ({ whole, rows }, from) => {
    add(plain, 0, total(residuals, from, rows))
    for (let j = 0; j < size; j++) add(plain, 1 + j, dot(whole, j * BLOCK, residuals, from, rows))
  })
  const [residual, more] = [plain.high[0] as number, plain.low[0] as number]
  add(sums, first, residual, more)
  for (const [j, { by }] of shifts.entries()) {
    add(sums, first + 1 + j, plain.high[1 + j] as number, plain.low[1 + j])
    addProduct(sums, first + 1 + j, by, residual)
    add(sums, first + 1 + j, by * more)
  }
}
