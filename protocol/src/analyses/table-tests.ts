/**
 * What a contingency table says beyond Pearson's χ², for `present` only: from released counts, so that no test says more than the
 * table. For a table of two by two Yates' correction, and odds ratio, risk ratio and risk difference of the
 * second row against the first for the second column, with Wald's intervals (Woolf 1955; Katz et al. 1978). Equal to R's
 * chisq.test and fisher.test. Fisher's exact test of any table. What does not exist is null.
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

/** Logarithms of factorials, up to a number. */
function logFactorials(most: number): Float64Array {
  const logs = new Float64Array(most + 1)
  for (let k = 2; k <= most; k++) logs[k] = (logs[k - 1] as number) + Math.log(k)
  return logs
}

/**
 * Fisher's test of a table of any size (row by row): the probability, margins fixed, of all tables no likelier than this one,
 * by going through them column by column. Empty rows and columns count for nothing. Null if fewer than two of either are left, or
 * there are more than a million tables.
 */
export function fisherOfTable(counts: readonly number[], columns: number): number | null {
  const inRow = (r: number): number => sumOver(counts, (at) => Math.floor(at / columns) === r)
  const inColumn = (c: number): number => sumOver(counts, (at) => at % columns === c)
  const rowTotals = Array.from({ length: counts.length / columns }, (_, r) => inRow(r)).filter((total) => total > 0)
  const columnTotals = Array.from({ length: columns }, (_, c) => inColumn(c)).filter((total) => total > 0)
  const [rows, last] = [rowTotals.length, columnTotals.length - 1]
  const n = sumOver(rowTotals, () => true)
  if (rows < 2 || last < 1 || n > MAX_TABLES) return null
  const logs = logFactorials(n)
  const log = (k: number): number => logs[k] as number
  // of the probability of a table: this less the logarithms of all its cells' factorials
  const margins = [...rowTotals, ...columnTotals].reduce((sum, k) => sum + log(k), 0) - log(n)
  const own = Math.exp(counts.reduce((rest, k) => rest - log(k), margins)) * AS_LIKELY
  const left = [...rowTotals]
  let tables = 0
  let unlikely = 0
  /** Fills a column from a row on; false once there are too many tables. */
  const fill = (column: number, row: number, open: number, weight: number): boolean => {
    if (column === last) {
      // what the rows have left is the last column
      const probability = Math.exp(left.reduce((rest, k) => rest - log(k), weight))
      if (probability <= own) unlikely += probability
      return ++tables <= MAX_TABLES
    }
    const room = left[row] as number
    const below = left.slice(row + 1).reduce((sum, k) => sum + k, 0)
    const next = row === rows - 1
    for (let k = Math.max(0, open - below); k <= Math.min(open, room); k++) {
      left[row] = room - k
      const lighter = weight - log(k)
      const more = next
        ? fill(column + 1, 0, columnTotals[column + 1] as number, lighter)
        : fill(column, row + 1, open - k, lighter)
      left[row] = room
      if (!more) return false
    }
    return true
  }
  return fill(0, 0, columnTotals[0] as number, margins) ? Math.min(1, unlikely) : null
}

const sumOver = (counts: readonly number[], isIn: (at: number) => boolean): number =>
  counts.reduce((sum, count, at) => (isIn(at) ? sum + count : sum), 0)

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
