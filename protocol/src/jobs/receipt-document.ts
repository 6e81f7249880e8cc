/**
 * The receipt as a file, and the result it proves. Implements docs/spec/jobs.md, "Receipt". A receipt is made of signed
 * objects alone, so whoever writes one can leave things out but can say nothing in another's name; receipt.ts checks it.
 */
import { z } from 'zod'
import { bytesToHex, type Hex, utf8ToBytes } from '../crypto/hash.js'
import { decode, encode } from '../encoding/canonical.js'
import { encodeSigned, hexSchema, openSigned, type Signed } from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import { decodeBase64, encodeBase64 } from '../identity/base.js'
import { openCheckpoint } from '../identity/checkpoint.js'
import { inclusionProof } from '../identity/merkle.js'
import { attestationOf, type Roster } from '../identity/roster.js'
import { MAX_COHORT, MAX_RECORDS, MAX_STATIONS } from '../limits.js'
import type { TrainEnd } from '../trains/chain.js'
import type { AttemptRecord } from '../wire.js'
import { analysisOf } from './analysis-of.js'
import { JOB, type Job } from './job.js'
import { DECISION } from './messages.js'

export const RECEIPT_FORMAT = 'flamesh-receipt/1'
/** Specifications name every site of the cohort, and there is one for each attempt. */
export const MAX_RECEIPT_BYTES = 256 * 1024 * 1024

/** Canonical bytes in standard base64; the decoder of the object inside is the judge of the rest. */
const base64 = z.string().max(64 * 1024 * 1024)

export const receiptSchema = z.strictObject({
  format: z.literal(RECEIPT_FORMAT),
  /** the signed job */
  job: base64,
  /** signed decisions, one a site */
  decisions: z.array(base64).max(2 * MAX_COHORT),
  /** approvals of earlier jobs, whose consents the guard relied on in these rounds */
  consents: z.array(base64).max(MAX_COHORT).default([]),
  /** finished attempts in order: signed specification, certificate, signed opening */
  rounds: z
    .array(
      z.strictObject({
        round: z.int().min(1),
        attempt: z.int().min(0),
        specification: base64.nullable(),
        certificate: base64,
        opened: base64.nullable(),
      }),
    )
    .max(MAX_RECORDS),
  /** of a job with a route, in the place of rounds: the signed hops in order, and the confirmations of the last one */
  train: z
    .strictObject({
      hops: z.array(base64).max(MAX_STATIONS),
      confirmations: z.array(base64).max(MAX_STATIONS),
    })
    .nullable()
    .default(null),
  log: z.strictObject({
    /** the hub's signed checkpoint that every proof leads to */
    checkpoint: base64,
    /** statements about whoever takes part, each with its audit path, leaf to root */
    statements: z.array(z.strictObject({ statement: base64, proof: z.array(hexSchema).max(64) })).max(4 * MAX_COHORT),
  }),
})
export type ReceiptDocument = z.infer<typeof receiptSchema>

export interface ReceiptParts {
  readonly job: Signed
  readonly decisions: readonly Signed[]
  /** approvals of earlier jobs that specifications name for their consents */
  readonly consents: readonly Signed[]
  readonly records: readonly AttemptRecord[]
  /** of a job with a route */
  readonly train?: TrainEnd | undefined
  /** of at least the checkpoint's size */
  readonly roster: Roster
  /** leaf hashes of the log (LogState.leaves) */
  readonly leaves: readonly Hex[]
  /** signed; the newest one held */
  readonly checkpoint: Uint8Array
  readonly hubKey: Hex
  /** the encoded statement at an index of the log */
  readonly statementAt: (index: number) => Uint8Array
}

/** Indices of what the log says about a key: how it became a member's, back to the enrolment, and how it ceased to be. */
function statementsAbout(key: Hex, roster: Roster): number[] {
  const member = roster.members.get(key)
  if (member === undefined) return []
  // a rotation is where one key ends and another begins
  const before = [...roster.members.values()].find((one) => one.key !== key && one.revokedAt === member.index)
  const ended = member.revokedAt === undefined ? [] : [member.revokedAt]
  return [member.index, ...ended, ...(before === undefined ? [] : statementsAbout(before.key, roster))]
}

