/**
 * The asking side of one job, as a machine: the researcher that signed it, or another recipient. It announces the job,
 * follows what sites say, and takes the first release that checks out. Implements docs/spec/secure-aggregation.md, "The researcher".
 */

import type { Hex } from '../crypto/hash.js'
import { type Box, openSealed } from '../crypto/sealing.js'
import { openSigned, type Signed, signObject } from '../encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from '../encoding/verdict.js'
import { errorCode } from '../errors.js'
import { successionOf } from '../identity/roster.js'
import { OPEN_MARGIN_MS } from '../limits.js'
import { type Context, type Effect, withEntry } from '../machine.js'
import { profileOf } from '../secagg/committee.js'
import { releaseContext } from '../secagg/member/opening.js'
import { checkRecord, type Ending, endingOf, seatsOf } from '../secagg/record.js'
import { isHopeless, receiveDelivery } from '../trains/receiving.js'
import type { AttemptRecord, WireMessage, WireOf } from '../wire.js'
import { type Accepted, acceptRelease } from './accepting.js'
import { attempted, checkDecision, judgedBy } from './decisions.js'
import { checkRefusal } from './guard-refusal.js'
import { JOB, type Job, type JobId } from './job.js'
import { CANCEL, DECISION } from './messages.js'
import type { RequestState } from './request-state.js'
import { fittingResult } from './result.js'
import type { JobStatus } from './status.js'

export type RequestEvent =
  | { readonly type: 'resume'; readonly restarted: boolean }
  | { readonly type: 'message'; readonly from: Hex; readonly message: WireMessage }
  | { readonly type: 'cancel' }
  | { readonly type: 'timer'; readonly name: string }

export interface RequestStep {
  readonly state: RequestState
  readonly effects: readonly Effect[]
  readonly verdict: Verdict
}

interface Turn {
  state: RequestState
  readonly effects: Effect[]
  readonly context: Context
  readonly jobId: JobId
  readonly job: Job
}

/** A job that nobody has answered is announced again this often (milliseconds). */
const ANNOUNCE_EVERY_MS = 5_000
/** A question after the job is worth no more than this (milliseconds). */
const ASK_MS = 60_000

/** Throws FlameshError for a message that breaks a rule of form or signature; nothing has changed then. */
export function stepRequest(state: RequestState, event: RequestEvent, context: Context): RequestStep {
  const { body: job, hash: jobId } = openSigned(state.job, JOB)
  const turn: Turn = { state, effects: [], context, jobId, job }
  const verdict = take(turn, event)
  return { state: turn.state, effects: turn.effects, verdict }
}

const isOpen = (turn: Turn): boolean => ['announced', 'approved', 'submitted'].includes(turn.state.status.status)

function take(turn: Turn, event: RequestEvent): Verdict {
  switch (event.type) {
    case 'resume':
      announce(turn)
      awaitRetired(turn)
      if (event.restarted) askForRelease(turn)
      turn.effects.push({ type: 'timer', name: 'expire', atMs: turn.job.notAfter + OPEN_MARGIN_MS })
      return accept
    case 'timer':
      if (event.name === 'announce') announce(turn)
      else if (event.name === 'retired' && isOpen(turn)) setStatus(turn, 'failed', 'committee-retired')
      else if (isOpen(turn) && turn.context.nowMs >= turn.job.notAfter) setStatus(turn, 'expired', 'expired')
      return accept
    case 'cancel':
      return cancel(turn)
    case 'message':
      return takeMessage(turn, event.from, event.message)
  }
}

/** Gossip is best effort: the job is broadcast again until its cohort can be fixed. */
function announce(turn: Turn): void {
  const { job, context } = turn
  if (turn.job.researcher !== context.self || !isOpen(turn)) return
  if (turn.state.cancelled !== undefined)
    turn.effects.push({ type: 'publish', message: { type: 'cancel', cancel: turn.state.cancelled } })
  const until = job.notBefore + job.cohort.approveWithinMs
  if (context.nowMs > until && turn.state.status.status !== 'announced') return
  turn.effects.push({ type: 'publish', message: { type: 'job', job: turn.state.job } })
  if (context.nowMs < Math.min(until, job.notAfter))
    turn.effects.push({ type: 'timer', name: 'announce', atMs: context.nowMs + ANNOUNCE_EVERY_MS })
}

