/**
 * A site's part in one job, as a machine: it decides, computes on its own rows, submits once a round and keeps the bytes
 * for a resend. Implements docs/spec/secure-aggregation.md, "Sites". Nothing leaves before it is on disk that it will.
 */
import type { Hex } from '../../crypto/hash.js'
import { openSigned, type Signed } from '../../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../../encoding/verdict.js'
import { successionOf } from '../../identity/roster.js'
import { OPEN_MARGIN_MS } from '../../limits.js'
import type { Context, Effect } from '../../machine.js'
import { checkRecord, type Ending, endingOf } from '../../secagg/record.js'
import { proofOfRecord } from '../../secagg/set-proof.js'
import type { WireMessage, WireOf } from '../../wire.js'
import { guardKey } from '../check.js'
import { CANCEL, DECISION } from '../messages.js'
import { decideByPolicy, onOperator, sendDecision } from './deciding.js'
import type { SiteEvent } from './event.js'
import { ask, askMembers, onStanding } from './resolving.js'
import { contribute, leaveRefused, onComputed, onContributed, onGreeted, onRound } from './rounds.js'
import {
  audit,
  beginTurn,
  endedUntold,
  isAnswering,
  isOpen,
  isWaitingForOpening,
  markResolved,
  RESTORED,
  type SiteState,
  send,
  setStatus,
  type Turn,
  voice,
} from './state.js'

export interface SiteStep {
  readonly state: SiteState
  readonly effects: readonly Effect[]
  readonly verdict: Verdict
}

/** Throws FlameshError for a message that breaks a rule of form or signature; nothing has changed then. */
export function stepSite(state: SiteState, event: SiteEvent, context: Context): SiteStep {
  const turn = beginTurn(state, context)
  if (turn === undefined) return { state, effects: [], verdict: later('committee-unknown') }
  const verdict = take(turn, event)
  return { state: turn.state, effects: turn.effects, verdict }
}

function take(turn: Turn, event: SiteEvent): Verdict {
  switch (event.type) {
    case 'resume':
      return resume(turn, event.restarted)
    case 'operator':
      return onOperator(turn, event)
    case 'message':
      return takeMessage(turn, event.from, event.message)
    case 'contributed':
      return onContributed(turn, event.tag, event.outcome)
    case 'computed':
      return onComputed(turn, event.tag, event.answer)
    case 'timer':
      if (isDue(turn)) setStatus(turn, 'expired', voice(turn) === 'restored' ? RESTORED : 'expired', 'the job expired')
      if (event.name !== 'expire') askMembers(turn)
      return accept
    case 'greeted':
      if (turn.state.status.status === 'announced') decideByPolicy(turn)
      onGreeted(turn)
      return accept
    case 'met':
      if (turn.seats.includes(event.peer)) ask(turn, [event.peer])
      return accept
  }
}

/** Whoever submitted, and whoever may have in a life that it does not remember, waits for the opening. */
function isDue(turn: Turn): boolean {
  const { nowMs } = turn.context
  const { status, code } = turn.state.status
  if (status === 'failed' && code === RESTORED) return nowMs >= turn.job.notAfter + OPEN_MARGIN_MS
  return nowMs >= turn.job.notAfter && isOpen(turn) && !isWaitingForOpening(turn)
}

function takeMessage(turn: Turn, from: Hex, message: WireMessage): Verdict {
  // the station beside it takes the train (trains/machine.ts): no committee may ask the same rows for a sum
  if (turn.job.route !== null && message.type !== 'cancel') return ignore('not-for-trains')
  switch (message.type) {
    case 'round':
      return onRound(turn, from, message)
    case 'outcome':
      return onOutcome(turn, message)
    case 'ended':
      return onEnded(turn, from, message)
    case 'standing':
      return onStanding(turn, message)
    case 'cancel':
      return onCancel(turn, message.cancel)
    default:
      return ignore('not-for-sites')
  }
}

function resume(turn: Turn, restarted: boolean): Verdict {
  const { status } = turn.state.status
  turn.effects.push(
    { type: 'timer', name: 'expire', atMs: turn.job.notAfter },
    { type: 'timer', name: 'forget', atMs: turn.job.notAfter + OPEN_MARGIN_MS },
  )
  if (successionOf(turn.context.roster, turn.job.committee, turn.job.dataset) !== undefined) leaveRetired(turn)
  leaveRefused(turn)
  if (status === 'announced' || (status === 'waiting' && !restarted)) decideByPolicy(turn)
  else if (restarted) repeat(turn)
  if (voice(turn) === 'restored') onGreeted(turn)
  if (restarted) askMembers(turn)
  return accept
}

