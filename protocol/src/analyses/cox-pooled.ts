/**
 * `cox-pooled`: proportional hazards with the risk sets of everyone together, on a public grid of times, Breslow's method for
 * ties, by Newton's method. The first round opens counts by interval, and intervals are merged until enough patients leave in each;
 * only then sums over those who leave are opened. Implements docs/spec/analyses/cox-pooled.md. Every site sees the coefficients
 * of every round, and mean and standard deviation of each covariate.
 */
import { z } from 'zod'
import { MAX_DIMENSION } from '../limits.js'
import { checkSites, implausible, suppressed } from '../privacy/disclosure.js'
import { smallValue } from '../privacy/few-values.js'
import { mergedIntervals } from '../privacy/intervals.js'
import { logarithm } from './algebra.js'
import type { Analysis, AnalysisContext, DisclosureRules, Outcome, Rows } from './analysis.js'
import { columnOf, columnSchema, completeEvent, completeFields, eventSchema, eventsOf, numbersOf } from './columns.js'
import {
  type Cases,
  casesAllowed,
  completeCases,
  completeCovariates,
  covariateColumns,
  covariateNames,
  covariatesSchema,
  levelNames,
  levelSeries,
  presence,
  singles,
} from './design.js'
import { hazardsSchema, presentHazards } from './hazards.js'
import { keeper } from './kept.js'
import { type Layout, openSum, planOf, type Reading, SUM_BOUND, sumToNumber, vectorOf, zeroVector } from './layout.js'
import { checkModelCounts, countsLayout, countsOf, MODEL_COUNTS, modelCounts } from './model-counts.js'
import { advance, newtonSchema, startAt } from './newton.js'
import {
  deadBefore,
  evaluate,
  type Leaving,
  leavingOf,
  logLikelihoodAtZero,
  proportional,
  riskNames,
  riskSets,
  rowsNeeded,
  siteSums,
  someValueIsSmall,
  standardised,
  sumsPerInterval,
  WORST,
} from './risk-sets.js'
import { type Grid, gridPoint, gridSchema, intervalsOf, seriesOf, togetherOf } from './time-grid.js'

/** Whether a sum over sites has room for so many intervals, levels and covariates. */
const fits = (grid: Grid, levels: number, size: number): boolean =>
  grid.intervals * (3 + levels + 2 * sumsPerInterval(size)) <= MAX_DIMENSION / 2

const parametersSchema = z
  .strictObject({
    time: columnSchema,
    event: eventSchema,
    covariates: covariatesSchema,
    grid: gridSchema,
    /** g of the test of proportional hazards; without it there is none */
    zph: z.enum(['identity', 'log', 'km']).optional(),
  })
  .refine(
    ({ time, event, covariates }) =>
      new Set([time, columnOf(event), ...covariateColumns(covariates)]).size ===
      covariateColumns(covariates).length + 2,
    'time, event and covariates are different columns',
  )
  .refine(({ grid, covariates }) => fits(grid, levelNames(covariates).length, covariateNames(covariates).length), {
    path: ['grid'],
    message: 'has too many intervals for so many covariates',
  })
export type CoxPooledParameters = z.infer<typeof parametersSchema>

const stateSchema = z.strictObject({
  ...newtonSchema.shape,
  /** where the merged intervals end, in intervals of the grid */
  ends: z.array(z.int().min(1)).min(1),
  /** of each column of the design: 0 and 1 at first, then mean and standard deviation of everyone */
  centre: z.array(z.number()),
  scale: z.array(z.number().positive()),
  /** of each merged interval, if there is a test */
  g: z.array(z.number()).optional(),
})
type State = z.infer<typeof stateSchema>

const releasedSchema = z.strictObject({ ...hazardsSchema.shape, ends: z.array(z.int().min(1)) })
type Released = z.infer<typeof releasedSchema>

const namesOf = ({ covariates }: CoxPooledParameters): readonly string[] => covariateNames(covariates)

