/**
 * `cox`: proportional hazards stratified by site, Breslow's method for ties, by Newton's method. Risk sets never leave a
 * site; the first round opens counts alone. Implements docs/spec/analyses/cox.md. Every site sees the coefficients of
 * every round; proportional hazards are assumed, and tested only if the job asks for it.
 */
import { z } from 'zod'
import { FlameshError } from '../errors.js'
import { pairsOf, symmetric } from './algebra.js'
import type { Analysis, Rows } from './analysis.js'
import { columnOf, columnSchema, completeEvent, completeFields, eventSchema, eventsOf, numbersOf } from './columns.js'
import {
  type Cases,
  casesAllowed,
  completeCases,
  completeCovariates,
  covariateColumns,
  covariateNames,
  covariatesSchema,
  singles,
} from './design.js'
import { type Hazards, hazardsSchema, newtonStep, presentHazards, proportionality } from './hazards.js'
import { keeper } from './kept.js'
import { type Layout, openSum, planOf, sumToNumber, vectorOf, zeroVector } from './layout.js'
import { checkModelCounts, countsLayout, countsOf, MODEL_COUNTS, modelCounts } from './model-counts.js'
import { advance, newtonSchema, startAt } from './newton.js'
import { type Followed, followedOf, partialLikelihood } from './partial-likelihood.js'

const parametersSchema = z
  .strictObject({
    time: columnSchema,
    event: eventSchema,
    covariates: covariatesSchema,
    strata: z.literal('site'),
    /** g of the test of proportional hazards; without it there is none */
    zph: z.enum(['identity', 'log']).optional(),
  })
  .refine(
    ({ time, event, covariates }) =>
      new Set([time, columnOf(event), ...covariateColumns(covariates)]).size ===
      covariateColumns(covariates).length + 2,
    'time, event and covariates are different columns',
  )
export type CoxParameters = z.infer<typeof parametersSchema>

/** `last`: at the estimates, with the sums of the test. */
const stateSchema = z.strictObject({ ...newtonSchema.shape, last: z.literal(true).optional() })
type State = z.infer<typeof stateSchema>

const namesOf = ({ covariates }: CoxParameters): readonly string[] => covariateNames(covariates)

function layoutOf(parameters: CoxParameters, state: State | undefined): Layout {
  if (state === undefined) return countsLayout(parameters.covariates)
  const names = namesOf(parameters)
  const score = names.map((name) => `score ${name}`)
  const information = pairsOf(names.length).map(([i, j]) => `information ${names[i]} × ${names[j]}`)
  const sums = ['log partial likelihood', 'log partial likelihood at 0', ...score, ...information]
  if (state.last === true) {
    const weighted = (weight: string, list: readonly string[]) => list.map((name) => `${weight} · ${name}`)
    sums.push(...weighted('g', score), ...weighted('g', information), ...weighted('g²', information))
  }
  return { counts: MODEL_COUNTS, sums }
}

function casesOf(rows: Rows, { time, event, covariates, zph }: CoxParameters): Cases {
  const cases = completeCases(rows, covariates, [numbersOf(rows, time), eventsOf(rows, event)])
  const [times, events] = cases.responses as [Float64Array, Float64Array]
  if (zph === 'log' && times.some((value, row) => events[row] === 1 && !(value > 0))) {
    throw new FlameshError('column-values', `${time} holds events at 0 or before, which have no logarithm`, {
      meta: { column: time },
      hint: 'test proportional hazards with zph: identity',
    })
  }
  return cases
}

/** What every round needs of a site's rows; undefined if it is below a rule. */
interface Prepared {
  /** of the first round, and of the others */
  readonly counts: readonly [first: readonly number[], later: readonly number[]]
  readonly followed: Followed
}

function prepare(rows: Rows, parameters: CoxParameters): Prepared | undefined {
  const { covariates } = parameters
  const cases = casesOf(rows, parameters)
  if (!casesAllowed(cases, covariates, namesOf(parameters).length)) return undefined
  const counts = (first: boolean) => countsOf(cases, covariates, cases.responses[1] as Float64Array, first)
  return { counts: [counts(true), counts(false)], followed: followedOf(cases) }
}

const kept = keeper<Prepared | undefined>()

function contribute(rows: Rows, parameters: CoxParameters, state: State | undefined): Float64Array {
  const layout = layoutOf(parameters, state)
  const prepared = kept(rows, parameters, () => prepare(rows, parameters))
  if (prepared === undefined) return zeroVector(layout)
  const [first, counts] = prepared.counts
  if (state === undefined) return vectorOf(layout, first)
  const at = partialLikelihood(prepared.followed, state.beta, parameters.zph === 'log' ? Math.log : (time) => time)
  const high = Float64Array.from([
    at.logLikelihood,
    at.logLikelihoodNull,
    ...at.score,
    ...at.information,
    ...(state.last === true ? [...at.scoreByTime, ...at.informationByTime, ...at.informationByTimeSquared] : []),
  ])
  return vectorOf(layout, counts, { high, low: new Float64Array(high.length) })
}

export const cox: Analysis<CoxParameters, State, Hazards> = {
  name: 'cox',
  version: 1,
  method: 'Cox proportional hazards regression stratified by site, with Breslow’s method for ties, over complete rows',
  iterative: true,
  definition: [
    'parameters: time, event (0/1 column, or column is value), covariates (numeric, factors coded against a reference, interactions), strata: site, zph: identity | log (optional)',
    'first round: contributors, rows, missing, events; rows by level, sites with each outcome and level, events by level',
    'further rounds: contributors, rows, missing, events; log partial likelihood (Breslow) at the state and at 0, score and information at the state',
    'last round, with zph: the same at the estimates, and the terms of the score times g(t), of the information times g(t) and g(t)²',
    'state: iteration, coefficients, best point so far with its log partial likelihood, whether it is the last round',
    'released: n, missing, events, coefficients, standard errors, both log likelihoods, iterations, with zph the score statistics of x·g(t) beside x; refused: small cells, levels and outcomes at few sites, too many parameters, separation, singular, no convergence',
  ],
  parameters: parametersSchema,
  state: stateSchema,
  released: hazardsSchema,
  columns: ({ time, event, covariates }) => [time, event, ...singles(covariates)],
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
    const take = (count: number): readonly number[] => sums.splice(0, count)
    const pairs = (size * (size + 1)) / 2
    const matrix = () => symmetric(size, take(pairs))
    const counts = modelCounts(opened, survivors)
    const score = take(size)
    const information = matrix()
    const progress = advance(state, logLikelihood, newtonStep(score, information, counts.events))
    if (progress.kind !== 'converged') return progress
    const { coef, se, iterations } = progress
    if (parameters.zph !== undefined && state.last !== true) {
      return { kind: 'state', state: { iteration: iterations, beta: coef, best: state.best, last: true } }
    }
    const zph =
      state.last === true
        ? {
            zph: proportionality(
              { information, score: take(size), once: matrix(), twice: matrix() },
              parameters.covariates,
            ),
          }
        : {}
    return { kind: 'result', released: { ...counts, coef, se, logLikelihoodNull, logLikelihood, iterations, ...zph } }
  },
  present: (released, parameters) => presentHazards(released, parameters, { strata: 'site' }),
}
