/**
 * The route of a job: the stations that its state visits, in order, and what becomes of one that cannot be reached.
 * Implements docs/spec/trains.md, "The job". A job with a route has no rounds and nothing to do for its committee's members.
 */
import { z } from 'zod'
import { hexSchema } from '../encoding/signed.js'
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