/** What is counted of an interval, before the levels of those who leave in it. */
const SERIES = ['events', 'censored', 'sites with anyone leaving'] as const

function layoutOf(parameters: CoxPooledParameters, state: State | undefined): Layout {
  const { covariates, grid, zph } = parameters
  const series = (what: readonly string[], ends: readonly number[]): readonly string[] =>
    what.flatMap((one) => ends.map((end) => `${one}, to ${gridPoint(grid, end)}`))
  if (state === undefined) {
    const levels = levelNames(covariates).map((level) => `${level}, leaving`)
    const ends = Array.from({ length: grid.intervals }, (_, at) => at + 1)
    return { counts: [...countsLayout(covariates).counts, ...series([...SERIES, ...levels], ends)], sums: [] }
  }
  const names = namesOf(parameters)
  const ofEvents = (what: string): readonly string[] => names.map((name) => `${what} ${name} over events`)
  return {
    counts: [...MODEL_COUNTS, 'sites out of reach', ...series(['events', 'censored'], state.ends)],
    sums: [
      ...ofEvents('Σ'),
      ...(zph === undefined ? [] : ofEvents('Σ g ·')),
      ...state.ends.flatMap((end) => series(riskNames(names), [end])),
    ],
  }
}

/** The responses are the interval of the grid in which a row leaves, and whether by an event. */
function casesOf(rows: Rows, { time, event, covariates, grid }: CoxPooledParameters): Cases {
  const { intervals } = grid
  const intervalOf = intervalsOf(grid)
  const at = numbersOf(rows, time).map((value) => (value >= 0 ? intervalOf(value) : Number.NaN))
  const events = eventsOf(rows, event).slice()
  for (let row = 0; row < rows.count; row++) {
    // whoever is followed for longer is censored at the end of the grid
    if (at[row] !== intervals) continue
    at[row] = intervals - 1
    events[row] = (events[row] as number) * 0
  }
  return completeCases(rows, covariates, [at, events])
}

/** What every round from one with the same state but for the coefficients needs of a site's rows; undefined if it is below a rule. */
interface Prepared {
  readonly counts: readonly number[]
  readonly leaving: Leaving
}

function prepare(rows: Rows, parameters: CoxPooledParameters, state: State): Prepared | undefined {
  const { covariates, grid } = parameters
  const cases = casesOf(rows, parameters)
  if (!casesAllowed(cases, covariates, namesOf(parameters).length)) return undefined
  const [interval, events] = cases.responses as [Float64Array, Float64Array]
  const { ends } = state
  const merged = Int32Array.from({ length: grid.intervals }, (_, at) => {
    const found = ends.findIndex((end) => at < end)
    return found < 0 ? ends.length - 1 : found
  })
  const intervalOfRow = new Int32Array(cases.count)
  for (let row = 0; row < cases.count; row++) intervalOfRow[row] = merged[interval[row] as number] as number
  const counts = countsOf(cases, covariates, events, false)
  const series = seriesOf(intervalOfRow, events, ends.length)
  return { counts: [...counts, ...series.flatMap((one) => [...one])], leaving: leavingOf(cases, intervalOfRow, state) }
}

const kept = keeper<Prepared | undefined>()

function contribute(rows: Rows, parameters: CoxPooledParameters, state: State | undefined): Float64Array {
  const layout = layoutOf(parameters, state)
  if (state === undefined) return contributeCounts(rows, parameters, layout)
  const { ends, centre, scale, g } = state
  const prepared = kept(rows, [parameters, ends, centre, scale, g], () => prepare(rows, parameters, state))
  if (prepared === undefined) return zeroVector(layout)
  const sums = siteSums(prepared.leaving, state)
  // a step too far: the next will be half way back; at 0 it is the data that are too large
  const outOfReach = state.best !== null && !sums.high.every((value) => Math.abs(value) < SUM_BOUND)
  const own = prepared.counts.slice(0, MODEL_COUNTS.length)
  const all = [...own, outOfReach ? 1 : 0, ...prepared.counts.slice(MODEL_COUNTS.length)]
  return vectorOf(layout, all, outOfReach ? undefined : sums)
}

