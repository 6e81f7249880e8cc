/**
 * `survival`: Kaplan-Meier curves by group on a public time grid, with medians, restricted means and the log-rank test. One
 * round: events and censorings by interval and group. Implements docs/spec/analyses/survival.md. What is presented is computed
 * from the released counts alone, so no number says more than they do. A committee member sees the grid as it was asked for.
 */
import { z } from 'zod'
import { checkCells, checkSites, type Level, subsetAllowed, suppressed } from '../privacy/disclosure.js'
import { mergedIntervals } from '../privacy/intervals.js'
import type { Analysis, Rows } from './analysis.js'
import {
  codesOf,
  columnOf,
  columnSchema,
  completeEvent,
  completeFactor,
  completeFields,
  eventSchema,
  eventsOf,
  factorSchema,
  levelsOfFactor,
  numbersOf,
} from './columns.js'
import { numberOf, positiveSchema } from './decimals.js'
import { normalTail, Z_975 } from './distributions.js'
import { type Layout, openSum, planOf, vectorOf, zeroVector } from './layout.js'
import { logRank } from './rank-test.js'
import { kaplanMeier, median, type Point, type RestrictedMean, restrictedMean } from './survival-curves.js'
import { gridPoint, gridSchema, intervalsOf } from './time-grid.js'

const parametersSchema = z
  .strictObject({
    time: columnSchema,
    event: eventSchema,
    by: factorSchema.optional(),
    grid: gridSchema,
    /** of the restricted means; without it the last time of the released grid */
    horizon: positiveSchema.optional(),
  })
  .refine(
    ({ time, event, by }) => new Set([time, columnOf(event), by?.column]).size === 3,
    'time, event and by are different columns',
  )
  .refine(({ grid, horizon }) => horizon === undefined || numberOf(horizon) <= gridPoint(grid, grid.intervals), {
    path: ['horizon'],
    message: 'is after the end of the grid',
  })
export type SurvivalParameters = z.infer<typeof parametersSchema>

const countsSchema = z.array(z.int().min(0))
const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  missing: z.int().min(0),
  /** where the released intervals end, in intervals of the grid */
  ends: z.array(z.int().min(1)),
  /** in the order of the levels, by released interval */
  groups: z.array(z.strictObject({ events: countsSchema, censored: countsSchema })),
})
type Released = z.infer<typeof releasedSchema>

/** Levels as they are named; one group of everyone without `by`. */
const levelsOf = ({ by }: SurvivalParameters): readonly string[] => (by === undefined ? ['all'] : levelsOfFactor(by))

function labelsOf(parameters: SurvivalParameters): readonly string[] {
  const { by } = parameters
  if (by === undefined) return levelsOf(parameters)
  const column = 'is' in by ? `(${by.column}=${by.is})` : by.column
  return levelsOf(parameters).map((level) => `${column}=${level}`)
}

/** What is counted of a group in an interval, each as a series over the grid. */
const SERIES = ['events', 'censored', 'sites at risk'] as const

function layoutOf(parameters: SurvivalParameters): Layout {
  const { grid } = parameters
  const intervals = Array.from({ length: grid.intervals }, (_, at) => gridPoint(grid, at + 1))
  const counts = labelsOf(parameters).flatMap((label) =>
    SERIES.flatMap((what) => intervals.map((end) => `${what}, ${label}, to ${end}`)),
  )
  return { counts: ['missing', ...counts], sums: [] }
}

function contribute(rows: Rows, parameters: SurvivalParameters): Float64Array {
  const { time, event, by, grid } = parameters
  const layout = layoutOf(parameters)
  const times = numbersOf(rows, time)
  const events = eventsOf(rows, event)
  const codes = by === undefined ? new Int32Array(rows.count) : codesOf(rows, by)
  const length = grid.intervals
  const intervalOf = intervalsOf(grid)
  const groups = levelsOf(parameters).map(() => SERIES.map(() => new Float64Array(length)))
  let used = 0
  for (let row = 0; row < rows.count; row++) {
    const group = groups[codes[row] as number]
    if (group === undefined || Number.isNaN(events[row]) || !((times[row] as number) >= 0)) continue
    used++
    const at = intervalOf(times[row] as number)
    // whoever is followed for longer is censored at the end of the grid
    const series = group[at < length && events[row] === 1 ? 0 : 1] as Float64Array
    const last = Math.min(at, length - 1)
    series[last] = (series[last] as number) + 1
    const any = group[2] as Float64Array
    if (any[last] === 0) any.fill(1, 0, last + 1)
  }
  if (!subsetAllowed(used, by === undefined ? [] : [groups.length])) return zeroVector(layout)
  return vectorOf(layout, [rows.count - used, ...groups.flat().flatMap((series) => [...series])])
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)

/** A series over the grid as one over the released intervals. */
const mergedBy = (ends: readonly number[], series: readonly number[]): number[] =>
  ends.map((end, at) => total(series.slice(at === 0 ? 0 : ends[at - 1], end)))

