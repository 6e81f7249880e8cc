/**
 * `meta-analysis`: every site fits a model of its own, and the estimates are pooled by inverse variance, with fixed and with
 * random effects (DerSimonian and Laird). Three rounds: the first finds how large weights are, so that their squares are summed with
 * all their digits, and the third has the variance between sites. Implements docs/spec/analyses/meta-analysis.md. Few sums about few sites are equations for their estimates, so it asks for more sites
 * than others do; and estimates that agree are known to be near their mean.
 */
import { z } from 'zod'
import { FlameshError } from '../errors.js'
import { checkCells, checkSites, implausible, MIN_SITES_BY_SITE, suppressed } from '../privacy/disclosure.js'
import type { Analysis, AnalysisContext, DisclosureRules, Outcome, Rows, Suppression } from './analysis.js'
import { estimatesOf, ratiosOf } from './coefficients.js'
import { codedCovariates, levelNames, levelsFrom } from './design.js'
import { chiSquareTail, tQuantile } from './distributions.js'
import { add, addProduct, addWeighted, zeroSums } from './double-double.js'
import { keeper } from './kept.js'
import { type Layout, openSum, planOf, quotient, SUM_BITS, sumToNumber, vectorOf, zeroVector } from './layout.js'
import { fitAlone, type LocalModel } from './local-fit.js'
import {
  completeMeta,
  MAX_COEFFICIENTS,
  type MetaAnalysisParameters,
  metaSchema,
  modelOf,
  namesOf,
} from './meta-parameters.js'
import { checkModelCounts } from './model-counts.js'

/** Of one coefficient, after the second round; the variance between sites is not below 0. */
const pooledSchema = z.strictObject({
  coef: z.number(),
  se: z.number(),
  q: z.number().min(0),
  tau2: z.number().min(0),
})
const stateSchema = z.strictObject({
  contributors: z.int().min(0),
  /** of each Σw the power of two at or below it, in the order of the parameters */
  exponents: z.array(z.int().min(-SUM_BITS).max(SUM_BITS)).min(1).max(MAX_COEFFICIENTS),
  /** in the order of the parameters; null after the first round */
  pooled: z.union([z.null(), z.array(pooledSchema).min(1).max(MAX_COEFFICIENTS)]),
})
type State = z.infer<typeof stateSchema>

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  n: z.int().min(1),
  missing: z.int().min(0),
  /** null if the model has none */
  events: z.union([z.null(), z.int().min(0)]),
  /** in the order of the parameters; `random` has the standard error of Hartung and Knapp beside its own */
  pooled: z.array(
    z.strictObject({
      ...pooledSchema.shape,
      random: z.strictObject({ coef: z.number(), se: z.number(), seHartungKnapp: z.number() }),
    }),
  ),
})
type Released = z.infer<typeof releasedSchema>

/** Below it the last bit of Σw is more than 2^-45 of a term: a mean would be made of rounding. */
const MIN_WEIGHT = 2 ** -85

/** (Σw)² / Σw², the number of sites of equal weight that would say as much: one site may not be nearly all. */
const MIN_EFFECTIVE_SITES = 2

function layoutOf(parameters: MetaAnalysisParameters, state: State | undefined): Layout {
  const { analysis } = modelOf(parameters)
  const slots = analysis.plan(parameters.fit, undefined).slots.slice(1)
  return {
    counts: slots.flatMap(({ name, kind }) => (kind === 'count' ? [name] : [])),
    sums: parameters.coefficients.flatMap((name, at) => termsOf(state, at).map((term) => `Σ ${term} of ${name}`)),
  }
}

/** What is summed of coefficient `at`. */
function termsOf(state: State | undefined, at: number): readonly string[] {
  if (state === undefined) return ['w']
  if (state.pooled !== null) return ['1/(1/w + τ²)', 'b/(1/w + τ²)', 'b²/(1/w + τ²)']
  return ['w', 'w·b', 'w·b²', `(w/2^${state.exponents[at]})²`]
}

/** Throws `out-of-bound`. */
function checkWeight(weight: number, name: string): void {
  if (weight >= MIN_WEIGHT) return
  throw new FlameshError('out-of-bound', `the standard error of ${name} is too large for its weight to be summed`, {
    meta: { coefficient: name },
    hint: 'express the column in a smaller unit, so that its values are larger, or the outcome of a linear model in a larger one',
  })
}

const kept = keeper<LocalModel>()

