/**
 * `ridge`: least squares with a public penalty on the squares of standardised coefficients, from the sums of `linear`, in one
 * round. Implements docs/spec/analyses/ridge.md. Estimates are shrunk on purpose: there are standard errors, no p values.
 */
import { z } from 'zod'
import { dividedBy, dot, type Matrix, times } from './algebra.js'
import type { Analysis, AnalysisContext, Outcome } from './analysis.js'
import { positiveSchema, scaled } from './decimals.js'
import { codedCovariates, covariateNames, INTERCEPT, singular } from './design.js'
import { planOf, quotient, SUM_BITS } from './layout.js'
import { COEFFICIENT_BITS, isPerfect, leastSquares, perfectFit } from './least-squares.js'
import {
  columnsOfLinear,
  completeLinear,
  contribute,
  interceptOf,
  layoutOf,
  linearFields,
  OUTCOME_AMONG,
  openMoments,
  outcomeApart,
} from './linear-sums.js'

const parametersSchema = z
  .strictObject({ ...linearFields, penalty: positiveSchema })
  .refine(outcomeApart, OUTCOME_AMONG)
export type RidgeParameters = z.infer<typeof parametersSchema>

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  n: z.int().min(0),
  missing: z.int().min(0),
  coef: z.array(z.number()),
  se: z.array(z.number()),
  /** of each covariate, with n in the denominator; within sites if stratified */
  sd: z.array(z.number()),
  /** effective number of parameters, intercepts included */
  edf: z.number(),
  rss: z.number(),
  tss: z.number(),
})
type Released = z.infer<typeof releasedSchema>

function combine(sum: readonly bigint[], context: AnalysisContext<RidgeParameters>): Outcome<never, Released> {
  const { parameters } = context
  const moments = openMoments(sum, context)
  if ('kind' in moments) return moments
  const { contributors, leftOut, n, missing, products, weight, means } = moments
  const { units, places } = scaled(parameters.penalty)
  const fitted = leastSquares(products, weight, [BigInt(units), BigInt(n) * 10n ** BigInt(places)])
  if (fitted === undefined || fitted.total <= 0n) return singular()
  if (isPerfect(fitted)) return perfectFit()
  const size = means.length
  const inner: Matrix<number> = dividedBy(weight, products)
    .slice(0, size)
    .map((row) => row.slice(0, size))
  // W·M, whose trace is the number of parameters, and W·M·W, the variance of the estimates in units of σ²
  const hat = fitted.inverse.map((row) => times(inner, row))
  const edf = hat.reduce((trace, row, i) => trace + (row[i] as number), moments.levels)
  const variance = hat.map((row) => times(fitted.inverse, row))
  const unit = BigInt(SUM_BITS) + 2n * COEFFICIENT_BITS
  const [rss, tss] = [quotient(fitted.residual, weight << unit), quotient(fitted.total, weight << unit)]
  const sigma = Math.sqrt(rss / (n - edf))
  const se = variance.map((row, i) => sigma * Math.sqrt(row[i] as number))
  const sd = inner.map((row, i) => Math.sqrt((row[i] as number) / n))
  if (![...se, ...sd, sigma, edf].every(Number.isFinite)) return singular()
  const released = { contributors, leftOut, n, missing, sd, edf, rss, tss }
  if (parameters.strata === 'site') return { kind: 'result', released: { ...released, coef: [...fitted.coef], se } }
  const level = sigma * Math.sqrt(1 / n + Math.max(0, dot(means, times(variance, means))))
  return {
    kind: 'result',
    released: { ...released, coef: [interceptOf(moments, fitted.fixed), ...fitted.coef], se: [level, ...se] },
  }
}

export const ridge: Analysis<RidgeParameters, never, Released> = {
  name: 'ridge',
  version: 1,
  method: 'ridge regression with a fixed penalty over complete rows',
  iterative: false,
  definition: [
    'parameters: outcome (numeric), covariates (numeric, factors coded against a reference, interactions), strata: none | site, penalty (a decimal above 0)',
    'round: that of linear version 1',
    'estimates: minimum of the residual sum of squares + penalty · Σ (sd · coefficient)², sd with n in the denominator (within sites if stratified), intercepts not penalised',
    'released: n, missing, coefficients, standard errors, sd, effective parameters, residual and total sum of squares; refused: levels that are small or at few sites, too many parameters, singular, perfect fit',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: columnsOfLinear,
  complete: completeLinear,
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine,
  present(
    { contributors, leftOut, n, missing, coef, se, sd, edf, rss, tss },
    { outcome, covariates, strata, penalty },
  ) {
    const names = covariateNames(covariates)
    const within = strata === 'site'
    const slopes = within ? coef : coef.slice(1)
    const standardised = slopes.map((value, i) => value * (sd[i] as number))
    return {
      names: within ? names : [INTERCEPT, ...names],
      coef,
      se,
      standardised: within ? standardised : [null, ...standardised],
      penalty: Number(penalty),
      edf,
      df: n - edf,
      sigma: Math.sqrt(rss / (n - edf)),
      r2: 1 - rss / tss,
      gcv: (n * rss) / (n - edf) ** 2,
      n,
      missing,
      outcome,
      factors: codedCovariates(covariates),
      strata,
      contributors,
      sites_left_out: leftOut,
    }
  },
}
