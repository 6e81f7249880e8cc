/**
 * Eigenvalues and eigenvectors of a symmetric matrix, by Jacobi's rotations in cyclic order (Golub and Van Loan, "Matrix
 * Computations", 8.5): slow, simple, and accurate for matrices of a few dozen columns. For `present` only.
 */
import type { Matrix } from './algebra.js'

/** Quadratic convergence ends it long before. */
const SWEEPS = 60
/** Loadings this close in size are a tie, which the first of them wins. */
const TIE = 1e-9

export interface Component {
  readonly value: number
  /** of length 1; the largest entry is positive */
  readonly vector: readonly number[]
}

/** Components by falling eigenvalue. Vectors of equal eigenvalues are one of many choices. */
export function eigen(matrix: Matrix<number>): readonly Component[] {
  const a = matrix.map((row) => [...row])
  const v = matrix.map((row, i) => row.map((_, j) => (i === j ? 1 : 0)))
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let turned = false
    for (let p = 0; p < a.length; p++) for (let q = p + 1; q < a.length; q++) turned = rotate(a, v, p, q) || turned
    if (!turned) break
  }
  const components = a.map((row, at) => ({ value: row[at] as number, vector: v.map((line) => line[at] as number) }))
  return components.sort((x, y) => y.value - x.value).map(({ value, vector }) => ({ value, vector: oriented(vector) }))
}

/** Makes a[p][q] zero; false if it is nothing beside the diagonal. */
function rotate(a: number[][], v: number[][], p: number, q: number): boolean {
  const [rowP, rowQ] = [a[p] as number[], a[q] as number[]]
  const [pp, qq, pq] = [rowP[p] as number, rowQ[q] as number, rowP[q] as number]
  if (Math.abs(pq) <= Number.EPSILON * Math.sqrt(Math.abs(pp) * Math.abs(qq))) return false
  const theta = (qq - pp) / (2 * pq)
  const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
  const c = 1 / Math.sqrt(t * t + 1)
  const s = t * c
  const turn = (row: number[]): void => {
    const [x, y] = [row[p] as number, row[q] as number]
    row[p] = c * x - s * y
    row[q] = s * x + c * y
  }
  for (const row of a) turn(row)
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [rowP[k] as number, rowQ[k] as number]
    rowP[k] = c * x - s * y
    rowQ[k] = s * x + c * y
  }
  rowP[q] = 0
  rowQ[p] = 0
  rowP[p] = pp - t * pq
  rowQ[q] = qq + t * pq
  for (const row of v) turn(row)
  return true
}

function oriented(vector: readonly number[]): readonly number[] {
  const size = Math.max(...vector.map(Math.abs))
  const first = vector.find((entry) => Math.abs(entry) >= size * (1 - TIE)) ?? 1
  return first < 0 ? vector.map((entry) => 0 - entry) : vector
}
