/** What a station remembers of one train, and the small things every step of it needs. */
import type { Hex } from '../crypto/hash.js'
import { openSigned, payloadHash, type Signed } from '../encoding/signed.js'
import { activeMember } from '../identity/roster.js'
import { JOB, type Job, type JobId } from '../jobs/job.js'
import { DECISION } from '../jobs/messages.js'
import type { JobStatus } from '../jobs/status.js'
import { OPEN_MARGIN_MS } from '../limits.js'
import { type Context, type Effect, type Fields, type Table, withEntry } from '../machine.js'
import { profileOf } from '../secagg/committee.js'
import { seatsOf } from '../secagg/record.js'
import { type Voice, voiceIn } from '../secagg/voice.js'
import type { WireMessage, WireOf } from '../wire.js'
import { type Chain, type ChainParts, contradicts, routeOf } from './chain.js'
import { type Held, openFromDisk, sealToDisk, trainSecretName } from './holding.js'
import { HOP } from './messages.js'
import type { Route } from './route.js'

export interface StationState {
  readonly job: Signed
  /** undefined until the train comes, or its end: until then the site's own status says all there is */
  readonly status: { readonly status: JobStatus; readonly code: string; readonly message: string } | undefined
  /** of every station of the route, as far as they told it */
  readonly decisions: Table<Signed>
  /** the first hop of each station that came to be known here: an honest station's later ones agree with it */
  readonly seen: Table<Signed>
  /** the one train that this station takes, as it came: no hops if it starts here */
  readonly taken: ChainParts | undefined
  /** what it was handed and then what it hands on, sealed under a key in the vault; gone as soon as nobody needs it */
  readonly held: Uint8Array | undefined
  /** what its hops say of itself, whoever is next: decided once */
  readonly added: { readonly failed: string | null; readonly state: Hex } | undefined
  /** stations that did not take the train in time */
  readonly unreachable: Table<boolean>
  /** its hop to whoever is next now */
  readonly hop: Signed | undefined
  /** of the last station: the result, sealed to the recipients; null if there is none */
  readonly box: WireOf<'delivery'>['box'] | undefined
  /** its word for one end of this train, and the station that it ended at */
  readonly confirmed: { readonly signed: Signed; readonly to: Hex } | undefined
  /** of the last station: the others' */
  readonly confirmations: Table<Signed>
  /** of the last station: who has taken the end of the train */
  readonly delivered: Table<boolean>
  /** stations that told of a train which they started, took or ended, and when each first did (milliseconds) */
  readonly heard: Table<number>
  /** since when the next station is waited for (milliseconds), whether it has taken the train, or says that another passed it */
  readonly _waiting: { readonly sinceMs: number; readonly taken: boolean; readonly passed: boolean } | undefined
}

export function newStation(job: Signed): StationState {
  return {
    job,
    status: undefined,
    decisions: new Map(),
    seen: new Map(),
    taken: undefined,
    held: undefined,
    added: undefined,
    unreachable: new Map(),
    hop: undefined,
    box: undefined,
    confirmed: undefined,
    confirmations: new Map(),
    delivered: new Map(),
    heard: new Map(),
    _waiting: undefined,
  }
}

/** One step in the making. */
export interface Turn {
  state: StationState
  readonly effects: Effect[]
  readonly context: Context
  readonly jobId: JobId
  readonly job: Job
  readonly route: Route
  /** of this station */
  readonly position: number
  readonly voice: Voice
}

export function beginTurn(state: StationState, context: Context): Turn | undefined {
  const { body: job, hash: jobId } = openSigned(state.job, JOB)
  const committee = context.roster.committees.get(job.committee)
  if (committee === undefined) return undefined
  const route = routeOf(job)
  const needed = (profileOf(committee.members.length)?.colluding ?? 0) + 1
  const voice = voiceIn(jobId, job, seatsOf(job, committee, context.roster), context, needed)
  return { state, effects: [], context, jobId, job, route, position: route.stations.indexOf(context.self), voice }
}

export function update(turn: Turn, change: Partial<StationState>): void {
  turn.state = { ...turn.state, ...change }
}

const ENDED: ReadonlySet<JobStatus> = new Set(['released', 'suppressed', 'failed', 'expired', 'cancelled'])

/** Nothing new is signed here: the train has ended, or ended for this station. */
export const isOver = ({ status }: StationState): boolean => status !== undefined && ENDED.has(status.status)

/** This station has said its word on how the train ended, or its part ended otherwise. */
export const isClosed = (turn: Turn): boolean => isOver(turn.state) || turn.state.confirmed !== undefined

/** The train is here and its rows are not on it yet: what its analysis comes to is waited for. */
export const isAdding = (state: StationState): boolean =>
  state.taken !== undefined && state.added === undefined && !isOver(state) && state.confirmed === undefined