/** The committee has handed its dataset over: what was not submitted to it never will be. */
function leaveRetired(turn: Turn): void {
  if (turn.state.status.status !== 'approved' && turn.state.status.status !== 'preparing') return
  for (const [name, round] of turn.state.rounds)
    if (round.status === 'preparing' && !round.resolved) markResolved(turn, name)
  setStatus(
    turn,
    'failed',
    'committee-retired',
    'another committee serves the dataset now; the job can be submitted again',
  )
}

function onOutcome(turn: Turn, { record }: WireOf<'outcome'>): Verdict {
  const facts = checkRecord(record, turn.jobId, turn.job, turn.context.roster)
  const name = `${record.round}.${record.attempt}`
  if (facts.survivors !== undefined) {
    const own = facts.survivors.includes(turn.context.self) && turn.state.decision !== undefined
    const ownVersion = own ? openSigned(turn.state.decision as Signed, DECISION).body.datasetVersion : null
    const entry = {
      key: guardKey(turn.job),
      dataset: turn.job.dataset,
      sites: facts.survivors,
      job: turn.jobId,
      ownVersion,
      contributors: facts.opened?.contributors ?? null,
      minCohort: turn.job.cohort.minimum,
      proven: true,
    }
    turn.effects.push({ type: 'remember', entry, proof: proofOfRecord(turn.state.job, record) })
  }
  markResolved(turn, name)
  const ending = endingOf(turn.job, record.attempt, facts)
  if (ending !== undefined) learnEnding(turn, ending, facts.survivors?.includes(turn.context.self) ?? false)
  return accept
}

/** Gossip may have missed this site: it asks one who says that the job has ended, and after a while another. */
function onEnded(turn: Turn, from: Hex, { job, round, attempt }: WireOf<'ended'>): Verdict {
  if (!turn.seats.includes(from)) return reject('not-a-member', 'no seat in this job')
  const isOver = !isOpen(turn) && !endedUntold(turn.state)
  if (turn.state.settled || (isOver && [...turn.state.rounds.values()].every((one) => one.resolved)))
    return ignore('known')
  const { nowMs } = turn.context
  const askedAtMs = turn.state._askedAtMs
  if (askedAtMs !== undefined && nowMs < askedAtMs + ASK_ANOTHER_MS) return later('asked-another')
  turn.state = { ...turn.state, _askedAtMs: nowMs }
  const message = { type: 'behind' as const, job, round, attempt }
  turn.effects.push({
    type: 'send',
    id: `${turn.jobId}/behind/${from}`,
    to: from,
    message,
    untilMs: nowMs + ASK_ANOTHER_MS,
  })
  return accept
}

/** What a member may take to send two records to its share of a thousand sites. */
const ASK_ANOTHER_MS = 10_000

/** How the job ended, also for a site that has closed it without knowing, or sits it out. Its own refusal or failure stays. */
function learnEnding(turn: Turn, { status, code }: Ending, included: boolean): void {
  const before = turn.state.status
  turn.state = { ...turn.state, settled: true }
  for (const name of turn.state.rounds.keys()) markResolved(turn, name)
  if (before.status === 'refused' || !(isOpen(turn) || endedUntold(turn.state))) return
  if (before.status === status && before.code === code) return
  setStatus(turn, status, code, included ? 'included in the sum' : 'not included in the sum')
  audit(turn, 'job-ended', { status, code, included })
}

function onCancel(turn: Turn, signed: Signed): Verdict {
  const { body, signers } = openSigned(signed, CANCEL)
  if (signers.length !== 1 || signers[0] !== turn.job.researcher || body.job !== turn.jobId)
    return reject('signature', 'not signed by the researcher')
  if (isOpen(turn) && !isWaitingForOpening(turn))
    setStatus(turn, 'cancelled', 'cancelled', 'the researcher cancelled the job')
  return accept
}

/** After a restart: what this site had said, byte for byte, and what it had begun, from the start. */
function repeat(turn: Turn): void {
  if (turn.state.decision !== undefined && isOpen(turn)) sendDecision(turn, turn.state.decision)
  for (const [name, round] of turn.state.rounds) {
    if (round.resolved) continue
    if (isAnswering(turn.state, name) && voice(turn) === 'free') contribute(turn, name, round)
    for (const [key, sent] of turn.state.sent)
      if (key.startsWith(`${name}/`)) send(turn, `answer/${name}`, key.slice(name.length + 1), sent)
  }
}
