/**
 * What follows a finished attempt: the next attempt, the next round, or the end of the job and its release. Implements
 * docs/spec/secure-aggregation.md, "Attempts and rounds" and "Release".
 */
import type { Hex } from '../../crypto/hash.js'
import { openSigned, payloadHash, type Signed } from '../../encoding/signed.js'
import { accept, ignore, later, type Verdict } from '../../encoding/verdict.js'
import { guardKey } from '../../jobs/check.js'
import { DECISION } from '../../jobs/messages.js'
import { KEEP_RESULT_MS } from '../../limits.js'
import { withEntry } from '../../machine.js'
import type { AttemptRecord, GuardRefusal } from '../../wire.js'
import { proposerSeat, valueId } from '../consensus-messages.js'
import { HAVE, OPENED, SPECIFICATION } from '../messages.js'
import { checkRecord, endingOf, isGossiped, outcomeOf } from '../record.js'
import { proofOfRecord } from '../set-proof.js'
import { impliedSurvivors } from './admissible.js'
import { clearSuspicion, expire, fellows, forgetStates, isUnresolved } from './closing.js'
import { ANNOUNCE_MS_PER_SITE } from './collecting.js'
import { certifiedProof, guardRefusal, rememberSet } from './memory.js'
import { keepOpening, quorumOpening } from './opening.js'
import { bindKeys } from './specifying.js'
import {
  attemptKey,
  attemptName,
  audit,
  deadline,
  electorate,
  eraseSecrets,
  freshAttempt,
  type Progress,
  send,
  setTimer,
  specificationOf,
  survivorKeys,
  survivorsOf,
  type Turn,
  update,
  updateAttempt,
} from './state.js'

/** Finishes the attempt if it is decided: abandoned, opened by a quorum, or certified and not opened in time. */
export function advanceEnding(turn: Turn): void {
  conclude(turn)
  if (turn.state.progress.ended === null && turn.context.nowMs >= deadline(turn)) expire(turn)
}

function conclude(turn: Turn): void {
  const value = turn.state.certificate?.value
  if (value === undefined || turn.state.attempt.finished) return
  if (value.kind === 'abandon') return finish(turn, null)
  const opening = quorumOpening(turn)
  if (opening !== undefined && awaitsOwn(turn, opening)) return
  if (opening !== undefined) return finish(turn, opening)
  const specification = specificationOf(turn)
  if (specification !== undefined && turn.context.nowMs >= specification.body.openBy) finish(turn, null)
}

/**
 * A member that is about to open the sum itself waits a little for that: it then has the state the next round starts from
 * (it may be the one to propose it), or a copy of the result to keep for the recipients.
 */
function awaitsOwn(turn: Turn, opening: Signed): boolean {
  const { self, nowMs, timings } = turn.context
  const opened = [opening, ...turn.state.openings.values()].some((one) =>
    one.signatures.some((by) => by.signer === self),
  )
  if (opened || turn.state._sums === undefined) return false
  const untilMs = (turn.state.attempt.quorumAtMs ?? nowMs) + timings.graceMs
  if (nowMs >= untilMs) return false
  if (turn.state.attempt.quorumAtMs === null) updateAttempt(turn, { quorumAtMs: nowMs })
  setTimer(turn, 'own-opening', untilMs)
  return true
}

/** The attempt is over, decided by its certificate and, if it came to one, its opening. */
function finish(turn: Turn, opened: Signed | null): void {
  const { state } = turn
  if (state.certificate === undefined) return
  const record: AttemptRecord = {
    job: turn.jobId,
    round: state.progress.round,
    attempt: state.progress.attempt,
    specification: state.specification ?? null,
    certificate: state.certificate,
    opened,
  }
  eraseSecrets(turn)
  update(turn, { records: withEntry(state.records, attemptKey(record), record) })
  const primary = proposerSeat(electorate(turn), 0) === turn.seat
  const { value } = state.certificate
  if (value.kind === 'abandon') afterAbandon(turn, value.code)
  else if (opened === null) afterMissing(turn)
  else afterOpening(turn, opened)
  const { ended } = turn.state.progress
  if (ended !== null) {
    audit(turn, 'job-ended', { status: ended.status, code: ended.code })
    forgetStates(turn)
    release(turn)
  }
  spread(turn, record, primary)
  if (ended === null) update(turn, freshAttempt())
  else updateAttempt(turn, { finished: true })
}

/**
 * The primary announces a record that is short enough for gossip. When the job has ended every member tells its share of the
 * sites, and later, in case one of them is down, everybody.
 */
