/**
 * `glm`: regression of counts (Poisson, log link) by Fisher scoring, with person-time as an offset; quasi-Poisson scales the
 * standard errors by the dispersion. The first round opens counts alone, as in `logistic`; the second is a least-squares fit
 * to the logarithms of the outcomes, where each further one evaluates. Implements docs/spec/analyses/glm.md. Every site
 * sees the coefficients of every round; a Poisson variance is assumed, the dispersion tells how well it fits.
 */
import { z } from 'zod'
import { FlameshError } from '../errors.js'
import { implausible } from '../privacy/disclosure.js'
import type { Analysis, Rows } from './analysis.js'
import { estimatesOf, ratiosOf } from './coefficients.js'
import { columnOf, columnSchema, completeEvent, completeFields, eventSchema, eventsOf, numbersOf } from './columns.js'
import {
  type Cases,
  casesAllowed,
  codedCovariates,
  completeCases,
  completeCovariates,
  covariateColumns,
  covariateNames,
  covariatesSchema,
  INTERCEPT,
  singles,
  singular,
} from './design.js'
import { logGamma } from './distributions.js'
import { add, addProduct, type Sums, zeroSums } from './double-double.js'
import { keptOf } from './kept.js'
import { type Layout, openSum, planOf, SUM_BOUND, sumToNumber, vectorOf, zeroVector } from './layout.js'
import {
  checkModelCounts,
  countsLayout,
  countsOf,
  MODEL_COUNTS,
  modelCounts,
  modelCountsSchema,
} from './model-counts.js'
import { advance, type NewtonState, newtonSchema, startAt } from './newton.js'
import { addWeighted } from './products.js'
import { predictorsOf, scoringStep, scoringSums } from './scoring.js'

const parametersSchema = z
  .strictObject({
    family: z.enum(['poisson', 'quasipoisson']),
    /** a count, or a yes-or-no outcome counted as 0 or 1 */
    outcome: eventSchema,
    /** person-time, or expected events: its logarithm is the offset; 1 for every row if there is none */
    exposure: columnSchema.optional(),
    covariates: covariatesSchema,
  })
  .refine(({ outcome, exposure, covariates }) => {
    const columns = [columnOf(outcome), ...(exposure === undefined ? [] : [exposure]), ...covariateColumns(covariates)]
    return new Set(columns).size === columns.length
  }, 'outcome, exposure and covariates are different columns')
export type GlmParameters = z.infer<typeof parametersSchema>

const releasedSchema = z.strictObject({
  /** `events` are the rows with an outcome above 0 */
  ...modelCountsSchema.shape,
  outcomes: z.number(),
  exposure: z.number(),
  coef: z.array(z.number()),
  /** with dispersion 1 */
  se: z.array(z.number()),
  logLikelihood: z.number(),
  deviance: z.number(),
  /** Σ y·log(y / exposure): the null deviance follows from it */
  entropy: z.number(),
  pearson: z.number(),
  iterations: z.int().min(1),
})
type Released = z.infer<typeof releasedSchema>

const namesOf = ({ covariates }: GlmParameters): readonly string[] => [INTERCEPT, ...covariateNames(covariates)]

/** Sums before score and information. */
const SCALARS = 6

function layoutOf(parameters: GlmParameters, state: NewtonState | undefined): Layout {
  if (state === undefined) return countsLayout(parameters.covariates)
  const t = parameters.exposure ?? '1'
  const y = columnOf(parameters.outcome)
  const scalars = [
    `Σ ${y} · η − μ`,
    `Σ ${y} · log(${y} / ${t})`,
    `Σ ${y} · log(${t}) − log(${y}!)`,
    'Pearson χ²',
    `Σ ${y}`,
    `Σ ${t}`,
  ]
  return { counts: MODEL_COUNTS, sums: [...scalars, ...scoringSums(namesOf(parameters))] }
}

/** Throws `column-values` for a number that is there and not allowed. */
function checkValues(column: string, values: Float64Array, allowed: (value: number) => boolean, hint: string): void {
  if (values.every((value) => Number.isNaN(value) || allowed(value))) return
  throw new FlameshError('column-values', `${column} holds values that the model has no place for`, {
    meta: { column },
    hint,
  })
}

