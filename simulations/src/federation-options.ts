/** What a simulated federation is made of. */
import type { Rows } from '@flamesh/protocol/analyses/analysis.js'
import type { DatasetDescription } from '@flamesh/protocol/jobs/dataset.js'
import type { Policy } from '@flamesh/protocol/jobs/policy.js'
import type { Timings } from '@flamesh/protocol/machine.js'
import type { ContributeRequest, ReduceRequest } from '@flamesh/protocol/ports.js'
import type { Costs } from './network/costs.js'

export interface SimulatedSite {
  readonly name: string
  readonly rows: Rows
}

export interface FederationOptions {
  readonly seed: number
  /** of the nodes' and the hub's keys, where they are to be the same in several federations; the seed unless said otherwise */
  readonly keySeed?: number
  readonly dataset: string
  readonly columns: DatasetDescription['columns']
  readonly sites: readonly SimulatedSite[]
  /** names in seat order */
  readonly committee: readonly string[]
  /** one way; a function by names of nodes */
  readonly latencyMs?: number | ((from: string, to: string) => number)
  readonly network?: NetworkSettings
  /** names of further researchers: recipients of jobs that they do not submit */
  readonly researchers?: readonly string[]
  /** how announcements travel: 'flood' unless said otherwise */
  readonly gossip?: 'router' | 'flood'
  /** what a site's processor takes for what it does; nothing unless said otherwise */
  readonly costs?: Costs
  /** from so many sites on other threads do arithmetic; the run is the same without */
  readonly threadsFromSites?: number
  readonly policy?: Policy
  readonly timings?: Timings
  /** without it a job of an image fails at every site */
  readonly images?: SimulatedImages
}

/** Stands in for containers: what an image computes at a node, in this process and without a sandbox. */
export interface SimulatedImages {
  /** what `map` writes, in the order of the description's slots */
  map(node: string, rows: Rows, request: ContributeRequest): Float64Array
  /** what `reduce` writes */
  reduce(node: string, request: ReduceRequest): Float64Array
}

export interface NetworkSettings {
  readonly jitter?: number
  readonly loss?: number
  readonly uplinkBytesPerMs?: number
  readonly neighbours?: number
  /** names of nodes that nobody can dial */
  readonly outboundOnly?: readonly string[]
  readonly silenceMs?: number
}
