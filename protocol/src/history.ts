/**
 * What a node keeps about sums that were certified, over all jobs: the memory of the guard, and how a specification names it
 * (docs/spec/secure-aggregation.md, "The guard").
 */
import type { Hex } from './crypto/hash.js'
import { hashOf } from './encoding/canonical.js'

export interface SurvivorHistory {
  /** guard key: dataset, analysis, parameters, where */
  readonly key: Hex
  /** part of the key, kept apart since committees serve datasets */
  readonly dataset: string
  /** public keys, sorted */
  readonly sites: readonly Hex[]
  /** the rows this node itself contributed, if it was among them: the same question on other rows would show the difference */
  readonly ownVersion: Hex | null
  readonly job: Hex
  /** sites that had rows, once opened and released */
  readonly contributors: number | null
  /** organisations that its job demanded: nothing derivable from it may rest on fewer */
  readonly minCohort: number
  /** a quorum's votes for it were seen, so others can be made to believe it; false for a set this node merely voted for */
  readonly proven: boolean
}

/** One certified set as a specification names it: everything the guard and the gate ask of it but the sites themselves. */
export interface NamedSet {
  /** survivorsHash */
  readonly set: Hex
  /** the most that any of its jobs demanded */
  readonly minimum: number
  readonly contributors: number | null
}

/** A named set with its sites: what the guard and the gate compute on. */
export interface KnownSet extends NamedSet {
  readonly sites: readonly Hex[]
}

/** What every group must reach: the most that any of the sums demands. */
export function strictestFloor(history: readonly Pick<KnownSet, 'minimum'>[], minCohort: number): number {
  return history.reduce((most, one) => Math.max(most, one.minimum), minCohort)
}

/** What this node can show others, as a specification would name it. */
export function namedSets(history: readonly SurvivorHistory[]): readonly NamedSet[] {
  return history
    .filter((one) => one.proven)
    .map((one) => ({ set: survivorsHash(one.sites), minimum: one.minCohort, contributors: one.contributors }))
    .sort((a, b) => (a.set < b.set ? -1 : 1))
}

/** Of two counts for one set the smaller holds at whoever knows both, in whichever order they came. */
export function fewerContributors(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b)
}

/** `known` itself if the entry adds nothing. The same whatever came first, but for the job: minimum and count of an unproven set give way to those that others can check. */
export function mergeHistory(known: SurvivorHistory, entry: SurvivorHistory): SurvivorHistory {
  const ownVersion = known.ownVersion ?? entry.ownVersion
  if (!known.proven && entry.proven) return { ...entry, sites: known.sites, ownVersion }
  const { contributors, minCohort } = known.proven === entry.proven ? bothFacts(known, entry) : known
  const isNews = ownVersion !== known.ownVersion || contributors !== known.contributors || minCohort !== known.minCohort
  return isNews ? { ...known, ownVersion, contributors, minCohort } : known
}

const bothFacts = (a: SurvivorHistory, b: SurvivorHistory): Pick<SurvivorHistory, 'contributors' | 'minCohort'> => ({
  contributors: fewerContributors(a.contributors, b.contributors),
  minCohort: Math.max(a.minCohort, b.minCohort),
})

/** A memory with more entries of the same guard key. */
export function withEntries(
  history: readonly SurvivorHistory[],
  more: readonly SurvivorHistory[],
): readonly SurvivorHistory[] {
  if (more.length === 0) return history
  const bySet = new Map(history.map((one) => [survivorsHash(one.sites), one]))
  for (const entry of more) {
    const set = survivorsHash(entry.sites)
    const known = bySet.get(set)
    bySet.set(set, known === undefined ? entry : mergeHistory(known, entry))
  }
  return [...bySet.values()]
}

/** Whether `one` tells nothing about its set that `other` does not. */
function isCovered(one: NamedSet, other: NamedSet | undefined): boolean {
  return (
    other !== undefined &&
    one.minimum <= other.minimum &&
    fewerContributors(one.contributors, other.contributors) === other.contributors
  )
}

/** Those of `sets` about which `others` do not tell as much. */
export function beyond(sets: readonly NamedSet[], others: readonly NamedSet[]): readonly Hex[] {
  const bySet = new Map(others.map((one) => [one.set, one]))
  return sets.filter((one) => !isCovered(one, bySet.get(one.set))).map((one) => one.set)
}

/** The named sets with their sites; undefined if this node does not know one of them. */
export function knownSets(
  named: readonly NamedSet[],
  history: readonly SurvivorHistory[],
): readonly KnownSet[] | undefined {
  const bySet = new Map(history.map((one) => [survivorsHash(one.sites), one.sites]))
  const known = named.flatMap((one) => {
    const sites = bySet.get(one.set)
    return sites === undefined ? [] : [{ ...one, sites }]
  })
  return known.length === named.length ? known : undefined
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
/** Names what is known about one set under one guard key, between nodes. */
export function historyName(key: Hex, set: Hex): Hex {
  return hashOf({ key, set })
}

/** Sites that keep the proof of a set, beside members: enough that some of them are there, few enough for a thousand sites. */
const PROOF_KEEPERS = 16

/** Whether this site keeps the proof of a set it is in: sixteen do, others for each set. */
export function keepsProof(self: Hex, sites: readonly Hex[]): boolean {
  const at = sites.indexOf(self)
  if (at < 0) return false
  const first = Number.parseInt(survivorsHash(sites).slice(0, 8), 16) % sites.length
  return (at - first + sites.length) % sites.length < PROOF_KEEPERS
}
