/**
 * `cox`: proportional hazards stratified by site, Breslow's method for ties, by Newton's method. Risk sets never leave a
 * site; the first round opens counts alone. Implements docs/spec/analyses.md, "cox". Every site sees the coefficients of
 * every round; proportional hazards are assumed, not tested.
 */
import { z } from 'zod'
import { dot, inverse, type Matrix, pairsOf, symmetric, times } from './algebra.js'
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
} from './design.js'
import { chiSquareTail } from './distributions.js'
import { type Layout, openSum, planOf, sumToNumber, vectorOf, zeroVector } from './layout.js'
import {
  checkModelCounts,
  countsLayout,
  countsOf,
  MODEL_COUNTS,
  modelCounts,
  modelCountsSchema,
} from './model-counts.js'
import { advance, type NewtonState, newtonSchema, type Solution, startAt } from './newton.js'
import { partialLikelihood } from './partial-likelihood.js'

const parametersSchema = z
  .strictObject({ time: columnSchema, event: eventSchema, covariates: covariatesSchema, strata: z.literal('site') })
  .refine(
    ({ time, event, covariates }) =>
      new Set([time, columnOf(event), ...covariateColumns(covariates)]).size ===
      covariateColumns(covariates).length + 2,
    'time, event and covariates are different columns',
  )
export type CoxParameters = z.infer<typeof parametersSchema>

const releasedSchema = z.strictObject({
  ...modelCountsSchema.shape,
  coef: z.array(z.number()),
  se: z.array(z.number()),
  logLikelihoodNull: z.number(),
  logLikelihood: z.number(),
  iterations: z.int().min(1),
})
type Released = z.infer<typeof releasedSchema>

const namesOf = ({ covariates }: CoxParameters): readonly string[] => covariateNames(covariates)

function layoutOf(parameters: CoxParameters, state: NewtonState | undefined): Layout {
  if (state === undefined) return countsLayout(parameters.covariates)
  const names = namesOf(parameters)
  const information = pairsOf(names.length).map(([i, j]) => `information ${names[i]} × ${names[j]}`)
  const sums = [
    'log partial likelihood',
    'log partial likelihood at 0',
    ...names.map((name) => `score ${name}`),
    ...information,
  ]
  return { counts: MODEL_COUNTS, sums }
}

function casesOf(rows: Rows, { time, event, covariates }: CoxParameters): Cases {
  return completeCases(rows, covariates, [numbersOf(rows, time), eventsOf(rows, event)])
}

function contribute(rows: Rows, parameters: CoxParameters, state: NewtonState | undefined): Float64Array {
  const { covariates } = parameters
  const layout = layoutOf(parameters, state)
  const cases = casesOf(rows, parameters)
  const size = namesOf(parameters).length
  if (!casesAllowed(cases, covariates, size)) return zeroVector(layout)
  const counts = countsOf(cases, covariates, cases.responses[1] as Float64Array, state === undefined)
  if (state === undefined) return vectorOf(layout, counts)
  const at = partialLikelihood(cases, state.beta)
  const atZero = partialLikelihood(cases, new Array<number>(size).fill(0))
  const high = Float64Array.from([at.logLikelihood, atZero.logLikelihood, ...at.score, ...at.information])
  return vectorOf(layout, counts, { high, low: new Float64Array(high.length) })
}

function solve(score: readonly number[], information: Matrix<number>, events: number): Solution | undefined {
  const inverted = inverse(information)
  if (inverted === undefined) return undefined
  const step = times(inverted, score)
  return {
    step,
    stepSize: Math.sqrt(Math.max(0, dot(score, step) / events)),
    se: inverted.map((row, j) => Math.sqrt(row[j] as number)),
  }
}

export const cox: Analysis<CoxParameters, NewtonState, Released> = {
  name: 'cox',
  version: 1,
  method: 'Cox proportional hazards regression stratified by site, with Breslow’s method for ties, over complete rows',
  iterative: true,
  definition: [
    'parameters: time, event (0/1 column, or column is value), covariates (numeric, or factors coded against a reference), strata: site',
    'first round: contributors, rows, missing, events; rows by level, sites with each outcome and level, events by level',
    'further rounds: contributors, rows, missing, events; log partial likelihood (Breslow) at the state and at 0, score and information at the state',
    'state: iteration, coefficients, best point so far with its log partial likelihood',
    'released: n, missing, events, coefficients, standard errors, both log likelihoods, iterations; refused: small cells, levels and outcomes at few sites, too many parameters, separation, singular, no convergence',
  ],
  parameters: parametersSchema,
  state: newtonSchema,
  released: releasedSchema,
  columns: ({ time, event, covariates }) => [time, columnOf(event), ...covariateColumns(covariates)],
  complete: (written, levelsOf) =>
    completeFields(written, {
      covariates: completeCovariates(levelsOf),
      event: completeEvent,
      strata: (strata) => strata ?? 'site',
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
    const [logLikelihood = 0, logLikelihoodNull = 0, ...sums] = opened.sums.map(sumToNumber)
    const counts = modelCounts(opened, survivors)
    const progress = advance(
      state,
      logLikelihood,
      solve(sums.slice(0, size), symmetric(size, sums.slice(size)), counts.events),
    )
    if (progress.kind !== 'converged') return progress
    const { coef, se, iterations } = progress
    return { kind: 'result', released: { ...counts, coef, se, logLikelihoodNull, logLikelihood, iterations } }
  },
  present(
    { contributors, leftOut, n, missing, events, coef, se, logLikelihoodNull, logLikelihood, iterations },
    parameters,
  ) {
    const estimates = estimatesOf(coef, se)
    const lrt = 2 * (logLikelihood - logLikelihoodNull)
    return {
      names: namesOf(parameters),
      ...estimates,
      ...ratiosOf('hazard_ratio', estimates),
      loglik_null: logLikelihoodNull,
      loglik: logLikelihood,
      lrt,
      lrt_p: chiSquareTail(lrt, coef.length),
      n,
      events,
      missing,
      ties: 'breslow',
      strata: 'site',
      converged: true,
      iterations,
      time: parameters.time,
      event: parameters.event,
      factors: codedCovariates(parameters.covariates),
      contributors,
      sites_left_out: leftOut,
    }
  },
}
