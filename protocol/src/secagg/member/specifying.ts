/**
 * From approvals to a specification with a quorum of signatures. Implements docs/spec/secure-aggregation.md,
 * "Specification".
 */
import type { Hex } from '../../crypto/hash.js'
import { decode } from '../../encoding/canonical.js'
import { mergeSignatures, openSigned, payloadHash, type Signed, sign, signObject } from '../../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../../encoding/verdict.js'
import { namedSets } from '../../history.js'
import { activeMember, type Member, type Roster } from '../../identity/roster.js'
import { absentSeats, guardKey } from '../../jobs/check.js'
import { countedDecision, judgedBy } from '../../jobs/decisions.js'
import { DECISION } from '../../jobs/messages.js'
import { withEntry } from '../../machine.js'
import { proposerSeat } from '../consensus-messages.js'
import { PREKEY, SPECIFICATION, type Specification } from '../messages.js'
import {
  buildSpecification,
  type CohortEntry,
  checkSpecification,
  closingIsFresh,
  closingTime,
  knowsCohort,
  openByCommittee,
  type RoundBasis,
} from '../specification.js'
import { judgeMemory, learnConsents, namedConsents, ownHistory } from './memory.js'
import { maySign, voice } from './speaking.js'
import {
  accuse,
  audit,
  electorate,
  knowsState,
  sendToMembers,
  setTimer,
  stateOf,
  type Turn,
  update,
  updateAttempt,
} from './state.js'

/** Whether this member knows enough approvals and refusals to fix the cohort. */
export interface CohortView {
  /** every invited site has decided, or the time to do so is over */
  readonly ready: boolean
  readonly deadlineMs: number
}

export function cohortView(turn: Turn): CohortView {
  const { job, context } = turn
  const deadlineMs = job.notBefore + job.cohort.approveWithinMs
  const isInvited = invitation(turn)
  const { decisions } = turn.state
  const isDecided = (site: Member): boolean => decisions.has(site.key) || !isInvited(site)
  const ready = context.nowMs >= deadlineMs || sitesByName(context.roster).every(isDecided)
  return { ready, deadlineMs }
}

/** Sites in good standing that the job asks. */
function invitation({ job, context: { roster, nowMs } }: Turn): (site: Member) => boolean {
  const named = new Set(job.cohort.sites)
  return ({ key }) => (named.size === 0 || named.has(key)) && activeMember(roster, key, nowMs) !== undefined
}

/** A roster is never changed, and members look at it with every decision that comes in. */
const sorted = new WeakMap<Roster, readonly Member[]>()

function sitesByName(roster: Roster): readonly Member[] {
  let found = sorted.get(roster)
  if (found === undefined) {
    const sites = [...roster.members.values()].filter((one) => one.roles.includes('site'))
    found = sites.sort((a, b) => (a.name < b.name ? -1 : 1))
    sorted.set(roster, found)
  }
  return found
}

/** The first approval of each organisation, in the order of names. */
export function approvals(turn: Turn): readonly CohortEntry[] {
  const approved: CohortEntry[] = []
  const organisations = new Set<string>()
  for (const member of sitesByName(turn.context.roster).filter(invitation(turn))) {
    const signed = turn.state.decisions.get(member.key)
    if (signed === undefined || openSigned(signed, DECISION).body.decision !== 'approve') continue
    if (organisations.has(member.organisation)) continue
    organisations.add(member.organisation)
    approved.push({ site: member.key, decision: payloadHash(signed) })
  }
  return approved
}

/** Moves an attempt without a specification forward; sets `attempt.abandon` when it cannot have one. */
export function advanceSpecifying(turn: Turn): void {
  const { context } = turn
  if (turn.state.specification !== undefined || turn.state.attempt.abandon !== null) return
  if (context.nowMs >= turn.job.notAfter) return updateAttempt(turn, { readyAtMs: context.nowMs, abandon: 'expired' })
  if (turn.state.attempt.readyAtMs === null) {
    if (turn.state.progress.cohort === null) {
      const view = cohortView(turn)
      if (!view.ready) return setTimer(turn, 'cohort', view.deadlineMs)
      if (approvals(turn).length < turn.job.cohort.minimum)
        return updateAttempt(turn, { readyAtMs: context.nowMs, abandon: 'cohort-below-minimum' })
    }
    // until then sums of this question may be known to others than this committee
    if (!context.mayServe(turn.job.committee, turn.job.dataset)) return
    if (context.busy(guardKey(turn.job), turn.jobId))
      return setTimer(turn, 'busy', context.nowMs + context.timings.graceMs)
    updateAttempt(turn, { readyAtMs: context.nowMs })
  }
  const lateMs = (turn.state.attempt.readyAtMs as number) + context.timings.specificationMs
  if (context.nowMs >= lateMs) return updateAttempt(turn, { abandon: 'no-specification' })
  setTimer(turn, 'specify', lateMs)
  const mayPropose =
    maySign(turn) && turn.state.attempt.signed === null && proposerSeat(electorate(turn), 0) === turn.seat
  if (mayPropose && knowsState(turn)) propose(turn)
}

