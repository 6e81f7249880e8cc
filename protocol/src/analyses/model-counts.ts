/**
 * The counts of a model with events: opened alone in the first round, by level and event, and again with every evaluation
 * in short. Implements docs/spec/analyses.md, "Models".
 */
import { z } from 'zod'
import { checkCells, checkSites, implausible } from '../privacy/disclosure.js'
import type { DisclosureRules, Suppression } from './analysis.js'
import type { Covariate } from './columns.js'
import {
  type Cases,
  checkParameters,
  levelCounts,
  levelNames,
  levelsFrom,
  presence,
  separation,
  singular,
} from './design.js'
import type { Layout, Reading } from './layout.js'

export const modelCountsSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  /** complete cases */
  n: z.int().min(1),
  missing: z.int().min(0),
  events: z.int().min(1),
})

export const MODEL_COUNTS = ['rows', 'missing', 'events'] as const

/** Rows and sites of both outcomes and of every level, then events by level. */
export function countsLayout(covariates: readonly Covariate[]): Layout {
  const levels = levelNames(covariates)
  const sites = ['events', 'rows without event', ...levels].map((level) => `sites with ${level}`)
  return { counts: [...MODEL_COUNTS, ...levels, ...sites, ...levels.map((level) => `${level}, events`)], sums: [] }
}

export function countsOf(
  cases: Cases,
  covariates: readonly Covariate[],
  events: Float64Array,
  byLevel: boolean,
): readonly number[] {
  const happened = events.reduce((sum, event) => sum + event, 0)
  const short = [cases.count, cases.missing, happened]
  if (!byLevel) return short
  const levels = levelCounts(cases, covariates)
  return [
    ...short,
    ...levels,
    ...presence([happened, cases.count - happened, ...levels]),
    ...levelCounts(cases, covariates, events),
  ]
}

export function modelCounts({ contributors, counts }: Reading, survivors: number): z.infer<typeof modelCountsSchema> {
  const [n = 0, missing = 0, events = 0] = counts
  return { contributors, leftOut: survivors - contributors, n, missing, events }
}

export interface CountRules {
  readonly rules: DisclosureRules
  readonly parameters: number
  /** whether rows without the event carry the estimates as much as those with it */
  readonly bothOutcomes: boolean
}

/**
 * Holds `countsOf` of everyone against the gate: no small cell of level by outcome, no level or outcome at few sites,
 * enough of the rarer outcome for the parameters, and no level that makes an estimate infinite.
 */
export function checkModelCounts(
  counts: readonly number[],
  { rules, parameters, bothOutcomes }: CountRules,
): Suppression | undefined {
  const [n = 0, , events = 0, ...more] = counts
  const others = n - events
  const size = Math.max(0, (more.length - 2) / 3)
  const byLevel = more.slice(0, size)
  const sites = more.slice(size, 2 * size + 2)
  const withEvent = more.slice(2 * size + 2)
  const without = byLevel.map((count, at) => count - (withEvent[at] as number))
  if ([others, ...without].some((count) => count < 0)) return implausible()
  const refused =
    checkCells([events, others, ...withEvent, ...without], rules) ??
    (sites.length > 0 ? checkSites(levelsFrom([events, others, ...byLevel], sites), rules) : undefined)
  if (refused !== undefined) return refused
  if (byLevel.includes(0)) return singular()
  if (withEvent.includes(0) || (bothOutcomes && without.includes(0))) return separation()
  return checkParameters(parameters, bothOutcomes ? Math.min(events, others) : events)
}
