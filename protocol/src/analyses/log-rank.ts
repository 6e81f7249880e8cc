/**
 * `log-rank`: survival of groups compared within sites and, if asked, within sites by a factor. Each site compares its own patients,
 * on times as they are; the terms of the test are summed, never a curve. Implements docs/spec/analyses/log-rank.md.
 */
import { z } from 'zod'
import { checkCells, checkSites, implausible, subsetAllowed } from '../privacy/disclosure.js'
import { pairsOf, symmetric } from './algebra.js'
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
  type Factor,
  factorSchema,
  levelsOfFactor,
  numbersOf,
} from './columns.js'
import { levelsFrom, presence, singular } from './design.js'
import { chiSquareTail } from './distributions.js'
import { add, type Sums, zeroSums } from './double-double.js'
import { type Layout, openSum, planOf, sumToNumber, vectorOf, zeroVector } from './layout.js'
import { type RankTerms, rankTerms, rankTest } from './rank-test.js'
import type { Followed } from './survival-curves.js'

const parametersSchema = z
  .strictObject({
    time: columnSchema,
    event: eventSchema,
    by: factorSchema,
    within: factorSchema.optional(),
    strata: z.literal('site'),
  })
  .refine(
    ({ time, event, by, within }) => new Set([time, columnOf(event), by.column, within?.column]).size === 4,
    'time, event, by and within are different columns',
  )
export type LogRankParameters = z.infer<typeof parametersSchema>

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  informative: z.int().min(0),
  missing: z.int().min(0),
  /** by group */
  sizes: z.array(z.int().min(0)),
  observed: z.array(z.int().min(0)),
  expected: z.array(z.number()),
  chisq: z.number(),
  df: z.int().min(1),
})
type Released = z.infer<typeof releasedSchema>

const labelsOf = (factor: Factor): readonly string[] => {
  const column = 'is' in factor ? `(${factor.column}=${factor.is})` : factor.column
  return levelsOfFactor(factor).map((level) => `${column}=${level}`)
}

function layoutOf({ by, within }: LogRankParameters): Layout {
  const groups = labelsOf(by)
  const inner = within === undefined ? [] : labelsOf(within)
  return {
    counts: [
      'missing',
      'sites with a stratum that tells',
      ...groups.map((group) => `${group}, events`),
      ...groups.map((group) => `${group}, censored`),
      ...inner,
      ...[...groups, ...inner].map((level) => `sites with ${level}`),
    ],
    sums: [
      ...groups.map((group) => `expected events, ${group}`),
      ...pairsOf(groups.length).map(([i, j]) => `covariance ${groups[i]} × ${groups[j]}`),
    ],
  }
}

/** One patient of one stratum. */
interface Patient {
  readonly time: number
  readonly event: boolean
  readonly group: number
}

/** Events and censored of each group over the distinct times of a stratum. */
function followedOf(stratum: readonly Patient[], groups: number): readonly Followed[] {
  const times = [...new Set(stratum.map(({ time }) => time))].sort((a, b) => a - b)
  const at = new Map(times.map((time, index) => [time, index]))
  const zeros = () => new Array<number>(times.length).fill(0)
  const followed = Array.from({ length: groups }, () => ({ events: zeros(), censored: zeros() }))
  for (const { time, event, group } of stratum) {
    const { events, censored } = followed[group] as (typeof followed)[number]
    const series = event ? events : censored
    const index = at.get(time) as number
    series[index] = (series[index] as number) + 1
  }
  return followed
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)

/** A stratum adds to the test only where groups are at risk together. */
const tells = ({ variance }: RankTerms): boolean => variance.some((row, i) => (row[i] as number) > 0)

function sumsOf(strata: readonly RankTerms[], groups: number): Sums {
  const pairs = pairsOf(groups)
  const sums = zeroSums(groups + pairs.length)
  for (const { expected, variance } of strata) {
    for (const [i, value] of expected.entries()) add(sums, i, value)
    for (const [at, [i, j]] of pairs.entries()) add(sums, groups + at, variance[i]?.[j] as number)
  }
  return sums
}

