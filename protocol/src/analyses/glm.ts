/**
 * `glm`: generalised linear models, equal to R's `glm`: counts (Poisson), positive outcomes (gamma) and events (binomial)
 * with the links of families.ts, an offset or person-time. The first round opens counts alone, as in `logistic`; the second is a
 * weighted least-squares fit to the link of the outcomes, where each further one evaluates. Implements
 * docs/spec/analyses/glm.md. Every site sees the coefficients of every round.
 */
import { z } from 'zod'
import { implausible } from '../privacy/disclosure.js'
import { hasSmallValue, smallValue } from '../privacy/few-values.js'
import { pairsOf, symmetric } from './algebra.js'
import type { Analysis, DisclosureRules, Outcome, Rows } from './analysis.js'
import { estimatesOf, ratiosOf } from './coefficients.js'
import { columnOf } from './columns.js'
import { type Cases, casesAllowed, codedCovariates, singular } from './design.js'
import { add, addProduct, type Sums, zeroSums } from './double-double.js'
import type { Terms } from './families.js'
import {
  casesOf,
  columnsOfGlm,
  completeGlm,
  familyOf,
  type GlmParameters,
  glmRules,
  glmSchema,
  linkOf,
  namesOf,
} from './glm-parameters.js'
import { keeper } from './kept.js'
import {
  type Layout,
  openSum,
  planOf,
  quotient,
  SUM_BITS,
  SUM_BOUND,
  sumToNumber,
  vectorOf,
  zeroVector,
} from './layout.js'
import { perfectFit } from './least-squares.js'
import {
  checkModelCounts,
  countsLayout,
  countsOf,
  MODEL_COUNTS,
  modelCounts,
  modelCountsSchema,
} from './model-counts.js'
import { advance, type NewtonState, newtonSchema, startAt } from './newton.js'
import { addInformation, addMoments, addWeighted } from './products.js'
import { predictorsOf, roundingOf, scoringStep, scoringSums } from './scoring.js'

const releasedSchema = z.strictObject({
  /** `events` are the rows with an outcome above 0 */
  ...modelCountsSchema.shape,
  coef: z.array(z.number()),
  /** multiplied by the root of the dispersion if the family has one */
  se: z.array(z.number()),
  deviance: z.number(),
  pearson: z.number(),
  /** the family's sums of the outcome, in its order */
  own: z.array(z.number()),
  iterations: z.int().min(1),
})
type Released = z.infer<typeof releasedSchema>

/** Sums before those of the outcome: minus half the deviance, and Pearson's χ². */
const FIT = 2

/** Sums of a round before score and information; a positive outcome has Σ y² to be held against the rule for few values. */
function scalarsOf(parameters: GlmParameters): readonly string[] {
  const { own, outcome } = familyOf(parameters)
  const y = columnOf(parameters.outcome)
  const t = parameters.exposure ?? (parameters.offset === undefined ? '1' : `exp(${parameters.offset})`)
  const squares = outcome === 'positive' ? [`Σ ${y}²`] : []
  return ['−deviance / 2', 'Pearson χ²', ...own.map((sum) => sum.name(y, t)), ...squares]
}

function layoutOf(parameters: GlmParameters, state: NewtonState | undefined): Layout {
  if (state === undefined) return countsLayout(parameters.covariates)
  const names = namesOf(parameters)
  const scoring = scoringSums(names)
  const expected = linkOf(parameters).canonical ? [] : scoring.slice(names.length).map((name) => `expected ${name}`)
  return { counts: MODEL_COUNTS, sums: [...scalarsOf(parameters), ...scoring, ...expected] }
}

/** What a site says of a point where its sums are beyond all bounds; any real log likelihood is above `LOWEST`. */
const OUT_OF_REACH = -(2 ** 99)
const LOWEST = -(2 ** 98)

type Triple = [Float64Array, Float64Array, Float64Array]

/** The expected information, which is last; without weights it is exact, as a rule of disclosure rests on it. */
function addExpected({ design, count }: Cases, weights: Float64Array, unweighted: boolean, sums: Sums): void {
  const size = design.length + 1
  const first = sums.high.length - pairsOf(size).length
  if (unweighted) {
    add(sums, first, count)
    addMoments(design, sums, first + 1, first + size)
    return
  }
  addInformation(design, weights, sums, first)
}

/**
 * All sums at `beta`; without one, those of the weighted least-squares fit from which the iteration starts: to the link of the outcome,
 * each row as if it fitted.
 */
