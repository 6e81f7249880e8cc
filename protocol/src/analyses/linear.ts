/**
 * `linear`: least squares from exact sums of products, in one round; with `strata: site` every site has an intercept of
 * its own, taken out before anything leaves. Implements docs/spec/analyses.md, "linear".
 */
import { z } from 'zod'
import { times } from './algebra.js'
import type { Analysis } from './analysis.js'
import { estimatesOf } from './coefficients.js'
import { codedCovariates, covariateNames, INTERCEPT, singular } from './design.js'
import { fTail } from './distributions.js'
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

const parametersSchema = z.strictObject(linearFields).refine(outcomeApart, OUTCOME_AMONG)
export type LinearParameters = z.infer<typeof parametersSchema>

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  n: z.int().min(0),
  missing: z.int().min(0),
  coef: z.array(z.number()),
  se: z.array(z.number()),
  sigma: z.number(),
  /** of the variance within sites if stratified */
  r2: z.number(),
  df: z.int().min(1),
})
type Released = z.infer<typeof releasedSchema>

export const linear: Analysis<LinearParameters, never, Released> = {
  name: 'linear',
  version: 1,
  iterative: false,
  definition: [
    'parameters: outcome (numeric), covariates (numeric, factors coded against a reference, interactions), strata: none | site',
    'round: contributors, rows, missing, rows by level, sites with each level; Σ of covariates and outcome (not if stratified), Σ of their products (about site means if stratified)',
    'released: n, missing, coefficients, standard errors, sigma, r², df; refused: levels that are small or at few sites, singular, perfect fit',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: columnsOfLinear,
  complete: completeLinear,
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine(sum, context) {
    const moments = openMoments(sum, context)
    if ('kind' in moments) return moments
    const { n, missing, contributors, leftOut, weight, means } = moments
    const fitted = leastSquares(moments.products, weight)
    const df = n - means.length - moments.levels
    if (fitted === undefined || df < 1 || fitted.total <= 0n) return singular()
    if (isPerfect(fitted)) return perfectFit()
    const { coef, fixed, residual, total } = fitted
    const variance = quotient(residual, (weight * BigInt(df)) << (BigInt(SUM_BITS) + 2n * COEFFICIENT_BITS))
    const se = fitted.inverse.map((row, i) => Math.sqrt(variance * (row[i] as number)))
    const counts = { contributors, leftOut, n, missing }
    const released = { ...counts, df, sigma: Math.sqrt(variance), r2: quotient(total - residual, total) }
    if (context.parameters.strata === 'site') return { kind: 'result', released: { ...released, coef: [...coef], se } }
    const spread = times(fitted.inverse, means).reduce((sum, value, i) => sum + value * (means[i] as number), 1 / n)
    return {
      kind: 'result',
      released: {
        ...released,
        coef: [interceptOf(moments, fixed), ...coef],
        se: [Math.sqrt(variance * spread), ...se],
      },
    }
  },
  present({ contributors, leftOut, n, missing, coef, se, sigma, r2, df }, { outcome, covariates, strata }) {
    const names = covariateNames(covariates)
    const f = r2 / names.length / ((1 - r2) / df)
    return {
      names: strata === 'site' ? names : [INTERCEPT, ...names],
      ...estimatesOf(coef, se, df),
      sigma,
      r2,
      df,
      f,
      f_p: fTail(f, names.length, df),
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
