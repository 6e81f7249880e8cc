/**
 * What depends on the split, straight from its definition and sharing no code with the product: Cox regression, log-rank test, odds
 * ratio and pooled estimates with every site a stratum. Slow, and checked against R.
 */
import type { Loose, Row } from './federation.js'

export interface CoxFit {
  readonly coef: readonly number[]
  readonly se: readonly number[]
  readonly loglik_null: number
  readonly loglik: number
}

interface Evaluated {
  readonly loglik: number
  readonly score: number[]
  readonly information: number[][]
}

type Case = { readonly time: number; readonly died: boolean; readonly x: readonly number[] }

function evaluate(strata: readonly (readonly Case[])[], beta: readonly number[]): Evaluated {
  const score = beta.map(() => 0)
  const information = beta.map(() => beta.map(() => 0))
  let loglik = 0
  for (const cases of strata) {
    const eta = (one: Case): number => one.x.reduce((sum, value, j) => sum + value * (beta[j] as number), 0)
    for (const one of cases.filter(({ died }) => died)) {
      const atRisk = cases.filter(({ time }) => time >= one.time)
      const risks = atRisk.map((other) => Math.exp(eta(other)))
      const total = risks.reduce((a, b) => a + b, 0)
      const mean = beta.map((_, j) =>
        atRisk.reduce((sum, other, k) => sum + ((risks[k] as number) * (other.x[j] as number)) / total, 0),
      )
      loglik += eta(one) - Math.log(total)
      for (const [j, row] of information.entries()) {
        score[j] = (score[j] as number) + (one.x[j] as number) - (mean[j] as number)
        for (let l = 0; l < row.length; l++) {
          const around = atRisk.reduce((sum, { x }, k) => {
            return (
              sum +
              ((risks[k] as number) *
                ((x[j] as number) - (mean[j] as number)) *
                ((x[l] as number) - (mean[l] as number))) /
                total
            )
          }, 0)
          row[l] = (row[l] as number) + around
        }
      }
    }
  }
  return { loglik, score, information }
}

/** Gauss and Jordan, largest pivot first. */
function invert(matrix: readonly (readonly number[])[]): number[][] {
  const size = matrix.length
  const work = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))])
  for (let column = 0; column < size; column++) {
    const pivot = work.reduce(
      (best, row, i) =>
        i >= column && Math.abs(row[column] as number) > Math.abs(work[best]?.[column] as number) ? i : best,
      column,
    )
    const top = work[pivot] as number[]
    work[pivot] = work[column] as number[]
    work[column] = top.map((value) => value / (top[column] as number))
    work.forEach((row, i) => {
      const factor = row[column] as number
      if (i !== column) work[i] = row.map((value, j) => value - factor * (work[column]?.[j] as number))
    })
  }
  return work.map((row) => row.slice(size))
}

export function coxOracle(
  sites: readonly (readonly Row[])[],
  covariates: readonly string[],
  died: (row: Row) => boolean = (row) => row['status'] === 2,
): CoxFit {
  const strata = sites.map((rows) =>
    rows
      .filter((row) => [...covariates, 'time', 'status'].every((name) => row[name] !== null))
      .map((row): Case => {
        // ages about 60, as everything here: only differences count
        const x = covariates.map((name) => (row[name] as number) - (name === 'age' ? 60 : 0))
        return { time: row['time'] as number, died: died(row), x }
      }),
  )
  let beta = covariates.map(() => 0)
  const loglikNull = evaluate(strata, beta).loglik
  for (let iteration = 0; iteration < 8; iteration++) {
    const { score, information } = evaluate(strata, beta)
    const inverse = invert(information)
    beta = beta.map(
      (value, i) => value + (inverse[i] as number[]).reduce((sum, cell, j) => sum + cell * (score[j] as number), 0),
    )
  }
  const { loglik, information } = evaluate(strata, beta)
  return {
    coef: beta,
    se: invert(information).map((row, i) => Math.sqrt(row[i] as number)),
    loglik_null: loglikNull,
    loglik,
  }
}

type Sites = readonly (readonly Row[])[]
type Groups = { readonly column: string; readonly levels: readonly (string | number)[] }
const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)
/** Levels of a job are text, whatever the rows hold. */
const isOf =
  ({ column, levels }: Groups, at: number) =>
  (row: Row): boolean =>
    String(row[column]) === String(levels[at])