function evaluate(cases: Cases, parameters: GlmParameters, beta: readonly number[] | undefined, sums: Sums): void {
  const { own } = familyOf(parameters)
  const link = linkOf(parameters)
  const isLog = parameters.link === 'log'
  const hasExposure = parameters.exposure !== undefined
  const [outcome, given] = cases.responses as [Float64Array, Float64Array]
  const predictors = beta === undefined ? undefined : predictorsOf(cases, beta)
  const [steps, weights, residuals] = [1, 2, 3].map(() => new Float64Array(cases.count)) as Triple
  const terms: Terms = { fit: 0, pearson: 0, residual: 0, weight: 0, curvature: 0 }
  const squares = FIT + own.length
  const scalars = scalarsOf(parameters).length
  for (let row = 0; row < cases.count; row++) {
    const y = outcome[row] as number
    const value = given[row] as number
    const offset = hasExposure ? Math.log(value) : value
    const t = hasExposure ? value : isLog ? Math.exp(value) : 1
    for (let at = 0; at < own.length; at++) add(sums, FIT + at, own[at]?.of(y, t) as number)
    if (squares < scalars) addProduct(sums, squares, y, y)
    const eta = predictors === undefined ? link.start(y) : (predictors[row] as number) + offset
    link.at(y, eta, terms)
    weights[row] = terms.weight
    if (predictors === undefined) {
      steps[row] = terms.weight
      residuals[row] = terms.residual + terms.weight * (eta - offset)
    } else {
      steps[row] = link.canonical ? terms.weight : terms.curvature
      residuals[row] = terms.residual
      add(sums, 0, terms.fit)
      add(sums, 1, terms.pearson)
    }
  }
  addWeighted(cases.design, steps, residuals, sums, scalars)
  if (!link.canonical) addExpected(cases, weights, link.unweighted === true, sums)
  if (beta === undefined || sums.high.every((value) => Math.abs(value) < SUM_BOUND)) return
  // the sums of the outcome alone stay: they are the same at every point
  for (const part of [sums.high, sums.low]) part.fill(0, 0, FIT).fill(0, scalars)
  sums.high[0] = OUT_OF_REACH
}

const kept = keeper<Cases>()

function contribute(rows: Rows, parameters: GlmParameters, state: NewtonState | undefined): Float64Array {
  const { covariates } = parameters
  const layout = layoutOf(parameters, state)
  const cases = kept(rows, parameters, () => casesOf(rows, parameters))
  if (!casesAllowed(cases, covariates, namesOf(parameters).length)) return zeroVector(layout)
  const sums = zeroSums(layout.sums.length)
  if (state !== undefined) evaluate(cases, parameters, state.iteration === 0 ? undefined : state.beta, sums)
  const events = (cases.responses[0] as Float64Array).map((y) => (y > 0 ? 1 : 0))
  return vectorOf(layout, countsOf(cases, covariates, events, state === undefined), sums)
}

/** Information without weights is that of `linear`, and so is what it gives away. */
function someColumnIsSmall(n: number, information: readonly bigint[], size: number, rules: DisclosureRules): boolean {
  const products = symmetric(size, information)
  return products.some((row, j) =>
    hasSmallValue(n, products[0]?.[j] as bigint, row[j] as bigint, 1n << BigInt(SUM_BITS), rules),
  )
}

/** Of what a row differs from its mean, so little squared and over all rows is none. */
const PERFECT = 1e-18

