/** What may be wrong with the route of a job. Implements docs/spec/trains.md, "The job". */
import type { Hex } from '../crypto/hash.js'
import type { Job } from '../jobs/job.js'
import { majorityOf } from './route.js'

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
