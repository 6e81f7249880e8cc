/**
 * The log-rank test from counts over intervals, or over the distinct times of one stratum (Mantel 1966). Equal to R's survdiff;
 * with strata the terms of each are added up before the test. Undefined numbers are null.
 */
import { dot, inverse, type Matrix, times } from './algebra.js'
import { chiSquareTail } from './distributions.js'
import type { Followed } from './survival-curves.js'

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)

/** Events by group, what is expected of them if groups do not differ, and the covariances of the differences. */
export interface RankTerms {
  readonly observed: readonly number[]
  readonly expected: readonly number[]
  readonly variance: Matrix<number>
}

/** Of groups over the same intervals. */
export function rankTerms(groups: readonly Followed[]): RankTerms {
  const risks = groups.map(({ events, censored }) => total(events) + total(censored))
  const expected = groups.map(() => 0)
  const variance = groups.map(() => groups.map(() => 0))
  const intervals = groups[0]?.events.length ?? 0
  for (let at = 0; at < intervals; at++) {
    const risk = total(risks)
    const events = total(groups.map((group) => group.events[at] as number))
    const spread = risk > 1 ? (events * (risk - events)) / (risk - 1) : 0
    const shares = risks.map((own) => (risk > 0 ? own / risk : 0))
    for (const [i, share] of shares.entries()) {
      expected[i] = (expected[i] as number) + events * share
      const row = variance[i] as number[]
      shares.forEach((other, j) => {
        row[j] = (row[j] as number) + spread * share * ((i === j ? 1 : 0) - other)
      })
    }
    groups.forEach((group, i) => {
      risks[i] = (risks[i] as number) - (group.events[at] as number) - (group.censored[at] as number)
    })
  }
  return { observed: groups.map((group) => total(group.events)), expected, variance }
}

/** χ² over the groups of which anything is expected: one of their differences follows from the others. */
export function rankTest({ observed, expected, variance }: RankTerms): {
  readonly chisq: number | null
  readonly df: number
} {
  const tested = observed
    .map((_, i) => i)
    .filter((i) => (expected[i] as number) > 0)
    .slice(1)
  const excess = tested.map((i) => (observed[i] as number) - (expected[i] as number))
  const inverted =
    tested.length === 0 ? undefined : inverse(tested.map((i) => tested.map((j) => variance[i]?.[j] as number)))
  return { chisq: inverted === undefined ? null : dot(excess, times(inverted, excess)), df: tested.length }
}

export interface LogRank {
  readonly observed: readonly number[]
  readonly expected: readonly number[]
  readonly chisq: number | null
  readonly df: number
  readonly p: number | null
}

/** For `present` only. */
export function logRank(groups: readonly Followed[]): LogRank {
  const terms = rankTerms(groups)
  const { chisq, df } = rankTest(terms)
  const { observed, expected } = terms
  return { observed, expected, chisq, df, p: chisq === null ? null : chiSquareTail(chisq, df) }
}
