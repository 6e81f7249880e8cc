/**
 * The hub's HTTP API as both ends see it: paths, requests and answers. Signed objects travel as base64 of their encoded
 * bytes, hashes as hex. Implements docs/spec/identity.md, hub API. Nothing in an answer is to be believed for coming from
 * the hub's address: verify what is inside (log.ts, statements.ts, peer-record.ts).
 */
import { z } from 'zod'
import { hexSchema } from '../encoding/signed.js'
import { MAX_STATEMENT_BYTES, MAX_STATEMENTS_PER_REQUEST } from '../limits.js'
import { MAX_CHECKPOINT_BYTES } from './checkpoint.js'
import { MAX_PEER_RECORD_BYTES } from './peer-record.js'

export { decodeBase64, encodeBase64 } from './base.js'

/** One record a member: more members than a cohort may have sites. */
export const MAX_PEER_RECORDS = 4096
/** An enrolment request: a few keys and a MAC. */
export const MAX_ENROLMENT_BYTES = 1024

export const HUB_PATHS = {
  health: '/healthz',
  openapi: '/openapi.json',
  checkpoint: '/v1/checkpoint',
  statements: '/v1/statements',
  inclusion: '/v1/proof/inclusion',
  consistency: '/v1/proof/consistency',
  enrol: '/v1/enrol',
  peers: '/v1/peers',
} as const

/** Base64 text of at most `maxBytes` bytes. Decode with `decodeBase64`, which checks that it is canonical. */
const base64Schema = (maxBytes: number) =>
  z
    .string()
    .max(Math.ceil(maxBytes / 3) * 4)
    .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64')

/** A whole number in a query string. */
const querySchema = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,14})$/, 'must be a whole number')
  .transform(Number)

export const checkpointAnswerSchema = z.strictObject({ checkpoint: base64Schema(MAX_CHECKPOINT_BYTES) })
export type CheckpointAnswer = z.infer<typeof checkpointAnswerSchema>

/** Statements from `from` (inclusive) to `to` (exclusive; default and at most the log's size). */
export const statementsQuerySchema = z.strictObject({ from: querySchema, to: querySchema.optional() })
/** At most MAX_STATEMENTS_PER_REQUEST of them: ask again from `from` plus their number on. */
export const statementsAnswerSchema = z.strictObject({
  from: z.int().min(0),
  statements: z.array(base64Schema(MAX_STATEMENT_BYTES)).max(MAX_STATEMENTS_PER_REQUEST),
  /** of the whole log */
  size: z.int().min(0),
})
export type StatementsAnswer = z.infer<typeof statementsAnswerSchema>

export const inclusionQuerySchema = z.strictObject({ index: querySchema, size: querySchema })
export const consistencyQuerySchema = z.strictObject({ from: querySchema, to: querySchema })
/** Hashes of a Merkle proof, leaf to root. */
export const proofAnswerSchema = z.strictObject({ proof: z.array(hexSchema).max(64) })
export type ProofAnswer = z.infer<typeof proofAnswerSchema>

/** An encoded `enrolment` (invite.ts). */
export const enrolRequestSchema = z.strictObject({ enrolment: base64Schema(MAX_ENROLMENT_BYTES) })
export type EnrolRequest = z.infer<typeof enrolRequestSchema>
/** The member's `enrol` statement and a checkpoint that covers it. */
export const enrolAnswerSchema = z.strictObject({
  index: z.int().min(0),
  statement: base64Schema(MAX_STATEMENT_BYTES),
  checkpoint: base64Schema(MAX_CHECKPOINT_BYTES),
})
export type EnrolAnswer = z.infer<typeof enrolAnswerSchema>

/** An encoded `peer-record` (peer-record.ts). */
export const peerRequestSchema = z.strictObject({ record: base64Schema(MAX_PEER_RECORD_BYTES) })
export type PeerRequest = z.infer<typeof peerRequestSchema>
/** `kept` is false when the hub holds one at least as new. */
export const peerAnswerSchema = z.strictObject({ kept: z.boolean() })
export type PeerAnswer = z.infer<typeof peerAnswerSchema>
export const peersAnswerSchema = z.strictObject({
  records: z.array(base64Schema(MAX_PEER_RECORD_BYTES)).max(MAX_PEER_RECORDS),
})
export type PeersAnswer = z.infer<typeof peersAnswerSchema>

export const healthAnswerSchema = z.strictObject({ status: z.literal('ok'), size: z.int().min(0) })
export type HealthAnswer = z.infer<typeof healthAnswerSchema>

/** Every answer with a status of 400 or above. */
export const errorAnswerSchema = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() })
export type ErrorAnswer = z.infer<typeof errorAnswerSchema>