/** The first round. */
function contributeCounts(rows: Rows, parameters: CoxPooledParameters, layout: Layout): Float64Array {
  const { covariates, grid } = parameters
  const cases = casesOf(rows, parameters)
  if (!casesAllowed(cases, covariates, namesOf(parameters).length)) return zeroVector(layout)
  const [interval, events] = cases.responses as [Float64Array, Float64Array]
  const series = seriesOf(interval, events, grid.intervals)
  const levels = levelSeries(cases, covariates, interval, grid.intervals)
  const all = [...series, presence(togetherOf(series)), ...levels]
  return vectorOf(layout, [...countsOf(cases, covariates, events, true), ...all.flatMap((one) => [...one])])
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)

/** The ends of the intervals whose sums may be opened; the counts of everyone's events are checked before. */
function endsOf(
  series: readonly (readonly number[])[],
  size: number,
  rules: DisclosureRules,
): readonly number[] | undefined {
  const [events = [], censored = [], sites = [], ...levels] = series
  const leaving = togetherOf([events, censored])
  const enough = (start: number, end: number): boolean => {
    const rows = total(leaving.slice(start, end))
    // sites of a merged interval are at least those of the interval that most have
    const most = Math.max(...sites.slice(start, end))
    return (
      rows >= rowsNeeded(size) &&
      total(events.slice(start, end)) >= rules.minimumCell &&
      checkSites([{ rows, sites: most }], rules) === undefined
    )
  }
  return mergedIntervals([events, censored, ...levels], leaving.length, enough, rules)
}

function firstState(
  { counts }: Reading,
  { parameters, rules }: AnalysisContext<CoxPooledParameters>,
): Outcome<State, Released> {
  const { covariates, grid, zph } = parameters
  const size = namesOf(parameters).length
  const byModel = countsLayout(covariates).counts.length
  const refused = checkModelCounts(counts.slice(0, byModel), { rules, parameters: size, bothOutcomes: false })
  if (refused !== undefined) return refused
  const length = grid.intervals
  const series = Array.from({ length: (counts.length - byModel) / length }, (_, at) =>
    counts.slice(byModel + at * length, byModel + (at + 1) * length),
  )
  const [events = [], censored = []] = series
  if (total(events) + total(censored) !== counts[0] || total(events) !== counts[2]) return implausible()
  const ends = endsOf(series, size, rules)
  if (ends === undefined) return suppressed('small-cell', 'no intervals, however wide, are those of enough patients')
  const merged = (counts: readonly number[]): readonly number[] =>
    ends.map((end, at) => total(counts.slice(ends[at - 1] ?? 0, end)))
  const start = startAt(size)
  const state = { ...start, ends: [...ends], centre: start.beta, scale: start.beta.map(() => 1) }
  if (zph === undefined) return { kind: 'state', state }
  const times = ends.map((end) => gridPoint(grid, end))
  const g = {
    identity: () => times,
    log: () => times.map(logarithm),
    km: () => deadBefore(merged(events), merged(togetherOf([events, censored]))),
  }
  return { kind: 'state', state: { ...state, g: [...g[zph]()] } }
}

