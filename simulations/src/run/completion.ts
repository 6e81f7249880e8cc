/**
 * Completion against dropout: the scenario's first job in many small federations, each with its own seed, for every
 * probability of the sweep. The oracle beside it is the binomial's (oracle.ts).
 */
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { defaultMinimum } from '@flamesh/protocol/jobs/document.js'
import { csv } from '@flamesh/protocol/report/csv.js'
import { profileOf } from '@flamesh/protocol/secagg/committee.js'
import { siteNames } from '../scenarios/names.js'
import type { Scenario } from '../scenarios/schema.js'
import { execute, type Watcher } from './execute.js'
import { expectedCompletion } from './oracle.js'

export interface CompletionPoint {
  readonly dropout: number
  readonly runs: number
  readonly completed: number
  readonly expected: number | undefined
}

export async function completionCurve(
  scenario: Scenario,
  file: string,
  watcher: Watcher,
): Promise<readonly CompletionPoint[]> {
  const { sweep } = scenario
  if (sweep === undefined) return []
  const points: CompletionPoint[] = []
  const total = sweep.dropout.length * sweep.runs
  for (const [place, probability] of sweep.dropout.entries()) {
    let [runs, completed] = [0, 0]
    for (; runs < sweep.runs && !watcher.interrupted(); runs++) {
      const one = oneRun(scenario, probability, place * sweep.runs + runs)
      const note = `run ${place * sweep.runs + runs + 1} of ${total}`
      const share = (place * sweep.runs + runs) / total
      const progress: Watcher['progress'] = (standing) => watcher.progress({ ...standing, note, share })
      const { outcomes } = await execute(one, file, { ...watcher, progress })
      if (watcher.interrupted()) break
      if (outcomes[0]?.status === 'released') completed++
    }
    points.push({ dropout: probability, runs, completed, expected: expected(scenario, probability) })
  }
  return points
}

/** Only the dropout of the sweep is at work: no events, no churn. */
function oneRun(scenario: Scenario, probability: number, index: number): Scenario {
  const { every: _, perHour: __, count: ___, ...job } = scenario.jobs[0] as Scenario['jobs'][number]
  return {
    ...scenario,
    // far apart, so that the runs of one seed are not those of the next
    seed: (scenario.seed * 1_000_003 + index + 1) % 2 ** 32,
    jobs: [{ ...job, at: 0 } as Scenario['jobs'][number]],
    events: [],
    availability: undefined,
    duration: undefined,
    dropout: { ...scenario.dropout, probability },
  }
}

/**
 * A site is needed until its update is with the committee: the phases `decide` and `submit`. Members that vanish take the
 * committee's quorum with them, which the binomial does not say: there is no oracle then, nor for several rounds.
 */
function expected(scenario: Scenario, dropout: number): number | undefined {
  const [job] = scenario.jobs
  const sites = siteNames(scenario).length
  const profile = profileOf(scenario.committee)
  if (job === undefined || profile === undefined || scenario.dropout.committee) return undefined
  if (findAnalysis(job.analysis)?.iterative !== false) return undefined
  const cohort = job['cohort'] as { readonly minimum?: number } | undefined
  const colluding = typeof job['maxColluding'] === 'number' ? job['maxColluding'] : 1
  const required = cohort?.minimum ?? defaultMinimum(colluding)
  const phases = scenario.dropout.phases.filter((phase) => phase !== 'open').length
  return expectedCompletion({ sites, required, phases, dropout, certain: scenario.committee })
}

export function completionTable(points: readonly CompletionPoint[]): string {
  return csv(
    ['dropout', 'runs', 'completed', 'expected'],
    points.map((one) => [one.dropout, one.runs, one.completed, one.expected?.toFixed(6)]),
  )
}
