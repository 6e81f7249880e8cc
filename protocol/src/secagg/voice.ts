/**
 * Whether a node may sign anything new in a job, or may have said things in it that it does not remember. Implements
 * docs/spec/secure-aggregation.md, "Restored nodes".
 */
import type { Hex } from '../crypto/hash.js'
import type { Job, JobId } from '../jobs/job.js'
import { MAX_CLOCK_SKEW_MS } from '../limits.js'
import type { Context } from '../machine.js'

/** `waiting`: until as many members as are needed have said what they know; `restored`: never in this job. */
export type Voice = 'free' | 'waiting' | 'restored'

/** `seats` are those present in the job, `needed` how many of the others have to be heard since the start. */
export function voiceIn(
  jobId: JobId,
  job: Job,
  seats: readonly (Hex | null)[],
  context: Context,
  needed: number,
): Voice {
  if (context.forgotten(jobId, job.notBefore)) return 'restored'
  if (job.notBefore > context.startedAtMs + MAX_CLOCK_SKEW_MS) return 'free'
  return greetings(seats, context) >= needed ? 'free' : 'waiting'
}

export function greetings(seats: readonly (Hex | null)[], { self, greeted }: Context): number {
  return seats.filter((key) => key !== null && key !== self && greeted(key)).length
}
