/**
 * The roster: who is a member, folded (fold.ts) from the statements of the log by the node itself; the hub never sends a
 * roster to believe. Implements docs/spec/identity.md, roster.
 */
import type { Hex } from '../crypto/hash.js'
import { digestOf, type ImageDescription } from '../images/description.js'

export type Role = 'site' | 'aggregator' | 'researcher' | 'relay'

export interface Member {
  /** Ed25519 public key; the libp2p peer id derives from it */
  readonly key: Hex
  /** X25519 public key that results and states are sealed to */
  readonly sealingKey: Hex
  readonly name: string
  readonly organisation: string
  readonly roles: readonly Role[]
  /** milliseconds since 1970 */
  readonly notBefore: number
  readonly notAfter: number
  /** index of the enrolment in the log */
  readonly index: number
  /** index of the revocation in the log, if any */
  readonly revokedAt: number | undefined
}

export interface CommitteeRecord {
  readonly name: string
  /** index of the name-committee statement in the log: the committee's identity */
  readonly index: number
  /** public keys in seat order, distinct organisations */
  readonly members: readonly Hex[]
  readonly datasets: readonly string[]
  /** the committees it takes datasets over from; it serves each of these datasets once it holds the handover */
  readonly succeeds?: readonly Succession[]
}

/** What a committee takes over from one before it. */
export interface Succession {
  /** index of the predecessor's statement */
  readonly committee: number
  readonly datasets: readonly string[]
  /** timestamp of the successor's statement (milliseconds since 1970) */
  readonly at: number
}

export interface AttestationRecord {
  readonly index: number
  readonly analysis: string
  readonly analysisHash: Hex
  readonly reviewers: readonly string[]
  /** the policy floor in force when it was made, if there was one; a receipt does not tell */
  readonly floor?: PolicyFloor | undefined
  readonly withdrawn: boolean
}

/** The attestation of a container image. It outlives the floor it was made under, and ends only by being withdrawn. */
export interface ImageAttestation {
  readonly index: number
  /** of the description: what jobs and policies name the analysis by */
  readonly hash: Hex
  readonly description: ImageDescription
  /** names of those whose signatures it carries, in their order */
  readonly reviewers: readonly string[]
  /** that it was made under, which names the reviewers' keys */
  readonly floor: PolicyFloor
  readonly withdrawn: boolean
}

/** From its statement on, an attestation needs `threshold` of these reviewers. */
export interface PolicyFloor {
  readonly index: number
  readonly threshold: number
  readonly reviewers: readonly string[]
  /** one a reviewer, in the same order; undefined: no image can be attested */
  readonly keys?: readonly Hex[] | undefined
}

export interface Roster {
  /** statements folded so far: the log size it stands for */
  readonly size: number
  /** of the last statement folded (milliseconds since 1970) */
  readonly timestamp?: number
  readonly members: ReadonlyMap<Hex, Member>
  /** by index of the statement */
  readonly committees: ReadonlyMap<number, CommitteeRecord>
  readonly attestations: readonly AttestationRecord[]
  /** by hash of the description, withdrawn ones included */
  readonly images: ReadonlyMap<Hex, ImageAttestation>
  readonly policyFloor?: PolicyFloor
}

export const emptyRoster: Roster = {
  size: 0,
  members: new Map(),
  committees: new Map(),
  attestations: [],
  images: new Map(),
}

export function memberByName(roster: Roster, name: string): Member | undefined {
  for (const member of roster.members.values())
    if (member.name === name && member.revokedAt === undefined) return member
  return undefined
}

/** A member in good standing at a time: enrolled, valid, not revoked. */
export function activeMember(roster: Roster, key: Hex, nowMs: number): Member | undefined {
  const member = roster.members.get(key)
  if (member === undefined || member.revokedAt !== undefined) return undefined
  return member.notBefore <= nowMs && nowMs < member.notAfter ? member : undefined
}

/** The same as the log stood when it had `size` statements. */
export function memberAt(roster: Roster, key: Hex, size: number, nowMs: number): Member | undefined {
  const member = roster.members.get(key)
  if (member === undefined || member.index >= size) return undefined
  if (member.revokedAt !== undefined && member.revokedAt < size) return undefined
  return member.notBefore <= nowMs && nowMs < member.notAfter ? member : undefined
}

/** Whether a member's certificate is not valid yet by this clock: it may be the clock that is behind. */
export function startsLater(roster: Roster, key: Hex, nowMs: number): boolean {
  const member = roster.members.get(key)
  return member !== undefined && member.revokedAt === undefined && nowMs < member.notBefore
}

/** The committee that serves a dataset now: the latest statement that names it (one committee a dataset). */
export function committeeFor(roster: Roster, dataset: string): CommitteeRecord | undefined {
  let found: CommitteeRecord | undefined
  for (const committee of roster.committees.values()) {
    if (committee.datasets.includes(dataset) && (found === undefined || committee.index > found.index))
      found = committee
  }
  return found
}

/** The committee that takes a dataset over from this one, if one does, and since when. */
export function successionOf(
  roster: Roster,
  committee: number,
  dataset: string,
): { readonly successor: CommitteeRecord; readonly at: number } | undefined {
  for (const successor of roster.committees.values()) {
    const found = successor.succeeds?.find((one) => one.committee === committee && one.datasets.includes(dataset))
    if (found !== undefined) return { successor, at: found.at }
  }
  return undefined
}

/** Whether a node has a seat on any committee. */
export function isSeated(roster: Roster, key: Hex): boolean {
  return [...roster.committees.values()].some((one) => one.members.includes(key))
}

/**
 * The attestation of an image by the hash of its description, unless it was withdrawn. Whoever runs an image asks for this
 * one: an `attest-analysis` of the same hash holds no signature but the hub's.
 */
export function imageAttestation(roster: Roster, hash: Hex): ImageAttestation | undefined {
  const found = roster.images.get(hash)
  return found?.withdrawn === false ? found : undefined
}

/** The same by the image's digest, of which there is one attestation at a time. */
export function imageByDigest(roster: Roster, digest: string): ImageAttestation | undefined {
  for (const one of roster.images.values()) if (!one.withdrawn && digestOf(one.description) === digest) return one
  return undefined
}

/** The attestation of an analysis, image or not, by its hash, unless it was withdrawn. */
export function attestationOf(roster: Roster, hash: Hex): AttestationRecord | ImageAttestation | undefined {
  return (
    imageAttestation(roster, hash) ?? roster.attestations.find((one) => one.analysisHash === hash && !one.withdrawn)
  )
}
