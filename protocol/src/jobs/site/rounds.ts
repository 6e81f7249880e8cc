/**
 * A site's answer to one round: checked, computed, masked, submitted once. Implements docs/spec/secure-aggregation.md,
 * "What a site checks".
 */
import type { Hex } from '../../crypto/hash.js'
import { decode } from '../../encoding/canonical.js'
import { openSigned, payloadHash, type Signed, signObject } from '../../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../../encoding/verdict.js'
import { withEntry } from '../../machine.js'
import type { ContributeOutcome } from '../../ports.js'
import type { ComputeAnswer } from '../../secagg/compute.js'
import { keepState, openKept, type RoundState } from '../../secagg/kept-state.js'
import { SPECIFICATION, type Specification, SUBMISSION, WITHDRAWAL } from '../../secagg/messages.js'
import { openPrekeys, openQuorumSpecification } from '../../secagg/specification.js'
import { comparePlaces, type Place } from '../../secagg/standing.js'
import { roundShape } from '../../secagg/submission.js'
import { greetings } from '../../secagg/voice.js'
import type { WireOf } from '../../wire.js'
import { DECISION } from '../messages.js'
import { boundVersion, decidePolicy } from './deciding.js'
import { judge, readState } from './judging.js'
import { askMembers } from './resolving.js'
import {
  attemptOf,
  audit,
  isAnswering,
  isOpen,
  markResolved,
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
  if (known?.roundId === hash && isStuck(turn, name, known)) return continueRound(turn, message, body, known)
  if (known !== undefined) return onKnownRound(turn, from, name, known, hash)
  const { status, code, message: why } = turn.state.status
  if (turn.state.settled || (!isOpen(turn) && status !== 'failed')) return ignore('closed')
  if (voice(turn) === 'waiting') return later('not-greeted')
  if (voice(turn) === 'restored') return withdrawRestored(turn, name, message.specification, body)
  if (turn.state.decision === undefined || openSigned(turn.state.decision, DECISION).body.decision !== 'approve')
    return ignore('not-approved')
  const state = readState(turn, message, body)
  if (state !== null && 'verdict' in state) return state
  const objection = judge(turn, body, state?.state ?? null)
  if (objection !== undefined) return objection
  const round: SiteRound = { roundId: hash, status: 'preparing', kept: null, resolved: false }
  keepSpecification(turn, name, message.specification)
  leaveEarlier(turn, body)
  if (status === 'failed') return withdraw(turn, name, round, code, why) // it could not before, and nobody should wait for it
  // the policy or the log may have changed since the approval
  const policy = decidePolicy(turn.job, turn.jobId, turn.context, boundVersion(turn.state.decision))
  if (policy.decision === 'refuse') return withdraw(turn, name, round, 'policy', policy.message)
  setStatus(turn, 'preparing', '', `round ${body.round}`)
  contribute(turn, name, keepRound(turn, name, round, state))
  return accept
}

/** While the analysis is at work the log or the policy changed: what the policy refuses by now is not answered any more. */
export function leaveRefused(turn: Turn): void {
  const begun = [...turn.state.rounds].filter(([name]) => isAnswering(turn.state, name))
  if (begun.length === 0 || voice(turn) !== 'free') return
  const policy = decidePolicy(turn.job, turn.jobId, turn.context, boundVersion(turn.state.decision))
  if (policy.decision !== 'refuse') return
  for (const [name, round] of begun) withdraw(turn, name, round, 'policy', policy.message)
}

function keepRound(turn: Turn, name: string, round: SiteRound, state: RoundState | null): SiteRound {
  const kept: SiteRound = { ...round, kept: state && keepState(turn, state) }
  turn.state = { ...turn.state, rounds: withEntry(turn.state.rounds, name, kept) }
  return kept
}

const MAY_HAVE_ANSWERED = 'this site was restored from a backup and may have answered before'

