/** The outside world as the engine sees it. node/ supplies real ports, simulations/ simulated ones. */
import type { Hex } from './crypto/hash.js'
import type { Verdict } from './encoding/verdict.js'
import type { ImageDescription } from './images/description.js'
import type { ComputeAnswer, ComputeTask } from './secagg/compute.js'

export interface Write {
  readonly key: string
  /** null deletes */
  readonly value: Uint8Array | null
}

export interface Store {
  /** Atomic, and on disk (synced) when it resolves. */
  write(writes: readonly Write[]): Promise<void>
  get(key: string): Promise<Uint8Array | undefined>
  /** All entries whose key starts with `prefix`, in key order. */
  list(prefix: string): Promise<readonly (readonly [string, Uint8Array])[]>
}

/** Keys that must be able to vanish: one file each, overwritten and unlinked by `erase` (a log-structured store erases nothing). */
export interface Vault {
  put(name: string, secret: Uint8Array): Promise<void>
  get(name: string): Promise<Uint8Array | undefined>
  erase(name: string): Promise<void>
  list(): Promise<readonly string[]>
}

export interface Transport {
  /**
   * Hands one message to one peer and resolves with the peer's verdict. Rejects (any error) when the peer cannot be
   * reached or did not answer; the engine tries again.
   */
  send(to: Hex, message: Uint8Array): Promise<Verdict>
  /** Broadcast to every member. Best effort. */
  publish(message: Uint8Array): void
}

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** milliseconds since 1970 */
  now(): number
  setTimer(atMs: number, fire: () => void): Timer
}

export interface Random {
  bytes(length: number): Uint8Array
}

/** Runs a site's analysis on its own rows, outside the engine's turn, with limits on memory and time. */
export interface Runner {
  contribute(request: ContributeRequest): Run
  /** An image's own way from sums to an outcome, at a member that opens them; no rows are involved. */
  reduce(request: ReduceRequest): Run
}

/** Begun, or waiting for its turn. */
export interface Run {
  readonly outcome: Promise<ContributeOutcome>
  /** Nobody waits for it any more: it is never begun, or ended at once. What becomes of `outcome` matters to nobody. */
  cancel(): void
}

/** Does a round's bulk arithmetic outside the engine's turn: `compute` of secagg/compute.js, elsewhere. Never rejects. */
export interface Computer {
  compute(task: ComputeTask): Promise<ComputeAnswer>
}

export interface ReduceRequest {
  readonly job: Hex
  readonly image: ImageDescription
  readonly round: number
  readonly parameters: unknown
  readonly state: unknown
  /** counts and sums in the order of the slots */
  readonly sums: Float64Array
}

export interface ContributeRequest {
  readonly job: Hex
  readonly analysis: string
  readonly analysisVersion: number
  /** where the analysis is an image */
  readonly image: ImageDescription | null
  readonly round: number
  readonly parameters: unknown
  readonly state: unknown
  readonly dataset: string
  /** hash of the rows the job was approved on: the same for every round and attempt */
  readonly datasetVersion: Hex
  readonly where: readonly unknown[]
  /** for the eyes of the site's own operator: nothing leaves */
  readonly preview?: true
}

export type ContributeOutcome =
  | { readonly ok: true; readonly values: Float64Array }
  | { readonly ok: false; readonly code: string; readonly message: string }
