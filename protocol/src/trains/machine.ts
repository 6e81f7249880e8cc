/**
 * A station's part in a job with a route, as a machine beside the site's, which decides: it takes the train once, adds its
 * rows, hands it on, and has its word in how it ends. Implements docs/spec/trains.md. Nothing leaves before it is on disk that
 * it will.
 */
import type { Hex } from '../crypto/hash.js'
import { openSigned, type Signed } from '../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../encoding/verdict.js'
import { checkDecision, judgedBy } from '../jobs/decisions.js'
import { CANCEL, DECISION } from '../jobs/messages.js'
import type { Context, Effect } from '../machine.js'
import type { ContributeOutcome } from '../ports.js'
import type { WireMessage, WireOf } from '../wire.js'
import { deliver, onConfirmation, onDelivered, onDelivery, onTravelling, tellConfirmed } from './arriving.js'
import { advance, onAnswered, onNextTimer } from './passing.js'
import {
  approvalOf,
  beginTurn,
  isAdding,
  isClosed,
  isLast,
  isOver,
  lastMs,
  letGo,
  needsSecret,
  ownChain,
  prepareSecret,
  type StationState,
  setStatus,
  type Turn,
  tellStations,
} from './state.js'
import { contribute, learnDecision, leaveRefused, onContributed, onTrain, startIfFirst, tellTaken } from './taking.js'

export type StationEvent =
  | { readonly type: 'resume'; readonly restarted: boolean }
  | { readonly type: 'message'; readonly from: Hex; readonly message: WireMessage }
  | { readonly type: 'contributed'; readonly tag: string; readonly outcome: ContributeOutcome }
  | { readonly type: 'timer'; readonly name: string }
  | { readonly type: 'greeted' }
  | { readonly type: 'met'; readonly peer: Hex }
  /** what a peer said to a train, or to its end */
  | { readonly type: 'answered'; readonly to: Hex; readonly kind: 'train' | 'delivery'; readonly verdict: Verdict }

export interface StationStep {
  readonly state: StationState
  readonly effects: readonly Effect[]
  readonly verdict: Verdict
}

/** Throws FlameshError for a message that breaks a rule of form or signature; nothing has changed then. */
export function stepStation(state: StationState, event: StationEvent, context: Context): StationStep {
  const turn = beginTurn(state, context)
  if (turn === undefined) return { state, effects: [], verdict: later('committee-unknown') }
  const verdict = take(turn, event)
  return { state: turn.state, effects: turn.effects, verdict }
}

function take(turn: Turn, event: StationEvent): Verdict {
  switch (event.type) {
    case 'resume':
      turn.effects.push(
        { type: 'timer', name: 'expire', atMs: turn.job.notAfter },
        { type: 'timer', name: 'forget', atMs: lastMs(turn) },
      )
      leaveRefused(turn)
      if (event.restarted) repeat(turn)
      else goOn(turn)
      return accept
    case 'message':
      return takeMessage(turn, event.from, event.message)
    case 'contributed':
      return onContributed(turn, event.outcome)
    case 'timer':
      return onTimer(turn, event.name)
    case 'greeted':
      if (isAdding(turn.state)) contribute(turn)
      goOn(turn)
      return accept
    case 'met':
      deliver(turn, [event.peer])
      return accept
    case 'answered':
      if (event.kind === 'train') onAnswered(turn, event.to, event.verdict)
      else if (event.verdict.verdict === 'accept') onDelivered(turn, event.to)
      return accept
  }
}

function goOn(turn: Turn): void {
  startIfFirst(turn)
  advance(turn)
}

function onTimer(turn: Turn, name: string): Verdict {
  if (name === 'next') onNextTimer(turn)
  else if (name === 'start') startIfFirst(turn)
  // whoever confirmed an end may still hear that it is the one
  const untilMs = turn.state.confirmed === undefined ? turn.job.notAfter : lastMs(turn)
  if (isOver(turn.state) || turn.context.nowMs < untilMs) return accept
  setStatus(turn, 'expired', 'expired', 'the job expired')
  letGo(turn)
  return accept
}

function takeMessage(turn: Turn, from: Hex, message: WireMessage): Verdict {
  switch (message.type) {
    case 'decision':
      return onDecision(turn, message.decision)
    case 'train':
      return onTrain(turn, from, message)
    case 'travelling':
      return onTold(turn, from, message)
    case 'confirmation':
      return onConfirmation(turn, message)
    case 'delivery':
      return onDelivery(turn, message)
    case 'cancel':
      return onCancel(turn, message.cancel)
    case 'behind':
      // whoever asks has forgotten that it was told
      deliver(turn, [from], true)
      return accept
    default:
      return ignore('not-for-stations')
  }
}

/** Whoever hears of a train sees to it that there is another one, should this one be lost. */
function onTold(turn: Turn, from: Hex, message: WireOf<'travelling'>): Verdict {
  const verdict = onTravelling(turn, from, message)
  startIfFirst(turn)
  return verdict
}

/** A station's, its own among them: who refuses is not waited for. */
function onDecision(turn: Turn, signed: Signed): Verdict {
  const { body, signers } = openSigned(signed, DECISION)
  const own = signers.length === 1 && signers[0] === body.site
  if (!own || body.job !== turn.jobId || !turn.route.stations.includes(body.site))
    return reject('signature', 'not signed by a station')
  const against = judgedBy(() => checkDecision(signed, { id: turn.jobId, job: turn.job }, turn.context))
  if (against !== undefined) return against
  learnDecision(turn, signed)
  if (approvalOf(turn, turn.context.self) !== undefined && needsSecret(turn.state)) prepareSecret(turn)
  goOn(turn)
  return accept
}

function onCancel(turn: Turn, signed: Signed): Verdict {
  const { body, signers } = openSigned(signed, CANCEL)
  if (signers.length !== 1 || signers[0] !== turn.job.researcher || body.job !== turn.jobId)
    return reject('signature', 'not signed by the researcher')
  // an end that most confirmed may be under way to the recipients
  if (isClosed(turn)) return ignore('closed')
  setStatus(turn, 'cancelled', 'cancelled', 'the researcher cancelled the job')
  letGo(turn)
  return accept
}

/** After a restart: what this station had said, and what it had begun, from the start. */
function repeat(turn: Turn): void {
  const { state } = turn
  if (isLast(state)) {
    if (!isOver(state)) tellStations(turn, ownChain(turn))
    else if (turn.context.nowMs < lastMs(turn)) deliver(turn)
    return
  }
  if (isOver(state)) return
  if (state.confirmed !== undefined) return tellConfirmed(turn)
  tellTaken(turn)
  if (isAdding(turn.state) && turn.voice === 'free') contribute(turn)
  goOn(turn)
}
