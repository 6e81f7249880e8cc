/**
 * What an aggregation peer remembers about one job: where the job stands, and the attempt under way. Everything but the
 * fields that start with `_` is on disk before anything that relies on it is sent.
 */
import type { Hex } from '../../crypto/hash.js'
import type { Box } from '../../crypto/sealing.js'
import { openSigned, type Signed } from '../../encoding/signed.js'
import { survivorsHash } from '../../history.js'
import type { CommitteeRecord } from '../../identity/roster.js'
import { JOB, type Job, type JobId } from '../../jobs/job.js'
import { OPEN_MARGIN_MS } from '../../limits.js'
import type { Context, Effect, Fields, Table } from '../../machine.js'
import type { AttemptRecord, WireMessage, WireOf } from '../../wire.js'
import { type Profile, profileOf } from '../committee.js'
import type { ConsensusState } from '../consensus.js'
import type { Certificate, Electorate } from '../consensus-messages.js'
import type { Reducing } from '../gate.js'
import { openKept, type RoundState } from '../kept-state.js'
import { PREKEY, SPECIFICATION, type Specification } from '../messages.js'
import type { PartialSum } from '../opening.js'
import { type Ending, seatsOf } from '../record.js'
import type { CohortEntry } from '../specification.js'
import type { Holdings } from '../submission.js'

/** Where the job stands. */
export interface Progress {
  readonly round: number
  readonly attempt: number
  /** fixed by the first certified attempt of a round that opened; null before */
  readonly cohort: readonly CohortEntry[] | null
  readonly pinned: readonly Hex[] | null
  /** the last opening, and the state it committed to, sealed (kept-state.ts); null where this member has not learnt it */
  readonly previous: {
    readonly opened: Signed
    readonly commitment: Hex
    readonly kept: Uint8Array | null
  } | null
  readonly ended: Ending | null
}

/** The attempt under way. */
export interface Attempt {
  /** when the cohort was known, from which the specification is awaited; null before (milliseconds) */
  readonly readyAtMs: number | null
  /** why this member would abandon the attempt without any Have */
  readonly abandon: string | null
  /** roundId this member signed, at most one an attempt */
  readonly signed: Hex | null
  /** this member's own one-time keys that are bound to this attempt, to be erased with it */
  readonly keys: readonly Hex[]
  /** when the specification had its quorum here (milliseconds) */
  readonly specifiedAtMs: number | null
  readonly announced: boolean
  /** when this member signed its Have (milliseconds) */
  readonly closedAtMs: number | null
  /** when a quorum's opening was here before this member's own (milliseconds) */
  readonly quorumAtMs: number | null
  readonly finished: boolean
  /** survivor sets this member proposed or voted for (keys) */
  readonly voted: readonly (readonly Hex[])[]
  /** what the specification names and this member did not know was asked for */
  readonly asked: boolean
  /** two certificates were seen for this attempt: nothing of it is opened here any more */
  readonly halted: boolean
  /** `kind/member` of what was put on record as evidence: once is enough */
  readonly accused: readonly string[]
}

export const FRESH_ATTEMPT: Attempt = {
  readyAtMs: null,
  abandon: null,
  signed: null,
  keys: [],
  specifiedAtMs: null,
  announced: false,
  closedAtMs: null,
  quorumAtMs: null,
  finished: false,
  voted: [],
  asked: false,
  halted: false,
  accused: [],
}

export interface Stored {
  readonly submit: WireOf<'submit'> | null
  /** from co-holders, by their key */
  readonly supplies: Readonly<Record<Hex, WireOf<'supply'>>>
  /** the site's own message held every seed and slice of this seat, each fitting its commitment */
  readonly whole: boolean
}