function casesOf(rows: Rows, { outcome, exposure, covariates }: GlmParameters): Cases {
  const counts = typeof outcome === 'string' ? numbersOf(rows, outcome) : eventsOf(rows, outcome)
  const isCount = (value: number): boolean => value >= 0 && Number.isInteger(value)
  checkValues(columnOf(outcome), counts, isCount, 'the outcome is a count (0, 1, 2 …), or {column: …, is: …}')
  if (exposure === undefined) return completeCases(rows, covariates, [counts, new Float64Array(rows.count).fill(1)])
  const times = numbersOf(rows, exposure)
  checkValues(exposure, times, (value) => value > 0, 'exposure is above 0: leave rows without any out by `where`')
  return completeCases(rows, covariates, [counts, times])
}

/** Keeps the logarithm of 0 away, as in R. */
const START_SHIFT = 0.1

/** The weighted least-squares fit from which the iteration starts: to the logarithm of the outcome, each row as if it fitted. */
function start(cases: Cases, sums: Sums): void {
  const [outcome, exposure] = cases.responses as [Float64Array, Float64Array]
  const weights = outcome.map((y) => y + START_SHIFT)
  const residuals = weights.map((weight, row) => weight * Math.log(weight / (exposure[row] as number)) - START_SHIFT)
  addWeighted(cases.design, weights, residuals, sums, SCALARS)
}

/** What a site says of a point where its sums are beyond all bounds; any real log likelihood is above `LOWEST`. */
const OUT_OF_REACH = -(2 ** 99)
const LOWEST = -(2 ** 98)

/** Everything at `beta`; without the constants that no coefficient changes, the log likelihood is Σ y·η − μ with η = xβ. */
function evaluate(cases: Cases, beta: readonly number[], sums: Sums): void {
  const [outcome, exposure] = cases.responses as [Float64Array, Float64Array]
  const predictors = predictorsOf(cases, beta)
  const [weights, residuals] = [new Float64Array(cases.count), new Float64Array(cases.count)]
  for (let row = 0; row < cases.count; row++) {
    const y = outcome[row] as number
    const time = exposure[row] as number
    const eta = predictors[row] as number
    const mu = time * Math.exp(eta)
    addProduct(sums, 0, y, eta)
    add(sums, 0, -mu)
    add(sums, 1, y === 0 ? 0 : y * Math.log(y / time))
    add(sums, 2, y * Math.log(time) - logGamma(y + 1))
    add(sums, 3, y === 0 ? mu : ((y - mu) * (y - mu)) / mu)
    add(sums, 4, y)
    add(sums, 5, time)
    residuals[row] = y - mu
    weights[row] = mu
  }
  addWeighted(cases.design, weights, residuals, sums, SCALARS)
  if (sums.high.every((value) => Math.abs(value) < SUM_BOUND)) return
  sums.high.fill(0)
  sums.low.fill(0)
  sums.high[0] = OUT_OF_REACH
}

function contribute(rows: Rows, parameters: GlmParameters, state: NewtonState | undefined): Float64Array {
  const { covariates } = parameters
  const layout = layoutOf(parameters, state)
  const cases = keptOf(rows, parameters, () => casesOf(rows, parameters))
  if (!casesAllowed(cases, covariates, namesOf(parameters).length)) return zeroVector(layout)
  const sums = zeroSums(layout.sums.length)
  if (state?.iteration === 0) start(cases, sums)
  else if (state !== undefined) evaluate(cases, state.beta, sums)
  const events = (cases.responses[0] as Float64Array).map((y) => (y > 0 ? 1 : 0))
  return vectorOf(layout, countsOf(cases, covariates, events, state === undefined), sums)
}

