/**
 * From Haves to a certificate: what this member proposes, and what it accepts from another proposer. The agreement itself
 * is consensus.ts. Implements docs/spec/secure-aggregation.md, "Closing" and "Admissible values".
 */
import type { Hex } from '../../crypto/hash.js'
import { encodeSigned, openSigned, type Signed } from '../../encoding/signed.js'
import { accept, type Verdict } from '../../encoding/verdict.js'
import { survivorsHash } from '../../history.js'
import type { WireOf } from '../../wire.js'
import {
  begin,
  type ConsensusEvent,
  type ConsensusState,
  openQuestion,
  type Question,
  standing,
  step,
} from '../consensus.js'
import { type Decision, readMessage } from '../consensus-messages.js'
import { HAVE } from '../messages.js'
import { impliedSurvivors, judge, pinnedWithdrawals, survivorsObjection } from './admissible.js'
import { maySign } from './speaking.js'
import { approvals } from './specifying.js'
import {
  accuse,
  attemptName,
  audit,
  electorate,
  send,
  sendToMembers,
  setTimer,
  specificationOf,
  survivorKeys,
  type Turn,
  update,
  updateAttempt,
} from './state.js'

const abandon = (code: string): Decision => ({ kind: 'abandon', code })

/** Starts the agreement when this member has something to say, and answers what the agreement asks. */
export function advanceDeciding(turn: Turn): void {
  const { attempt, certificate } = turn.state
  if (certificate !== undefined || !maySign(turn)) return
  const { graceMs } = turn.context.timings
  // only while it lies ahead: a timer in the past fires at once, and would do so with every step
  const graceAtMs = (attempt.closedAtMs ?? turn.context.nowMs) + graceMs
  if (attempt.closedAtMs !== null && graceAtMs > turn.context.nowMs) setTimer(turn, 'grace', graceAtMs)
  if (isReady(turn) && agreement(turn).step === 'idle') feed(turn, { type: 'start' })
  if (turn.state.consensus !== undefined) answer(turn)
}

/**
 * A pause uses up no attempt: while a site has reached some members and not others, it is waited for, and nobody starts
 * before a quorum has closed.
 */
function isReady(turn: Turn): boolean {
  const { attempt, cancelled, haves } = turn.state
  if (attempt.abandon !== null || cancelled !== undefined) return true
  const specification = specificationOf(turn)
  if (specification === undefined || attempt.closedAtMs === null) return false
  const { pinned, closesAt } = specification.body
  const paused = pinned !== null || turn.job.dropout === 'pause'
  return !paused || haves.size >= turn.profile.quorum || turn.context.nowMs >= closesAt
}

/** The agreement as it stands; idle if nothing has happened. */
function agreement(turn: Turn): ConsensusState {
  const { proposeMs, voteMs, viewStepMs } = turn.context.timings
  return (
    turn.state.consensus ?? begin({ ...electorate(turn), seat: turn.seat, timeouts: { proposeMs, voteMs, viewStepMs } })
  )
}

/** One event to the agreement, and its effects carried into this turn. */
export function feed(turn: Turn, event: ConsensusEvent): void {
  const { state, effects } = step(agreement(turn), event, { signer: turn.context.signer, silent: !maySign(turn) })
  update(turn, { consensus: state })
  for (const effect of effects) {
    switch (effect.type) {
      case 'broadcast':
        sendToMembers(turn, 'consensus', { type: 'consensus', ...attemptName(turn), message: effect.message })
        break
      case 'send': {
        const to = turn.committee.members[effect.seat]
        if (to !== undefined)
          send(turn, 'consensus', to, { type: 'consensus', ...attemptName(turn), message: effect.message })
        break
      }
      case 'set-timer':
        setTimer(turn, `vote/${effect.view}/${effect.phase}`, turn.context.nowMs + effect.delayMs)
        break
      case 'decided':
        if (turn.state.certificate === undefined) update(turn, { certificate: effect.certificate })
        break
      case 'evidence':
        accuse(turn, `second-${effect.evidence.first.kind}`, effect.evidence.against)
        break
      case 'abstaining':
        audit(turn, 'abstaining', {})
        break
      case 'conflict':
        // more than t members lie: of this round nothing may be opened here
        updateAttempt(turn, { halted: true })
        audit(turn, 'conflict', {})
        break
      case 'need-value':
      case 'need-verdict':
        break // asked again below, whenever this member's knowledge grew
    }
  }
}

