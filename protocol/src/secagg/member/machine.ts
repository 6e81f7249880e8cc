/**
 * The aggregation peer of one job, as a machine: events in, state and effects out. Implements
 * docs/spec/secure-aggregation.md, "Members". Each file beside this one is a phase of an attempt; all of them look at the
 * state after every event, in order, so that it never matters which event came first.
 */

import type { Hex } from '../../crypto/hash.js'
import { openSigned, type Signed } from '../../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../../encoding/verdict.js'
import { activeMember } from '../../identity/roster.js'
import { checkDecision, judgedBy } from '../../jobs/decisions.js'
import { CANCEL, DECISION } from '../../jobs/messages.js'
import { type Context, type Effect, withEntry } from '../../machine.js'
import type { ContributeOutcome } from '../../ports.js'
import type { WireMessage, WireOf } from '../../wire.js'
import { commitResult } from '../commitment.js'
import type { ComputeAnswer } from '../compute.js'
import type { TimedPhase } from '../consensus.js'
import { keepState } from '../kept-state.js'
import { OPENED, SPECIFICATION, WITHDRAWAL } from '../messages.js'
import { openByCommittee, openQuorumSpecification } from '../specification.js'
import { answerPast, askAhead, onBehind, onEnded, placeOf } from './catching-up.js'
import { advanceClosed, ask, fellows, onStanding } from './closing.js'
import { advanceCollecting, announceRound, onHave, onSubmit, onWithdrawal, openState } from './collecting.js'
import { advanceDeciding, feed, onConsensus } from './deciding.js'
import { advanceDiffering } from './differing.js'
import { advanceEnding, advanceKept, onRecord, release, tellEnd } from './ending.js'
import { onFetch, onSupply } from './holding.js'
import { completeHistory, rememberConsent } from './memory.js'
import { advanceOpening, onOpened, onPartials, onReduced, onSums, sendOpening, tryOpen } from './opening.js'
import { leaveWithdrawn } from './reducing.js'
import { advanceRetiring, noteRetired } from './retiring.js'
import { maySign } from './speaking.js'
import { advanceSpecifying, onSpecification } from './specifying.js'
import {
  attemptKey,
  attemptName,
  beginTurn,
  deadline,
  knowsState,
  type MemberState,
  sendToMembers,
  setTimer,
  specificationOf,
  type Turn,
  update,
} from './state.js'

export type MemberEvent =
  /** the job is known and valid; also after a restart, and when the roster changed */
  | { readonly type: 'resume'; readonly restarted: boolean }
  | { readonly type: 'message'; readonly from: Hex; readonly message: WireMessage }
  | { readonly type: 'timer'; readonly name: string }
  | { readonly type: 'computed'; readonly tag: string; readonly answer: ComputeAnswer }
  | { readonly type: 'reduced'; readonly tag: string; readonly outcome: ContributeOutcome }
  /** a member has said what it knows of this node, or one showed that it runs on an old copy of its disk */
  | { readonly type: 'greeted' }
  /** this peer came into reach */
  | { readonly type: 'met'; readonly peer: Hex }
  /** a peer accepted what was sent */
  | { readonly type: 'delivered'; readonly to: Hex; readonly kind: WireMessage['type'] }

export interface MemberStep {
  readonly state: MemberState
  readonly effects: readonly Effect[]
  readonly verdict: Verdict
}

/** Throws FlameshError for a message that breaks a rule of form or signature; nothing has changed then. */
export function stepMember(state: MemberState, event: MemberEvent, context: Context): MemberStep {
  const turn = beginTurn(state, context)
  if (turn === undefined || turn.seat < 0) return { state, effects: [], verdict: ignore('no-seat') }
  advanceRetiring(turn) // before anything could be answered with a vote
  advanceKept(turn) // or a result handed out that has expired
  const verdict = take(turn, event)
  advance(turn)
  advanceClosed(turn)
  advanceKept(turn)
  noteRetired(turn, state)
  return { state: turn.state, effects: turn.effects, verdict }
}

