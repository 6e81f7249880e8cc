/**
 * Whether a site answers a round: the state it starts from, the specification, the memory of the question. Implements
 * docs/spec/secure-aggregation.md, "What a site checks".
 */
import type { Hex } from '../../crypto/hash.js'
import { decode } from '../../encoding/canonical.js'
import { openSigned, payloadHash, type Signed } from '../../encoding/signed.js'
import { ignore, later, reject, type Verdict } from '../../encoding/verdict.js'
import { beyond, namedSets } from '../../history.js'
import { activeMember, successionOf } from '../../identity/roster.js'
import { MAX_CHECKPOINT_AGE_MS, MAX_CLOCK_SKEW_MS, MAX_SETS_PER_HELLO } from '../../limits.js'
import { commitResult } from '../../secagg/commitment.js'
import { profileOf } from '../../secagg/committee.js'
import type { RoundState } from '../../secagg/kept-state.js'
import { openState } from '../../secagg/member/collecting.js'
import { OPENED, type Specification } from '../../secagg/messages.js'
import { checkSpecification, knowsCohort, openByCommittee } from '../../secagg/specification.js'
import type { WireOf } from '../../wire.js'
import { guardKey } from '../check.js'
import { DECISION, givesConsent } from '../messages.js'
import { audit, presentMembers, send, type Turn } from './state.js'

/** The state a later round starts from, verified against what a quorum opened; null in round 1; a verdict if something is off. */
export function readState(
  turn: Turn,
  message: WireOf<'round'>,
  specification: Specification,
): RoundState | null | Verdict {
  if (specification.round === 1)
    return message.previous === null ? null : reject('state', 'a first round starts from nothing')
  if (message.previous === null || specification.state === null)
    return reject('state', 'a later round starts from a state')
  const { body, signers } = openByCommittee(message.previous.opened, OPENED, turn.seats)
  const quorum = profileOf(turn.seats.length)?.quorum ?? Number.POSITIVE_INFINITY
  const fits =
    body.job === turn.jobId &&
    body.round === specification.round - 1 &&
    body.outcome === 'state' &&
    body.commitment === specification.state
  if (!fits || signers.length < quorum) return reject('state', 'the state was not opened by a quorum')
  const found = openState(message.previous.box, turn.context.self, turn.context.sealingSecret, specification.state)
  if (found === undefined || commitResult(found.salt, found.state, body.roundId) !== specification.state)
    return reject('state', 'the state does not fit its commitment')
  return found
}

/** What a site checks before it answers; undefined if nothing is against it. */
export function judge(turn: Turn, specification: Specification, state: Uint8Array | null): Verdict | undefined {
  const { context, job } = turn
  if (successionOf(context.roster, job.committee, job.dataset) !== undefined) return ignore('committee-superseded')
  const decision = turn.state.decision as Signed
  if (!knowsCohort(specification, context.roster)) return later('site-unknown')
  checkSpecification(
    specification,
    {
      jobId: turn.jobId,
      job,
      committee: turn.committee,
      round: specification.round,
      attempt: specification.attempt,
      state: state === null ? undefined : decode(state),
      stateCommitment: specification.state,
      pinned: specification.pinned,
    },
    context.roster,
  )
  const mine = specification.cohort.find((one) => one.site === context.self)
  if (mine?.decision !== openSigned(decision, DECISION).hash) return ignore('not-in-cohort')
  if (specification.round > 1 && !specification.pinned?.includes(context.self))
    return reject('pinned', 'a later round must keep its survivor set')
  if (specification.minCohort < specification.maxColluding + 2)
    return reject('minimum-cohort', 'below what is safe against colluding sites')
  if (context.log.checkpointAgeMs > MAX_CHECKPOINT_AGE_MS) return later('checkpoint-stale')
  if (specification.closesAt + MAX_CLOCK_SKEW_MS < context.nowMs) return ignore('round-closed')
  const memory = judgeMemory(turn, specification)
  if (memory !== undefined) return memory
  if (context.busy(guardKey(job), turn.jobId)) return later('key-busy')
  const seats = specification.committee.seats.entries()
  for (const [seat, prekey] of seats) {
    const member = turn.committee.members[seat] as Hex
    if (prekey === null || activeMember(context.roster, member, context.nowMs) !== undefined) continue
    // whoever asks may not have heard of it
    audit(turn, 'round-unanswered', {
      round: specification.round,
      attempt: specification.attempt,
      code: 'seat-revoked',
    })
    return ignore('seat-revoked')
  }
  return undefined
}

/** Against forgetful members and forged consents: what this site knows of the question must be named, and nothing in its name. */
function judgeMemory(turn: Turn, specification: Specification): Verdict | undefined {
  const { context, job } = turn
  const key = guardKey(job)
  const claimed = specification.consents.find((one) => one.site === context.self)
  if (claimed !== undefined && !consentsOfOwn(turn).includes(claimed.decision)) return ignore('consent') // its key signed it, or a life of this site that it does not remember did
  const own = namedSets(context.history(key))
  const missing = beyond(own, specification.history)
  if (missing.length === 0) return undefined
  const sets = own.filter((one) => missing.includes(one.set)).slice(0, MAX_SETS_PER_HELLO)
  for (const member of presentMembers(turn))
    send(turn, 'offer', member, { type: 'history-offer', sets: sets.map((one) => ({ key, ...one })) })
  return ignore('shortened-history')
}

/** Hashes of the approvals in which this site consented for the job's question. */
function consentsOfOwn(turn: Turn): readonly Hex[] {
  const key = guardKey(turn.job)
  const { decision } = turn.state
  const given = decision !== undefined && givesConsent(decision, key) !== undefined ? [decision] : []
  return [...turn.context.ownConsents(key), ...given].map(payloadHash)
}