/** Seats without a key: those absent in this job, and those whose member is revoked or no longer valid. */
function emptySeats({ committee, job, context }: Turn): readonly number[] {
  const absent = absentSeats(job, committee, context.roster)
  return committee.members.flatMap((key, seat) =>
    absent.includes(seat) || activeMember(context.roster, key, context.nowMs) === undefined ? [seat] : [],
  )
}

function propose(turn: Turn): void {
  const { context, job, committee } = turn
  const cohort = turn.state.progress.cohort ?? approvals(turn)
  const absent = emptySeats(turn)
  const seats = committee.members.map((key, seat) =>
    absent.includes(seat) ? null : (pick(context.prekeys(committee.index, key), turn.jobId) ?? null),
  )
  // it would not be valid; keys of members that come back may still arrive
  if (seats.filter((one) => one === null).length > turn.profile.maxAbsent)
    return setTimer(turn, 'propose', context.nowMs + context.timings.graceMs)
  const pinned = turn.state.progress.pinned !== null
  const body = buildSpecification(basis(turn), {
    cohort,
    seats,
    closesAt: closingTime(job, pinned, context.nowMs),
    checkpoint: { size: context.log.size, root: context.log.root },
    history: namedSets(ownHistory(turn)),
    consents: namedConsents(turn),
  })
  const signed = signObject(SPECIFICATION.kind, SPECIFICATION.version, body, context.signer)
  audit(turn, 'specification-proposed', { roundId: payloadHash(signed), sites: cohort.length })
  bindKeys(turn, body)
  updateAttempt(turn, { signed: payloadHash(signed) })
  keepCandidate(turn, signed)
  learnConsents(turn, body, [])
  const named = new Set(cohort.map((one) => one.site))
  const approving = [...turn.state.decisions].flatMap(([site, decision]) => (named.has(site) ? [decision] : []))
  const decisions = [...new Set([...approving, ...turn.state.consents.values()])]
  sendToMembers(turn, 'specification', { type: 'specification', specification: signed, decisions })
}

/** Two jobs at once should not want the same key of a member: each starts looking elsewhere. */
function pick(prekeys: readonly Signed[], jobId: Hex): Signed | undefined {
  return prekeys[Number.parseInt(jobId.slice(0, 8), 16) % Math.max(1, prekeys.length)]
}

/** From here on this member's one-time key belongs to this attempt, unless it is another's; nobody's is offered again. */
export function bindKeys(turn: Turn, { committee }: Specification): void {
  const { context, state } = turn
  const own = committee.seats[turn.seat]
  const unspent = own && context.prekeys(committee.index, context.self).some((one) => sameHash(one, own))
  const key = own ? openSigned(own, PREKEY).body.key : undefined
  if (unspent && key !== undefined && !state.attempt.keys.includes(key))
    updateAttempt(turn, { keys: [...state.attempt.keys, key] })
  const prekeys = committee.seats.flatMap((one) => (one === null ? [] : [payloadHash(one)]))
  turn.effects.push({ type: 'spend-prekeys', prekeys })
}

const sameHash = (a: Signed, b: Signed): boolean => payloadHash(a) === payloadHash(b)

/** A specification from a member: new, or with more signatures. */
export function onSpecification(turn: Turn, signed: Signed, decisions: readonly Signed[] = []): Verdict {
  if (turn.state.specification !== undefined) return accept
  const { body, hash, signers } = openByCommittee(signed, SPECIFICATION, turn.seats)
  if (!signers.includes(proposerOfAttempt(turn))) return later('not-proposed')
  if (!knowsState(turn)) return later('state-unknown') // one that was away gets it with the round
  if (!knowsCohort(body, turn.context.roster)) return later('site-unknown')
  checkSpecification(body, basis(turn), turn.context.roster)
  const known = turn.state.candidates.get(hash)
  if (known === undefined && turn.state.candidates.size >= 4) return ignore('too-many-specifications')
  noteEquivocation(turn, hash, signers)
  learnDecisions(turn, body, decisions)
  learnConsents(turn, body, decisions)
  const merged = known === undefined ? signed : mergeSignatures(known, signed.signatures)
  keepCandidate(turn, merged)
  if (turn.state.specification !== undefined || turn.state.attempt.signed === hash) return accept
  return signIfValid(turn, body, hash, merged)
}

const proposerOfAttempt = (turn: Turn): Hex => turn.seats[proposerSeat(electorate(turn), 0)] as Hex

/** The proposer of an attempt signs one specification; two are evidence against it. */
function noteEquivocation(turn: Turn, hash: Hex, signers: readonly Hex[]): void {
  const proposer = proposerOfAttempt(turn)
  if (!signers.includes(proposer)) return
  for (const [other, candidate] of turn.state.candidates) {
    if (other !== hash && candidate.signatures.some((one) => one.signer === proposer)) {
      accuse(turn, 'second-specification', proposer, { first: other, second: hash })
    }
  }
}