export interface MemberState {
  readonly job: Signed
  readonly progress: Progress
  readonly attempt: Attempt
  /** approvals and refusals, by site */
  readonly decisions: Table<Signed>
  /** approvals whose consents a specification named, by hash: of this job and of earlier ones */
  readonly consents: Table<Signed>
  readonly cancelled: Signed | undefined
  /** sites that cannot submit in this attempt */
  readonly withdrawals: Table<Signed>
  /** specifications seen, by roundId, signatures merged; at most two (the second is evidence) */
  readonly candidates: Table<Signed>
  /** the one with a quorum */
  readonly specification: Signed | undefined
  /** by cohort index */
  readonly submissions: Table<Stored>
  /** by seat */
  readonly haves: Table<Signed>
  readonly consensus: ConsensusState | undefined
  readonly certificate: Certificate | undefined
  /** by seat of the sender */
  readonly partials: Table<WireOf<'partials'>>
  /** by payload hash, signatures merged */
  readonly openings: Table<Signed>
  /** the next state as this member opened it, sealed like the one before */
  readonly nextState: Uint8Array | undefined
  /** the released numbers and their salt, sealed to the recipients when they were opened: no disk here holds them readable */
  readonly sealed: Box | undefined
  /** finished attempts, by `round.attempt` */
  readonly records: Table<AttemptRecord>
  /** of a job that ended without an outcome: where members stand, by their keys */
  readonly standings: Table<WireOf<'standing'>>
  /** such a job, when it is known after all what was certified */
  readonly resolved: boolean
  /** recipients that acknowledged the release */
  readonly delivered: Table<boolean>
  /** what was opened of whole submissions, by hash: opened again from what is stored after a restart, and never written */
  readonly _held: Table<Holdings>
  /** this member's partial sums: derived from seeds, which are never written */
  readonly _sums: readonly PartialSum[] | undefined
  /** what an image's `reduce` is at work on */
  readonly _reducing: Reducing | undefined
}

export function newMember(job: Signed): MemberState {
  return {
    job,
    progress: { round: 1, attempt: 0, cohort: null, pinned: null, previous: null, ended: null },
    decisions: new Map(),
    consents: new Map(),
    cancelled: undefined,
    records: new Map(),
    standings: new Map(),
    resolved: false,
    delivered: new Map(),
    ...freshAttempt(),
  }
}

const FORGOTTEN = {
  submissions: new Map<string, Stored>(),
  partials: new Map<string, WireOf<'partials'>>(),
  _held: new Map<string, Holdings>(),
  _sums: undefined,
  _reducing: undefined,
}

export function freshAttempt() {
  return {
    attempt: FRESH_ATTEMPT,
    withdrawals: new Map<string, Signed>(),
    candidates: new Map<string, Signed>(),
    specification: undefined,
    haves: new Map<string, Signed>(),
    consensus: undefined,
    certificate: undefined,
    openings: new Map<string, Signed>(),
    nextState: undefined,
    sealed: undefined,
    ...FORGOTTEN,
  }
}

/** One step in the making: the phases read and replace `state` and add effects; what was read of the job is kept at hand. */
export interface Turn {
  state: MemberState
  readonly effects: Effect[]
  readonly context: Context
  readonly jobId: JobId
  readonly job: Job
  readonly committee: CommitteeRecord
  readonly profile: Profile
  /** keys in seat order; null for the seats that are absent in this job, which have no say in it */
  readonly seats: readonly (Hex | null)[]
  /** this member's own, -1 if it is absent */
  readonly seat: number
}

export function beginTurn(state: MemberState, context: Context): Turn | undefined {
  const { body: job, hash: jobId } = openSigned(state.job, JOB)
  const committee = context.roster.committees.get(job.committee)
  if (committee === undefined) return undefined
  const profile = profileOf(committee.members.length) as Profile
  const seats = seatsOf(job, committee, context.roster)
  return { state, effects: [], context, jobId, job, committee, profile, seats, seat: seats.indexOf(context.self) }
}

export function electorate(turn: Turn): Electorate {
  const { round, attempt } = turn.state.progress
  return { instance: { job: turn.jobId, round, attempt }, seats: turn.seats, profile: turn.profile }
}

/** The round's specification, once a quorum signed it. */
export function specificationOf(turn: Turn): { readonly body: Specification; readonly roundId: Hex } | undefined {
  if (turn.state.specification === undefined) return undefined
  const { body, hash } = openSigned(turn.state.specification, SPECIFICATION)
  return { body, roundId: hash }
}

/** The state that the round starts from; undefined in round 1, and where this member lacks it. */
export function stateOf(turn: Turn): RoundState | undefined {
  const kept = turn.state.progress.previous?.kept
  return kept ? openKept(turn, kept) : undefined
}

/** Whether this member has what a round needs that is not the first. */
export const knowsState = (turn: Turn): boolean => turn.state.progress.previous === null || stateOf(turn) !== undefined

/** The vault's name for the secret behind a prekey. */
export const secretName = (prekey: Hex): string => `prekey-${prekey}`

