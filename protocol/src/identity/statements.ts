/**
 * Statements: everything the hub ever says, one by one, each signed with its index. Implements docs/spec/identity.md,
 * statements. Opening one shows that the hub signed it; whether it obeys the rules is for the fold (roster.ts), and
 * whether everybody sees the same one is for the log (sync.ts).
 */
import { z } from 'zod'
import type { Hex } from '../crypto/hash.js'
import {
  decodeSigned,
  encodeSigned,
  hexSchema,
  type Kind,
  openSigned,
  type Signer,
  signedSchema,
  signObject,
} from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import { digestSchema } from '../images/description.js'
import { datasetAnnouncementSchema } from '../jobs/dataset.js'
import { MAX_SIGNATURES, MAX_STATEMENT_BYTES } from '../limits.js'
import { certificateSchema, nameSchema } from './certificate.js'
import { leafHash } from './merkle.js'

const datasetNameSchema = datasetAnnouncementSchema.shape.name
const reasonSchema = z.string().min(1).max(500)
const timeSchema = z.int().min(0)
const distinct = (values: readonly string[]) => new Set(values).size === values.length
/** People or bodies who read the code, as the hub's operator names them; not necessarily members. */
const reviewersSchema = z
  .array(z.string().regex(/^[^\s\p{C}]([^\p{C}]{0,98}[^\s\p{C}])?$/u, 'must be 1 to 100 printable characters'))
  .min(1)
  .max(32)
  .refine(distinct, { message: 'must be distinct' })

/** Sizes a committee may have: (c, t) is (3, 1), (4, 1) or (7, 2). */
export const COMMITTEE_SIZES: readonly number[] = [3, 4, 7]

/** Do not reorder, and never give a type a second meaning: old logs are folded for ever. */
export const entrySchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('enrol'), certificate: certificateSchema }),
  /** the member keeps its name, organisation and roles; the old key is never valid again */
  z.strictObject({
    type: z.literal('rotate-key'),
    key: hexSchema,
    newKey: hexSchema,
    newSealingKey: hexSchema,
    notBefore: timeSchema,
    notAfter: timeSchema,
  }),
  z.strictObject({ type: z.literal('revoke'), key: hexSchema, reason: reasonSchema }),
  z.strictObject({
    type: z.literal('attest-analysis'),
    analysis: z.string().min(1).max(256),
    analysisHash: hexSchema,
    reviewers: reviewersSchema,
  }),
  z.strictObject({
    type: z.literal('withdraw-analysis'),
    analysis: z.string().min(1).max(256),
    analysisHash: hexSchema,
    reason: reasonSchema,
  }),
  z.strictObject({
    type: z.literal('name-committee'),
    name: nameSchema,
    /** Ed25519 keys in seat order */
    members: z
      .array(hexSchema)
      .max(Math.max(...COMMITTEE_SIZES))
      .refine(distinct, { message: 'must be distinct' }),
    datasets: z.array(datasetNameSchema).min(1).max(64).refine(distinct, { message: 'must be distinct' }),
    /** indices of the committees that served some of these datasets until now; left out where nobody did */
    succeeds: z
      .array(z.int().min(0))
      .min(1)
      .max(16)
      .refine((all) => all.every((one, at) => at === 0 || (all[at - 1] as number) < one), 'must ascend')
      .optional(),
  }),
  /** from here on an attestation needs `threshold` of these reviewers; of an image, signed with these keys */
  z
    .strictObject({
      type: z.literal('set-policy-floor'),
      threshold: z.int().min(1),
      reviewers: reviewersSchema,
      /** Ed25519, one a reviewer in the same order; without them no image can be attested */
      keys: z.array(hexSchema).max(MAX_SIGNATURES).refine(distinct, { message: 'must be distinct' }).optional(),
    })
    .refine((floor) => floor.threshold <= floor.reviewers.length, {
      message: 'asks for more reviewers than there are',
    })
    .refine((floor) => floor.keys === undefined || floor.keys.length === floor.reviewers.length, {
      message: 'gives keys to some reviewers and not to others',
    }),
  z.strictObject({
    type: z.literal('attest-image'),
    /** the payload is the description, the signatures are the reviewers' */
    review: signedSchema,
    /** index of the policy floor in force, which says whose keys these are: no other floor can stand in for it */
    floor: z.int().min(0),
  }),
  /** the attestation of the image with this digest; its description is never attested again */
  z.strictObject({ type: z.literal('withdraw-image'), digest: digestSchema, reason: reasonSchema }),
])

/** What one statement says. */
export type Entry = z.infer<typeof entrySchema>

export const statementSchema = z.strictObject({
  /** position in the log, from 0 */
  index: z.int().min(0),
  /** milliseconds since 1970, by the hub's clock; never decreases along the log */
  timestamp: timeSchema,
  entry: entrySchema,
})
export type Statement = z.infer<typeof statementSchema>

export const STATEMENT: Kind<Statement> = { kind: 'statement', version: 1, schema: statementSchema }

/** The encoded, signed statement. Throws `statement-too-large`, or `schema` if the statement is malformed. */
export function signStatement(statement: Statement, hub: Signer): Uint8Array {
  const parsed = statementSchema.safeParse(statement)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new FlameshError('schema', `malformed statement: ${issue?.path.join('.')} ${issue?.message}`)
  }
  const bytes = encodeSigned(signObject(STATEMENT.kind, STATEMENT.version, parsed.data, hub))
  if (bytes.length > MAX_STATEMENT_BYTES)
    throw new FlameshError('statement-too-large', 'the statement is too large for the log')
  return bytes
}

export interface OpenedStatement {
  readonly statement: Statement
  /** leaf of the log: the hash of the payload, so that no signature can make two leaves of one statement */
  readonly leaf: Hex
}

/** Opens a statement signed by the hub and nobody else. Throws `statement-too-large`, `encoding`, `schema` or `signature`. */
export function openStatement(bytes: Uint8Array, hubKey: Hex): OpenedStatement {
  if (bytes.length > MAX_STATEMENT_BYTES)
    throw new FlameshError('statement-too-large', 'the statement is too large for the log')
  const signed = decodeSigned(bytes)
  if (signed.signatures.length !== 1 || signed.signatures[0]?.signer !== hubKey) {
    throw new FlameshError('signature', 'the statement is not signed by this hub', { meta: { hubKey } })
  }
  return { statement: openSigned(signed, STATEMENT).body, leaf: leafHash(signed.payload) }
}