function contribute(rows: Rows, parameters: LogRankParameters): Float64Array {
  const { time, event, by, within } = parameters
  const layout = layoutOf(parameters)
  const times = numbersOf(rows, time)
  const events = eventsOf(rows, event)
  const codes = codesOf(rows, by)
  const inner = within === undefined ? new Int32Array(rows.count) : codesOf(rows, within)
  const groups = levelsOfFactor(by).length
  const depth = within === undefined ? 1 : levelsOfFactor(within).length
  const strata = Array.from({ length: depth }, (): Patient[] => [])
  for (let row = 0; row < rows.count; row++) {
    const patient = { time: times[row] as number, event: events[row] === 1, group: codes[row] as number }
    if (Number.isNaN(patient.time) || Number.isNaN(events[row]) || patient.group < 0) continue
    strata[inner[row] as number]?.push(patient)
  }
  const sizes = strata.map((stratum) => stratum.length)
  const used = total(sizes)
  if (!subsetAllowed(used, within === undefined ? [groups] : [groups, depth])) return zeroVector(layout)
  const followed = strata.map((stratum) => followedOf(stratum, groups))
  const count = (what: keyof Followed): number[] =>
    Array.from({ length: groups }, (_, group) => total(followed.map((one) => total(one[group]?.[what] ?? []))))
  const [died, censored] = [count('events'), count('censored')]
  const terms = followed.map(rankTerms)
  const byWithin = within === undefined ? [] : sizes
  const present = [...presence(died.map((one, group) => one + (censored[group] as number))), ...presence(byWithin)]
  const counts = [rows.count - used, terms.some(tells) ? 1 : 0, ...died, ...censored, ...byWithin, ...present]
  return vectorOf(layout, counts, sumsOf(terms, groups))
}

export const logRank: Analysis<LogRankParameters, never, Released> = {
  name: 'log-rank',
  version: 1,
  method: 'the log-rank test stratified by site',
  iterative: false,
  definition: [
    'parameters: time (numeric), event (0/1 column, or column is value), by (a factor), within (a factor, optional), strata: site',
    'round: contributors, missing, sites with a stratum in which groups are at risk together at an event; events and censored by group, rows by level of within, sites with each group and level; sums over strata of the expected events of each group and of the hypergeometric covariances',
    'released: missing, informative sites, rows, events and expected events by group, χ² of the log-rank test, its degrees of freedom; refused: small cells of group by event, small levels, groups, levels or informative strata at few sites, no test',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: ({ time, event, by, within }) => [time, event, by, ...(within === undefined ? [] : [within])],
  complete: (written, levelsOf) =>
    completeFields(written, {
      event: completeEvent,
      by: (by) => completeFactor(by, levelsOf),
      within: (within) => (within === undefined ? undefined : completeFactor(within, levelsOf)),
      strata: (strata) => strata ?? 'site',
    }),
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine(sum, context) {
    const { parameters, rules, survivors } = context
    const opened = openSum(layoutOf(parameters), sum, context)
    if (opened.kind !== 'reading') return opened
    const groups = levelsOfFactor(parameters.by).length
    const [missing = 0, informative = 0, ...rest] = opened.counts
    const observed = rest.slice(0, groups)
    const censored = rest.slice(groups, 2 * groups)
    const depth = (rest.length - 3 * groups) / 2
    const inner = rest.slice(2 * groups, 2 * groups + depth)
    const sizes = observed.map((died, group) => died + (censored[group] as number))
    const n = total(sizes)
    if (inner.length > 0 && total(inner) !== n) return implausible()
    const refused =
      checkCells([...observed, ...censored, ...inner], rules) ??
      // what others add is zero: the test would be that of the sites that have groups at risk together
      checkSites(
        [{ rows: n, sites: informative }, ...levelsFrom([...sizes, ...inner], rest.slice(2 * groups + depth))],
        rules,
      )
    if (refused !== undefined) return refused
    const values = opened.sums.map(sumToNumber)
    const expected = values.slice(0, groups)
    const { chisq, df } = rankTest({ observed, expected, variance: symmetric(groups, values.slice(groups)) })
    if (chisq === null || !Number.isFinite(chisq)) return singular()
    return {
      kind: 'result',
      released: {
        contributors: opened.contributors,
        leftOut: survivors - opened.contributors,
        ...{ informative, missing, sizes, observed, expected, chisq, df },
      },
    }
  },
  present({ contributors, leftOut, informative, missing, sizes, observed, expected, chisq, df }, parameters) {
    const { time, event, by, within } = parameters
    return {
      names: labelsOf(by),
      size: sizes,
      observed,
      expected,
      chisq,
      df,
      p: chiSquareTail(chisq, df),
      n: total(sizes),
      events: total(observed),
      missing,
      time,
      event,
      by,
      ...(within === undefined ? {} : { within }),
      strata: 'site',
      contributors,
      sites_informative: informative,
      sites_left_out: leftOut,
    }
  },
}
