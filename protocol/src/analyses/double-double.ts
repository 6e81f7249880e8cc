/**
 * Sums and products with twice the precision of a double, so that a site's Σx² carries every bit that the committee needs
 * to centre it exactly. Error-free transformations of Dekker (1971) and Knuth; see Ogita, Rump and Oishi, "Accurate sum
 * and dot product" (2005). Values near the ends of a double's range are not supported.
 */

/** Numbers kept as unevaluated pairs high + low. */
export interface Sums {
  readonly high: Float64Array
  readonly low: Float64Array
}

export function zeroSums(length: number): Sums {
  return { high: new Float64Array(length), low: new Float64Array(length) }
}

/** 2^27 + 1 cuts a double into two halves of 26 bits. */
const SPLITTER = 134217729

/** a · b − product, exactly, where product = fl(a · b). */
function productError(a: number, b: number, product: number): number {
  const aScaled = SPLITTER * a
  const aHigh = aScaled - (aScaled - a)
  const aLow = a - aHigh
  const bScaled = SPLITTER * b
  const bHigh = bScaled - (bScaled - b)
  const bLow = b - bHigh
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow)
}

/** sums[at] += high + low */
export function add(sums: Sums, at: number, high: number, low = 0): void {
  const before = sums.high[at] as number
  const total = before + high
  const part = total - before
  const rest = before - (total - part) + (high - part) + ((sums.low[at] as number) + low)
  const top = total + rest
  sums.high[at] = top
  sums.low[at] = rest - (top - total)
}

/** sums[at] += a · b */
export function addProduct(sums: Sums, at: number, a: number, b: number): void {
  const product = a * b
  add(sums, at, product, productError(a, b, product))
}

/** sums[at] += weight · a · b */
export function addWeighted(sums: Sums, at: number, weight: number, a: number, b: number): void {
  const first = weight * a
  const product = first * b
  add(sums, at, product, productError(first, b, product) + productError(weight, a, first) * b)
}

/** sums[at] += x, and x², x³ and x⁴ to the next three; halves of x and of x² serve several products. */
export function addPowers(sums: Sums, at: number, x: number): void {
  const scaled = SPLITTER * x
  const high = scaled - (scaled - x)
  const low = x - high
  const square = x * x
  const squareError = low * low - (square - high * high - 2 * high * low)
  const squareScaled = SPLITTER * square
  const squareHigh = squareScaled - (squareScaled - square)
  const squareLow = square - squareHigh
  const cube = square * x
  const cubeError = squareLow * low - (cube - squareHigh * high - squareLow * high - squareHigh * low)
  const fourth = square * square
  const fourthError = squareLow * squareLow - (fourth - squareHigh * squareHigh - 2 * squareHigh * squareLow)
  add(sums, at, x)
  add(sums, at + 1, square, squareError)
  add(sums, at + 2, cube, cubeError + squareError * x)
  add(sums, at + 3, fourth, fourthError + 2 * squareError * square)
}
