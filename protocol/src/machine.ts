/**
 * The shape of every role: `step(state, event, context) → { state, effects }`, pure. A state is plain data: records, and
 * tables of records. What a step changed is what the engine writes, synced, before it carries out any effect: nothing a
 * machine relies on can be forgotten (docs/adr/0003). Implements docs/spec/secure-aggregation.md, "Roles as machines".
 */
import type { Hex } from './crypto/hash.js'
import { encode } from './encoding/canonical.js'
import type { Signed, Signer } from './encoding/signed.js'
import type { LogSummary, SurvivorHistory } from './history.js'
import type { Roster } from './identity/roster.js'
import type { DatasetDescription } from './jobs/dataset.js'
import type { Policy } from './jobs/policy.js'
import type { ContributeRequest, ReduceRequest, Write } from './ports.js'
import type { ComputeTask } from './secagg/compute.js'
import { changedKeys, isTable, type Table, withEntry } from './table.js'
import type { SetProof, WireMessage } from './wire.js'

export type Effect =
  /** delivered at least once: tried again until the peer gives a verdict or `untilMs` passes; `id` replaces an earlier one */
  | {
      readonly type: 'send'
      readonly id: string
      readonly to: Hex
      readonly message: WireMessage
      readonly untilMs: number
    }
  | { readonly type: 'publish'; readonly message: WireMessage }
  /** fires as {type: 'timer', name}; the same name replaces; a past time fires at once */
  | { readonly type: 'timer'; readonly name: string; readonly atMs: number }
  /** the site's analysis on its own rows, by the Runner port; answers with {type: 'contributed', tag} */
  | { readonly type: 'contribute'; readonly tag: string; readonly request: ContributeRequest }
  /** bulk arithmetic, outside the step; answers with {type: 'computed', tag} */
  | { readonly type: 'compute'; readonly tag: string; readonly task: ComputeTask }
  /** an image's `reduce`, by the Runner port; answers with {type: 'reduced', tag} */
  | { readonly type: 'reduce'; readonly tag: string; readonly request: ReduceRequest }
  /** in the vault before the state that this step leads to is written: nothing on disk is sealed under a key that is not there */
  | { readonly type: 'keep-secret'; readonly name: string; readonly secret: Uint8Array }
  | { readonly type: 'erase-secret'; readonly name: string }
  /** prekeys, by payload hash, that are bound to a round and never offered again */
  | { readonly type: 'spend-prekeys'; readonly prekeys: readonly Hex[] }
  /** a certified survivor set, for the guard, and what proves it to others */
  | { readonly type: 'remember'; readonly entry: SurvivorHistory; readonly proof: SetProof | undefined }
  /** a set that may have been certified in a job that ended here without an outcome */
  | { readonly type: 'remember-tentative'; readonly entry: SurvivorHistory }
  /** what was certified in this job is known */
  | { readonly type: 'forget-tentative'; readonly job: Hex }
  /** an approval in which a site consents that its aggregate under this guard key may become derivable */
  | { readonly type: 'remember-consent'; readonly key: Hex; readonly decision: Signed }
  /** a job ended at a member of a committee that is succeeded: it may be the last one before the handover */
  | { readonly type: 'retire' }
  | { readonly type: 'audit'; readonly event: string; readonly fields: Fields }
  /** for whoever watches: `--wait`, logs */
  | { readonly type: 'notify'; readonly event: string; readonly fields: Fields }

export type Fields = Readonly<Record<string, string | number | boolean>>