function contribute(rows: Rows, parameters: MetaAnalysisParameters, state: State | undefined): Float64Array {
  const layout = layoutOf(parameters, state)
  const { counts, fit } = kept(rows, parameters, () => fitAlone(modelOf(parameters).analysis, rows, parameters.fit))
  if (fit === undefined) return zeroVector(layout)
  const names = namesOf(parameters)
  const sums = zeroSums(layout.sums.length)
  const width = layout.sums.length / parameters.coefficients.length
  for (const [at, name] of parameters.coefficients.entries()) {
    const [b, se] = [fit.coef[names.indexOf(name)] as number, fit.se[names.indexOf(name)] as number]
    const weight = 1 / (se * se + (state?.pooled?.[at]?.tau2 ?? 0))
    if (!(weight > 0 && Number.isFinite(weight))) return zeroVector(layout)
    if (state === undefined) checkWeight(weight, name)
    const slot = width * at
    add(sums, slot, weight)
    if (state === undefined) continue
    addWeighted(sums, slot + 1, weight, b, 1)
    addWeighted(sums, slot + 2, weight, b, b)
    if (state.pooled !== null) continue
    const scaled = weight * 2 ** -(state.exponents[at] ?? 0)
    addProduct(sums, slot + 3, scaled, scaled)
  }
  return vectorOf(layout, counts, sums)
}

function checkCounts(
  counts: readonly number[],
  parameters: MetaAnalysisParameters,
  rules: DisclosureRules,
): Suppression | undefined {
  const events = modelOf(parameters).events?.(parameters.fit)
  if (events !== undefined)
    return checkModelCounts(counts, { rules, parameters: namesOf(parameters).length, ...events })
  const [n = 0, , ...more] = counts
  const levels = levelNames(parameters.fit.covariates).length
  const byLevel = more.slice(0, levels)
  return checkCells([n, ...byLevel], rules) ?? checkSites(levelsFrom(byLevel, more.slice(levels)), rules)
}

/** Σw·b/Σw with its standard error, and Σw(b − mean)², from exact sums; undefined if there is no weight. */
function pool([w = 0n, wb = 0n, wbb = 0n]: readonly bigint[]):
  | { readonly coef: number; readonly se: number; readonly q: number }
  | undefined {
  if (w <= 0n) return undefined
  const spread = quotient(w * wbb - wb * wb, w << BigInt(SUM_BITS))
  return { coef: quotient(wb, w), se: 1 / Math.sqrt(sumToNumber(w)), q: Math.max(0, spread) }
}

/** The power of two at or below a positive sum. */
const exponentOf = (sum: bigint): number => sum.toString(2).length - 1 - SUM_BITS

/** DerSimonian and Laird (1986), of sums with squares of weights over 2^exponent; a suppression if one site is nearly all. */
function bothEffects(
  sums: readonly bigint[],
  exponent: number,
  contributors: number,
): z.infer<typeof pooledSchema> | Suppression {
  const [w = 0n, , , squares = 0n] = sums
  const pooled = pool(sums)
  if (pooled === undefined || squares <= 0n) return implausible()
  const weight = sumToNumber(w)
  const scaled = weight * 2 ** -exponent
  const effective = (scaled * scaled) / sumToNumber(squares)
  if (!(effective >= MIN_EFFECTIVE_SITES)) {
    return suppressed('too-few-contributors', 'one site makes up most of an estimate')
  }
  const excess = pooled.q - (contributors - 1)
  return { ...pooled, tau2: Math.max(0, excess / (weight * (1 - 1 / effective))) }
}

function combine(
  sum: readonly bigint[],
  context: AnalysisContext<MetaAnalysisParameters>,
  state: State | undefined,
): Outcome<State, Released> {
  const { parameters, survivors } = context
  const rules = {
    ...context.rules,
    minimumContributors: Math.max(MIN_SITES_BY_SITE, context.rules.minimumContributors),
  }
  const layout = layoutOf(parameters, state)
  const opened = openSum(layout, sum, { ...context, rules })
  if (opened.kind !== 'reading') return opened
  const refused = checkCounts(opened.counts, parameters, rules)
  if (refused !== undefined) return refused
  const { contributors } = opened
  if ((opened.counts[0] ?? 0) < contributors) return implausible()
  const width = layout.sums.length / parameters.coefficients.length
  const sumsOf = (at: number): readonly bigint[] => opened.sums.slice(width * at, width * (at + 1))
  if (state === undefined) {
    if (opened.sums.some((weight) => weight <= 0n)) return implausible()
    return { kind: 'state', state: { contributors, exponents: opened.sums.map(exponentOf), pooled: null } }
  }
  if (contributors !== state.contributors) return implausible()
  if (
    [state.exponents, state.pooled ?? state.exponents].some(({ length }) => length !== parameters.coefficients.length)
  )
    return implausible()
  if (state.pooled === null) {
    const pooled: z.infer<typeof pooledSchema>[] = []
    for (const [at, exponent] of state.exponents.entries()) {
      const one = bothEffects(sumsOf(at), exponent, contributors)
      if ('kind' in one) return one
      pooled.push(one)
    }
    return { kind: 'state', state: { ...state, pooled } }
  }
  const pooled: Released['pooled'] = []
  for (const [at, first] of state.pooled.entries()) {
    const random = pool(sumsOf(at))
    if (random === undefined) return implausible()
    const { coef, se, q } = random
    pooled.push({ ...first, random: { coef, se, seHartungKnapp: se * Math.sqrt(q / (contributors - 1)) } })
  }
  const [n = 0, missing = 0, events = 0] = opened.counts
  const counts = { contributors, leftOut: survivors - contributors, n, missing }
  const has = modelOf(parameters).events?.(parameters.fit).hasEvents === true
  return { kind: 'result', released: { ...counts, events: has ? events : null, pooled } }
}

