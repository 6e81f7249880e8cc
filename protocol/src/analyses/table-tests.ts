/**
 * What a contingency table says beyond Pearson's χ², for `present` only: from released counts, so that no test says more than the
 * table. For a table of two by two Yates' correction, Fisher's exact test, and odds ratio, risk ratio and risk difference of the
 * second row against the first for the second column, with Wald's intervals (Woolf 1955; Katz et al. 1978). Equal to R's
 * chisq.test and fisher.test. What does not exist is null.
 */
import { chiSquareTail, Z_975 } from './distributions.js'

/** Two by two, row by row. */
export type Fourfold = readonly [a: number, b: number, c: number, d: number]

export interface Interval {
  readonly estimate: number
  readonly lower: number
  readonly upper: number
}

/** An estimate with the interval on the scale of its logarithm. */
export function logInterval(estimate: number, variance: number): Interval | null {
  if (!(estimate > 0 && Number.isFinite(estimate) && Number.isFinite(variance))) return null
  const reach = Z_975 * Math.sqrt(variance)
  return { estimate, lower: estimate * Math.exp(-reach), upper: estimate * Math.exp(reach) }
}

/** χ² with each |O − E| less by a half, or by itself if it is smaller. */
function yates([a, b, c, d]: Fourfold): number {
  const n = a + b + c + d
  const excess = Math.abs(a - ((a + b) * (a + c)) / n)
  const rest = excess - Math.min(0.5, excess)
  return (rest * rest * n * n * n) / ((a + b) * (c + d) * (a + c) * (b + d))
}

/** As R: tables as likely as this one count, up to rounding. */
const AS_LIKELY = 1 + 1e-7
/** Tables that are enumerated; beyond, Pearson's test is as good. */
const MAX_TABLES = 1_000_000

/** The probability of every table with these margins that is no likelier than this one; null if there are too many. */
function fisher([a, b, c, d]: Fourfold): number | null {
  const [row, column] = [a + b, a + c]
  const rest = b + d - row
  const low = Math.max(0, -rest)
  const high = Math.min(row, column)
  if (high - low >= MAX_TABLES) return null
  // probabilities against that of the likeliest table, from which they fall on both sides
  const top = Math.floor(((row + 1) * (column + 1)) / (a + b + c + d + 2))
  const weights = new Float64Array(high - low + 1)
  weights[top - low] = 1
  const ratio = (k: number): number => ((row - k) * (column - k)) / ((k + 1) * (rest + k + 1))
  for (let k = top; k < high; k++) weights[k + 1 - low] = (weights[k - low] as number) * ratio(k)
  for (let k = top; k > low; k--) weights[k - 1 - low] = (weights[k - low] as number) / ratio(k - 1)
  const own = (weights[a - low] as number) * AS_LIKELY
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return weights.reduce((sum, weight) => (weight <= own ? sum + weight : sum), 0) / total
}

/** Fields of a result; all null if a row or a column is empty. */
export function fourfoldTests(table: Fourfold | undefined): Readonly<Record<string, unknown>> {
  const [a, b, c, d] = table ?? [0, 0, 0, 0]
  if (![a + b, c + d, a + c, b + d].every((margin) => margin > 0)) {
    return {
      chisq_yates: null,
      p_yates: null,
      p_fisher: null,
      odds_ratio: null,
      risk_ratio: null,
      risk_difference: null,
    }
  }
  const corrected = yates([a, b, c, d])
  const [risk0, risk1] = [b / (a + b), d / (c + d)]
  const difference = risk1 - risk0
  const reach = Z_975 * Math.sqrt((risk0 * (1 - risk0)) / (a + b) + (risk1 * (1 - risk1)) / (c + d))
  return {
    chisq_yates: corrected,
    p_yates: chiSquareTail(corrected, 1),
    p_fisher: fisher([a, b, c, d]),
    odds_ratio: logInterval((a * d) / (b * c), 1 / a + 1 / b + 1 / c + 1 / d),
    risk_ratio: logInterval(risk1 / risk0, 1 / d - 1 / (c + d) + 1 / b - 1 / (a + b)),
    risk_difference: { estimate: difference, lower: difference - reach, upper: difference + reach },
  }
}