function spread(turn: Turn, record: AttemptRecord, primary: boolean): void {
  const message = outcomeOf(record)
  const isShort = isGossiped(record)
  if (primary && isShort) turn.effects.push({ type: 'publish', message })
  if (turn.state.progress.ended === null) return
  if (primary) sendOutcome(turn, record)
  const { nowMs, timings } = turn.context
  if (isShort) setTimer(turn, 'spread/all', nowMs + timings.graceMs * (1 + turn.seat))
  else tellEnd(turn, 'share')
}

/** To the other members and the researcher, who wait for it. */
function sendOutcome(turn: Turn, record: AttemptRecord): void {
  const message = outcomeOf(record)
  for (const key of new Set([...fellows(turn), turn.job.researcher]))
    if (key !== turn.context.self) send(turn, 'outcome', key, message)
}

/**
 * That the job has ended, to those who took part: a share of the sites, so that not all ask the same member for a record that
 * names a thousand of them, or everybody. Who has heard of the end already does not ask.
 */
export function tellEnd(turn: Turn, whom: 'share' | 'all'): void {
  const { progress, records, decisions } = turn.state
  const record = records.get(attemptKey(progress))
  if (record === undefined) return
  const cohort = record.specification === null ? [] : openSigned(record.specification, SPECIFICATION).body.cohort
  const approved = [...decisions].flatMap(([site, one]) =>
    openSigned(one, DECISION).body.decision === 'approve' ? [site] : [],
  )
  const sites = [...new Set([...cohort.map((one) => one.site), ...approved])]
  const message = { type: 'ended' as const, ...attemptName(turn) }
  const present = electorate(turn).seats.filter((key) => key !== null)
  const mine = present.indexOf(turn.context.self)
  const share = whom === 'all' ? [...sites, ...present] : sites.filter((_, at) => at % present.length === mine)
  for (const key of new Set(share)) if (key !== turn.context.self) send(turn, 'ended', key, message)
  if (whom === 'all') return sendOutcome(turn, record)
  const { nowMs, timings } = turn.context
  setTimer(turn, 'spread/all', nowMs + timings.graceMs * (1 + turn.seat) + sites.length * ANNOUNCE_MS_PER_SITE)
}

function afterAbandon(turn: Turn, abandoned: string): void {
  const { progress } = turn.state
  audit(turn, 'attempt-abandoned', { code: abandoned })
  const ended = endingOf(turn.job, progress.attempt, { abandoned, opened: undefined })
  update(turn, {
    progress: ended === undefined ? { ...progress, attempt: progress.attempt + 1 } : { ...progress, ended },
  })
}

/** A certified set that was not opened in time is tried again, with fresh seeds and for the same sites only. */
function afterMissing(turn: Turn): void {
  audit(turn, 'open-by-missed')
  rememberSurvivors(turn, null, null)
  const { progress } = turn.state
  update(turn, { progress: { ...progress, attempt: progress.attempt + 1, ...survivorsAlone(turn) } })
}

function afterOpening(turn: Turn, opened: Signed): void {
  const { progress } = turn.state
  const { body } = openSigned(opened, OPENED)
  // what this member opened itself counts only if it is what the quorum signed
  const agreed = body.outcome !== 'suppressed' && opened.signatures.some((one) => one.signer === turn.context.self)
  const { nextState, sealed } = agreed ? turn.state : { nextState: undefined, sealed: undefined }
  rememberSurvivors(turn, body.contributors, opened)
  const ended = endingOf(turn.job, progress.attempt, { abandoned: undefined, opened: body }) ?? null
  if (ended !== null || body.commitment === null) return update(turn, { progress: { ...progress, ended }, sealed })
  const { commitment } = body
  update(turn, {
    progress: {
      round: progress.round + 1,
      attempt: 0,
      ...survivorsAlone(turn),
      previous: { opened, commitment, kept: nextState ?? null },
      ended: null,
    },
  })
}

/** From here on the cohort is the certified survivors, and all of them. */
function survivorsAlone(turn: Turn): Pick<Progress, 'cohort' | 'pinned'> {
  const cohort = specificationOf(turn)?.body.cohort ?? []
  const keys = survivorsOf(turn)?.keys ?? []
  const survived = new Set(keys)
  return { cohort: cohort.filter((one) => survived.has(one.site)), pinned: keys }
}

function rememberSurvivors(turn: Turn, contributors: number | null, opened: Signed | null): void {
  const sites = survivorsOf(turn)?.keys
  const proof = certifiedProof(turn, opened)
  if (sites !== undefined && proof !== undefined) rememberSet(turn, sites, contributors, proof)
}

