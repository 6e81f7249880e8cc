/**
 * Least squares from exact second moments, plain or with a ridge penalty, with nothing but integers and + − × ÷ √ in a fixed
 * order. Implements docs/spec/analyses.md, "linear" and docs/spec/analyses/ridge.md.
 */
import { suppressed } from '../privacy/disclosure.js'
import { dividedBy, inverse, type Matrix, times } from './algebra.js'
import type { Suppression } from './analysis.js'
import { quotient, SUM_BITS } from './layout.js'

/** Bits after the point of a coefficient when residuals are computed exactly. */
export const COEFFICIENT_BITS = 160n
const COEFFICIENT_UNIT = Number(1n << COEFFICIENT_BITS)

export interface Fit {
  readonly coef: readonly number[]
  /** as integers in units of 2^-160 */
  readonly fixed: readonly bigint[]
  readonly inverse: Matrix<number>
  /** residual and total sum of squares in one unit */
  readonly residual: bigint
  readonly total: bigint
}

/**
 * Least squares on centred products, the outcome last; the diagonal of the design is multiplied by 1 + share/unit. The
 * residuals of the normal equations are exact, and so is the residual sum of squares.
 */
export function leastSquares(
  products: Matrix<bigint>,
  weight: bigint,
  [share, unit]: readonly [bigint, bigint] = [0n, 1n],
): Fit | undefined {
  const size = products.length - 1
  const design = products.slice(0, size).map((row) => row.slice(0, size))
  const target = products.slice(0, size).map((row) => row[size] as bigint)
  const penalised = design.map((row, i) => row.map((value, j) => value * (i === j ? unit + share : unit)))
  const inverted = inverse(dividedBy(weight * unit, penalised))
  if (inverted === undefined) return undefined
  const gradient = (matrix: Matrix<bigint>, scale: bigint, fixed: readonly bigint[]): bigint[] =>
    matrix.map((row, i) =>
      row.reduce(
        (rest, value, j) => rest - value * (fixed[j] as bigint),
        ((target[i] as bigint) * scale) << COEFFICIENT_BITS,
      ),
    )
  const denominator = (weight * unit) << (BigInt(SUM_BITS) + COEFFICIENT_BITS)
  let coef: readonly number[] = new Array<number>(size).fill(0)
  let fixed: readonly bigint[] = coef.map(() => 0n)
  // from zero to the solution, then twice what rounding left of it
  for (let pass = 0; pass < 3; pass++) {
    const step = times(
      inverted,
      gradient(penalised, unit, fixed).map((value) => quotient(value, denominator)),
    )
    coef = coef.map((value, i) => value + (step[i] as number) + 0)
    if (!coef.every((value) => Number.isFinite(value * COEFFICIENT_UNIT))) return undefined
    fixed = coef.map((value) => BigInt(Math.round(value * COEFFICIENT_UNIT)))
  }
  // an error of the coefficients enters the residual sum of squares only squared
  const left = gradient(design, 1n, fixed)
  const total = (products[size]?.[size] as bigint) << (2n * COEFFICIENT_BITS)
  const residual = fixed.reduce(
    (rest, value, i) => rest - value * (((target[i] as bigint) << COEFFICIENT_BITS) + (left[i] as bigint)),
    total,
  )
  return { coef, fixed, inverse: inverted, residual, total }
}

/** Beyond this the outcome is the covariates' in other words. */
const PERFECT = 10n ** 18n

export const isPerfect = ({ residual, total }: Fit): boolean => residual * PERFECT <= total

export const perfectFit = (): Suppression => suppressed('perfect-fit', 'the covariates determine the outcome')
