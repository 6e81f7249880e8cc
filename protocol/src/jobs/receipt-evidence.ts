/**
 * The signed objects in a receipt, each opened and held against the others: the log, the job, the decisions, the rounds.
 * Implements docs/spec/jobs.md, "Receipt". Everything here throws FlameshError at the first thing that is wrong; receipt.ts
 * turns that into findings. Statements that were left out cannot be missed: a revocation that is not shown is not known.
 */
import type { Hex } from '../crypto/hash.js'
import { decode } from '../encoding/canonical.js'
import { decodeSigned, openSigned, payloadHash, type Signed } from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import { type Checkpoint, openCheckpoint } from '../identity/checkpoint.js'
import { attestImage } from '../identity/image-attestation.js'
import { openProvenStatement } from '../identity/log.js'
import {
  type AttestationRecord,
  activeMember,
  type CommitteeRecord,
  type ImageAttestation,
  type Member,
  type PolicyFloor,
  type Roster,
} from '../identity/roster.js'
import type { Statement } from '../identity/statements.js'
import { profileOf } from '../secagg/committee.js'
import { certificateSchema } from '../secagg/consensus-messages.js'
import type { OpenedBody } from '../secagg/messages.js'
import { checkRecord, type Ending, endingOf, type RecordFacts } from '../secagg/record.js'
import type { AttemptRecord } from '../wire.js'
import { absentSeats, guardKey } from './check.js'
import { JOB, type Job, type JobId } from './job.js'
import { consentsFit, DECISION, type Decision, givesConsent } from './messages.js'
import { operatorsFit } from './operators.js'
import { bytesOf, type ReceiptDocument, receiptSchema } from './receipt-document.js'

function fail(code: string, message: string): never {
  throw new FlameshError(code, message)
}

export interface ProvenLog {
  readonly checkpoint: Checkpoint
  /** in the order of the log; only those that the receipt carries */
  readonly statements: readonly Statement[]
}

/** The document in a receipt's bytes, which are ASCII. Throws `receipt`. */
export function readReceipt(bytes: Uint8Array, maxBytes: number): ReceiptDocument {
  if (bytes.length > maxBytes) fail('receipt', 'the file is too large for a receipt')
  let text = ''
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192))
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    fail('receipt', 'the file is not JSON')
  }
  const parsed = receiptSchema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  return fail('receipt', `the file is not a receipt: ${issue?.path.join('.')} ${issue?.message}`)
}

export function readLog(document: ReceiptDocument, hubKey: Hex): ProvenLog {
  const checkpoint = bytesOf(document.log.checkpoint)
  const statements = document.log.statements.map(
    ({ statement, proof }) => openProvenStatement(bytesOf(statement), proof, checkpoint, hubKey).statement,
  )
  const inOrder = statements.every((one, at) => at === 0 || (statements[at - 1] as Statement).index < one.index)
  if (!inOrder) fail('log-proof', 'the statements are not in the order of the log')
  checkFloors(statements)
  return { checkpoint: openCheckpoint(checkpoint, hubKey), statements }
}

/** Other floors may give the same keys other names: the one that an attestation of an image names must be there. */
function checkFloors(statements: readonly Statement[]): void {
  const floors = statements.filter(({ entry }) => entry.type === 'set-policy-floor').map(({ index }) => index)
  if (!statements.every(({ entry }) => entry.type !== 'attest-image' || floors.includes(entry.floor)))
    fail('log-proof', 'the policy floor that an image was attested under is not there')
}

/** What the log said of those it names here when it had `size` statements. The hub's rules held when it was folded whole. */
export function rosterAt({ statements }: ProvenLog, size: number): Roster {
  const members = new Map<Hex, Member>()
  const committees = new Map<number, CommitteeRecord>()
  const attestations: AttestationRecord[] = []
  const images = new Map<Hex, ImageAttestation>()
  const floors = new Map<number, PolicyFloor>()
  for (const { index, entry } of statements.filter((one) => one.index < size)) {
    const member = 'key' in entry ? members.get(entry.key) : undefined
    switch (entry.type) {
      case 'enrol':
        members.set(entry.certificate.key, { ...entry.certificate, index, revokedAt: undefined })
        break
      case 'revoke':
        if (member !== undefined) members.set(member.key, { ...member, revokedAt: index })
        break
      case 'rotate-key': {
        if (member === undefined) break
        const { newKey: key, newSealingKey: sealingKey, notBefore, notAfter } = entry
        members.set(member.key, { ...member, revokedAt: index })
        members.set(key, { ...member, key, sealingKey, notBefore, notAfter, index })
        break
      }
      case 'name-committee':
        committees.set(index, { name: entry.name, index, members: entry.members, datasets: entry.datasets })
        break
      case 'attest-analysis':
        attestations.push({ ...entry, index, withdrawn: false })
        break
      case 'set-policy-floor':
        floors.set(index, { index, threshold: entry.threshold, reviewers: entry.reviewers, keys: entry.keys })
        break
      case 'attest-image': {
        // what its reviewers signed is checked again, under the floor that it names and no other
        const made = attestImage(entry, floors.get(entry.floor), index)
        if (!('code' in made)) images.set(made.hash, made)
        break
      }
      case 'withdraw-analysis':
      case 'withdraw-image':
        break
    }
  }
  return { size, members, committees, attestations, images }
}