/** The released numbers sealed to the recipients that have not acknowledged them, with everything a receipt needs. */
export function release(turn: Turn, only?: Hex): void {
  const { progress, sealed, records, decisions, delivered } = turn.state
  const wanted = new Set([turn.job.researcher, ...turn.job.recipients])
  const missing = [...wanted].filter((key) => !delivered.get(key) && (only === undefined || key === only))
  // a job without an outcome has nothing to hand over
  if (progress.ended === null || !records.has(attemptKey(progress)) || missing.length === 0) return
  if (progress.ended.status === 'released' && sealed === undefined) return
  const message = {
    type: 'release' as const,
    job: turn.jobId,
    box: progress.ended.status === 'released' ? (sealed ?? null) : null,
    decisions: [...decisions.values()],
    records: [...records.values()],
    consents: earlierConsents(turn),
    refused: refusal(turn),
  }
  for (const key of missing) {
    // whoever was away all the time has never heard of it
    if (turn.context.nowMs >= turn.job.notAfter) send(turn, 'job', key, { type: 'job', job: turn.state.job })
    send(turn, 'release', key, message)
  }
}

/** A result is kept for whoever comes back, and not for ever. */
export function advanceKept(turn: Turn): void {
  if (turn.state.progress.ended === null || turn.state.sealed === undefined) return
  const untilMs = turn.job.notAfter + KEEP_RESULT_MS
  if (turn.context.nowMs < untilMs) return setTimer(turn, 'result-expires', untilMs)
  update(turn, { sealed: undefined })
  audit(turn, 'result-expired')
}

/** A recipient that asks does not have what it acknowledged: it was put back to an older copy of its disk. */
export function releaseAgain(turn: Turn, to: Hex): void {
  if (to !== turn.job.researcher && !turn.job.recipients.includes(to)) return
  update(turn, { delivered: withEntry(turn.state.delivered, to, false) })
  release(turn, to)
}

/** Approvals of earlier jobs that specifications may have named; a member that caught up by records knows them from elsewhere. */
function earlierConsents({ state, context, job, jobId }: Turn): Signed[] {
  const all = [...state.consents.values(), ...context.consents(guardKey(job)).values()]
  const named = new Map(all.map((one) => [payloadHash(one), one]))
  return [...named.values()].filter((one) => openSigned(one, DECISION).body.job !== jobId)
}

/** Over which sites it would have been, and what the guard held against it. */
function refusal(turn: Turn): GuardRefusal | null {
  const specification = specificationOf(turn)
  if (turn.state.progress.ended?.code !== 'guard' || specification === undefined) return null
  const haves = [...turn.state.haves.values()].map((one) => openSigned(one, HAVE).body)
  const keys = survivorKeys(specification.body, impliedSurvivors(turn, specification.body, haves).survivors)
  return guardRefusal(turn, specification.body, keys)
}

/** News after the job has ended here: the guard still wants to know what was certified. */
function rememberLate(turn: Turn, record: AttemptRecord): Verdict {
  const { survivors, opened } = checkRecord(record, turn.jobId, turn.job, turn.context.roster)
  const proof = proofOfRecord(turn.state.job, record)
  if (survivors !== undefined && proof !== undefined) rememberSet(turn, survivors, opened?.contributors ?? null, proof)
  if (isUnresolved(turn) && attemptKey(record) === attemptKey(turn.state.progress)) clearSuspicion(turn)
  return accept
}

/**
 * Another member's record: moves this one on to where the committee is. One after the other, since what follows an attempt
 * depends on it; a record of an opening also overrules that this member alone saw no opening in time.
 */
export function onRecord(turn: Turn, record: AttemptRecord): Verdict {
  const { progress } = turn.state
  const ahead = record.round - progress.round || record.attempt - progress.attempt
  if (progress.ended !== null) return rememberLate(turn, record)
  if (ahead > 0) return later('ahead')
  if (ahead < 0 && (record.round < progress.round || record.opened === null)) return ignore('past')
  const facts = checkRecord(record, turn.jobId, turn.job, turn.context.roster)
  const { specification } = facts
  if (facts.survivors !== undefined && facts.opened === undefined && turn.context.nowMs < (specification?.openBy ?? 0))
    return later('not-opened')
  if (ahead < 0) {
    eraseSecrets(turn)
    update(turn, { ...freshAttempt(), progress: { ...progress, attempt: record.attempt } })
  }
  const held = turn.state.certificate
  if (held !== undefined && valueId(held.value) !== valueId(record.certificate.value)) {
    updateAttempt(turn, { halted: true })
    audit(turn, 'conflict')
    return ignore('conflict')
  }
  audit(turn, 'caught-up')
  if (specification !== undefined) bindKeys(turn, specification)
  update(turn, {
    certificate: record.certificate,
    ...(record.specification === null ? {} : { specification: record.specification }),
  })
  if (record.opened !== null) keepOpening(turn, record.opened)
  return accept
}
