/** What a member's guard keeps of an attempt. Implements docs/spec/secure-aggregation.md, "The guard". */
import type { Hex } from '../../crypto/hash.js'
import type { SurvivorHistory } from '../../history.js'
import { guardKey } from '../../jobs/check.js'
import type { Turn } from './state.js'

/** For the guard, of every later job with the same question. */
export function rememberSet(turn: Turn, sites: readonly Hex[], contributors: number | null): void {
  turn.effects.push({ type: 'remember', entry: historyEntry(turn, sites, contributors) })
}

/** The same, of a set that may have been certified: until it is known. */
export function suspectSet(turn: Turn, sites: readonly Hex[]): void {
  turn.effects.push({ type: 'remember-tentative', entry: historyEntry(turn, sites, null) })
}

function historyEntry(turn: Turn, sites: readonly Hex[], contributors: number | null): SurvivorHistory {
  const minCohort = turn.job.cohort.minimum
  return { key: guardKey(turn.job), sites, job: turn.jobId, ownVersion: null, contributors, minCohort }
}
