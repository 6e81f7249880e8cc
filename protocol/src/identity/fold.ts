/**
 * The fold: statements in, roster out. Deterministic and without a clock, so that every node that holds the same log holds
 * the same roster. Implements docs/spec/identity.md, rules. A statement that breaks a rule rejects the whole extension:
 * nothing of it is kept. The hub's signatures and hashes are checked before (log.ts), those of reviewers here.
 */
import type { Hex } from '../crypto/hash.js'
import { digestOf } from '../images/description.js'
import { type Broken, broken } from './broken.js'
import type { Certificate } from './certificate.js'
import { attestImage } from './image-attestation.js'
import {
  type AttestationRecord,
  activeMember,
  type CommitteeRecord,
  committeeFor,
  type ImageAttestation,
  imageByDigest,
  type Member,
  type Roster,
  type Succession,
} from './roster.js'
import { COMMITTEE_SIZES, type Entry, type Statement } from './statements.js'

export type FoldOutcome =
  | { readonly ok: true; readonly roster: Roster }
  /** `index` is where the offending statement stands in the log */
  | { readonly ok: false; readonly index: number; readonly code: string; readonly message: string }

interface Draft extends Roster {
  readonly members: Map<Hex, Member>
  readonly committees: Map<number, CommitteeRecord>
  readonly attestations: AttestationRecord[]
  readonly images: Map<Hex, ImageAttestation>
}

type Entryof<T extends Entry['type']> = Extract<Entry, { type: T }>

/** Folds statements, in log order, onto a roster. The roster given is not changed. */
export function extendRoster(roster: Roster, statements: readonly Statement[]): FoldOutcome {
  let draft: Draft = {
    ...roster,
    members: new Map(roster.members),
    committees: new Map(roster.committees),
    attestations: [...roster.attestations],
    images: new Map(roster.images),
  }
  for (const statement of statements) {
    const outcome = apply(draft, statement)
    if ('code' in outcome) return { ok: false, index: statement.index, ...outcome }
    draft = { ...outcome, size: statement.index + 1, timestamp: statement.timestamp }
  }
  return { ok: true, roster: draft }
}

function apply(draft: Draft, statement: Statement): Draft | Broken {
  const { index, timestamp, entry } = statement
  if (index !== draft.size) return broken('statement-order', `statement ${index} stands where ${draft.size} belongs`)
  if (timestamp < (draft.timestamp ?? 0))
    return broken('statement-order', `statement ${index} is older than the one before it`)
  const rule = check(draft, statement)
  if (rule !== undefined) return rule
  switch (entry.type) {
    case 'enrol':
      draft.members.set(entry.certificate.key, { ...entry.certificate, index, revokedAt: undefined })
      return draft
    case 'rotate-key': {
      const { newKey: key, newSealingKey: sealingKey, notBefore, notAfter } = entry
      const member = draft.members.get(entry.key) as Member
      draft.members.set(entry.key, { ...member, revokedAt: index })
      draft.members.set(key, { ...member, key, sealingKey, notBefore, notAfter, index })
      return draft
    }
    case 'revoke':
      draft.members.set(entry.key, { ...(draft.members.get(entry.key) as Member), revokedAt: index })
      return draft
    case 'attest-analysis': {
      const { analysis, analysisHash, reviewers } = entry
      draft.attestations.push({ index, analysis, analysisHash, reviewers, floor: draft.policyFloor, withdrawn: false })
      return draft
    }
    case 'withdraw-analysis': {
      const at = standing(draft, entry)
      draft.attestations[at] = { ...(draft.attestations[at] as AttestationRecord), withdrawn: true }
      return draft
    }
    case 'name-committee': {
      const { name, members, datasets } = entry
      const succeeds = successions(draft, entry, timestamp)
      const record = { name, index, members, datasets }
      draft.committees.set(index, succeeds.length === 0 ? record : { ...record, succeeds })
      return draft
    }
    case 'set-policy-floor': {
      const { threshold, reviewers, keys } = entry
      return { ...draft, policyFloor: { index, threshold, reviewers, keys } }
    }
    case 'attest-image': {
      const made = attestImage(entry, draft.policyFloor, index)
      if ('code' in made) return made
      draft.images.set(made.hash, made)
      return draft
    }
    case 'withdraw-image': {
      const one = imageByDigest(draft, entry.digest) as ImageAttestation
      draft.images.set(one.hash, { ...one, withdrawn: true })
      return draft
    }
  }
}

function check(draft: Draft, { timestamp, entry }: Statement): Broken | undefined {
  switch (entry.type) {
    case 'enrol':
      return checkEnrol(draft, entry.certificate)
    case 'rotate-key':
      return checkRotation(draft, entry)
    case 'revoke':
      return checkStanding(draft, entry.key)
    case 'attest-analysis':
      return checkAttestation(draft, entry)
    case 'withdraw-analysis':
      return standing(draft, entry) >= 0
        ? undefined
        : broken('not-attested', `no attestation of ${entry.analysis} to withdraw`)
    case 'name-committee':
      return checkCommittee(draft, entry, timestamp)
    case 'set-policy-floor':
      return undefined
    case 'attest-image':
      return checkImage(draft, attestImage(entry, draft.policyFloor, draft.size))
    case 'withdraw-image':
      return imageByDigest(draft, entry.digest) === undefined
        ? broken('not-attested', `no attestation of the image ${entry.digest} to withdraw`)
        : undefined
  }
}

