/**
 * Fisher scoring of a model with an intercept: the names of a site's score and information (products.ts), and the step that follows
 * from everyone's. Implements docs/spec/analyses.md, "logistic". The intercept is eliminated by centring about weighted means,
 * exactly, before anything is rounded.
 */
import { centred, dividedBy, dot, inverse, type Matrix, pairsOf, symmetric, times } from './algebra.js'
import type { Cases } from './design.js'
import { quotient, sumToNumber } from './layout.js'
import type { Solution } from './newton.js'

/** Score, then information for all pairs; `names` are the coefficients, the intercept first. */
export const scoringSums = (names: readonly string[]): readonly string[] => [
  ...names.map((name) => `score ${name}`),
  ...pairsOf(names.length).map(([i, j]) => `information ${names[i]} × ${names[j]}`),
]

/** The linear predictor by row, the intercept first. */
export function predictorsOf({ count, design }: Cases, [intercept = 0, ...beta]: readonly number[]): Float64Array {
  return linearIn(design, beta, count, intercept)
}

/** By row, what the columns add up to with these coefficients. */
export function linearIn(
  columns: readonly Float64Array[],
  beta: readonly number[],
  count: number,
  intercept = 0,
): Float64Array {
  const eta = new Float64Array(count).fill(intercept)
  for (const [j, column] of columns.entries()) {
    const factor = beta[j] as number
    for (let row = 0; row < count; row++) eta[row] = (eta[row] as number) + factor * (column[row] as number)
  }
  return eta
}

/** Of this much rounding of the predictor digits that a result claims are left. */
const MOST_ROUNDING = 1e-9

/** How far rounding alone moves the predictor: of columns far from zero the intercept is large, and takes it back. */
export const roundingOf = ([intercept = 0]: readonly number[]): number =>
  Math.min(MOST_ROUNDING, 4 * Number.EPSILON * Math.abs(intercept))

/** The step to the next point from the sums in the order of `scoringSums`; undefined if the information is singular. */
export function scoringStep(sums: readonly bigint[], size: number): Solution | undefined {
  const [weight = 0n, ...first] = sums.slice(size, 2 * size)
  if (weight <= 0n) return undefined
  const score = sums.slice(0, size)
  const second = symmetric(size, sums.slice(size))
  const design: Matrix<bigint> = second.slice(1).map((row) => row.slice(1))
  const inverted = inverse(dividedBy(weight, centred(weight, first, design)))
  if (inverted === undefined) return undefined
  const means = first.map((sum) => quotient(sum, weight))
  const ownScore = score[0] as bigint
  const scores = dividedBy(weight, [
    first.map((sum, j) => weight * (score[j + 1] as bigint) - sum * ownScore),
  ])[0] as readonly number[]
  const step = times(inverted, scores)
  const level = quotient(ownScore, weight)
  const total = sumToNumber(weight)
  return {
    step: [level - dot(means, step), ...step],
    stepSize: Math.sqrt(Math.max(0, level * level + dot(scores, step) / total)),
    se: [
      Math.sqrt(1 / total + dot(means, times(inverted, means))),
      ...inverted.map((row, j) => Math.sqrt(row[j] as number)),
    ],
  }
}