/** An estimate with statistic, p, interval and, of models with one, the ratio. */
function shown(coef: number, se: number, ratio: string | undefined, df?: number): Record<string, unknown> {
  const estimates = estimatesOf([coef], [se], df)
  const lists = { ...estimates, ...(ratio === undefined ? {} : ratiosOf(ratio, estimates)) }
  return Object.fromEntries(Object.entries(lists).map(([name, values]) => [name, values[0]]))
}

function present(released: Released, parameters: MetaAnalysisParameters): Record<string, unknown> {
  const { contributors, leftOut, n, missing, events, pooled } = released
  const ratio = modelOf(parameters).events?.(parameters.fit).ratio
  const df = contributors - 1
  const estimates = pooled.map(({ coef, se, tau2, random }, at): [string, object] => {
    // Higgins, Thompson and Spiegelhalter (2009)
    const reach = tQuantile(0.975, contributors - 2) * Math.sqrt(tau2 + random.se * random.se)
    const predicted = { prediction_low: random.coef - reach, prediction_high: random.coef + reach }
    const byMethod = {
      fixed: shown(coef, se, ratio),
      random: { ...shown(random.coef, random.se, ratio), ...predicted },
      hartung_knapp: { ...shown(random.coef, random.seHartungKnapp, ratio, df), df },
    }
    return [parameters.coefficients[at] as string, byMethod]
  })
  return {
    names: parameters.coefficients,
    q: pooled.map(({ q }) => q),
    q_p: pooled.map(({ q }) => chiSquareTail(q, df)),
    tau2: pooled.map(({ tau2 }) => tau2),
    tau: pooled.map(({ tau2 }) => Math.sqrt(tau2)),
    i2: pooled.map(({ q }) => (q > df ? (100 * (q - df)) / q : 0)),
    h: pooled.map(({ q }) => Math.sqrt(Math.max(1, q / df))),
    estimates: Object.fromEntries(estimates),
    df,
    tau2_method: 'DerSimonian-Laird',
    model: parameters.model,
    n,
    missing,
    ...(events === null ? {} : { events }),
    factors: codedCovariates(parameters.fit.covariates),
    contributors,
    sites_left_out: leftOut,
  }
}

export const metaAnalysis: Analysis<MetaAnalysisParameters, State, Released> = {
  name: 'meta-analysis',
  version: 1,
  method:
    'meta-analysis of the sites’ own estimates with fixed effects and with random effects (DerSimonian and Laird, and Hartung and Knapp’s interval)',
  iterative: true,
  definition: [
    'parameters: model (linear, logistic, glm or cox, version 1 of each, the standard errors of glm with the dispersion of its family), fit (its parameters, linear without strata, cox without zph), coefficients (names)',
    'each site fits the model to its own rows: coefficients b with variance 1/w; zeros if it is below a rule of the model, at the site or, of parameters, at the gate, or if there are no estimates',
    'every round: contributors, counts of the model’s first round; first round: for each coefficient Σ w; state: contributors, the power of two 2^k at or below each Σ w',
    'second round: for each coefficient Σ w, Σ w·b, Σ w·b², Σ (w/2^k)²; state: also Σwb/Σw, its standard error, Q, τ² of DerSimonian and Laird',
    'third round: for each coefficient Σ v, Σ v·b, Σ v·b² with v = 1/(1/w + τ²)',
    'released: n, missing, events; what the second round came to; for each coefficient Σvb/Σv with its standard error and that of Hartung and Knapp; refused: fewer than 5 contributors, (Σw)²/Σw² below 2, small cells, levels and outcomes at few sites',
  ],
  parameters: metaSchema,
  state: stateSchema,
  released: releasedSchema,
  columns: (parameters) => modelOf(parameters).analysis.columns(parameters.fit),
  complete: completeMeta,
  plan: (parameters, state) => planOf(layoutOf(parameters, state)),
  contribute,
  combine,
  present,
}