export const glm: Analysis<GlmParameters, NewtonState, Released> = {
  name: 'glm',
  version: 1,
  method: 'regression of counts with a logarithmic link (Poisson or quasi-Poisson) over complete rows',
  iterative: true,
  definition: [
    'parameters: family (poisson or quasipoisson, log link), outcome (a count, or column is value: 0 or 1), exposure (above 0, optional: its logarithm is the offset), covariates (numeric, factors coded against a reference, interactions)',
    'first round: contributors, rows, missing, events (rows with an outcome above 0); rows by level, sites with each outcome and level, events by level',
    'further rounds: contributors, rows, missing, events; Σ y·η − μ, Σ y·log(y/exposure), Σ y·log(exposure) − log(y!), Pearson χ², Σ y, Σ exposure, score and information at the state, intercept first; of the second round only score and information, of least squares for log(y + 0.1) − log(exposure) with weights y + 0.1, less 0.1',
    'state: iteration, coefficients, best point so far with its Σ y·η − μ; -2^98 at 0 after the second round; a site whose sums are beyond the bound says -2^99 and zeros',
    'released: n, missing, events, Σ y, Σ exposure, coefficients, standard errors with dispersion 1, log likelihood, deviance, Σ y·log(y/exposure), Pearson χ², iterations; refused: small cells, levels and outcomes at few sites, more parameters than 0.33 of the events, separation, singular, no convergence',
  ],
  parameters: parametersSchema,
  state: newtonSchema,
  released: releasedSchema,
  columns: ({ outcome, exposure, covariates }) => [
    outcome,
    ...(exposure === undefined ? [] : [exposure]),
    ...singles(covariates),
  ],
  complete: (written, levelsOf) =>
    completeFields(written, {
      covariates: completeCovariates(levelsOf),
      family: (family) => family ?? 'poisson',
      outcome: completeEvent,
    }),
  plan: (parameters, state) => planOf(layoutOf(parameters, state)),
  contribute,
  combine(sum, context, state) {
    const { parameters, rules, survivors } = context
    const opened = openSum(layoutOf(parameters, state), sum, context)
    if (opened.kind !== 'reading') return opened
    const size = namesOf(parameters).length
    const refused = checkModelCounts(opened.counts, { rules, parameters: size, bothOutcomes: false })
    if (refused !== undefined) return refused
    if (state === undefined) return { kind: 'state', state: startAt(size) }
    const [likelihood = 0n, entropy = 0n, constants = 0n, pearson = 0n, outcomes = 0n, exposure = 0n, ...sums] =
      opened.sums
    const solution = scoringStep(sums, size)
    if (state.iteration === 0) return solution?.step.every(Number.isFinite) ? started(solution.step) : singular()
    const total = sumToNumber(outcomes)
    const progress = advance(state, sumToNumber(likelihood), solution, Math.abs(total))
    if (progress.kind !== 'converged') return progress
    if (outcomes <= 0n || exposure <= 0n) return implausible()
    const { coef, se, iterations } = progress
    const fit = {
      outcomes: total,
      exposure: sumToNumber(exposure),
      logLikelihood: sumToNumber(likelihood + constants),
      deviance: sumToNumber(2n * (entropy - outcomes - likelihood)),
      entropy: sumToNumber(entropy),
      pearson: sumToNumber(pearson),
    }
    return { kind: 'result', released: { ...modelCounts(opened, survivors), ...fit, coef, se, iterations } }
  },
  present(released, { family, outcome, exposure, covariates }) {
    const { n, missing, events, outcomes, coef, deviance, pearson, logLikelihood } = released
    const quasi = family === 'quasipoisson'
    const df = n - coef.length
    const dispersion = pearson / df
    const se = quasi ? released.se.map((value) => value * Math.sqrt(dispersion)) : released.se
    const estimates = estimatesOf(coef, se, quasi ? df : undefined)
    return {
      names: [INTERCEPT, ...covariateNames(covariates)],
      ...estimates,
      ...ratiosOf('rate_ratio', estimates),
      deviance,
      df,
      null_deviance: 2 * (released.entropy - outcomes * Math.log(outcomes / released.exposure)),
      null_df: n - 1,
      pearson,
      dispersion,
      loglik: quasi ? null : logLikelihood,
      aic: quasi ? null : 2 * (coef.length - logLikelihood),
      n,
      missing,
      events: outcomes,
      rows_with_events: events,
      ...(exposure === undefined ? {} : { exposure, exposure_total: released.exposure }),
      family,
      link: 'log',
      converged: true,
      iterations: released.iterations,
      outcome,
      factors: codedCovariates(covariates),
      contributors: released.contributors,
      sites_left_out: released.leftOut,
    }
  },
}

/** After the least-squares fit: evaluate there, and if it is out of reach go half way to 0. */
function started(step: readonly number[]): { kind: 'state'; state: NewtonState } {
  const beta = step.map((value) => value + 0)
  return { kind: 'state', state: { iteration: 1, beta, best: { beta: beta.map(() => 0), logLikelihood: LOWEST } } }
}