function take(turn: Turn, event: MemberEvent): Verdict {
  switch (event.type) {
    case 'resume':
      if (event.restarted) repeat(turn)
      leaveWithdrawn(turn)
      tryOpen(turn) // the gate may have waited for what the specification names
      setTimer(turn, 'expire', turn.job.notAfter)
      setTimer(turn, 'give-up', deadline(turn))
      return accept
    case 'message':
      return takeMessage(turn, event.from, event.message)
    case 'timer':
      takeTimer(turn, event.name)
      return accept
    case 'computed':
      if (turn.state.progress.ended !== null) return ignore('past')
      if (event.tag === `${attemptKey(turn.state.progress)}/partials` && event.answer.kind === 'partials') {
        const { sums, holdings } = event.answer
        const whole = holdings.every((one) => one.whole)
        onSums(turn, sums, whole)
      }
      return accept
    case 'reduced':
      return onReduced(turn, event.tag, event.outcome)
    case 'greeted':
      // its timers, its question, and what it had said
      if (maySign(turn) && turn.state.consensus !== undefined && turn.state.progress.ended === null)
        feed(turn, { type: 'resume' })
      return accept
    case 'met':
      if (turn.state.progress.ended !== null && !turn.state.delivered.get(event.peer)) release(turn, event.peer)
      if (turn.seats.includes(event.peer)) ask(turn, [event.peer])
      return accept
    case 'delivered':
      if (event.kind === 'release') update(turn, { delivered: withEntry(turn.state.delivered, event.to, true) })
      return accept
  }
}

/** Until nothing changes: each phase does what the state calls for. */
function advance(turn: Turn): void {
  for (;;) {
    const before = turn.state
    if (turn.state.progress.ended === null) {
      advanceRetiring(turn)
      if (turn.state.progress.ended !== null) return
      advanceSpecifying(turn)
      const specification = specificationOf(turn)
      if (specification !== undefined) completeHistory(turn, specification.body)
      advanceCollecting(turn)
      advanceDeciding(turn)
      advanceOpening(turn)
      advanceDiffering(turn)
      advanceEnding(turn)
    }
    if (turn.state === before) return
  }
}

/** After a restart: everything this member has said in the attempt under way, byte for byte, and its questions again. */
function repeat(turn: Turn): void {
  const { attempt, candidates, specification, haves, consensus, openings, progress } = turn.state
  if (progress.ended !== null) {
    tellEnd(turn, 'all')
    ask(turn, fellows(turn))
    return release(turn)
  }
  const signed = specification ?? (attempt.signed === null ? undefined : candidates.get(attempt.signed))
  if (signed !== undefined)
    sendToMembers(turn, 'specification', {
      type: 'specification',
      specification: signed,
      decisions: [...turn.state.decisions.values()],
    })
  const current = specificationOf(turn)
  if (current !== undefined && attempt.announced) announceRound(turn, current.body)
  const have = haves.get(String(turn.seat))
  if (have !== undefined) sendToMembers(turn, 'have', { type: 'have', ...attemptName(turn), have })
  if (consensus !== undefined) feed(turn, { type: 'resume' })
  for (const opened of openings.values()) sendOpening(turn, opened)
  sendToMembers(turn, 'behind', { type: 'behind', ...attemptName(turn) })
}

function takeTimer(turn: Turn, name: string): void {
  const prefix = `${attemptKey(turn.state.progress)}/`
  if (!name.startsWith(prefix)) return
  const [what, view, phase] = name.slice(prefix.length).split('/')
  // a job that has ended is not voted on any more
  if (what === 'vote' && turn.state.progress.ended === null && turn.state.consensus !== undefined)
    feed(turn, { type: 'timeout', view: Number(view), phase: phase as TimedPhase })
  if (what === 'spread') tellEnd(turn, 'all')
  if (what === 'ask') ask(turn, fellows(turn))
}

type OfAttempt = Extract<WireMessage, { attempt: number }>

