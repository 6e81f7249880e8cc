/**
 * The roster: who is a member, folded (fold.ts) from the statements of the log by the node itself; the hub never sends a
 * roster to believe. Implements docs/spec/identity.md, roster.
 */
import type { Hex } from '../crypto/hash.js'

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
  readonly withdrawn: boolean
}

/** From its statement on, an attestation needs `threshold` of these reviewers. */
export interface PolicyFloor {
  readonly threshold: number
  readonly reviewers: readonly string[]
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
  readonly policyFloor?: PolicyFloor
}

export const emptyRoster: Roster = { size: 0, members: new Map(), committees: new Map(), attestations: [] }

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

/** The attestation of an analysis by its hash, unless it was withdrawn. */
export function attestationOf(roster: Roster, analysisHash: Hex): AttestationRecord | undefined {
  return roster.attestations.find((one) => one.analysisHash === analysisHash && !one.withdrawn)
}