function cancel(turn: Turn): Verdict {
  if (!isOpen(turn)) return ignore('ended')
  const { context } = turn
  const signed = signObject(CANCEL.kind, CANCEL.version, { job: turn.jobId, at: context.nowMs }, context.signer)
  turn.state = { ...turn.state, cancelled: signed }
  const message = { type: 'cancel' as const, cancel: signed }
  turn.effects.push({ type: 'publish', message })
  for (const key of seatsIn(turn)) if (key !== null) send(turn, 'cancel', key, message)
  turn.effects.push({ type: 'audit', event: 'job-cancelled', fields: { job: turn.jobId } })
  return accept
}

function takeMessage(turn: Turn, from: Hex, message: WireMessage): Verdict {
  switch (message.type) {
    case 'decision':
      return onDecision(turn, message.decision)
    case 'progress':
      return message.site === from ? onProgress(turn, message) : reject('not-the-site', 'progress of another site')
    case 'outcome':
      return onOutcome(turn, message.record)
    case 'retired':
      return onRetired(turn, from)
    case 'release':
      return onRelease(turn, message)
    case 'delivery':
      return onDelivery(turn, message)
    default:
      return ignore('not-for-researchers')
  }
}

function onDecision(turn: Turn, signed: Signed): Verdict {
  const { body } = openSigned(signed, DECISION)
  const against = judgedBy(() => checkDecision(signed, { id: turn.jobId, job: turn.job }, turn.context))
  if (against !== undefined) return against
  if (turn.state.decisions.has(body.site)) return accept
  turn.state = { ...turn.state, decisions: withEntry(turn.state.decisions, body.site, signed) }
  notify(turn, body.decision === 'approve' ? 'site-approved' : 'site-refused', {
    site: nameOf(turn, body.site),
    code: body.code,
  })
  if (turn.state.status.status === 'announced' && body.decision === 'approve') setStatus(turn, 'approved', '')
  if (isOpen(turn) && isHopeless(turn.job, turn.state.decisions)) setStatus(turn, 'failed', 'cohort-below-minimum')
  return accept
}

/** What a site says of itself, for whoever waits; nothing relies on it. */
function onProgress(turn: Turn, message: WireOf<'progress'>): Verdict {
  const { site, round, attempt, status } = message
  turn.state = { ...turn.state, progress: withEntry(turn.state.progress, site, { round, attempt, status }) }
  if (turn.state.status.status === 'approved') setStatus(turn, 'submitted', '')
  notify(turn, status === 'submitted' ? 'site-submitted' : 'site-failed', { site: nameOf(turn, site), round, attempt })
  return accept
}

/** Public news of an attempt: enough to know how the job ended, not to read its result. */
function onOutcome(turn: Turn, record: AttemptRecord): Verdict {
  const facts = checkRecord(record, turn.jobId, turn.job, turn.context.roster)
  const ending = endingOf(turn.job, record.attempt, facts)
  notify(turn, facts.abandoned === undefined ? 'round-opened' : 'attempt-abandoned', {
    round: record.round,
    attempt: record.attempt,
    sites: facts.survivors?.length ?? 0,
    ...(facts.abandoned === undefined ? {} : { code: facts.abandoned }),
  })
  if (ending !== undefined && ending.status !== 'released' && isOpen(turn)) setStatus(turn, ending.status, ending.code)
  return accept
}

function onRelease(turn: Turn, message: WireOf<'release'>): Verdict {
  if (turn.state.release !== undefined) return accept
  const inOrder = [...message.records].sort((a, b) => a.round - b.round || a.attempt - b.attempt)
  const facts = inOrder.map((record) => checkRecord(record, turn.jobId, turn.job, turn.context.roster)).at(-1)
  if (facts === undefined) return reject('release', 'a release without records')
  const ending = endingOf(turn.job, inOrder.at(-1)?.attempt ?? 0, facts)
  if (ending === undefined) return reject('release', 'the last record does not end the job')
  const wanted = ending.status === 'released' && turn.job.recipients.includes(turn.context.self)
  // sealed by one whose log says otherwise of this recipient: that it left, or has another key
  const plain = message.box === null ? undefined : openBox(turn, message.box)
  if (wanted && plain === undefined) return ignore('not-for-this-node')
  const result = wanted && plain ? fittingResult(plain, facts.roundId ?? '', facts.opened?.commitment ?? '') : undefined
  if (wanted && result === undefined)
    return reject('release', 'the numbers do not fit the commitment that a quorum signed')
  const shown = shownBy(turn, message)
  if (shown === 'ahead') return later('checkpoint-ahead')
  if (shown === undefined) return ignore('release-incomplete')
  turn.state = {
    ...turn.state,
    result,
    release: {
      records: shown.records,
      decisions: shown.decisions,
      survivors: facts.survivors ?? [],
      consents: shown.consents,
      refused: message.refused && checkRefusal(message.refused, facts.specification, turn.context.roster),
    },
  }
  endWith(turn, ending)
  return accept
}