/** The approvals that a specification names, from whoever proposed it: signed by the sites, so it does not matter who. */
function learnDecisions(turn: Turn, { cohort }: Specification, decisions: readonly Signed[]): void {
  const named = new Map(cohort.map((one) => [one.site, one.decision]))
  for (const signed of decisions) {
    const { body, hash } = openSigned(signed, DECISION)
    if (named.get(body.site) !== hash) continue
    if (countedDecision(signed, { id: turn.jobId, job: turn.job }, turn.context) === undefined) continue
    const known = turn.state.decisions.get(body.site)
    if (known !== undefined && payloadHash(known) === hash) continue
    if (known !== undefined) accuse(turn, 'second-decision', body.site)
    update(turn, { decisions: withEntry(turn.state.decisions, body.site, signed) })
  }
}

function signIfValid(turn: Turn, body: Specification, hash: Hex, merged: Signed): Verdict {
  if (turn.state.attempt.signed !== null) return ignore('signed-another-specification')
  if (!maySign(turn)) return voice(turn) === 'waiting' ? later('not-greeted') : ignore('restored-from-backup')
  const objection = judgeSpecification(turn, body)
  if (objection !== undefined) return objection
  const signature = sign(SPECIFICATION.kind, SPECIFICATION.version, merged.payload, turn.context.signer)
  const mine = mergeSignatures(merged, [signature])
  bindKeys(turn, body)
  updateAttempt(turn, { signed: hash })
  keepCandidate(turn, mine)
  sendToMembers(turn, 'specification', { type: 'specification', specification: mine, decisions: [] })
  return accept
}

/** What only this member can check: its own prekey, the absent seats, the approvals, the history, the times. */
function judgeSpecification(turn: Turn, body: Specification): Verdict | undefined {
  const { context, job, committee } = turn
  // told again by one that was away, or to one that was; or a clock is wrong
  if (!closingIsFresh(body, job, context.nowMs)) return ignore('times')
  const otherLog = judgedBy(() => context.checkSeen(body.checkpoint))
  if (otherLog !== undefined) return otherLog
  if (!context.mayServe(job.committee, job.dataset)) return later('handover-open')
  const absent = emptySeats(turn)
  for (const [seat, prekey] of body.committee.seats.entries()) {
    const member = committee.members[seat] as Hex
    if (prekey !== null && absent.includes(seat)) return ignore('seat-empty')
    if (
      seat === turn.seat &&
      (prekey === null || !context.prekeys(committee.index, member).some((one) => sameHash(one, prekey)))
    ) {
      return ignore('own-prekey')
    }
    if (prekey === null && !absent.includes(seat) && context.prekeys(committee.index, member).length > 0)
      return ignore('seat-not-absent')
  }
  const remembered = judgeMemory(turn, body, proposerOfAttempt(turn))
  if (remembered !== undefined) return remembered
  if (context.busy(guardKey(job), turn.jobId)) return later('key-busy')
  return judgeCohort(turn, body)
}

function judgeCohort(turn: Turn, body: Specification): Verdict | undefined {
  const fixed = turn.state.progress.cohort
  if (fixed !== null) {
    const same =
      fixed.length === body.cohort.length && fixed.every((one, at) => one.decision === body.cohort[at]?.decision)
    return same ? undefined : reject('cohort', 'the cohort changed after it was fixed')
  }
  const view = cohortView(turn)
  const { context, state } = turn
  for (const { site, decision } of body.cohort) {
    const known = state.decisions.get(site)
    const approves = known !== undefined && openSigned(known, DECISION).body.decision === 'approve'
    if (!approves || payloadHash(known) !== decision) return later('approval-unknown')
    if (activeMember(context.roster, site, context.nowMs) === undefined) return ignore('site-revoked')
  }
  // a proposer may not choose among those who approved in time
  const inTime = approvals(turn).filter(({ site }) => {
    const signed = state.decisions.get(site)
    return signed !== undefined && openSigned(signed, DECISION).body.decidedAt <= view.deadlineMs
  })
  const proposed = new Set(body.cohort.map((one) => one.site))
  if (!inTime.every((one) => proposed.has(one.site))) return later('cohort-incomplete')
  return view.ready ? undefined : later('cohort-open')
}

function keepCandidate(turn: Turn, signed: Signed): void {
  const hash = payloadHash(signed)
  const before = turn.state.candidates.get(hash)
  update(turn, { candidates: withEntry(turn.state.candidates, hash, signed) })
  if (signed.signatures.length < turn.profile.quorum) return
  bindKeys(turn, openSigned(signed, SPECIFICATION).body)
  update(turn, { specification: signed })
  updateAttempt(turn, { specifiedAtMs: turn.context.nowMs, abandon: null })
  audit(turn, 'specification-signed', { roundId: hash, signatures: signed.signatures.length })
  if (before === undefined || before.signatures.length < signed.signatures.length)
    sendToMembers(turn, 'specification', { type: 'specification', specification: signed, decisions: [] })
}

function basis(turn: Turn): RoundBasis {
  const { round, attempt, pinned, previous } = turn.state.progress
  const state = stateOf(turn)?.state
  return {
    jobId: turn.jobId,
    job: turn.job,
    committee: turn.committee,
    round,
    attempt,
    pinned,
    state: state && decode(state),
    stateCommitment: previous?.commitment ?? null,
  }
}
