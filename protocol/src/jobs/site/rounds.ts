/**
 * A site's answer to one round: checked, computed, masked, submitted once. Implements docs/spec/secure-aggregation.md,
 * "What a site checks".
 */
import type { Hex } from '../../crypto/hash.js'
import { decode } from '../../encoding/canonical.js'
import { openSigned, payloadHash, type Signed, signObject } from '../../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../../encoding/verdict.js'
import { beyond, namedSets } from '../../history.js'
import { activeMember, successionOf } from '../../identity/roster.js'
import { MAX_CHECKPOINT_AGE_MS, MAX_CLOCK_SKEW_MS, MAX_SETS_PER_HELLO } from '../../limits.js'
import { withEntry } from '../../machine.js'
import type { ContributeOutcome } from '../../ports.js'
import { commitResult } from '../../secagg/commitment.js'
import { profileOf } from '../../secagg/committee.js'
import type { ComputeAnswer } from '../../secagg/compute.js'
import { openState } from '../../secagg/member/collecting.js'
import { OPENED, SPECIFICATION, type Specification, SUBMISSION, WITHDRAWAL } from '../../secagg/messages.js'
import {
  checkSpecification,
  knowsCohort,
  openByCommittee,
  openPrekeys,
  openQuorumSpecification,
} from '../../secagg/specification.js'
import { greetings } from '../../secagg/voice.js'
import type { WireOf } from '../../wire.js'
import { guardKey } from '../check.js'
import { DECISION, givesConsent } from '../messages.js'
import { decidePolicy } from './deciding.js'
import { askMembers } from './resolving.js'
import {
  attemptOf,
  audit,
  isOpen,
  needed,
  presentMembers,
  progress,
  RESTORED,
  type SiteRound,
  send,
  setStatus,
  type Turn,
  voice,
} from './state.js'

export function onRound(turn: Turn, from: Hex, message: WireOf<'round'>): Verdict {
  const { body, hash } = openQuorumSpecification(message.specification, turn.seats)
  const name = `${body.round}.${body.attempt}`
  const known = turn.state.rounds.get(name)
  if (known !== undefined) return onKnownRound(turn, from, name, known, hash)
  const { status, code, message: why } = turn.state.status
  if (turn.state.settled || (!isOpen(turn) && status !== 'failed')) return ignore('closed')
  if (voice(turn) === 'waiting') return later('not-greeted')
  if (voice(turn) === 'restored') return withdrawRestored(turn, name, message.specification, body)
  if (turn.state.decision === undefined || openSigned(turn.state.decision, DECISION).body.decision !== 'approve')
    return ignore('not-approved')
  const state = readState(turn, message, body)
  const objection = state instanceof Uint8Array || state === null ? judge(turn, body, state) : state
  if (objection !== undefined) return objection
  const round: SiteRound = {
    roundId: hash,
    status: 'preparing',
    state: state as Uint8Array | null,
    resolved: false,
  }
  keepSpecification(turn, name, message.specification)
  if (status === 'failed') return withdraw(turn, name, round, code, why) // it could not before, and nobody should wait for it
  // rows or policy may have changed since the approval
  const policy = decidePolicy(turn.job, turn.jobId, turn.context)
  if (policy.decision === 'refuse') return withdraw(turn, name, round, 'policy', policy.message)
  turn.state = { ...turn.state, rounds: withEntry(turn.state.rounds, name, round) }
  setStatus(turn, 'preparing', '', `round ${body.round}`)
  contribute(turn, name, round)
  return accept
}

const MAY_HAVE_ANSWERED = 'this site was restored from a backup and may have answered before'

/** What it may have said is not known, and nobody should wait for it. */
function withdrawRestored(turn: Turn, name: string, specification: Signed, body: Specification): Verdict {
  if (!body.cohort.some((one) => one.site === turn.context.self)) return ignore('not-in-cohort')
  const round: SiteRound = {
    roundId: payloadHash(specification),
    status: 'preparing',
    state: null,
    resolved: false,
  }
  keepSpecification(turn, name, specification)
  return withdraw(turn, name, round, RESTORED, MAY_HAVE_ANSWERED)
}

/** What was begun before this node knew which life it leads. */
export function onGreeted(turn: Turn): void {
  const begun = [...turn.state.rounds].filter(([, one]) => one.status === 'preparing' && !one.resolved)
  const now = voice(turn)
  if (now === 'restored') {
    for (const [name, round] of begun) withdraw(turn, name, round, RESTORED, MAY_HAVE_ANSWERED)
    sitOut(turn)
  } else if (now === 'free' && isOpen(turn) && greetings(turn.seats, turn.context) === needed(turn)) {
    // the greeting that was missing
    for (const [name, round] of begun) contribute(turn, name, round)
  }
}

/** Nothing new is said in this job; how it ended, or will end, is still to be learnt. */
function sitOut(turn: Turn): void {
  const { status, settled } = turn.state
  if (settled) return
  if (status.status === 'announced' || status.status === 'waiting' || status.status === 'approved')
    setStatus(turn, 'failed', RESTORED, MAY_HAVE_ANSWERED)
  else if (status.status === 'expired') setStatus(turn, 'expired', RESTORED, MAY_HAVE_ANSWERED)
  askMembers(turn)
}

