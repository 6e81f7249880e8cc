/**
 * What the two Cox models share: the step of Newton's method, the test of proportional hazards, and what a reader is told.
 * Implements docs/spec/analyses/cox.md. The test is the score test of x·g(t) beside x at the estimates (Grambsch and Therneau,
 * "Proportional hazards tests and diagnostics based on weighted residuals", 1994; R's cox.zph since survival 3.0).
 */
import { z } from 'zod'
import { dot, inverse, type Matrix, times } from './algebra.js'
import { estimatesOf, ratiosOf } from './coefficients.js'
import type { Covariate } from './columns.js'
import { codedCovariates, covariateNames, covariateTerms } from './design.js'
import { chiSquareTail } from './distributions.js'
import { modelCountsSchema } from './model-counts.js'
import type { Solution } from './newton.js'

/** null where the test does not exist: g is constant, as far as the events tell, or determines the rest */
const statisticSchema = z.union([z.null(), z.number().min(0)])

export const hazardsSchema = z.strictObject({
  ...modelCountsSchema.shape,
  coef: z.array(z.number()),
  se: z.array(z.number()),
  logLikelihoodNull: z.number(),
  logLikelihood: z.number(),
  iterations: z.int().min(1),
  /** χ² of the test of proportional hazards: of each coefficient, of each covariate with all its columns, of all together */
  zph: z
    .strictObject({ coef: z.array(statisticSchema), terms: z.array(statisticSchema), global: statisticSchema })
    .optional(),
})
export type Hazards = z.infer<typeof hazardsSchema>

/** From score and information at a point to the next. */
export function newtonStep(
  score: readonly number[],
  information: Matrix<number>,
  events: number,
): Solution | undefined {
  const inverted = inverse(information)
  if (inverted === undefined) return undefined
  const step = times(inverted, score)
  return {
    step,
    stepSize: Math.sqrt(Math.max(0, dot(score, step) / events)),
    se: inverted.map((row, j) => Math.sqrt(row[j] as number)),
  }
}

/** Over events, at the estimates: the information, and what g(t) makes of it and of the score. */
export interface TimeWeighted {
  readonly information: Matrix<number>
  /** score · g */
  readonly score: readonly number[]
  /** information · g */
  readonly once: Matrix<number>
  /** information · g² */
  readonly twice: Matrix<number>
}

export function proportionality(sums: TimeWeighted, covariates: readonly Covariate[]): NonNullable<Hazards['zph']> {
  const { information, score, once, twice } = sums
  /** of the coefficients of x·g(t) for these columns, those of x being estimated along */
  const test = (tested: readonly number[]): number | null => {
    const inverted = inverse([
      ...information.map((row, i) => [...row, ...tested.map((j) => once[i]?.[j] as number)]),
      ...tested.map((i) => [...(once[i] as readonly number[]), ...tested.map((j) => twice[i]?.[j] as number)]),
    ])
    const excess = tested.map((j) => score[j] as number)
    const variance = inverted?.slice(score.length).map((row) => row.slice(score.length))
    const chisq = variance === undefined ? Number.NaN : dot(excess, times(variance, excess))
    return Number.isFinite(chisq) ? Math.max(0, chisq) : null
  }
  const all = score.map((_, j) => j)
  return {
    coef: all.map((j) => test([j])),
    terms: covariateTerms(covariates).map(({ columns }) => test(columns)),
    global: test(all),
  }
}

function presentTests(
  zph: NonNullable<Hazards['zph']>,
  covariates: readonly Covariate[],
): Readonly<Record<string, object>> {
  const names = covariateNames(covariates)
  const entry = (name: string, chisq: number | null | undefined, df: number): [string, object] => [
    name,
    { chisq: chisq ?? null, df, p: chisq == null ? null : chiSquareTail(chisq, df) },
  ]
  return Object.fromEntries([
    ...covariateTerms(covariates).flatMap(({ name, columns }, at) => [
      ...(columns.length > 1 ? [entry(name, zph.terms[at], columns.length)] : []),
      ...columns.map((j) => entry(names[j] as string, zph.coef[j], 1)),
    ]),
    entry('GLOBAL', zph.global, names.length),
  ])
}

export interface HazardsParameters {
  readonly time: string
  readonly event: unknown
  readonly covariates: readonly Covariate[]
  readonly zph?: string | undefined
}

/** Coefficients, hazard ratios, tests and counts; `more` are fields of one of the models, such as its strata. */
export function presentHazards(
  released: Hazards,
  { time, event, covariates, zph: transform }: HazardsParameters,
  more: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const { contributors, leftOut, n, missing, events, coef, se, logLikelihoodNull, logLikelihood, iterations } = released
  const estimates = estimatesOf(coef, se)
  const lrt = 2 * (logLikelihood - logLikelihoodNull)
  return {
    names: covariateNames(covariates),
    ...estimates,
    ...ratiosOf('hazard_ratio', estimates),
    ...(released.zph === undefined ? {} : { zph: presentTests(released.zph, covariates), zph_transform: transform }),
    loglik_null: logLikelihoodNull,
    loglik: logLikelihood,
    lrt,
    lrt_p: chiSquareTail(lrt, coef.length),
    n,
    events,
    missing,
    ties: 'breslow',
    ...more,
    converged: true,
    iterations,
    time,
    event,
    factors: codedCovariates(covariates),
    contributors,
    sites_left_out: leftOut,
  }
}