export const isLast = ({ hop }: StationState): boolean => hop !== undefined && openSigned(hop, HOP).body.next === null

/** Whether the key of what this station holds, or will, is needed; the vault forgets it otherwise. */
export const needsSecret = (state: StationState): boolean =>
  !isOver(state) && state.confirmed === undefined && (state.held !== undefined || state.taken === undefined)

export function approvalOf(turn: Turn, station: Hex): Signed | undefined {
  const signed = turn.state.decisions.get(station)
  return signed !== undefined && openSigned(signed, DECISION).body.decision === 'approve' ? signed : undefined
}

export function hasRefused(turn: Turn, station: Hex): boolean {
  const signed = turn.state.decisions.get(station)
  return signed !== undefined && openSigned(signed, DECISION).body.decision === 'refuse'
}

export const isActive = ({ context }: Turn, key: Hex): boolean =>
  activeMember(context.roster, key, context.nowMs) !== undefined

// ---- what it holds

/** A key of its own for each train, made before anything is sealed under it; a kill must not leave one without the other. */
export function prepareSecret(turn: Turn): Uint8Array | undefined {
  const name = trainSecretName(turn.jobId)
  const secret = turn.context.secret(name)
  if (secret === undefined) turn.effects.push({ type: 'keep-secret', name, secret: turn.context.random(32) })
  return secret
}

export function hold(turn: Turn, held: Held, secret: Uint8Array): void {
  update(turn, { held: sealToDisk(held, turn.jobId, secret, turn.context.random) })
}

export function held(turn: Turn): Held | undefined {
  const secret = turn.context.secret(trainSecretName(turn.jobId))
  const { held: sealed } = turn.state
  return secret === undefined || sealed === undefined ? undefined : openFromDisk(sealed, turn.jobId, secret)
}

/** The train has gone on, or ended: what was held here is readable for nobody from now on. */
export function letGo(turn: Turn): void {
  update(turn, { held: undefined, _waiting: undefined })
  turn.effects.push({ type: 'erase-secret', name: trainSecretName(turn.jobId) })
}

// ---- what it says

/** The hops up to and with its own, and the decisions that they rely on. */
export function ownChain(turn: Turn): ChainParts {
  const { taken, hop, decisions } = turn.state
  // a station that decided twice must not make a chain of others look broken
  const known = [...(taken?.decisions ?? []), ...decisions.values()]
  return {
    hops: [...(taken?.hops ?? []), ...(hop === undefined ? [] : [hop])],
    decisions: [...new Map(known.map((signed) => [payloadHash(signed), signed])).values()],
  }
}

export function send(turn: Turn, id: string, to: Hex, message: WireMessage, untilMs = lastMs(turn)): void {
  turn.effects.push({ type: 'send', id: `${turn.jobId}/${id}/${to}`, to, message, untilMs })
}

export const lastMs = ({ job }: Turn): number => job.notAfter + OPEN_MARGIN_MS

export function tellStations(turn: Turn, { hops, decisions }: ChainParts): void {
  const message = { type: 'travelling' as const, job: turn.jobId, hops: [...hops], decisions: [...decisions] }
  for (const key of turn.route.stations) if (key !== turn.context.self) send(turn, 'travelling', key, message)
}

export function setStatus(turn: Turn, status: JobStatus, code: string, message: string): void {
  update(turn, { status: { status, code, message } })
  turn.effects.push({ type: 'notify', event: 'job-status', fields: { status, code } })
}

export function audit(turn: Turn, event: string, fields: Fields): void {
  turn.effects.push({ type: 'audit', event, fields: { job: turn.jobId, ...fields } })
}

export function progress(turn: Turn, status: 'submitted' | 'failed'): void {
  const { jobId: job, context } = turn
  const message = { type: 'progress' as const, job, round: 1, attempt: 0, site: context.self, status }
  send(turn, 'progress', turn.job.researcher, message)
}

/** Whether no station of this chain has signed otherwise before; what it signed first is kept, and so is the proof. */
export function noteHops(turn: Turn, chain: Chain, from: Hex): boolean {
  let honest = true
  for (const { body, hash, signed } of chain.links) {
    const before = turn.state.seen.get(body.station)
    if (before === undefined) update(turn, { seen: withEntry(turn.state.seen, body.station, signed) })
    else if (contradicts(openSigned(before, HOP).body, body)) {
      honest = false
      const against = turn.context.roster.members.get(body.station)?.name ?? body.station
      audit(turn, 'evidence', { kind: 'two-hops', against, first: payloadHash(before), second: hash })
    }
  }
  // said again it is no news: nobody keeps the others waiting for ever
  if (honest && !turn.state.heard.has(from))
    update(turn, { heard: withEntry(turn.state.heard, from, turn.context.nowMs) })
  return honest
}
