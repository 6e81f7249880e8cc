/**
 * A round that a site answered and never learnt the outcome of: it asks the members, and takes q members' standings for an
 * answer. A site that was put back to a backup does not know what it answered, and asks about all rounds. Implements
 * docs/spec/secure-aggregation.md, "Rounds without an outcome".
 */
import type { Hex } from '../../crypto/hash.js'
import { accept, ignore, later, reject, type Verdict } from '../../encoding/verdict.js'
import { ASK_AGAIN_MS, ASK_UNTIL_MS } from '../../limits.js'
import { withEntry } from '../../machine.js'
import { type Profile, profileOf } from '../../secagg/committee.js'
import { proofOfStanding } from '../../secagg/set-proof.js'
import { checkStanding, comparePlaces, type Place, resolve } from '../../secagg/standing.js'
import type { SetProof, WireOf } from '../../wire.js'
import { guardKey } from '../check.js'
import {
  attemptOf,
  audit,
  endedUntold,
  isOpen,
  markResolved,
  presentMembers,
  RESTORED,
  type SiteState,
  setStatus,
  type Turn,
} from './state.js'

/** Whoever connects is asked again; so a try is worth no more than this (milliseconds). */
const ASK_MS = 60_000

/** Rounds of a job that is over here, without an outcome. */
function unresolvedRounds(state: SiteState): readonly string[] {
  return endedUntold(state) ? [...state.rounds].flatMap(([name, one]) => (one.resolved ? [] : [name])) : []
}

/** Where what this site has to ask for begins; undefined if it lacks nothing. */
function asksFrom(state: SiteState): Place | undefined {
  if (state.status.code === RESTORED && !state.settled) return { round: 1, attempt: 0 }
  return unresolvedRounds(state).map(attemptOf).sort(comparePlaces)[0]
}

export const asks = (state: SiteState): boolean => asksFrom(state) !== undefined

export function ask(turn: Turn, whom: readonly Hex[]): void {
  const first = asksFrom(turn.state)
  if (first === undefined) return
  const { nowMs } = turn.context
  const untilMs = nowMs + ASK_MS
  if (nowMs < turn.job.notAfter + ASK_UNTIL_MS)
    turn.effects.push({ type: 'timer', name: 'ask', atMs: nowMs + ASK_AGAIN_MS })
  for (const to of whom) {
    const message = { type: 'behind' as const, job: turn.jobId, ...first }
    turn.effects.push({ type: 'send', id: `${turn.jobId}/behind/${to}`, to, message, untilMs })
  }
}

export const askMembers = (turn: Turn): void => ask(turn, presentMembers(turn))

export function onStanding(turn: Turn, message: WireOf<'standing'>): Verdict {
  if (isOpen(turn)) return later('not-closed')
  if (!endedUntold(turn.state)) return ignore('past')
  const { jobId, job, context } = turn
  const [signer, ...more] = checkStanding(message, jobId, job, context.roster).signers as [Hex]
  if (more.length > 0) return reject('signature', 'standings are passed on one by one')
  if (turn.state.standings.has(signer)) return ignore('known')
  turn.state = { ...turn.state, standings: withEntry(turn.state.standings, signer, message) }
  settle(turn)
  return accept
}

/** What q members' standings name counts as certified; apart from that these rounds had no outcome. */
function settle(turn: Turn): void {
  const { jobId, job, context, committee } = turn
  const proofs = new Map<readonly Hex[], SetProof | undefined>()
  const facts = [...turn.state.standings.values()].map((one) => {
    const checked = checkStanding(one, jobId, job, context.roster)
    if (checked.survivors !== undefined) proofs.set(checked.survivors, proofOfStanding(turn.state.job, one))
    return checked
  })
  const found = resolve(profileOf(committee.members.length) as Profile, facts)
  if (found === undefined) return
  for (const sites of found.sets) {
    const entry = {
      key: guardKey(job),
      dataset: job.dataset,
      sites,
      job: jobId,
      ownVersion: null,
      contributors: null,
      minCohort: job.cohort.minimum,
      proven: true,
    }
    turn.effects.push({ type: 'remember', entry, proof: proofs.get(sites) })
  }
  for (const name of unresolvedRounds(turn.state)) {
    if (comparePlaces(attemptOf(name), found.from) < 0) continue
    markResolved(turn, name)
    audit(turn, 'attempt-resolved', { ...attemptOf(name), sets: found.sets.length })
  }
  if (turn.state.status.code === RESTORED) setStatus(turn, 'expired', 'expired', 'the job ended without an outcome')
  turn.state = { ...turn.state, settled: true }
}
