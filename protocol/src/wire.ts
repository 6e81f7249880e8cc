/**
 * What peers say to each other: one canonical CBOR map a message, told apart by `type`. Implements docs/spec/transport.md,
 * "Messages". Everything that counts inside is signed on its own, so who carried it does not matter.
 */
import { z } from 'zod'
import { boxSchema } from './crypto/sealing.js'
import { decode, encode } from './encoding/canonical.js'
import { Recent } from './encoding/recent.js'
import { bytesSchema, hexSchema, signedSchema } from './encoding/signed.js'
import { FlameshError } from './errors.js'
import {
  MAX_COHORT,
  MAX_MESSAGE_BYTES,
  MAX_OPEN_JOBS,
  MAX_PROOFS_PER_MESSAGE,
  MAX_RECORDS,
  MAX_SETS_PER_HELLO,
  MAX_STATEMENTS_PER_REQUEST,
} from './limits.js'
import {
  certificateSchema,
  consensusMessageSchema,
  decisionSchema,
  standingProofSchema,
} from './secagg/consensus-messages.js'
import { trainMessages } from './trains/messages.js'

/** Versions of this protocol that a node speaks; peers without one in common say so and part. */
export const PROTOCOL_VERSIONS = [1] as const

/** how much the sender has said, in what it says on its own authority */
const marked = { mark: signedSchema.optional() }

const attemptOf = { job: hexSchema, round: z.int().min(1), attempt: z.int().min(0) }

/** One finished attempt: the specification if there was one, the certificate, and what was opened. */
export const recordSchema = z.strictObject({
  ...attemptOf,
  specification: signedSchema.nullable(),
  certificate: certificateSchema,
  opened: signedSchema.nullable(),
})
export type AttemptRecord = z.infer<typeof recordSchema>

/** What the guard held against a set. The earlier ones are those that the specification names by hash; the jobs are hearsay. */
export const guardRefusalSchema = z.strictObject({
  survivors: z.array(hexSchema).max(MAX_COHORT),
  against: z.array(z.strictObject({ sites: z.array(hexSchema).max(MAX_COHORT), job: hexSchema })).max(64),
})
export type GuardRefusal = z.infer<typeof guardRefusalSchema>

/** Why a survivor set counts for the guard, for whoever knows nothing of its job (secagg/set-proof.ts). */
export const setProofSchema = z.strictObject({
  job: signedSchema,
  specification: signedSchema,
  value: decisionSchema,
  /** one vote with a quorum of signatures: the precommits of its certificate, or the prevotes of one view */
  votes: signedSchema,
  opened: signedSchema.nullable(),
})
export type SetProof = z.infer<typeof setProofSchema>

