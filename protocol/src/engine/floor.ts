/** Where messages that concern no job are answered: what they may see of the node, and what they may do. */
import type { Hex } from '../crypto/hash.js'
import type { Signed } from '../encoding/signed.js'
import type { SurvivorHistory } from '../history.js'
import type { LogState } from '../identity/log.js'
import type { JobId } from '../jobs/job.js'
import type { LogOutcome } from '../peer.js'
import type { WireMessage } from '../wire.js'
import type { DeskState } from './desk.js'
import type { JobRoles } from './roles.js'

export interface Floor {
  readonly self: Hex
  /** when this node was started (milliseconds) */
  readonly life: number
  readonly nowMs: number
  readonly log: LogState
  readonly statements: readonly Uint8Array[]
  readonly jobs: ReadonlyMap<JobId, JobRoles>
  learn(statements: readonly Uint8Array[], checkpoint: Uint8Array): Promise<LogOutcome>
  random(length: number): Uint8Array
  keep(desk: DeskState): Promise<void>
  keepsProof(entry: SurvivorHistory): boolean
  /** more is known: whoever waited for it goes on */
  learned(): Promise<void>
  /** prekeys of this node that are not to be offered again; fresh ones take their place */
  discard(prekeys: readonly Hex[]): Promise<void>
  /** the counter of a mark of this node that this life does not remember */
  forgotten(mark: Signed): number | undefined
  greeting(from: Hex, lost: number | undefined, jobs: readonly JobId[]): Promise<void>
  send(to: Hex, kind: string, message: WireMessage): void
  notify(event: string, fields: Readonly<Record<string, string | number | boolean>>): void
}