/** A log that someone saw must not contradict the one the proofs lead to. One that is longer cannot be compared. */
function checkSeen(seen: { readonly size: number; readonly root: Hex }, { checkpoint }: ProvenLog): void {
  if (seen.size === checkpoint.size && seen.root !== checkpoint.root)
    fail('log-fork', 'someone in the receipt saw another log of the same size')
}

export interface SignedJob {
  readonly id: JobId
  readonly job: Job
}

export function readJob(document: ReceiptDocument, log: ProvenLog): SignedJob {
  const { body, signers, hash } = openSigned(decodeSigned(bytesOf(document.job)), JOB)
  if (signers.length !== 1 || signers[0] !== body.researcher)
    fail('signature', 'the job is not signed by its researcher')
  checkSeen(body.checkpoint, log)
  return { id: hash, job: body }
}

export interface SiteDecision {
  readonly member: Member
  readonly body: Decision
  /** what a specification names it by */
  readonly hash: Hex
}

/** One decision a site, by site key. */
export function readDecisions(
  document: ReceiptDocument,
  { id, job }: SignedJob,
  log: ProvenLog,
): ReadonlyMap<Hex, SiteDecision> {
  const decisions = new Map<Hex, SiteDecision>()
  for (const text of document.decisions) {
    const { body, signers, hash } = openSigned(decodeSigned(bytesOf(text)), DECISION)
    if (signers.length !== 1 || signers[0] !== body.site) fail('signature', 'a decision is not signed by its site')
    if (body.job !== id) fail('decision', 'a decision is about another job')
    checkSeen(body.checkpoint, log)
    const member = activeMember(rosterAt(log, body.checkpoint.size), body.site, body.decidedAt)
    if (!member?.roles.includes('site')) fail('decision', 'a decision is by one who was no site in good standing')
    if (decisions.has(body.site)) fail('decision', `${member.name} decided twice`)
    if (body.decidedAt >= job.notAfter) fail('decision', `${member.name} decided after the job had expired`)
    if (!consentsFit(body, guardKey(job)))
      fail('consent', `${member.name} consents in another's name, or to another question`)
    if (!operatorsFit(body)) fail('operators', `an operator of ${member.name} did not sign what its decision says`)
    decisions.set(body.site, { member, body, hash })
  }
  return decisions
}

/** Consents of earlier jobs, by the hash that a specification names them by: approvals that hold nothing but their site's own. */
function readConsents(document: ReceiptDocument, { job }: SignedJob, log: ProvenLog): ReadonlyMap<Hex, Hex> {
  const key = guardKey(job)
  return new Map(
    document.consents.map((text) => {
      const signed = decodeSigned(bytesOf(text))
      const site = givesConsent(signed, key)
      if (site === undefined) return fail('consent', 'an approval that holds no consent to this question')
      checkSeen(openSigned(signed, DECISION).body.checkpoint, log)
      return [payloadHash(signed), site] as const
    }),
  )
}

/** What a round's guard relied on beyond its own approvals must be there, signed by the site whose aggregate it is about. */
function checkConsents(facts: RecordFacts, given: ReadonlyMap<Hex, Hex>): void {
  for (const { site, decision } of facts.specification?.consents ?? [])
    if (given.get(decision) !== site) fail('consent', 'a round relied on a consent that is not in the receipt')
}

export interface Rounds {
  /** every attempt that the receipt shows, in order; one that its writer missed may be left out */
  readonly attempts: readonly RecordFacts[]
  readonly rounds: number
  readonly ending: Ending
  /** sites in the sum that was opened last; none if the job ended without one */
  readonly survivors: readonly Hex[]
  /** what the result is committed to, and what the commitment is bound to: the round, or the job of a train */
  readonly opened: Pick<OpenedBody, 'roundId' | 'commitment'> | undefined
  /** sites whose consents the rounds relied on */
  readonly consents: readonly Hex[]
}

function readRecord(one: ReceiptDocument['rounds'][number], job: JobId): AttemptRecord {
  const signedOf = (text: string | null): Signed | null => (text === null ? null : decodeSigned(bytesOf(text)))
  const certificate = certificateSchema.safeParse(decode(bytesOf(one.certificate)))
  if (!certificate.success) fail('certificate', 'not a quorum certificate')
  return {
    ...one,
    job,
    specification: signedOf(one.specification),
    certificate: certificate.data,
    opened: signedOf(one.opened),
  }
}

/** The hub's word for the committee is in the log; that its seats are distinct houses is seen here. */
function checkCommittee(job: Job, roster: Roster): void {
  const committee = roster.committees.get(job.committee)
  const members = committee?.members.map((key) => roster.members.get(key)) ?? []
  if (committee === undefined || members.some((member) => !member?.roles.includes('aggregator')))
    fail('committee-unknown', 'the receipt does not show who the committee is')
  if (new Set(members.map((member) => member?.organisation)).size !== members.length)
    fail('committee-unknown', 'two seats of the committee belong to one organisation')
}

