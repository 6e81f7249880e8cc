/**
 * The signed objects in a receipt, each opened and held against the others: the log, the job, the decisions, the rounds.
 * Implements docs/spec/jobs.md, "Receipt". Everything here throws FlameshError at the first thing that is wrong; receipt.ts
 * turns that into findings. Statements that were left out cannot be missed: a revocation that is not shown is not known.
 */
import type { Hex } from '../crypto/hash.js'
import { decode } from '../encoding/canonical.js'
import { decodeSigned, openSigned, type Signed } from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import { type Checkpoint, openCheckpoint } from '../identity/checkpoint.js'
import { attestImage } from '../identity/image-attestation.js'
import { openProvenStatement } from '../identity/log.js'
import type {
  AttestationRecord,
  CommitteeRecord,
  ImageAttestation,
  Member,
  PolicyFloor,
  Roster,
} from '../identity/roster.js'
import type { Statement } from '../identity/statements.js'
import { certificateSchema } from '../secagg/consensus-messages.js'
import type { AttemptRecord } from '../wire.js'
import { checkDecision, type KnownLog, type SignedJob, type SiteDecision } from './decisions.js'
import { JOB, type JobId } from './job.js'
import { bytesOf, type ReceiptDocument, receiptSchema } from './receipt-document.js'
import { checkRounds, type Rounds } from './receipt-rounds.js'

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

/** The log in a receipt as its objects are held against it. One that someone saw and that is longer cannot be compared. */
export function knownLog(log: ProvenLog): KnownLog {
  const { size, root } = log.checkpoint
  return {
    roster: rosterAt(log, size),
    checkSeen: (seen) => {
      if (seen.size === size && seen.root !== root)
        fail('log-fork', 'someone in the receipt saw another log of the same size')
    },
  }
}

export function readJob(document: ReceiptDocument, log: KnownLog): SignedJob {
  const { body, signers, hash } = openSigned(decodeSigned(bytesOf(document.job)), JOB)
  if (signers.length !== 1 || signers[0] !== body.researcher)
    fail('signature', 'the job is not signed by its researcher')
  log.checkSeen(body.checkpoint)
  return { id: hash, job: body }
}

/** One decision a site, by site key. */
export function readDecisions(
  document: ReceiptDocument,
  signed: SignedJob,
  log: KnownLog,
): ReadonlyMap<Hex, SiteDecision> {
  const decisions = new Map<Hex, SiteDecision>()
  for (const text of document.decisions) {
    const one = checkDecision(decodeSigned(bytesOf(text)), signed, log)
    if (decisions.has(one.body.site)) fail('decision', `${one.member.name} decided twice`)
    decisions.set(one.body.site, one)
  }
  return decisions
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

/** Every round from the first to the attempt that ended the job. */
export function readRounds(
  document: ReceiptDocument,
  signed: SignedJob,
  decisions: ReadonlyMap<Hex, SiteDecision>,
  log: KnownLog,
): Rounds {
  const records = document.rounds.map((one) => readRecord(one, signed.id))
  const consents = document.consents.map((text) => decodeSigned(bytesOf(text)))
  return checkRounds({ records, consents }, signed, decisions, log)
}
