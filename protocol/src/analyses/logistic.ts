/**
 * `logistic`: regression of a yes-or-no outcome by Fisher scoring. The first round opens counts, by level and outcome,
 * and no sum of the model until they have passed the gate; each further round is one evaluation. Implements
 * docs/spec/analyses.md, "logistic". Every site sees the coefficients of every round.
 */
import { z } from 'zod'
import type { Analysis, Rows } from './analysis.js'
import { estimatesOf, ratiosOf } from './coefficients.js'
import { columnOf, completeEvent, completeFields, eventSchema, eventsOf } from './columns.js'
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
} from './design.js'
import { add, type Sums, zeroSums } from './double-double.js'
import { keeper } from './kept.js'
import { type Layout, openSum, planOf, sumToNumber, vectorOf, zeroVector } from './layout.js'
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
import { predictorsOf, roundingOf, scoringStep, scoringSums } from './scoring.js'

const parametersSchema = z
  .strictObject({ outcome: eventSchema, covariates: covariatesSchema })
  .refine(
    ({ outcome, covariates }) => !covariateColumns(covariates).includes(columnOf(outcome)),
    'the outcome is among the covariates',
  )
export type LogisticParameters = z.infer<typeof parametersSchema>

const releasedSchema = z.strictObject({
  ...modelCountsSchema.shape,
  coef: z.array(z.number()),
  se: z.array(z.number()),
  logLikelihood: z.number(),
  iterations: z.int().min(1),
})
type Released = z.infer<typeof releasedSchema>

const namesOf = ({ covariates }: LogisticParameters): readonly string[] => [INTERCEPT, ...covariateNames(covariates)]

function layoutOf(parameters: LogisticParameters, state: NewtonState | undefined): Layout {
  if (state === undefined) return countsLayout(parameters.covariates)
  return { counts: MODEL_COUNTS, sums: ['log likelihood', ...scoringSums(namesOf(parameters))] }
}

/** Log likelihood, score and information of the site's rows at `beta`, intercept first. */
function evaluate(cases: Cases, beta: readonly number[], sums: Sums): void {
  const outcome = cases.responses[0] as Float64Array
  const predictors = predictorsOf(cases, beta)
  const [weights, residuals] = [new Float64Array(cases.count), new Float64Array(cases.count)]
  for (let row = 0; row < cases.count; row++) {
    const eta = predictors[row] as number
    // the sign makes `eta` the log odds of what happened, so that no probability is computed as 1 − another
    const sign = outcome[row] === 1 ? 1 : -1
    const odds = Math.exp(-Math.abs(eta))
    const likely = sign * eta >= 0
    add(sums, 0, (likely ? 0 : sign * eta) - Math.log1p(odds))
    residuals[row] = (sign * (likely ? odds : 1)) / (1 + odds)
    weights[row] = odds / ((1 + odds) * (1 + odds))
  }
  addWeighted(cases.design, weights, residuals, sums, 1)
}

const kept = keeper<Cases>()

function contribute(rows: Rows, parameters: LogisticParameters, state: NewtonState | undefined): Float64Array {
  const { covariates, outcome } = parameters
  const layout = layoutOf(parameters, state)
  const cases = kept(rows, parameters, () => completeCases(rows, covariates, [eventsOf(rows, outcome)]))
  if (!casesAllowed(cases, covariates, namesOf(parameters).length)) return zeroVector(layout)
  const sums = zeroSums(layout.sums.length)
  if (state !== undefined) evaluate(cases, state.beta, sums)
  return vectorOf(layout, countsOf(cases, covariates, cases.responses[0] as Float64Array, state === undefined), sums)
}

export const logistic: Analysis<LogisticParameters, NewtonState, Released> = {
  name: 'logistic',
  version: 1,
  method: 'logistic regression by maximum likelihood over complete rows',
  iterative: true,
  definition: [
    'parameters: outcome (0/1 column, or column is value), covariates (numeric, factors coded against a reference, interactions)',
    'first round: contributors, rows, missing, events; rows by level, sites with each outcome and level, events by level',
    'further rounds: contributors, rows, missing, events; log likelihood, score and information at the state, intercept first',
    'state: iteration, coefficients, best point so far with its log likelihood',
    'released: n, missing, events, coefficients, standard errors, log likelihood, iterations; refused: small cells, levels and outcomes at few sites, too many parameters, separation, singular, no convergence',
  ],
  parameters: parametersSchema,
  state: newtonSchema,
  released: releasedSchema,
  columns: ({ outcome, covariates }) => [outcome, ...singles(covariates)],
  complete: (written, levelsOf) =>
    completeFields(written, { covariates: completeCovariates(levelsOf), outcome: completeEvent }),
  plan: (parameters, state) => planOf(layoutOf(parameters, state)),
  contribute,
  combine(sum, context, state) {
    const { parameters, rules, survivors } = context
    const opened = openSum(layoutOf(parameters, state), sum, context)
    if (opened.kind !== 'reading') return opened
    const size = namesOf(parameters).length
    const refused = checkModelCounts(opened.counts, { rules, parameters: size, bothOutcomes: true })
    if (refused !== undefined) return refused
    if (state === undefined) return { kind: 'state', state: startAt(size) }
    const [first = 0n, ...sums] = opened.sums
    const logLikelihood = sumToNumber(first)
    const progress = advance(state, logLikelihood, scoringStep(sums, size), { rounding: roundingOf(state.beta) })
    if (progress.kind !== 'converged') return progress
    const { coef, se, iterations } = progress
    return { kind: 'result', released: { ...modelCounts(opened, survivors), coef, se, logLikelihood, iterations } }
  },
  present({ contributors, leftOut, n, missing, events, coef, se, logLikelihood, iterations }, parameters) {
    const estimates = estimatesOf(coef, se)
    const others = n - events
    return {
      names: namesOf(parameters),
      ...estimates,
      ...ratiosOf('odds_ratio', estimates),
      deviance: -2 * logLikelihood,
      null_deviance: -2 * (events * Math.log(events / n) + others * Math.log(others / n)),
      aic: 2 * (coef.length - logLikelihood),
      n,
      events,
      missing,
      converged: true,
      iterations,
      outcome: parameters.outcome,
      factors: codedCovariates(parameters.covariates),
      contributors,
      sites_left_out: leftOut,
    }
  },
}
