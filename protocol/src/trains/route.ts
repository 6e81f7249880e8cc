/**
 * The route of a job: the stations that its state visits, in order, and what becomes of one that cannot be reached.
 * Implements docs/spec/trains.md, "The job". A job with a route has no rounds and nothing to do for its committee's members.
 */
import { z } from 'zod'
import type { Hex } from '../crypto/hash.js'
import { hexSchema } from '../encoding/signed.js'
import type { Job } from '../jobs/job.js'
import { MAX_STATIONS, MIN_COHORT_FLOOR } from '../limits.js'

export const routeSchema = z.strictObject({
  /** public keys of sites, in the order in which they are visited */
  stations: z.array(hexSchema).min(MIN_COHORT_FLOOR).max(MAX_STATIONS),
  /** what becomes of a station that does not take the state */
  unreachable: z.enum(['skip', 'wait']),
  /** a station that has not taken the state for so long is unreachable (milliseconds) */
  hopWithinMs: z.int().min(100),
})
export type Route = z.infer<typeof routeSchema>

/** More than half of the stations: two sets of so many have one in common. */
export const majorityOf = ({ stations }: Route): number => Math.floor(stations.length / 2) + 1

export interface RouteProblem {
  readonly code: string
  readonly message: string
}

/** What is wrong with a job's route, beside what is checked of any job; undefined if nothing is. */
export function routeProblem(job: Job, iterative: boolean): RouteProblem | undefined {
  const { route, cohort, image } = job
  if (route === null) return undefined
  const sorted: readonly Hex[] = [...route.stations].sort()
  if (sorted.length !== cohort.sites.length || !sorted.every((key, at) => key === cohort.sites[at]))
    return { code: 'route', message: 'the stations of the route are not the sites of the cohort, each once' }
  if (image !== null)
    return {
      code: 'image-on-route',
      message: 'no image travels: each station would read the vector of one site as it is',
    }
  if (iterative)
    return { code: 'iterative-on-route', message: `${job.analysis.name} takes several rounds: a route has one` }
  if (cohort.minimum < majorityOf(route))
    return {
      code: 'minimum-cohort',
      message: `a route of ${sorted.length} stations needs ${majorityOf(route)} of them`,
    }
  return undefined
}