const standing = (draft: Draft, entry: { readonly analysis: string; readonly analysisHash: Hex }) =>
  draft.attestations.findIndex(
    (one) => one.analysis === entry.analysis && one.analysisHash === entry.analysisHash && !one.withdrawn,
  )

function checkStanding(draft: Draft, key: Hex): Broken | undefined {
  const member = draft.members.get(key)
  return member === undefined || member.revokedAt !== undefined
    ? broken('not-a-member', `${key} is not a member's key`)
    : undefined
}

/** A key is used once in the life of a log, for one purpose. */
function checkKeys(draft: Draft, key: Hex, sealingKey: Hex): Broken | undefined {
  if (draft.members.has(key)) return broken('key-taken', `the key ${key} is already in the log`)
  for (const member of draft.members.values()) {
    if (member.sealingKey === sealingKey)
      return broken('key-taken', `the sealing key ${sealingKey} is already in the log`)
  }
  return undefined
}

function checkEnrol(draft: Draft, certificate: Certificate): Broken | undefined {
  for (const member of draft.members.values()) {
    if (member.name === certificate.name && member.revokedAt === undefined) {
      return broken('name-taken', `there is a member named ${certificate.name} already`)
    }
  }
  return checkKeys(draft, certificate.key, certificate.sealingKey)
}

function checkRotation(draft: Draft, entry: Entryof<'rotate-key'>): Broken | undefined {
  if (entry.notBefore >= entry.notAfter) return broken('never-valid', 'the new certificate is never valid')
  for (const committee of draft.committees.values()) {
    if (committee.members.includes(entry.key)) {
      return broken(
        'committee-seat',
        `the key has a seat on the committee ${committee.name}, whose decisions are checked by it`,
      )
    }
  }
  return checkStanding(draft, entry.key) ?? checkKeys(draft, entry.newKey, entry.newSealingKey)
}

function checkAttestation(draft: Draft, entry: Entryof<'attest-analysis'>): Broken | undefined {
  if (standing(draft, entry) >= 0)
    return broken('already-attested', `${entry.analysis} is attested under this hash already`)
  const floor = draft.policyFloor
  if (floor === undefined) return undefined
  const counted = entry.reviewers.filter((reviewer) => floor.reviewers.includes(reviewer)).length
  return counted >= floor.threshold
    ? undefined
    : broken(
        'reviewers-missing',
        `the policy floor asks for ${floor.threshold} of ${floor.reviewers.join(', ')}; ${counted} reviewed`,
      )
}

function checkImage(draft: Draft, made: ImageAttestation | Broken): Broken | undefined {
  if ('code' in made) return made
  const { image } = made.description
  // reviews bear no date: those of a description that was withdrawn could be shown again
  if (draft.images.get(made.hash)?.withdrawn === true)
    return broken('image-withdrawn', `the attestation of ${image} under this description was withdrawn, for good`)
  return imageByDigest(draft, digestOf(made.description)) === undefined
    ? undefined
    : broken('already-attested', `${image} is attested already`)
}

/** What a committee takes over from each that it succeeds: the datasets that one serves until now. */
function successions(draft: Draft, entry: Entryof<'name-committee'>, at: number): Succession[] {
  return (entry.succeeds ?? []).map((committee) => ({
    committee,
    datasets: entry.datasets.filter((dataset) => committeeFor(draft, dataset)?.index === committee),
    at,
  }))
}

/**
 * Seats are held by c ∈ {3, 4, 7} active aggregators of distinct organisations. A dataset has one committee at a time: the next
 * one says whom it succeeds, and serves once it holds the handover (docs/spec/secure-aggregation.md, "Handover").
 */
function checkCommittee(draft: Draft, entry: Entryof<'name-committee'>, timestamp: number): Broken | undefined {
  for (const committee of draft.committees.values()) {
    if (committee.name === entry.name) return broken('name-taken', `there is a committee named ${entry.name} already`)
  }
  if (!COMMITTEE_SIZES.includes(entry.members.length)) {
    return broken(
      'committee-size',
      `a committee has ${COMMITTEE_SIZES.join(', ')} members, not ${entry.members.length}`,
    )
  }
  const organisations = new Set<string>()
  for (const key of entry.members) {
    const member = activeMember(draft, key, timestamp)
    if (member === undefined) return broken('not-a-member', `${key} is not an active member's key`)
    if (!member.roles.includes('aggregator'))
      return broken('committee-role', `${member.name} does not have the role aggregator`)
    if (organisations.has(member.organisation)) {
      return broken('committee-organisations', `the organisation ${member.organisation} may not hold two seats`)
    }
    organisations.add(member.organisation)
  }
  for (const dataset of entry.datasets) {
    const committee = committeeFor(draft, dataset)
    if (committee !== undefined && !entry.succeeds?.includes(committee.index)) {
      return broken(
        'dataset-served',
        `the dataset ${dataset} is served by the committee ${committee.name}, which the new one does not succeed`,
      )
    }
  }
  for (const { committee, datasets } of successions(draft, entry, timestamp)) {
    if (datasets.length === 0)
      return broken(
        'not-succeeded',
        `committee ${committee} serves none of the datasets: nothing is taken over from it`,
      )
  }
  return undefined
}