/** The secret of this member's seat; undefined if its key is bound to another round, or gone. */
export function roundSecret(turn: Turn, specification: Specification): Uint8Array | undefined {
  const signed = specification.committee.seats[turn.seat]
  if (!signed) return undefined
  const { key } = openSigned(signed, PREKEY).body
  return turn.state.attempt.keys.includes(key) ? turn.context.secret(secretName(key)) : undefined
}

export function survivorKeys(specification: Specification, indices: readonly number[]): readonly Hex[] {
  return indices.map((index) => specification.cohort[index]?.site as Hex)
}

export interface Survivors {
  readonly indices: readonly number[]
  readonly keys: readonly Hex[]
  /** of the set of keys */
  readonly hash: Hex
  /** hash of the submission that counts, one a survivor */
  readonly submissions: readonly Hex[]
}

/** The certified survivors of the attempt under way, in cohort order. */
export function survivorsOf(turn: Turn): Survivors | undefined {
  const value = turn.state.certificate?.value
  const specification = specificationOf(turn)
  if (value?.kind !== 'survivors' || specification === undefined) return undefined
  const keys = survivorKeys(specification.body, value.survivors)
  return { indices: value.survivors, keys, hash: survivorsHash(keys), submissions: value.submissions }
}

export const attemptName = (turn: Turn): { job: Hex; round: number; attempt: number } => ({
  job: turn.jobId,
  round: turn.state.progress.round,
  attempt: turn.state.progress.attempt,
})

export const attemptKey = ({ round, attempt }: { round: number; attempt: number }): string => `${round}.${attempt}`

export const deadline = (turn: Turn): number => turn.job.notAfter + OPEN_MARGIN_MS

/** Whoever connects asks again; so after the job a message is worth no more than this (milliseconds). */
export const LATE_TRY_MS = 60_000

const untilOf = (turn: Turn): number => Math.max(deadline(turn), turn.context.nowMs + LATE_TRY_MS)

export function send(turn: Turn, id: string, to: Hex, message: WireMessage, untilMs = untilOf(turn)): void {
  turn.effects.push({ type: 'send', id: `${turn.jobId}/${id}/${to}`, to, message, untilMs })
}

export function sendToMembers(turn: Turn, id: string, message: WireMessage): void {
  for (const key of electorate(turn).seats) if (key !== null && key !== turn.context.self) send(turn, id, key, message)
}

/**
 * `name` is unique within the attempt, so that a timer of an earlier one means nothing. Whatever is due is done in this step:
 * every phase looks at the time, so a past one needs no timer.
 */
export function setTimer(turn: Turn, name: string, atMs: number): void {
  if (atMs <= turn.context.nowMs) return
  turn.effects.push({ type: 'timer', name: `${attemptKey(turn.state.progress)}/${name}`, atMs })
}

export function audit(turn: Turn, event: string, fields: Fields = {}): void {
  const { round, attempt } = turn.state.progress
  turn.effects.push({ type: 'audit', event, fields: { job: turn.jobId, round, attempt, ...fields } })
}

/** One-time keys and all they opened end with their attempt; the record is the tombstone. */
export function eraseSecrets(turn: Turn): void {
  for (const key of turn.state.attempt.keys) turn.effects.push({ type: 'erase-secret', name: secretName(key) })
  updateAttempt(turn, { keys: [] })
  update(turn, FORGOTTEN)
}

/** Puts on record that a member or a site contradicted itself or lied. */
export function accuse(turn: Turn, kind: string, against: Hex, fields: Fields = {}): void {
  // what a node does not remember of itself it has forgotten
  if (against === turn.context.self) return
  const name = `${kind}/${against}`
  if (turn.state.attempt.accused.includes(name)) return
  updateAttempt(turn, { accused: [...turn.state.attempt.accused, name] })
  audit(turn, 'evidence', { kind, against: nameOf(turn, against), ...fields })
}

export function update(turn: Turn, change: Partial<MemberState>): void {
  turn.state = { ...turn.state, ...change }
}

export function updateAttempt(turn: Turn, change: Partial<Attempt>): void {
  update(turn, { attempt: { ...turn.state.attempt, ...change } })
}

/** A site's or member's name for logs; the key's first digits if the roster has none. */
export const nameOf = (turn: Turn, key: Hex): string => turn.context.roster.members.get(key)?.name ?? key.slice(0, 12)
