/**
 * What a reader is told of coefficients: Wald's statistic, p and 95 % interval, and the interval of a ratio. For `present`
 * only: it uses exp and distributions.
 */
import { normalTail, tQuantile, tTail, Z_975 } from './distributions.js'

export interface Estimates {
  readonly coef: readonly number[]
  readonly se: readonly number[]
  /** by the normal distribution */
  readonly z?: readonly number[]
  /** by Student's t */
  readonly t?: readonly number[]
  readonly p: readonly number[]
  readonly ci_low: readonly number[]
  readonly ci_high: readonly number[]
}

/** By Student's t if there are degrees of freedom, else by the normal distribution. */
export function estimatesOf(coef: readonly number[], se: readonly number[], df?: number): Estimates {
  const statistic = coef.map((value, i) => value / (se[i] as number))
  const reach = df === undefined ? Z_975 : tQuantile(0.975, df)
  return {
    coef,
    se,
    ...(df === undefined ? { z: statistic } : { t: statistic }),
    p: statistic.map((value) => (df === undefined ? normalTail(value) : tTail(value, df))),
    ci_low: coef.map((value, i) => value - reach * (se[i] as number)),
    ci_high: coef.map((value, i) => value + reach * (se[i] as number)),
  }
}

/** exp of each estimate and of its interval, as `name`, `name_low` and `name_high`. */
export function ratiosOf(name: string, { coef, ci_low, ci_high }: Estimates): Readonly<Record<string, unknown>> {
  return {
    [name]: coef.map(Math.exp),
    [`${name}_low`]: ci_low.map(Math.exp),
    [`${name}_high`]: ci_high.map(Math.exp),
  }
}