function involved(job: Job, decisions: readonly Signed[], roster: Roster): number[] {
  const committee = roster.committees.get(job.committee)
  const deciders = decisions.map((signed) => openSigned(signed, DECISION).body.site)
  const keys = new Set([
    job.researcher,
    ...job.recipients,
    ...job.cohort.sites,
    ...(committee?.members ?? []),
    ...deciders,
  ])
  // an image's as the job found it: that it was withdrawn since takes nothing from what was done
  const attestation = roster.images.get(job.analysis.hash) ?? attestationOf(roster, job.analysis.hash)
  return [
    job.committee,
    ...(attestation === undefined ? [] : [attestation.index]),
    ...(attestation !== undefined && 'description' in attestation ? [attestation.floor.index] : []),
    ...[...keys].flatMap((key) => statementsAbout(key, roster)),
  ]
}

const encodedTrain = ({ hops, confirmations }: TrainEnd): NonNullable<ReceiptDocument['train']> => ({
  hops: hops.map((signed) => encodeBase64(encodeSigned(signed))),
  confirmations: confirmations.map((signed) => encodeBase64(encodeSigned(signed))),
})

/** The receipt's bytes: JSON, indented, ending in a newline. The parts are the node's own and were checked before. */
export function buildReceipt(parts: ReceiptParts): Uint8Array {
  const { roster, leaves } = parts
  const { size } = openCheckpoint(parts.checkpoint, parts.hubKey)
  const job = openSigned(parts.job, JOB).body
  const indices = [...new Set(involved(job, [...parts.decisions, ...parts.consents], roster))]
    .filter((index) => index < size)
    .sort((a, b) => a - b)
  const inOrder = [...parts.records].sort((a, b) => a.round - b.round || a.attempt - b.attempt)
  const document: ReceiptDocument = {
    format: RECEIPT_FORMAT,
    job: encodeBase64(encodeSigned(parts.job)),
    decisions: parts.decisions.map((signed) => encodeBase64(encodeSigned(signed))),
    consents: parts.consents.map((signed) => encodeBase64(encodeSigned(signed))),
    rounds: inOrder.map(({ round, attempt, specification, certificate, opened }) => ({
      round,
      attempt,
      specification: specification === null ? null : encodeBase64(encodeSigned(specification)),
      certificate: encodeBase64(encode(certificate)),
      opened: opened === null ? null : encodeBase64(encodeSigned(opened)),
    })),
    train: parts.train === undefined ? null : encodedTrain(parts.train),
    log: {
      checkpoint: encodeBase64(parts.checkpoint),
      statements: indices.map((index) => ({
        statement: encodeBase64(parts.statementAt(index)),
        proof: [...inclusionProof(leaves, index, size)],
      })),
    },
  }
  return utf8ToBytes(`${JSON.stringify(document, null, 1)}\n`)
}

/** What ties a result to the opening that a quorum signed: the salt of its commitment and the numbers as released. */
export interface ResultProof {
  /** 32 bytes */
  readonly salt: Hex
  /** canonical CBOR in base64 */
  readonly released: string
}

/**
 * What a recipient reads: everything `present` derives from the released numbers, and the proof. Throws
 * `analysis-unknown`, `encoding` or `schema`.
 */
export function presentResult(job: Job, released: Uint8Array, salt: Uint8Array): Readonly<Record<string, unknown>> {
  const { name, version } = job.analysis
  const analysis = analysisOf(job)
  if (analysis === undefined)
    throw new FlameshError('analysis-unknown', `this version does not know ${name} version ${version}`)
  const parameters = analysis.parameters.safeParse(job.parameters)
  const numbers = analysis.released.safeParse(decode(released))
  if (!parameters.success || !numbers.success)
    throw new FlameshError('schema', `the released numbers are not those of ${name}`)
  const proof: ResultProof = { salt: bytesToHex(salt), released: encodeBase64(released) }
  return { ...analysis.present(numbers.data, parameters.data), proof }
}

/** The bytes in a base64 field. Throws `encoding`. */
export const bytesOf = (text: string): Uint8Array => decodeBase64(text)
