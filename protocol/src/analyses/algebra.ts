/**
 * Exact centring of integer moments, and symmetric positive definite systems, with nothing but integers and + − × ÷ √ in
 * a fixed order. Implements docs/spec/analyses.md, "Arithmetic".
 */
import { quotient, SUM_BITS } from './layout.js'

export type Matrix<T> = readonly (readonly T[])[]

/**
 * A column of which less than this share of the variance is left once the columns before it are known cannot be told from
 * a combination of them.
 */
const TOLERANCE = 1e-10

/** Index pairs i ≤ j in the order in which a symmetric matrix is laid out. */
export function pairsOf(size: number): readonly (readonly [number, number])[] {
  return Array.from({ length: size }, (_, i) => Array.from({ length: size - i }, (_, k) => [i, i + k] as const)).flat()
}

export function symmetric<T>(size: number, packed: readonly T[]): Matrix<T> {
  const full = Array.from({ length: size }, () => new Array<T>(size))
  pairsOf(size).forEach(([i, j], at) => {
    const row = full[i] as T[]
    const mirrored = full[j] as T[]
    row[j] = packed[at] as T
    mirrored[i] = packed[at] as T
  })
  return full
}

/** W·S_ij − S_i·S_j: second moments about the weighted mean, times the weight W, exactly. */
export function centred(weight: bigint, first: readonly bigint[], second: Matrix<bigint>): Matrix<bigint> {
  return second.map((row, i) => row.map((value, j) => weight * value - (first[i] as bigint) * (first[j] as bigint)))
}

/** The matrix as doubles: numerators in units of 2^(−2·130) over a weight in units of 2^−130. */
export function dividedBy(weight: bigint, numerators: Matrix<bigint>): Matrix<number> {
  const denominator = weight << BigInt(SUM_BITS)
  return numerators.map((row) => row.map((value) => quotient(value, denominator)))
}

/**
 * Inverse of a symmetric positive definite matrix by Cholesky's method, on the matrix scaled to a unit diagonal; undefined
 * if it is singular within the tolerance, or not finite.
 */
export function inverse(matrix: Matrix<number>): Matrix<number> | undefined {
  const scale = matrix.map((row, i) => Math.sqrt(row[i] as number))
  if (!scale.every((value) => value > 0 && Number.isFinite(value))) return undefined
  const scaled = matrix.map((row, i) => row.map((value, j) => value / (scale[i] as number) / (scale[j] as number)))
  const lower = cholesky(scaled)
  if (lower === undefined) return undefined
  const columns = scale.map((_, unit) => solveCholesky(lower, unit))
  const result = columns.map((column, j) =>
    column.map((value, i) => value / (scale[i] as number) / (scale[j] as number)),
  )
  return result.every((row) => row.every(Number.isFinite)) ? result : undefined
}

function cholesky(matrix: Matrix<number>): Matrix<number> | undefined {
  const lower = matrix.map((row) => row.map(() => 0))
  for (let j = 0; j < matrix.length; j++) {
    for (let i = j; i < matrix.length; i++) {
      let rest = matrix[i]?.[j] as number
      for (let k = 0; k < j; k++) rest -= (lower[i]?.[k] as number) * (lower[j]?.[k] as number)
      const row = lower[i] as number[]
      if (i > j) row[j] = rest / (lower[j]?.[j] as number)
      else if (rest > TOLERANCE) row[j] = Math.sqrt(rest)
      else return undefined
    }
  }
  return lower
}

/** The solution of L·Lᵀ·x = e_unit. */
function solveCholesky(lower: Matrix<number>, unit: number): readonly number[] {
  const size = lower.length
  const x = new Array<number>(size).fill(0)
  for (let i = unit; i < size; i++) {
    let rest = i === unit ? 1 : 0
    for (let k = unit; k < i; k++) rest -= (lower[i]?.[k] as number) * (x[k] as number)
    x[i] = rest / (lower[i]?.[i] as number)
  }
  for (let i = size - 1; i >= 0; i--) {
    let rest = x[i] as number
    for (let k = i + 1; k < size; k++) rest -= (lower[k]?.[i] as number) * (x[k] as number)
    x[i] = rest / (lower[i]?.[i] as number)
  }
  return x
}

export function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}

export function times(matrix: Matrix<number>, vector: readonly number[]): readonly number[] {
  return matrix.map((row) => dot(row, vector))
}
