/** What a site remembers about one job, and the small things every step of it needs. */
import type { Hex } from '../../crypto/hash.js'
import { openSigned, type Signed } from '../../encoding/signed.js'
import type { CommitteeRecord } from '../../identity/roster.js'
import { OPEN_MARGIN_MS } from '../../limits.js'
import { type Context, type Effect, type Fields, type Table, withEntry } from '../../machine.js'
import { profileOf } from '../../secagg/committee.js'
import { seatsOf } from '../../secagg/record.js'
import { type Voice, voiceIn } from '../../secagg/voice.js'
import type { WireMessage, WireOf } from '../../wire.js'
import { JOB, type Job, type JobId } from '../job.js'
import type { JobStatus } from '../status.js'

/** One round at this site. What it computed is kept only as the bytes it sent. */
export interface SiteRound {
  readonly roundId: Hex
  readonly status: 'preparing' | 'submitted' | 'withdrawn'
  /** the state it starts from, sealed (kept-state.ts), until the round is answered; null in round 1 */
  readonly kept: Uint8Array | null
  readonly resolved: boolean
}

export interface SiteState {
  readonly job: Signed
  readonly status: { readonly status: JobStatus; readonly code: string; readonly message: string }
  readonly decision: Signed | undefined
  /** of operators, by their key, until enough of them have signed */
  readonly approvals: Table<Signed>
  /** by `round.attempt`: one specification each, for ever */
  readonly rounds: Table<SiteRound>
  /** theirs, by the same name: long, and never changed */
  readonly specifications: Table<Signed>
  /** by `round.attempt/member`: for a resend, byte for byte */
  readonly sent: Table<WireMessage>
  /** of a job that ended without an outcome: where members stand, by their keys */
  readonly standings: Table<WireOf<'standing'>>
  /** how the job ended is known: a record says so, or a quorum of members that know of no end */
  readonly settled: boolean
  /** what an image computed for a round: further attempts of it say the same, whether or not the image would */
  readonly _vector: { readonly round: number; readonly values: Float64Array } | undefined
  /** when a member was asked for the record of the end (milliseconds) */
  readonly _askedAtMs: number | undefined
}

/** Code of a job that this node sits out, and whose end it may have heard in a life that it does not remember. */
export const RESTORED = 'restored-from-backup'

export function newSite(job: Signed): SiteState {
  return {
    job,
    status: { status: 'announced', code: '', message: '' },
    decision: undefined,
    approvals: new Map(),
    rounds: new Map(),
    specifications: new Map(),
    sent: new Map(),
    standings: new Map(),
    settled: false,
    _vector: undefined,
    _askedAtMs: undefined,
  }
}

/** One step in the making. */
export interface Turn {
  state: SiteState
  readonly effects: Effect[]
  readonly context: Context
  readonly jobId: JobId
  readonly job: Job
  readonly committee: CommitteeRecord
  /** keys in seat order; null for the seats that are absent in this job */
  readonly seats: readonly (Hex | null)[]
}

export function beginTurn(state: SiteState, context: Context): Turn | undefined {
  const { body: job, hash: jobId } = openSigned(state.job, JOB)
  const committee = context.roster.committees.get(job.committee)
  if (committee === undefined) return undefined
  return { state, effects: [], context, jobId, job, committee, seats: seatsOf(job, committee, context.roster) }
}

/** Members that must have told this site what they know of it: one of them is honest. */
export const needed = (turn: Turn): number => (profileOf(turn.committee.members.length)?.colluding ?? 0) + 1

export const voice = (turn: Turn): Voice => voiceIn(turn.jobId, turn.job, turn.seats, turn.context, needed(turn))

export const isOpen = ({ state }: Pick<Turn, 'state'>): boolean =>
  ['announced', 'waiting', 'approved', 'preparing', 'submitted', 'refused'].includes(state.status.status)

/** Whether this site still is to answer an attempt, by its name: what its analysis comes to is waited for. */
export function isAnswering(state: SiteState, name: string): boolean {
  const round = state.rounds.get(name)
  return round?.status === 'preparing' && !round.resolved && isOpen({ state })
}

/** Over here, and nobody has said how it ended. */
export const endedUntold = ({ status: { status, code } }: SiteState): boolean =>
  status === 'expired' || code === 'committee-retired' || code === RESTORED

export const isWaitingForOpening = (turn: Turn): boolean =>
  turn.state.status.status === 'submitted' && turn.context.nowMs < turn.job.notAfter + OPEN_MARGIN_MS

export function attemptOf(name: string): { round: number; attempt: number } {
  const [round, attempt] = name.split('.')
  return { round: Number(round), attempt: Number(attempt) }
}

export function presentMembers(turn: Turn): readonly Hex[] {
  return turn.seats.filter((key) => key !== null)
}

/** Nobody needs the bytes of a round that is over. */
export function markResolved(turn: Turn, name: string): void {
  const { state } = turn
  const round = state.rounds.get(name)
  if (round === undefined || round.resolved) return
  const sent = new Map([...state.sent].filter(([key]) => !key.startsWith(`${name}/`)))
  turn.state = { ...state, sent, rounds: withEntry(state.rounds, name, { ...round, kept: null, resolved: true }) }
}

export function setStatus(turn: Turn, status: JobStatus, code: string, message: string): void {
  turn.state = { ...turn.state, status: { status, code, message } }
  turn.effects.push({ type: 'notify', event: 'job-status', fields: { status, code } })
}

export function progress(turn: Turn, at: { round: number; attempt: number }, status: 'submitted' | 'failed'): void {
  send(turn, `progress/${at.round}.${at.attempt}`, turn.job.researcher, {
    type: 'progress',
    job: turn.jobId,
    ...at,
    site: turn.context.self,
    status,
  })
}

export function send(turn: Turn, id: string, to: Hex, message: WireMessage): void {
  turn.effects.push({
    type: 'send',
    id: `${turn.jobId}/${id}/${to}`,
    to,
    message,
    untilMs: turn.job.notAfter + OPEN_MARGIN_MS,
  })
}

export function audit(turn: Turn, event: string, fields: Fields): void {
  turn.effects.push({ type: 'audit', event, fields: { job: turn.jobId, ...fields } })
}
