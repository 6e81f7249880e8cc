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

/** sums[at] += x⁴ */
export function addFourth(sums: Sums, at: number, x: number): void {
  const square = x * x
  addProduct(sums, at, square, square)
  addProduct(sums, at, 2 * productError(x, x, square), square)
}