/** Time, randomness, keys and knowledge: the same context and event always give the same step. */
export interface Context {
  readonly nowMs: number
  readonly self: Hex
  readonly signer: Signer
  readonly sealingSecret: Uint8Array
  readonly random: (length: number) => Uint8Array
  readonly roster: Roster
  readonly log: LogSummary
  /** what someone says that they saw of the log; throws `checkpoint-ahead` or `log-fork` */
  readonly checkSeen: (seen: { readonly size: number; readonly root: Hex }) => void
  readonly policy: Policy
  readonly policyHash: Hex
  readonly datasets: readonly DatasetDescription[]
  /** survivor sets certified so far under a guard key, by any job */
  readonly history: (key: Hex) => readonly SurvivorHistory[]
  /** approvals with a consent under a guard key, by site */
  readonly consents: (key: Hex) => ReadonlyMap<Hex, Signed>
  /** this site's own, in whichever job's approval */
  readonly ownConsents: (key: Hex) => readonly Signed[]
  /** true while another job's round under the same guard key is unresolved at this node */
  readonly busy: (key: Hex, job: Hex) => boolean
  /** whether this site took a train of another job under the same guard key */
  readonly travelled: (key: Hex, job: Hex) => boolean
  /** whether a committee serves a dataset: at once, or since it holds the handover from the one before */
  readonly mayServe: (committee: number, dataset: string) => boolean
  /** jobs this site approved in the last day, for the policy's rate */
  readonly approvalsToday: number
  /** a secret of this node's vault: kept and not yet erased */
  readonly secret: (name: string) => Uint8Array | undefined
  /** unspent prekeys of a committee member, or of this node itself, oldest first */
  readonly prekeys: (committee: number, member: Hex) => readonly Signed[]
  /** when this node was started (milliseconds) */
  readonly startedAtMs: number
  /** whether a life of this node that it does not remember may have said something in a job; `notBefore` of the job */
  readonly forgotten: (job: Hex, notBefore: number) => boolean
  /** members that have said since the start what they know of this node */
  readonly greeted: (member: Hex) => boolean
  readonly timings: Timings
}

export interface Timings {
  /** how long a specification may take once the cohort is known */
  readonly specificationMs: number
  /** how long a member waits for the last Haves, or before it repeats another's work */
  readonly graceMs: number
  readonly proposeMs: number
  readonly voteMs: number
  /** added to the two above for each further view */
  readonly viewStepMs: number
}

export const DEFAULT_TIMINGS: Timings = {
  specificationMs: 8_000,
  graceMs: 1_500,
  proposeMs: 2_000,
  voteMs: 1_500,
  viewStepMs: 1_000,
}

export interface Step<S> {
  readonly state: S
  readonly effects: readonly Effect[]
}

export { type Table, withEntry }

/**
 * A state: every field a record, or a table of records. Records are canonical-CBOR encodable; undefined means absent. A
 * field whose name starts with `_` is never written: what it holds must be derived again, or must not touch a disk.
 */
export type Persisted = object

/** What must be written so that a restart finds `after`, given that the store holds `before`. */
export function difference(prefix: string, before: Persisted | undefined, after: Persisted): readonly Write[] {
  const writes: Write[] = []
  const old = (before ?? {}) as Record<string, unknown>
  for (const [field, value] of Object.entries(after)) {
    if (field.startsWith('_')) continue
    const was = old[field]
    if (value === was) continue
    if (isTable(value)) tableDifference(`${prefix}${field}/`, was as Table | undefined, value, writes)
    else writes.push({ key: prefix + field, value: value === undefined ? null : encode(value) })
  }
  return writes
}

function tableDifference(prefix: string, before: Table | undefined, after: Table, writes: Write[]): void {
  const changed = before === undefined ? undefined : changedKeys(before, after)
  if (before !== undefined && changed !== undefined) return fewDifferences(prefix, before, after, changed, writes)
  for (const [key, value] of after) {
    if (before?.get(key) !== value) writes.push({ key: prefix + key, value: encode(value) })
  }
  for (const key of before?.keys() ?? []) if (!after.has(key)) writes.push({ key: prefix + key, value: null })
}

function fewDifferences(
  prefix: string,
  before: Table,
  after: Table,
  changed: ReadonlySet<string>,
  writes: Write[],
): void {
  const were = new Map([...changed].map((key) => [key, before.get(key)]))
  for (const [key, was] of were) {
    const value = after.get(key)
    if (value !== was) writes.push({ key: prefix + key, value: value === undefined ? null : encode(value) })
  }
}

/** Rebuilds a state from its entries; `empty` says which fields are tables. */
export function restore<S extends Persisted>(empty: S, entries: Iterable<readonly [string, unknown]>): S {
  const state: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(empty)) state[field] = isTable(value) ? new Map(value) : value
  for (const [path, value] of entries) {
    const at = path.indexOf('/')
    if (at < 0) state[path] = value
    else (state[path.slice(0, at)] as Map<string, unknown>).set(path.slice(at + 1), value)
  }
  return state as S
}
