/** When the jobs of a scenario are submitted. */
import { seededRandom } from '../kernel/random.js'
import { jobName } from '../scenarios/job-document.js'
import type { Scenario, ScenarioJob } from '../scenarios/schema.js'
import { exponential } from './distributions.js'

const HOUR_MS = 3_600_000

export interface Arrival {
  readonly atMs: number
  readonly name: string
  readonly job: ScenarioJob
}

/** In the order in which they come. */
export function arrivals({ jobs, seed }: Scenario): readonly Arrival[] {
  const all = jobs.flatMap((job, place) => {
    const random = seededRandom(seed, `arrivals/${place}`)
    let atMs = job.at
    return Array.from({ length: job.count ?? 1 }, (_, repeat) => {
      if (job.perHour !== undefined) atMs += Math.round(exponential(random, HOUR_MS / job.perHour))
      else if (repeat > 0) atMs += job.every ?? 0
      return { atMs, name: jobName(job, place, repeat), job }
    })
  })
  return all.sort((a, b) => a.atMs - b.atMs)
}