export const survival: Analysis<SurvivalParameters, never, Released> = {
  name: 'survival',
  version: 1,
  method: 'Kaplan-Meier estimates on a fixed grid of time, and the log-rank test where there are groups',
  iterative: false,
  definition: [
    'parameters: time (numeric), event (0/1 column, or column is value), by (a factor, optional), grid of equal intervals, horizon (optional)',
    'round: contributors, missing; for each group, interval by interval: events, censored (at the end of the grid also whoever is followed for longer), sites with anyone at risk',
    'released: missing; ends of merged intervals, of 1, 2, 3, 4, 6, 8, 12, … intervals or to the end, of which none has a small count or begins at few sites, and for each group their events and censored',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: ({ time, event, by }) => [time, event, ...(by === undefined ? [] : [by])],
  intervals: ({ grid }) => grid.intervals,
  complete: (written, announced) =>
    completeFields(written, {
      event: completeEvent,
      by: (by) => (by === undefined ? undefined : completeFactor(by, announced)),
    }),
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine(sum, context) {
    const { parameters, rules, survivors } = context
    const opened = openSum(layoutOf(parameters), sum, context)
    if (opened.kind !== 'reading') return opened
    const { contributors, counts } = opened
    const length = parameters.grid.intervals
    const groups = levelsOf(parameters).map((_, group) => {
      const [events = [], censored = [], sites = []] = SERIES.map((_name, what) => {
        const from = 1 + (group * SERIES.length + what) * length
        return counts.slice(from, from + length)
      })
      let rows = total(events) + total(censored)
      const atRisk = events.map((died, at): Level => {
        const level = { rows, sites: sites[at] as number }
        rows -= died + (censored[at] as number)
        return level
      })
      return { events, censored, atRisk }
    })
    const at = (interval: number) => groups.flatMap(({ atRisk }) => atRisk[interval] ?? [])
    const refused =
      checkCells(
        groups.flatMap(({ events, censored }) => [total(events), total(censored)]),
        rules,
      ) ?? checkSites(at(0), rules)
    if (refused !== undefined) return refused
    const series = groups.flatMap(({ events, censored }) => [events, censored])
    const ends = mergedIntervals(series, length, (start) => checkSites(at(start), rules) === undefined, rules)
    if (ends === undefined) return suppressed('small-cell', 'nobody was followed')
    return {
      kind: 'result',
      released: {
        contributors,
        leftOut: survivors - contributors,
        missing: counts[0] as number,
        ends: [...ends],
        groups: groups.map(({ events, censored }) => ({
          events: mergedBy(ends, events),
          censored: mergedBy(ends, censored),
        })),
      },
    }
  },
  present,
}

function differences(means: readonly (RestrictedMean | undefined)[], levels: readonly string[]): readonly object[] {
  const [first] = means
  return means.slice(1).map((mean, at) => {
    const groups = { level: levels[at + 1], reference: levels[0] }
    if (mean === undefined || first === undefined) {
      return { ...groups, difference: null, se: null, lower: null, upper: null, z: null, p: null }
    }
    const difference = mean.rmst - first.rmst
    const se = Math.sqrt(mean.se * mean.se + first.se * first.se)
    const z = se > 0 ? difference / se : null
    const [lower, upper] = [difference - Z_975 * se, difference + Z_975 * se]
    return { ...groups, difference, se, lower, upper, z, p: z === null ? null : normalTail(z) }
  })
}

function present(
  { contributors, leftOut, missing, ends, groups }: Released,
  parameters: SurvivalParameters,
): Readonly<Record<string, unknown>> {
  const { grid, by } = parameters
  const times = ends.map((end) => gridPoint(grid, end))
  const levels = levelsOf(parameters)
  const labels = labelsOf(parameters)
  const horizon = parameters.horizon === undefined ? (times.at(-1) ?? 0) : numberOf(parameters.horizon)
  const curves = groups.map((group) => kaplanMeier(group, times))
  const points = curves.flatMap((curve, group) => curve.map((point) => ({ ...point, group })))
  const column = (of: (point: Point) => number | null): readonly (number | null)[] => points.map(of)
  const means = curves.map((curve) => restrictedMean(curve, horizon))
  const test = by === undefined ? undefined : logRank(groups)
  const sizes = groups.map(({ events, censored }) => total(events) + total(censored))
  return {
    names: points.map(({ group, time }) => `${labels[group]}, to ${time}`),
    time: column(({ time }) => time),
    n_risk: column(({ risk }) => risk),
    n_event: column(({ events }) => events),
    n_censor: column(({ censored }) => censored),
    surv: column(({ surv }) => surv),
    std_err: column(({ se }) => se),
    lower: column(({ lower }) => lower),
    upper: column(({ upper }) => upper),
    level: points.map(({ group }) => levels[group]),
    groups: Object.fromEntries(
      curves.map((curve, group): [string, object] => {
        const mean = means[group]
        const { median: middle, lower, upper } = median(curve)
        return [
          levels[group] as string,
          {
            n: sizes[group],
            events: total(groups[group]?.events ?? []),
            median: middle,
            median_lower: lower,
            median_upper: upper,
            rmst: mean?.rmst ?? null,
            rmst_se: mean?.se ?? null,
            rmst_lower: mean === undefined ? null : mean.rmst - Z_975 * mean.se,
            rmst_upper: mean === undefined ? null : mean.rmst + Z_975 * mean.se,
          },
        ]
      }),
    ),
    ...(test === undefined
      ? {}
      : { logrank: { level: levels, ...test }, rmst_differences: differences(means, levels) }),
    horizon,
    conf_type: 'log-log',
    n: total(sizes),
    events: total(groups.map(({ events }) => total(events))),
    missing,
    grid,
    /** ends of the intervals that could be shown; the counts are those of times rounded up to them */
    released_grid: times,
    merged: ends.some((end, at) => end !== at + 1),
    time_column: parameters.time,
    event: parameters.event,
    ...(by === undefined ? {} : { by }),
    contributors,
    sites_left_out: leftOut,
  }
}