/** To a member that is back: what this one says now, and with it the votes of that member it may have forgotten. */
export function tellAgreement(turn: Turn, to: Hex): void {
  const message = turn.state.consensus && standing(turn.state.consensus)
  if (message) send(turn, 'consensus', to, { type: 'consensus', ...attemptName(turn), message })
}

export function onConsensus(turn: Turn, from: Hex, message: WireOf<'consensus'>['message']): Verdict {
  const state = agreement(turn)
  const reading = readMessage(state.config, message, state.ballots)
  if (reading.verdict !== 'accept') return reading
  feed(turn, { type: 'message', from: turn.seats.indexOf(from), reading })
  return accept
}

function answer(turn: Turn): void {
  for (;;) {
    const state = turn.state.consensus
    const question = state === undefined ? null : openQuestion(state)
    if (question === null || turn.state.certificate !== undefined) return
    const reply = question.type === 'need-value' ? offer(turn, question) : judge(turn, question)
    if (reply === undefined) return
    noteVote(turn, question, reply)
    feed(turn, reply)
  }
}

/** A survivor set that this member stands behind: should it never learn how the attempt ended, the guard counts it. */
function noteVote(turn: Turn, question: Question, reply: ConsensusEvent): void {
  const offered = reply.type === 'value' ? reply.value : undefined
  const judged =
    reply.type === 'verdict' && reply.admissible && question.type === 'need-verdict' ? question.value : undefined
  const value = offered ?? judged
  const specification = specificationOf(turn)
  if (value?.kind !== 'survivors' || specification === undefined) return
  const sites = survivorKeys(specification.body, value.survivors)
  const known = turn.state.attempt.voted.some((one) => survivorsHash(one) === survivorsHash(sites))
  if (!known) updateAttempt(turn, { voted: [...turn.state.attempt.voted, sites] })
}

/** Approvals that came after all make too small a cohort a cohort without a specification: the next attempt has them. */
function reasonToAbandon(turn: Turn, code: string): string {
  const isStale = code === 'cohort-below-minimum' && approvals(turn).length >= turn.job.cohort.minimum
  return isStale ? 'no-specification' : code
}

/** What this member proposes now; undefined while it has to wait. */
function offer(turn: Turn, question: Extract<Question, { type: 'need-value' }>): ConsensusEvent | undefined {
  const { view } = question
  const value = (decision: Decision, attachments: readonly Signed[] = []): ConsensusEvent => ({
    type: 'value',
    view,
    value: decision,
    attachments: attachments.map(encodeSigned),
  })
  if (turn.state.cancelled !== undefined) return value(abandon('cancelled'), [turn.state.cancelled])
  const { attempt } = turn.state
  const specification = specificationOf(turn)
  const haves = [...turn.state.haves.values()]
  const closed = specification !== undefined && attempt.closedAtMs !== null && haves.length >= turn.profile.quorum
  const stuck = view >= 2 * turn.profile.members || (view >= turn.profile.members && !closed)
  if (stuck && attempt.abandon !== 'expired') return value(abandon('no-agreement'))
  if (attempt.abandon !== null) return value(abandon(reasonToAbandon(turn, attempt.abandon)))
  if (specification === undefined || attempt.closedAtMs === null) return undefined
  const present = electorate(turn).seats.filter((key) => key !== null).length
  const graceOver = turn.context.nowMs >= attempt.closedAtMs + turn.context.timings.graceMs
  if (haves.length < present && !(graceOver && haves.length >= turn.profile.quorum)) return undefined
  const implied = impliedSurvivors(
    turn,
    specification.body,
    haves.map((one) => openSigned(one, HAVE).body),
  )
  const objection = survivorsObjection(turn, specification.body, implied.survivors)
  if (objection === 'unknown') return undefined
  if (objection === undefined) return value({ kind: 'survivors', roundId: specification.roundId, ...implied }, haves)
  return value(abandon(objection), [...haves, ...pinnedWithdrawals(turn, specification.body)])
}