function takeMessage(turn: Turn, from: Hex, message: WireMessage): Verdict {
  switch (message.type) {
    case 'decision':
      return onDecision(turn, message.decision)
    case 'cancel':
      return onCancel(turn, message.cancel)
    case 'outcome':
      return onRecord(turn, message.record)
    case 'specification':
    case 'round':
      return takeSpecification(turn, from, message)
    case 'withdrawal':
      return takeWithdrawal(turn, message.withdrawal)
    case 'behind':
      return onBehind(turn, from, message)
    case 'ended':
      return onEnded(turn, from, message)
    case 'standing':
      return onStanding(turn, message)
    case 'submit':
    case 'have':
    case 'consensus':
    case 'fetch':
    case 'supply':
    case 'partials':
    case 'opened':
      return takeOfAttempt(turn, from, message)
    default:
      return ignore('not-for-members')
  }
}

function takeOfAttempt(turn: Turn, from: Hex, message: OfAttempt): Verdict {
  const fromMember = message.type !== 'submit'
  if (fromMember && !turn.seats.includes(from)) return reject('not-a-member', 'no seat in this job')
  const place = placeOf(turn, message)
  if (place === 'past') return answerPast(turn, from, message)
  if (place === 'ahead') return askAhead(turn, from)
  switch (message.type) {
    case 'submit':
      return onSubmit(turn, from, message)
    case 'have':
      return onHave(turn, message.have)
    case 'consensus':
      return onConsensus(turn, from, message.message)
    case 'fetch':
      return onFetch(turn, message.fetch)
    case 'supply':
      return onSupply(turn, from, message)
    case 'partials':
      return onPartials(turn, from, message)
    case 'opened':
      return onOpened(turn, message.opened)
    default:
      return ignore('not-for-members')
  }
}

function takeSpecification(turn: Turn, from: Hex, message: WireOf<'specification'> | WireOf<'round'>): Verdict {
  const { body } = openSigned(message.specification, SPECIFICATION)
  const place = placeOf(turn, body)
  if (body.job !== turn.jobId) return reject('another-job', 'a specification of another job')
  if (place === 'past') return answerPast(turn, from, body)
  if (place === 'ahead') return askAhead(turn, from)
  return message.type === 'round'
    ? onRound(turn, message)
    : onSpecification(turn, message.specification, message.decisions)
}

/** A round as it goes out to sites: a member that was away learns the state and the specification by it. */
function onRound(turn: Turn, message: WireOf<'round'>): Verdict {
  openQuorumSpecification(message.specification, turn.seats)
  const { previous } = turn.state.progress
  if (message.previous !== null && previous !== null && !knowsState(turn)) {
    const { body, signers } = openByCommittee(message.previous.opened, OPENED, turn.seats)
    const found = openState(message.previous.box, turn.context.self, turn.context.sealingSecret, previous.commitment)
    const genuine =
      found !== undefined &&
      signers.length >= turn.profile.quorum &&
      commitResult(found.salt, found.state, body.roundId) === previous.commitment
    if (genuine)
      update(turn, { progress: { ...turn.state.progress, previous: { ...previous, kept: keepState(turn, found) } } })
    tryOpen(turn)
  }
  return onSpecification(turn, message.specification)
}

function takeWithdrawal(turn: Turn, signed: Signed): Verdict {
  const { body } = openSigned(signed, WITHDRAWAL)
  const place = placeOf(turn, body)
  if (body.job !== turn.jobId || place === 'past') return ignore('past')
  return place === 'ahead' ? later('ahead') : onWithdrawal(turn, signed)
}

function onDecision(turn: Turn, signed: Signed): Verdict {
  const { body } = openSigned(signed, DECISION)
  const member = activeMember(turn.context.roster, body.site, turn.context.nowMs)
  if (member === undefined) return later('site-unknown')
  const against = judgedBy(() => checkDecision(signed, { id: turn.jobId, job: turn.job }, turn.context))
  if (against !== undefined) return against
  rememberConsent(turn, signed)
  if (turn.state.decisions.has(body.site)) return accept
  update(turn, { decisions: withEntry(turn.state.decisions, body.site, signed) })
  return accept
}

function onCancel(turn: Turn, signed: Signed): Verdict {
  const { body, signers } = openSigned(signed, CANCEL)
  if (signers.length !== 1 || signers[0] !== turn.job.researcher || body.job !== turn.jobId)
    return reject('signature', 'not signed by the researcher')
  if (turn.state.cancelled === undefined) update(turn, { cancelled: signed })
  return accept
}
