/** What a node keeps about sums that were certified, over all jobs: the memory of the guard (docs/spec/secure-aggregation.md). */
import type { Hex } from './crypto/hash.js'
import { hashOf } from './encoding/canonical.js'

export interface SurvivorHistory {
  /** guard key: dataset, analysis, parameters, where */
  readonly key: Hex
  /** public keys, sorted */
  readonly sites: readonly Hex[]
  /** the rows this node itself contributed, if it was among them: the same question on other rows would show the difference */
  readonly ownVersion: Hex | null
  readonly job: Hex
  /** sites that had rows, once opened and released */
  readonly contributors: number | null
  /** organisations that its job demanded: nothing derivable from it may rest on fewer */
  readonly minCohort: number
}

/** What every group must reach: the most that any of the sums demands. */
export function strictestFloor(history: readonly SurvivorHistory[], minCohort: number): number {
  return Math.max(minCohort, ...history.map((one) => one.minCohort))
}

export interface LogSummary {
  readonly size: number
  readonly root: Hex
  /** milliseconds since the newest verified checkpoint was signed */
  readonly checkpointAgeMs: number
}

/** Names a survivor set in specifications and openings: sites are public, so no salt is needed. */
export function survivorsHash(sites: readonly Hex[]): Hex {
  let hash = hashes.get(sites)
  if (hash === undefined) {
    hash = hashOf([...sites].sort())
    hashes.set(sites, hash)
  }
  return hash
}

/** A set is never changed, and compared with every other one again and again. */
const hashes = new WeakMap<readonly Hex[], Hex>()