/** A member whose seat is absent in this job may sign, but its signature makes no quorum. */
function checkQuorum(signed: Signed | null, job: Job, roster: Roster): void {
  const committee = roster.committees.get(job.committee) as CommitteeRecord
  const absent = absentSeats(job, committee, roster)
  const present = committee.members.filter((_, seat) => !absent.includes(seat))
  const counted = signed?.signatures.filter((one) => present.includes(one.signer)).length ?? 0
  const quorum = profileOf(committee.members.length)?.quorum ?? Number.POSITIVE_INFINITY
  if (signed !== null && counted < quorum)
    fail('quorum', 'too few signatures of members without an interest in the result')
}

/** What earlier attempts leave to the next: the state it starts from, and the survivors it must keep. */
interface Before {
  readonly commitment: Hex | null
  readonly pinned: readonly Hex[] | undefined
}

/** What must hold between one attempt and the job, its decisions and what was opened before it. */
function checkAttempt(
  facts: RecordFacts,
  { job }: SignedJob,
  decisions: ReadonlyMap<Hex, SiteDecision>,
  before: Before,
  log: ProvenLog,
): void {
  const { specification, survivors } = facts
  if (specification === undefined) return
  checkSeen(specification.checkpoint, log)
  const { cohort } = specification
  if (specification.analysis !== job.analysis.hash) fail('not-the-job', 'a round computed another analysis')
  if (specification.minCohort !== job.cohort.minimum || specification.maxColluding !== job.maxColluding) {
    fail('not-the-job', 'a round had other floors than the job')
  }
  if (specification.committee.index !== job.committee || specification.opening !== job.opening)
    fail('not-the-job', 'a round was opened by others than the job says')
  if (specification.state !== before.commitment)
    fail('state', 'a round did not start from the state that was opened before it')
  for (const { site, decision } of cohort) {
    const own = decisions.get(site)
    if (own === undefined || own.hash !== decision || own.body.decision !== 'approve')
      fail('decision', 'a site of the cohort has no approval in the receipt')
    if (job.cohort.sites.length > 0 && !job.cohort.sites.includes(site))
      fail('not-the-job', 'a site took part that the job does not name')
  }
  if (survivors === undefined) return
  const organisations = new Set(survivors.map((key) => decisions.get(key)?.member.organisation))
  if (organisations.size !== survivors.length) fail('cohort', 'two sites of one organisation are in the sum')
  if (organisations.size < job.cohort.minimum)
    fail('minimum-cohort', 'the sum is over fewer organisations than the job demands')
  if (before.pinned !== undefined && before.pinned.join() !== survivors.join())
    fail('pinned', 'two rounds are over different sites')
}

/** Every round from the first to the attempt that ended the job. */
export function readRounds(
  document: ReceiptDocument,
  signed: SignedJob,
  decisions: ReadonlyMap<Hex, SiteDecision>,
  log: ProvenLog,
): Rounds {
  const roster = rosterAt(log, log.checkpoint.size)
  checkCommittee(signed.job, roster)
  const attempts: RecordFacts[] = []
  const consents = new Map(readConsents(document, signed, log))
  for (const { body, hash } of decisions.values()) if (body.consents.length > 0) consents.set(hash, body.site)
  let place = { round: 1, attempt: 0 }
  let before: Before = { commitment: null, pinned: undefined }
  let end: Pick<Rounds, 'ending' | 'opened' | 'survivors'> | undefined
  for (const record of document.rounds.map((one) => readRecord(one, signed.id))) {
    if (end !== undefined) fail('rounds', 'there are attempts after the one that ended the job')
    if (record.round !== place.round) fail('rounds', `the opening of round ${place.round} is missing`)
    if (record.attempt < place.attempt) fail('rounds', 'the attempts are not in order')
    const facts = checkRecord(record, signed.id, signed.job, roster)
    checkQuorum(record.specification, signed.job, roster)
    checkQuorum(record.opened, signed.job, roster)
    checkAttempt(facts, signed, decisions, before, log)
    checkConsents(facts, consents)
    attempts.push(facts)
    const { opened, survivors } = facts
    const ending = endingOf(signed.job, record.attempt, facts)
    if (ending !== undefined) end = { ending, opened, survivors: opened === undefined ? [] : (survivors ?? []) }
    const { round, attempt } = record
    place = opened === undefined ? { round, attempt: attempt + 1 } : { round: round + 1, attempt: 0 }
    before = { commitment: opened?.commitment ?? before.commitment, pinned: survivors ?? before.pinned }
  }
  if (end === undefined) fail('rounds', 'no attempt ends this job')
  const relied = new Set(attempts.flatMap((one) => one.specification?.consents.map(({ site }) => site) ?? []))
  return { attempts, rounds: document.rounds.at(-1)?.round ?? 0, consents: [...relied].sort(), ...end }
}
