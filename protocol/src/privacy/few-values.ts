/**
 * What sums say of a numeric column that holds few different values: n, Σx and Σx² are three equations, and for a column of
 * three neighbouring whole numbers the number of rows with each of them solves these. Implements docs/spec/analyses.md,
 * "Numeric columns of few values". It cannot see values that are further apart, nor that a fourth one exists.
 */
import type { DisclosureRules, Suppression } from '../analyses/analysis.js'
import { isSmallCell, suppressed } from './disclosure.js'

/**
 * Rows with a, a + 1 and a + 2, for every whole a with which the column may hold nothing else. `sum` and `squares` are in
 * units of 1/`unit`. With two values the third count is 0. A column whose variance is above 1 has none.
 */
export function countsOfNeighbours(
  n: number,
  sum: bigint,
  squares: bigint,
  unit: bigint,
): readonly (readonly bigint[])[] {
  if (n < 1 || sum % unit !== 0n || squares % unit !== 0n) return []
  const [rows, first, second] = [BigInt(n), sum / unit, squares / unit]
  const rest = ((first % rows) + rows) % rows
  const low = (first - rest) / rows
  return [low - 2n, low - 1n, low].flatMap((a) => {
    // of z = x − a, which is 0, 1 or 2
    const z = first - a * rows
    const zz = second - 2n * a * first + a * a * rows
    const twos = (zz - z) / 2n
    const ones = z - 2n * twos
    const counts = [rows - ones - twos, ones, twos]
    return (zz - z) % 2n === 0n && counts.every((count) => count >= 0n) ? [counts] : []
  })
}

/** Whether the column may hold nothing but three neighbouring whole numbers, or two, or one. */
export const hasFewValues = (n: number, sum: bigint, squares: bigint, unit: bigint): boolean =>
  countsOfNeighbours(n, sum, squares, unit).length > 0

/** Whether a value of the column may be that of a few rows, for all that its sums say. */
export function hasSmallValue(n: number, sum: bigint, squares: bigint, unit: bigint, rules: DisclosureRules): boolean {
  return countsOfNeighbours(n, sum, squares, unit).some((counts) =>
    counts.some((count) => isSmallCell(Number(count), rules)),
  )
}

export const smallValue = (): Suppression =>
  suppressed('small-cell', 'a numeric column of few values may have one that few rows have: use it as a factor')
