/**
 * A peer as the daemon sees it: the protocol's engine behind a few calls. `createPeer` (engine.ts) makes one from ports.
 */
import type { Hex } from './crypto/hash.js'
import type { Signed, Signer } from './encoding/signed.js'
import type { Verdict } from './encoding/verdict.js'
import type { Checkpoint } from './identity/checkpoint.js'
import type { LogState } from './identity/log.js'
import type { Roster } from './identity/roster.js'
import type { JobBrief } from './jobs/brief.js'
import type { DatasetAnnouncement, DatasetDescription } from './jobs/dataset.js'
import type { PolicyDecision } from './jobs/evaluate.js'
import type { Job, JobId } from './jobs/job.js'
import type { Policy } from './jobs/policy.js'
import type { JobStatus } from './jobs/status.js'
import type { Clock, Computer, Random, Runner, Store, Transport, Vault } from './ports.js'

export interface Ports {
  readonly store: Store
  readonly vault: Vault
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly runner: Runner
  /** absent: the engine does its own arithmetic */
  readonly computer?: Computer
}

/** One line of the node's own record: what was asked, decided, sent or opened. Never a value from the data. */
export interface AuditEntry {
  readonly event: string
  readonly fields: Readonly<Record<string, string | number | boolean>>
}

/** Something a person watching would want to know at once; feeds `--wait` and the logs. */
export interface PeerEvent {
  readonly event: string
  readonly job?: JobId
  readonly fields: Readonly<Record<string, string | number | boolean>>
}

export interface PeerOptions {
  readonly hubKey: Hex
  readonly signer: Signer
  /** X25519 secret of the certificate's sealing key */
  readonly sealingSecret: Uint8Array
  readonly ports: Ports
  readonly policy: Policy
  readonly datasets: readonly DatasetDescription[]
  readonly onAudit: (entry: AuditEntry) => void
  readonly onEvent: (event: PeerEvent) => void
  /**
   * A log that another node of this process has verified with the same hub key: nodes of one process may verify it once. A
   * checkpoint that is not exactly the one of this log is verified as ever.
   */
  readonly verifiedLog?: () => VerifiedLog | undefined
}

export interface VerifiedLog {
  readonly state: LogState
  /** those that lead to the state, from the first */
  readonly statements: readonly Uint8Array[]
}

/** What each site is known to have done, by site name; refusals carry their reason. */
export interface SiteView {
  readonly status: 'approved' | 'refused' | 'submitted' | 'failed'
  readonly code?: string
  readonly message?: string
  /** true when the site's update is in the released sum */
  readonly included?: boolean
}

export interface JobView {
  readonly job: JobId
  readonly name: string
  readonly purpose: string
  /** the researcher's name and organisation in the roster */
  readonly researcher: string
  readonly organisation: string
  readonly analysis: string
  readonly dataset: string
  readonly body: Job
  /** status at this node: as the researcher sees it if the job is its own, else as this site decided */
  readonly status: JobStatus
  readonly code: string | undefined
  readonly message: string | undefined
  readonly round: number
  readonly mine: boolean
  /** this site's approval carries its consent that its own aggregate may become derivable */
  readonly consent: boolean
  readonly sites: Readonly<Record<string, SiteView>>
}

export interface JobResult {
  readonly job: JobId
  readonly status: JobStatus
  /** present(released) with the proof that `receipt verify` needs; undefined when suppressed */
  readonly result: Readonly<Record<string, unknown>> | undefined
  /** the receipt's bytes (a JSON document) */
  readonly receipt: Uint8Array
}

export type LogOutcome =
  | { readonly outcome: 'current' | 'extended'; readonly size: number }
  | { readonly outcome: 'refused'; readonly code: string; readonly message: string }

export interface Peer {
  readonly key: Hex
  /** Loads what the store holds and resumes every open job. */
  start(): Promise<void>
  stop(): Promise<void>
  /** A message from a peer (its key is authenticated for `direct`); resolves when what it changed is on disk. */
  receive(from: Hex, message: Uint8Array, via: 'direct' | 'gossip'): Promise<Verdict>
  /** A connection to a member came up: greet it, hand over what it lacks, retry what waits for it. */
  peerConnected(peer: Hex): void
  /** Statements following those already known, and a signed checkpoint that covers them (both as encoded Signed objects). */
  learnLog(statements: readonly Uint8Array[], checkpoint: Uint8Array): Promise<LogOutcome>
  roster(): Roster
  /** the newest checkpoint this node verified, which covers the roster; undefined before the first */
  checkpoint(): Checkpoint | undefined
  /** when the life began that last found its disk put back to an older copy (milliseconds); undefined if none ever did */
  restoredAt(): number | undefined
  setPolicy(policy: Policy): Promise<void>
  /** What this node's policy would say to a job now, rule by rule; decides nothing. */
  evaluate(job: Job): PolicyDecision
  setDatasets(datasets: readonly DatasetDescription[]): Promise<void>
  /** Announced datasets of every member, this node's included: site name → descriptions. */
  catalogue(): ReadonlyMap<string, readonly DatasetAnnouncement[]>
  /** Signs and broadcasts; resolves with the id once the job is on disk. Throws FlameshError. */
  submit(job: Job): Promise<JobId>
  /**
   * `consent`: this site's own aggregate may become derivable under the job's question, now and in every later job.
   * `approval`: signed by one operator, where the policy asks for that; it says itself whether that one consents.
   */
  approve(job: JobId, options?: { readonly consent?: boolean; readonly approval?: Signed | undefined }): Promise<void>
  refuse(job: JobId, reason: string): Promise<void>
  cancel(job: JobId): Promise<void>
  jobs(): readonly JobView[]
  job(id: JobId): JobView | undefined
  /** What whoever approves it has to know. */
  brief(id: JobId): JobBrief | undefined
  result(id: JobId): Promise<JobResult | undefined>
  /** The exact vector that would leave, slot by slot, for this site's own operator. */
  preview(id: JobId): Promise<readonly { readonly slot: string; readonly value: number }[]>
}