/** What a receipt of this job is made of; undefined if it would not hold, `ahead` if the log here is too short to tell. */
function shownBy(turn: Turn, message: WireOf<'release'>): Accepted | 'ahead' | undefined {
  const signed = { id: turn.jobId, job: turn.job }
  try {
    return attempted(
      () => acceptRelease(message, turn.state.decisions.values(), signed, turn.context),
      'checkpoint-ahead',
    )
  } catch (error) {
    if (errorCode(error) === 'checkpoint-ahead') return 'ahead'
    throw error
  }
}

function endWith(turn: Turn, { status, code }: Ending): void {
  setStatus(turn, status, code)
  turn.effects.push({ type: 'audit', event: 'result-received', fields: { job: turn.jobId, status, code } })
}

function onDelivery(turn: Turn, message: WireOf<'delivery'>): Verdict {
  const { verdict, change, ending } = receiveDelivery(turn.state, message, turn.jobId, turn.job, turn.context)
  if (change === undefined || ending === undefined) return verdict
  turn.state = { ...turn.state, ...change }
  endWith(turn, ending)
  return verdict
}

/** Whoever has a say in how the job ends, and can tell of it. */
function seatsIn({ job, context: { roster } }: Turn): readonly (Hex | null)[] {
  if (job.route !== null) return job.route.stations
  const committee = roster.committees.get(job.committee)
  return committee === undefined ? [] : seatsOf(job, committee, roster)
}

/** Members think that it has what it took in a life that it does not remember: after a restart they are asked for it. */
function askForRelease(turn: Turn): void {
  if (turn.state.release !== undefined || !(isOpen(turn) || turn.state.status.status === 'expired')) return
  const behind = { type: 'behind' as const, job: turn.jobId, round: 1, attempt: 0 }
  for (const key of seatsIn(turn))
    if (key !== null) send(turn, 'behind', key, behind, Math.max(deadline(turn), turn.context.nowMs + ASK_MS))
}

/** Its committee is succeeded: what is certified may still be opened, but not for long. */
function awaitRetired(turn: Turn): void {
  const { roster } = turn.context
  const succession =
    isOpen(turn) && turn.job.route === null ? successionOf(roster, turn.job.committee, turn.job.dataset) : undefined
  if (succession !== undefined)
    turn.effects.push({ type: 'timer', name: 'retired', atMs: succession.at + 2 * OPEN_MARGIN_MS })
}

/** Once a quorum has left without an opening there will be none: the job can be submitted to the successor at once. */
function onRetired(turn: Turn, from: Hex): Verdict {
  const { roster } = turn.context
  if (successionOf(roster, turn.job.committee, turn.job.dataset) === undefined) return later('committee-serves')
  const seats = seatsIn(turn)
  if (!seats.includes(from)) return reject('not-a-member', 'no seat in this job')
  turn.state = { ...turn.state, retired: withEntry(turn.state.retired, from, true) }
  const quorum = profileOf(seats.length)?.quorum ?? Number.POSITIVE_INFINITY
  if (isOpen(turn) && turn.state.retired.size >= quorum) setStatus(turn, 'failed', 'committee-retired')
  return accept
}

const openBox = (turn: Turn, box: Box): Uint8Array | undefined =>
  openSealed(box, turn.context.self, turn.context.sealingSecret, releaseContext(turn.jobId))

const nameOf = (turn: Turn, key: Hex): string => turn.context.roster.members.get(key)?.name ?? key.slice(0, 12)
function setStatus(turn: Turn, status: JobStatus, code: string): void {
  turn.state = { ...turn.state, status: { status, code } }
  notify(turn, 'job-status', { status, code })
}

function notify(turn: Turn, event: string, fields: Readonly<Record<string, string | number | boolean>>): void {
  turn.effects.push({ type: 'notify', event, fields })
}

const deadline = (turn: Turn): number => turn.job.notAfter + OPEN_MARGIN_MS

function send(turn: Turn, id: string, to: Hex, message: WireMessage, untilMs = deadline(turn)): void {
  turn.effects.push({ type: 'send', id: `${turn.jobId}/${id}/${to}`, to, message, untilMs })
}