/** The odds ratio of Mantel and Haenszel, of the second group against the first. */
export const pooledOdds =
  (groups: Groups) =>
  (sites: Sites): Loose => {
    const terms = sites.map((rows) => {
      const count = (g: number, e: number) => rows.filter((row) => isOf(groups, g)(row) && row['event'] === e).length
      const n = count(0, 0) + count(0, 1) + count(1, 0) + count(1, 1)
      return { top: (count(0, 0) * count(1, 1)) / n, bottom: (count(0, 1) * count(1, 0)) / n }
    })
    return { odds_ratio: { estimate: total(terms.map(({ top }) => top)) / total(terms.map(({ bottom }) => bottom)) } }
  }

/** For two groups: each event against those of its site who are still there. */
export const rankOracle =
  (groups: Groups) =>
  (sites: Sites): Loose => {
    let [expected, variance] = [0, 0]
    const isSecond = isOf(groups, 1)
    for (const rows of sites) {
      for (const time of new Set(rows.filter((row) => row['event'] === 1).map((row) => row['time'] as number))) {
        const atRisk = rows.filter((row) => (row['time'] as number) >= time)
        const died = atRisk.filter((row) => row['time'] === time && row['event'] === 1).length
        const [r, all] = [atRisk.filter(isSecond).length, atRisk.length]
        expected += (died * r) / all
        if (all > 1) variance += (died * (all - died) * r * (all - r)) / (all * all * (all - 1))
      }
    }
    const events = sites.flat().filter((row) => row['event'] === 1)
    const observed = [0, 1].map((at) => events.filter(isOf(groups, at)).length)
    return {
      observed,
      expected: [events.length - expected, expected],
      chisq: ((observed[1] as number) - expected) ** 2 / variance,
    }
  }

/** Least squares with two covariates at each site, and DerSimonian and Laird's mean of each coefficient. */
export const metaOracle =
  (covariates: readonly string[], outcome: string) =>
  (sites: Sites): Loose => {
    const fits = sites.map((rows) => leastSquares(rows, covariates, outcome))
    const pooled = covariates.map((_, j) => {
      const effects = fits.map(({ coef, variance }) => ({ b: coef[j] as number, v: variance[j] as number }))
      const weight = (t: number) => total(effects.map(({ v }) => 1 / (v + t)))
      const mean = (t: number) => total(effects.map(({ b, v }) => b / (v + t))) / weight(t)
      const q = total(effects.map(({ b, v }) => (b - mean(0)) ** 2 / v))
      const excess = q - effects.length + 1
      const tau2 = Math.max(0, excess / (weight(0) - total(effects.map(({ v }) => v ** -2)) / weight(0)))
      const of = (t: number) => ({ coef: mean(t), se: weight(t) ** -0.5 })
      return { q, fixed: of(0), random: of(tau2) }
    })
    const estimates = covariates.map((name, j) => [name, { fixed: pooled[j]?.fixed, random: pooled[j]?.random }])
    return { q: pooled.map(({ q }) => q), estimates: Object.fromEntries(estimates) }
  }

/** By centring about means. */
function leastSquares(
  rows: readonly Row[],
  covariates: readonly string[],
  outcome: string,
): { readonly coef: readonly number[]; readonly variance: readonly number[] } {
  const names = [...covariates, outcome]
  const complete = rows.filter((row) => names.every((name) => row[name] !== null))
  const centred = names.map((name) => {
    const values = complete.map((row) => row[name] as number)
    const mean = total(values) / values.length
    return values.map((value) => value - mean)
  })
  const y = centred.pop() as number[]
  const dot = (a: readonly number[], b: readonly number[]) => total(a.map((value, at) => value * (b[at] as number)))
  const inverse = invert(centred.map((a) => centred.map((b) => dot(a, b))))
  const coef = inverse.map((row) => total(row.map((cell, k) => cell * dot(centred[k] as number[], y))))
  const rest = y.map((value, at) => value - total(coef.map((b, j) => b * (centred[j]?.[at] as number))))
  const sigma2 = dot(rest, rest) / (complete.length - covariates.length - 1)
  return { coef, variance: inverse.map((row, j) => sigma2 * (row[j] as number)) }
}