function keepSpecification(turn: Turn, name: string, specification: Signed): void {
  turn.state = { ...turn.state, specifications: withEntry(turn.state.specifications, name, specification) }
}

/** Whoever says it again lacks the answer. */
function onKnownRound(turn: Turn, from: Hex, name: string, known: SiteRound, hash: Hex): Verdict {
  if (known.roundId !== hash) {
    audit(turn, 'evidence', { kind: 'second-specification', first: known.roundId, second: hash })
    return reject('second-specification', 'this site already answered another specification of this attempt')
  }
  const sent = turn.state.sent.get(`${name}/${from}`)
  if (sent !== undefined) send(turn, `answer/${name}`, from, sent)
  return accept
}

/** The state a later round starts from, verified against what a quorum opened; null in round 1; a verdict if something is off. */
function readState(turn: Turn, message: WireOf<'round'>, specification: Specification): Uint8Array | null | Verdict {
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
  return found.state
}

/** What a site checks before it answers; undefined if nothing is against it. */
function judge(turn: Turn, specification: Specification, state: Uint8Array | null): Verdict | undefined {
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

export function contribute(turn: Turn, name: string, round: SiteRound): void {
  const { job } = turn
  const version = openSigned(turn.state.decision as Signed, DECISION).body.datasetVersion
  turn.effects.push({
    type: 'contribute',
    tag: name,
    request: {
      job: turn.jobId,
      analysis: job.analysis.name,
      analysisVersion: job.analysis.version,
      parameters: job.parameters,
      state: round.state === null ? undefined : decode(round.state),
      dataset: job.dataset,
      datasetVersion: version ?? '',
      where: job.where,
    },
  })
}

export function onContributed(turn: Turn, name: string, outcome: ContributeOutcome): Verdict {
  const round = turn.state.rounds.get(name)
  if (round?.status !== 'preparing' || round.resolved) return ignore('past')
  if (!outcome.ok) return withdraw(turn, name, round, outcome.code, outcome.message)
  const { body } = openSigned(turn.state.specifications.get(name) as Signed, SPECIFICATION)
  const self = turn.context.roster.members.get(turn.context.self)
  const prekeys = openPrekeys(body, turn.committee)
  turn.effects.push({
    type: 'compute',
    tag: name,
    task: {
      kind: 'prepare',
      input: {
        specification: body,
        roundId: round.roundId,
        prekeys,
        site: turn.context.self,
        enrolment: self?.index ?? 0,
        values: outcome.values,
        randomness: turn.context.random(32 * (prekeys.length + 1)),
      },
    },
  })
  return accept
}

export function onComputed(turn: Turn, name: string, answer: ComputeAnswer): Verdict {
  const round = turn.state.rounds.get(name)
  if (round?.status !== 'preparing' || round.resolved) return ignore('past')
  // it was begun before this node knew which life it leads
  if (voice(turn) !== 'free') return ignore('restored-from-backup')
  if (answer.kind !== 'prepared')
    return withdraw(
      turn,
      name,
      round,
      answer.kind === 'failed' ? answer.code : 'internal',
      'the vector could not be encoded',
    )
  const submission = signObject(SUBMISSION.kind, SUBMISSION.version, answer.submission.body, turn.context.signer)
  const at = attemptOf(name)
  let sent = turn.state.sent
  for (const parcel of answer.submission.parcels) {
    const member = turn.committee.members[parcel.seat] as Hex
    const message = {
      type: 'submit' as const,
      job: turn.jobId,
      ...at,
      submission,
      envelope: parcel.envelope,
      slices: [...parcel.slices],
    }
    sent = withEntry(sent, `${name}/${member}`, message)
    send(turn, `answer/${name}`, member, message)
  }
  turn.state = { ...turn.state, sent, rounds: withEntry(turn.state.rounds, name, { ...round, status: 'submitted' }) }
  setStatus(turn, 'submitted', '', `round ${at.round}`)
  audit(turn, 'submitted', { ...at, roundId: round.roundId })
  progress(turn, at, 'submitted')
  return accept
}

function withdraw(turn: Turn, name: string, round: SiteRound, code: string, message: string): Verdict {
  const at = attemptOf(name)
  const signed = signObject(
    WITHDRAWAL.kind,
    WITHDRAWAL.version,
    { job: turn.jobId, ...at, site: turn.context.self, code },
    turn.context.signer,
  )
  turn.state = { ...turn.state, rounds: withEntry(turn.state.rounds, name, { ...round, status: 'withdrawn' }) }
  for (const key of presentMembers(turn)) {
    turn.state = {
      ...turn.state,
      sent: withEntry(turn.state.sent, `${name}/${key}`, { type: 'withdrawal', withdrawal: signed }),
    }
    send(turn, `answer/${name}`, key, { type: 'withdrawal', withdrawal: signed })
  }
  setStatus(turn, 'failed', code, message)
  audit(turn, 'withdrew', { ...at, code })
  progress(turn, at, 'failed')
  return accept
}
