/** Stratified Cox regression straight from its definition, sharing no code with the product: slow, and checked against R. */
import type { Row } from './federation.js'

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
