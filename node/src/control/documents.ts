/**
 * The documents that the control socket answers with; `--json` prints them as they are. Implements
 * docs/reference/cli.md, "Documents". Hashes and keys are hexadecimal text, times milliseconds since 1970.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Role } from '@flamesh/protocol/identity/roster.js'
import type { JobBrief } from '@flamesh/protocol/jobs/brief.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import type { SiteFit } from '@flamesh/protocol/jobs/schema-fit.js'
import type { JobStatus } from '@flamesh/protocol/jobs/status.js'
import type { JobView } from '@flamesh/protocol/peer.js'

export interface StatusDocument {
  readonly version: string
  readonly pid: number
  readonly upSinceMs: number
  readonly name: string
  readonly organisation: string
  readonly roles: readonly Role[]
  readonly key: Hex
  /** this node's certificate is in the verified log and neither expired nor revoked */
  readonly member: boolean
  readonly listen: readonly string[]
  readonly hub: HubStatus
  readonly log: LogStatus
  readonly peers: { readonly connected: number; readonly members: number }
  readonly datasets: readonly string[]
  readonly policy: Hex
  readonly jobs: Readonly<Partial<Record<JobStatus, number>>>
  /** when it was last started on an older copy of its own disk; null if it never was */
  readonly restoredMs: number | null
}

export interface HubStatus {
  readonly url: string
  readonly reachable: boolean
  readonly lastAnswerMs: number | null
  readonly problem: string | null
}

export interface LogStatus {
  readonly size: number
  /** when the hub signed the newest checkpoint that this node verified */
  readonly checkpointMs: number | null
}

export interface PeerDocument {
  readonly name: string
  readonly organisation: string
  readonly roles: readonly Role[]
  readonly key: Hex
  readonly state: 'self' | 'connected' | 'away' | 'other-version' | 'revoked' | 'expired'
  readonly addresses: readonly string[]
  readonly datasets: readonly string[]
}

export type JobDocument = Omit<JobView, 'code' | 'message'> & { readonly code?: string; readonly message?: string }

/** One job, with everything that whoever approves it has to know. */
export type ShownJobDocument = JobDocument & { readonly brief: JobBrief }

export function jobDocument(view: JobView): JobDocument {
  const { code, message, ...rest } = view
  return { ...rest, ...(code === undefined ? {} : { code }), ...(message === undefined ? {} : { message }) }
}

export interface ResultDocument {
  readonly job: Hex
  readonly status: JobStatus
  readonly code?: string
  readonly message?: string
  readonly result: Readonly<Record<string, unknown>> | null
  readonly sites: JobView['sites']
  /** the receipt's text; null while there is none */
  readonly receipt: string | null
}

/** A document compiled, and how it fits what each site that is asked announced. */
export interface CheckedJobDocument {
  readonly body: Job
  readonly sites: readonly SiteFit[]
}

export interface PreviewDocument {
  readonly job: Hex
  readonly slots: readonly { readonly slot: string; readonly value: number }[]
}

/** The states in which nothing more will happen to a job at this node. */
const FINAL: ReadonlySet<JobStatus> = new Set(['released', 'suppressed', 'failed', 'expired', 'cancelled'])

/** Whether a researcher has nothing left to wait for. A refusal is final for the site that refused and its own job. */
export function isFinal(status: JobStatus): boolean {
  return FINAL.has(status) || status === 'refused'
}
