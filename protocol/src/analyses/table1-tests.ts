/**
 * How the groups of a baseline table differ, for `present` only: from what the table shows, so that no test says more. p values and
 * standardised mean differences as the R package tableone gives them (Austin 2009; of factors Yang and Dalton 2012). What does not exist
 * is null. Implements docs/spec/analyses/table1.md.
 */
import { dot, inverse, times } from './algebra.js'
import { type Groups, samplesOf, testsOf } from './compare-means.js'
import { chiSquareTail } from './distributions.js'
import type { PearsonTest } from './table.js'
import { total } from './table.js'
import { type Fourfold, fourfoldTests } from './table-tests.js'

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** The mean over all pairs of groups; null if one does not exist. */
function meanOfPairs<T>(groups: readonly T[], difference: (a: T, b: T) => number): number | null {
  const pairs = groups.flatMap((a, at) => groups.slice(at + 1).map((b) => difference(a, b)))
  return finite(total(pairs) / pairs.length)
}

/** Of a numeric column; null if a group is withheld, or nothing varies. */
export function comparisonOf(groups: Groups): object | null {
  const tests = testsOf(groups)
  const samples = samplesOf(groups)
  if (tests === null || samples === undefined) return null
  const { f, df1, df2, p } = tests.anova
  const smd = meanOfPairs(samples, (a, b) => Math.abs(a.mean - b.mean) / Math.sqrt((a.variance + b.variance) / 2))
  return { test: 'anova', statistic: f, df1, df2, p, p_welch: tests.welch_anova?.p ?? null, smd }
}

/** Mahalanobis' distance of two distributions over the same levels, the first of which follows from the others. */
function distance(a: readonly number[], b: readonly number[]): number {
  const share = (counts: readonly number[]): readonly number[] => {
    const n = total(counts)
    return counts
      .filter((_, at) => (a[at] as number) + (b[at] as number) > 0)
      .slice(1)
      .map((count) => count / n)
  }
  const [p, q] = [share(a), share(b)]
  const covariance = p.map((_, i) =>
    p.map((_, j) => {
      const product = ((p[i] as number) * (p[j] as number) + (q[i] as number) * (q[j] as number)) / 2
      return i === j ? ((p[i] as number) + (q[i] as number)) / 2 - product : -product
    }),
  )
  const inverted = inverse(covariance)
  if (inverted === undefined) return Number.NaN
  const differences = p.map((value, at) => value - (q[at] as number))
  return Math.sqrt(dot(differences, times(inverted, differences)))
}

/** Of a factor: cells level by level, in each by group; null if a cell is withheld, or there is nothing to compare. */
export function comparisonOfCounts(
  cells: readonly (number | null)[],
  width: number,
  test: PearsonTest | null,
): object | null {
  if (test === null || cells.some((cell) => cell === null)) return null
  const counts = cells as readonly number[]
  const groups = Array.from({ length: width }, (_, group) => counts.filter((_, at) => at % width === group))
  const smd = meanOfPairs(
    groups.filter((group) => total(group) > 0),
    distance,
  )
  const { chisq, df } = test
  const { p_yates = null, p_fisher = null } = counts.length === 4 ? fourfoldTests(counts as unknown as Fourfold) : {}
  return { test: 'chisq', statistic: chisq, df1: df, df2: null, p: chiSquareTail(chisq, df), p_yates, p_fisher, smd }
}