export const glm: Analysis<GlmParameters, NewtonState, Released> = {
  name: 'glm',
  version: 1,
  method: 'a generalised linear model over complete rows',
  iterative: true,
  definition: [
    'parameters: family with link (poisson, quasipoisson: log; gamma: log, inverse; binomial, quasibinomial: logit, probit, cloglog), outcome (a count, or column is value: 0 or 1; of gamma above 0; of binomial 0/1 or column is value), exposure (above 0, link log: its logarithm is the offset) or offset, covariates (numeric, factors coded against a reference, interactions)',
    'first round: contributors, rows, missing, events (rows with an outcome above 0); rows by level, sites with each outcome and level, events by level',
    'further rounds: contributors, rows, missing, events; −deviance/2, Pearson χ²; with t = exp(offset) if the link is log, else 1, of poisson Σ y, Σ t, Σ y·log(y/t), Σ y·log y − y − log(y!), of gamma Σ y, Σ log y, Σ y/t, Σ log t, Σ y²; score and observed information at the state, intercept first, then of gamma log, probit and cloglog the expected information; of the second round without deviance and χ², and score and information of weighted least squares at the predictor of y + 0.1 (poisson), y (gamma), 0.25 or 0.75 (binomial)',
    'state: iteration, coefficients, best point so far with its −deviance/2; after the second round -2^98 at 0, of the link inverse at the reciprocal of the mean; a site whose sums at a point are beyond the bound or have no mean says -2^99 for −deviance/2 and zeros for what depends on it',
    'released: n, missing, events, coefficients, standard errors by the expected information (times the root of Pearson χ² / df for quasipoisson, quasibinomial, gamma), deviance, Pearson χ², sums of the outcome but Σ y², iterations; refused: small cells, levels and outcomes at few sites, more parameters than 0.33 of the events (of binomial, of the rarer outcome), a small value of a gamma outcome of few values, of gamma log of a column of the design, perfect fit of gamma, separation, singular, no convergence',
  ],
  parameters: glmSchema,
  state: newtonSchema,
  released: releasedSchema,
  columns: columnsOfGlm,
  complete: completeGlm,
  plan: (parameters, state) => planOf(layoutOf(parameters, state)),
  contribute,
  combine(sum, context, state): Outcome<NewtonState, Released> {
    const { parameters, rules, survivors } = context
    const opened = openSum(layoutOf(parameters, state), sum, context)
    if (opened.kind !== 'reading') return opened
    const size = namesOf(parameters).length
    const refused = checkModelCounts(opened.counts, { rules, parameters: size, ...glmRules(parameters) })
    if (refused !== undefined) return refused
    if (state === undefined) return { kind: 'state', state: startAt(size) }
    const { own, outcome, dispersed } = familyOf(parameters)
    const [fit = 0n, chiSquare = 0n, ...sums] = opened.sums
    if (own.some(({ positive }, at) => positive && (sums[at] as bigint) <= 0n)) return implausible()
    const [n = 0] = opened.counts
    const isPositiveOutcome = outcome === 'positive'
    const [total = 0n, squares = 0n] = [sums[0], sums[own.length]]
    if (isPositiveOutcome && hasSmallValue(n, total, squares, 1n << BigInt(SUM_BITS), rules)) return smallValue()
    const { canonical, unweighted } = linkOf(parameters)
    const scoring = sums.slice(scalarsOf(parameters).length - FIT)
    const step = scoringStep(scoring, size)
    const information = scoring.slice(size)
    const expected = canonical ? information : information.slice(information.length / 2)
    if (unweighted && someColumnIsSmall(n, expected, size, rules)) return smallValue()
    if (state.iteration === 0) {
      const fallback = parameters.link === 'inverse' ? n / sumToNumber(total) : 0
      return step?.step.every(Number.isFinite) ? started(step.step, fallback) : singular()
    }
    const errors = canonical ? step : scoringStep([...scoring.slice(0, size), ...expected], size)
    // of a positive outcome steps are relative to the mean, in whatever unit the predictor is
    const unit = isPositiveOutcome ? Math.sqrt(sumToNumber(scoring[size] as bigint) / n) : 1
    const progress = advance(
      state,
      sumToNumber(fit),
      step && errors && { ...step, stepSize: step.stepSize * unit, se: errors.se },
      {
        terms: outcome === 'count' ? sumToNumber(total) : n,
        separates: !isPositiveOutcome,
        rounding: roundingOf(state.beta.map((value) => value * unit)),
      },
    )
    if (progress.kind !== 'converged') return progress
    const [deviance, pearson] = [sumToNumber(-2n * fit), sumToNumber(chiSquare)]
    if (isPositiveOutcome && (deviance <= 0 || pearson <= PERFECT * n)) return perfectFit()
    const scale = dispersed ? Math.sqrt(quotient(chiSquare, BigInt(n - size) << BigInt(SUM_BITS))) : 1
    const released = {
      ...modelCounts(opened, survivors),
      coef: progress.coef,
      se: progress.se.map((value) => value * scale),
      deviance,
      pearson,
      own: sums.slice(0, own.length).map(sumToNumber),
      iterations: progress.iterations,
    }
    return released.se.every(Number.isFinite) ? { kind: 'result', released } : implausible()
  },
  present,
}

/** After the least-squares fit: evaluate there, and if it is out of reach go half way to an intercept alone. */
function started(step: readonly number[], intercept: number): { kind: 'state'; state: NewtonState } {
  const beta = step.map((value) => value + 0)
  const alone = beta.map((_, at) => (at === 0 ? intercept : 0))
  return { kind: 'state', state: { iteration: 1, beta, best: { beta: alone, logLikelihood: LOWEST } } }
}

function present(released: Released, parameters: GlmParameters): Readonly<Record<string, unknown>> {
  const { n, missing, events, coef, se, deviance, pearson, own } = released
  const { family, link, outcome, exposure, offset, covariates } = parameters
  const { outcome: kind, dispersed, nullDeviance, likelihood } = familyOf(parameters)
  const { ratio } = linkOf(parameters)
  const df = n - coef.length
  const estimates = estimatesOf(coef, se, dispersed ? df : undefined)
  const logLikelihood = likelihood?.of(n, deviance, own)
  const size = coef.length + (likelihood?.parameters ?? 0)
  const [total = 0, time] = own
  return {
    names: namesOf(parameters),
    ...estimates,
    ...(ratio === undefined ? {} : ratiosOf(ratio, estimates)),
    deviance,
    df,
    null_deviance: offset === undefined || link === 'log' ? nullDeviance(n, events, own) : null,
    null_df: n - 1,
    pearson,
    dispersion: pearson / df,
    loglik: logLikelihood ?? null,
    aic: logLikelihood === undefined ? null : 2 * (size - logLikelihood),
    n,
    missing,
    ...(kind === 'count' ? { events: total, rows_with_events: events } : {}),
    ...(kind === 'event' ? { events } : {}),
    ...(kind === 'positive' ? { outcome_mean: total / n } : {}),
    ...(exposure === undefined ? {} : { exposure, ...(kind === 'count' ? { exposure_total: time } : {}) }),
    ...(offset === undefined ? {} : { offset }),
    family,
    link,
    converged: true,
    iterations: released.iterations,
    outcome,
    factors: codedCovariates(covariates),
    contributors: released.contributors,
    sites_left_out: released.leftOut,
  }
}