export const wireSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('hello'),
    versions: z.array(z.int()).max(16),
    log: z.strictObject({ size: z.int().min(0), checkpoint: bytesSchema.nullable() }),
    jobs: z.array(hexSchema).max(MAX_OPEN_JOBS),
    /** the sender's newest `datasets`, if it ever announced any */
    datasets: signedSchema.nullable(),
    /** when the sender was started (milliseconds) */
    life: z.int().min(0),
  }),
  /** a committee member's answer to `hello`, whose `life` it repeats */
  z.strictObject({
    type: z.literal('seen'),
    life: z.int().min(0),
    /** the highest mark of the receiver that it holds */
    mark: signedSchema.nullable(),
    jobs: z.array(hexSchema).max(MAX_OPEN_JOBS),
  }),
  z.strictObject({ type: z.literal('log-request'), from: z.int().min(0) }),
  z.strictObject({
    type: z.literal('log'),
    from: z.int().min(0),
    /** encoded signed statements, consecutive from `from`, and the checkpoint that covers them */
    statements: z.array(bytesSchema).max(MAX_STATEMENTS_PER_REQUEST),
    checkpoint: bytesSchema,
  }),
  /** survivor sets that the sender can prove: who knows less of one asks for it */
  z.strictObject({
    type: z.literal('history-offer'),
    sets: z
      .array(
        z.strictObject({
          key: hexSchema,
          set: hexSchema,
          minimum: z.int().min(1),
          contributors: z.int().min(0).nullable(),
        }),
      )
      .max(MAX_SETS_PER_HELLO),
  }),
  z.strictObject({
    type: z.literal('history-request'),
    /** historyName of what is wanted */
    names: z.array(hexSchema).max(MAX_PROOFS_PER_MESSAGE),
    /** every set of these jobs, of which the sender heard an outcome and nothing else */
    jobs: z.array(hexSchema).max(MAX_PROOFS_PER_MESSAGE),
  }),
  z.strictObject({
    type: z.literal('history'),
    proofs: z.array(setProofSchema).max(MAX_PROOFS_PER_MESSAGE),
    /** approvals that hold a consent, of whatever job */
    consents: z.array(signedSchema).max(MAX_COHORT),
  }),
  /** a member of a committee that is succeeded, to the successor; whoever holds it may pass it on */
  z.strictObject({ type: z.literal('retirement'), retirement: signedSchema }),
  /** the job ended at the sender without an opening, since its committee is succeeded; to the researcher */
  z.strictObject({ type: z.literal('retired'), job: hexSchema }),
  z.strictObject({ type: z.literal('checkpoint'), checkpoint: bytesSchema }),
  z.strictObject({ type: z.literal('datasets'), announcement: signedSchema }),
  z.strictObject({ type: z.literal('job'), job: signedSchema }),
  z.strictObject({ type: z.literal('cancel'), cancel: signedSchema }),
  z.strictObject({ type: z.literal('decision'), decision: signedSchema, ...marked }),
  z.strictObject({ type: z.literal('withdrawal'), withdrawal: signedSchema, ...marked }),
  /** prekeys of the receiver that are spent already: while it was away, rounds were begun with them */
  z.strictObject({ type: z.literal('spent'), prekeys: z.array(hexSchema).max(64) }),
  z.strictObject({
    type: z.literal('prekeys'),
    prekeys: z.array(signedSchema).max(64),
    /** true from a node that was restored from a backup: secrets of others that it made are lost */
    only: z.boolean(),
  }),
  z.strictObject({
    type: z.literal('specification'),
    specification: signedSchema,
    /** the approvals that its cohort and its consents name, from the proposer: a site may have told not every member, or not the same */
    decisions: z.array(signedSchema).max(2 * MAX_COHORT),
    ...marked,
  }),
  /** who lacks an outcome: it stands at this attempt and asks for the records from there on, or what else is known */
  z.strictObject({ type: z.literal('behind'), ...attemptOf }),
  /** a job ended at the sender, a member, with this attempt: who has not heard of it asks for the record */
  z.strictObject({ type: z.literal('ended'), ...attemptOf }),
  z.strictObject({
    type: z.literal('round'),
    specification: signedSchema,
    /** the opening this round starts from and its state sealed to the cohort; null in round 1 */
    previous: z.strictObject({ opened: signedSchema, box: boxSchema }).nullable(),
  }),
  z.strictObject({
    type: z.literal('submit'),
    ...attemptOf,
    submission: signedSchema,
    /** sealed to the receiving member's one-time key */
    envelope: bytesSchema,
    slices: z.array(z.strictObject({ slice: z.int().min(0), data: bytesSchema })).max(64),
    ...marked,
  }),
  z.strictObject({ type: z.literal('have'), ...attemptOf, have: signedSchema, ...marked }),
  z.strictObject({ type: z.literal('consensus'), ...attemptOf, message: consensusMessageSchema, ...marked }),
  z.strictObject({ type: z.literal('fetch'), ...attemptOf, fetch: signedSchema }),
  z.strictObject({
    type: z.literal('supply'),
    ...attemptOf,
    site: z.int().min(0),
    submission: signedSchema,
    /** seeds of subsets that both ends hold, sealed to the asking member's one-time key */
    seeds: bytesSchema,
    slices: z.array(z.strictObject({ slice: z.int().min(0), data: bytesSchema })).max(64),
  }),
  z.strictObject({
    type: z.literal('partials'),
    ...attemptOf,
    partials: z.array(signedSchema).max(22 * 64),
    /** their data and MAC keys, in the same order, sealed to the receiving member's one-time key */
    sealed: bytesSchema,
    ...marked,
  }),
  z.strictObject({ type: z.literal('opened'), ...attemptOf, opened: signedSchema, ...marked }),
  z.strictObject({ type: z.literal('outcome'), record: recordSchema }),
  z.strictObject({
    type: z.literal('standing'),
    standing: signedSchema,
    proof: standingProofSchema.nullable(),
    ...marked,
  }),
  z.strictObject({
    type: z.literal('progress'),
    ...attemptOf,
    site: hexSchema,
    status: z.enum(['submitted', 'failed']),
  }),
  z.strictObject({
    type: z.literal('release'),
    job: hexSchema,
    /** {released, salt} sealed to the recipients; null when suppressed */
    box: boxSchema.nullable(),
    decisions: z.array(signedSchema).max(MAX_COHORT),
    records: z.array(recordSchema).max(MAX_RECORDS),
    /** further approvals whose consents the rounds relied on: of earlier jobs, or a site's second one to this job */
    consents: z.array(signedSchema).max(MAX_COHORT),
    /** if the guard ended the job: over which sites it would have been, and the earlier sets that spoke against it */
    refused: guardRefusalSchema.nullable(),
  }),
  ...trainMessages,
])
export type WireMessage = z.infer<typeof wireSchema>
export type WireOf<T extends WireMessage['type']> = Extract<WireMessage, { type: T }>

/** Messages are never changed, and most go to several peers: each is encoded once. */
const encoded = new WeakMap<WireMessage, Uint8Array>()

export function encodeWire(message: WireMessage): Uint8Array {
  let bytes = encoded.get(message)
  if (bytes === undefined) {
    bytes = encode(message)
    encoded.set(message, bytes)
  }
  return bytes
}

/** Throws `too-large`, `encoding` or `schema`. What it returns is shared by all who read the same bytes. */
export function decodeWire(bytes: Uint8Array): WireMessage {
  if (bytes.length > MAX_MESSAGE_BYTES) throw new FlameshError('too-large', 'a message is larger than the limit')
  return lately.read(bytes, decodeAnew)
}

const lately = new Recent<WireMessage>(4 * 1024 * 1024)

function decodeAnew(bytes: Uint8Array): WireMessage {
  const parsed = wireSchema.safeParse(decode(bytes))
  if (!parsed.success) throw new FlameshError('schema', `malformed message: ${parsed.error.issues[0]?.message ?? ''}`)
  return parsed.data
}