/** What it may have said is not known, and nobody should wait for it. */
function withdrawRestored(turn: Turn, name: string, specification: Signed, body: Specification): Verdict {
  if (!body.cohort.some((one) => one.site === turn.context.self)) return ignore('not-in-cohort')
  const round: SiteRound = {
    roundId: payloadHash(specification),
    status: 'preparing',
    kept: null,
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

/** A quorum has gone on: what it answered before nobody waits for, and a member that lags is taken along by records. */
function leaveEarlier(turn: Turn, place: Place): void {
  for (const name of turn.state.rounds.keys()) if (comparePlaces(attemptOf(name), place) < 0) markResolved(turn, name)
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

const lacksState = (turn: Turn, name: string, round: SiteRound): boolean =>
  attemptOf(name).round > 1 && (round.kept === null || openKept(turn, round.kept) === undefined)

/** Without the state it starts from, as where the vault was lost, the members are asked for the round again. */
export function contribute(turn: Turn, name: string, round: SiteRound): void {
  if (lacksState(turn, name, round)) return askForRound(turn, name)
  const { _vector } = turn.state
  if (_vector?.round === attemptOf(name).round) {
    onContributed(turn, name, { ok: true, values: _vector.values })
    return
  }
  const { job } = turn
  const kept = round.kept && openKept(turn, round.kept)
  const version = boundVersion(turn.state.decision)
  turn.effects.push({
    type: 'contribute',
    tag: name,
    request: {
      job: turn.jobId,
      analysis: job.analysis.name,
      analysisVersion: job.analysis.version,
      image: job.image,
      round: attemptOf(name).round,
      parameters: job.parameters,
      state: kept ? decode(kept.state) : undefined,
      dataset: job.dataset,
      datasetVersion: version ?? '',
      where: job.where,
    },
  })
}

/** Begun, and the state it starts from is gone. */
const isStuck = (turn: Turn, name: string, round: SiteRound): boolean =>
  round.status === 'preparing' && !round.resolved && isOpen(turn) && lacksState(turn, name, round)

/** What this site asked for. */
function continueRound(turn: Turn, message: WireOf<'round'>, body: Specification, round: SiteRound): Verdict {
  const state = readState(turn, message, body)
  if (state === null || 'verdict' in state) return state ?? ignore('state')
  if (voice(turn) !== 'free') return later('not-greeted')
  const name = `${body.round}.${body.attempt}`
  contribute(turn, name, keepRound(turn, name, round, state))
  return accept
}

function askForRound(turn: Turn, name: string): void {
  const message = { type: 'behind' as const, job: turn.jobId, ...attemptOf(name) }
  for (const key of presentMembers(turn)) send(turn, 'behind', key, message)
}

export function onContributed(turn: Turn, name: string, outcome: ContributeOutcome): Verdict {
  const round = turn.state.rounds.get(name)
  const specification = turn.state.specifications.get(name)
  if (round === undefined || specification === undefined || !isAnswering(turn.state, name)) return ignore('past')
  if (!outcome.ok) return withdraw(turn, name, round, outcome.code, outcome.message)
  if (turn.job.image !== null)
    turn.state = { ...turn.state, _vector: { round: attemptOf(name).round, values: outcome.values } }
  const { body } = openSigned(specification, SPECIFICATION)
  const self = turn.context.roster.members.get(turn.context.self)
  const prekeys = openPrekeys(body, turn.committee)
  turn.effects.push({
    type: 'compute',
    tag: name,
    task: {
      kind: 'prepare',
      input: {
        shape: roundShape(body),
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
  if (round === undefined || !isAnswering(turn.state, name)) return ignore('past')
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
  turn.state = {
    ...turn.state,
    sent,
    rounds: withEntry(turn.state.rounds, name, { ...round, status: 'submitted', kept: null }),
  }
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
  turn.state = {
    ...turn.state,
    rounds: withEntry(turn.state.rounds, name, { ...round, status: 'withdrawn', kept: null }),
  }
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