function nextOutcome(
  opened: Reading,
  { parameters, rules, survivors }: AnalysisContext<CoxPooledParameters>,
  state: State,
): Outcome<State, Released> {
  const { ends, g, iteration } = state
  const size = namesOf(parameters).length
  const [n = 0, , happened = 0, outOfReach = 0, ...series] = opened.counts
  const events = series.slice(0, ends.length)
  const leaving = togetherOf([events, series.slice(ends.length)])
  const refused = checkModelCounts(opened.counts.slice(0, MODEL_COUNTS.length), {
    rules,
    parameters: size,
    bothOutcomes: false,
  })
  if (refused !== undefined) return refused
  if (total(leaving) !== n || total(events) !== happened) return implausible()
  if (events.some((count) => count < rules.minimumCell) || leaving.some((count) => count < rowsNeeded(size))) {
    return suppressed('small-cell', 'too few patients leave in an interval')
  }
  const ofEvents = (g === undefined ? 1 : 2) * size
  if (iteration === 0 && someValueIsSmall(n, opened.sums.slice(ofEvents), size, rules)) return smallValue()
  const sets = outOfReach > 0 ? undefined : riskSets(opened.sums.slice(ofEvents), size)
  const at = sets && { sets, events, observed: opened.sums.slice(0, ofEvents).map(sumToNumber) }
  const { logLikelihood, solution } = at === undefined ? WORST : evaluate(at, state)
  const progress = advance(state, logLikelihood, solution)
  if (progress.kind === 'suppressed') return progress
  if (progress.kind === 'state') {
    const shift = iteration === 0 && sets !== undefined ? standardised(sets) : {}
    return { kind: 'state', state: { ...state, ...progress.state, ...shift } }
  }
  const { coef, se, iterations } = progress
  const logLikelihoodNull = logLikelihoodAtZero(events, leaving)
  const zph = at === undefined || g === undefined ? {} : { zph: proportional(at, g, parameters.covariates) }
  return {
    kind: 'result',
    released: {
      ...modelCounts(opened, survivors),
      ...{ coef, se, logLikelihoodNull, logLikelihood, iterations, ends, ...zph },
    },
  }
}

export const coxPooled: Analysis<CoxPooledParameters, State, Released> = {
  name: 'cox-pooled',
  version: 1,
  method:
    'Cox proportional hazards regression with risk sets over all sites on a fixed grid of time, with Breslow’s method for ties, over complete rows',
  iterative: true,
  definition: [
    'parameters: time, event (0/1 column, or column is value), covariates (numeric, factors coded against a reference, interactions), grid of equal intervals, zph: identity | log | km (optional)',
    'first round: as cox version 1; interval by interval: events, censored (at the end of the grid also whoever is followed for longer), sites with any, rows that leave by level',
    'then intervals are merged, of 1, 2, 3, 4, 6, 8, 12, … intervals or to the end: in each enough events, enough rows that leave for the sums of eight evaluations, enough sites, and no small count of censored or of a level',
    'further rounds: contributors, rows, missing, events, sites out of reach; events and censored by merged interval; Σ z and with zph Σ g·z over events; by merged interval, over the rows that leave in it, the sums of r, r·z, r·z·z with r = exp(βz), z the covariates, standardised after the first evaluation',
    'state: iteration, coefficients, best point so far with its log partial likelihood (Breslow), ends of merged intervals, mean and standard deviation of each covariate, with zph g of each merged interval',
    'released: as cox version 1, and the ends of merged intervals',
  ],
  parameters: parametersSchema,
  state: stateSchema,
  released: releasedSchema,
  columns: ({ time, event, covariates }) => [time, event, ...singles(covariates)],
  intervals: ({ grid }) => grid.intervals,
  complete: (written, levelsOf) =>
    completeFields(written, { covariates: completeCovariates(levelsOf), event: completeEvent }),
  plan: (parameters, state) => planOf(layoutOf(parameters, state)),
  contribute,
  combine(sum, context, state) {
    const opened = openSum(layoutOf(context.parameters, state), sum, context)
    if (opened.kind !== 'reading') return opened
    return state === undefined ? firstState(opened, context) : nextOutcome(opened, context, state)
  },
  present(released, parameters) {
    const { grid } = parameters
    return presentHazards(released, parameters, {
      strata: 'none',
      grid,
      /** times were rounded up to these */
      released_grid: released.ends.map((end) => gridPoint(grid, end)),
      merged: released.ends.some((end, at) => end !== at + 1),
    })
  },
}
