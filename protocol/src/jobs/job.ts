/**
 * The job: one signed request to run one analysis on one dataset. Everything that can be decided is decided here, by the
 * researcher, before any site sees it; a round may only repeat it. Implements docs/spec/jobs.md.
 */
import { z } from 'zod'
import type { Hex } from '../crypto/hash.js'
import type { Value } from '../encoding/canonical.js'
import { hexSchema, type Kind } from '../encoding/signed.js'
import { descriptionSchema } from '../images/description.js'
import { MAX_ATTEMPTS, MAX_COHORT, MAX_ROUNDS } from '../limits.js'
import { routeSchema } from '../trains/route.js'
import { conditionSchema } from './where.js'

const nameSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
export const jobSchema = z.strictObject({
  name: z.string().min(1).max(200),
  purpose: z.string().max(2000),
  researcher: hexSchema,
  nonce: hexSchema,
  analysis: z.strictObject({ name: nameSchema, version: z.int().min(1), hash: hexSchema }),
  /** the description of the image that is the analysis; null: it is built in */
  image: descriptionSchema.nullable(),
  dataset: nameSchema,
  where: z.array(conditionSchema).max(32),
  /** canonical parameters of the analysis; no floats */
  parameters: z.custom<Value>((value) => value !== undefined),
  cohort: z.strictObject({
    /** public keys, sorted; empty: every site of the roster that has the dataset */
    sites: z.array(hexSchema).max(MAX_COHORT),
    /** organisations */
    minimum: z.int().min(3).max(MAX_COHORT),
    approveWithinMs: z.int().min(100),
  }),
  /** the way of a state that travels from site to site; null: the sites' sum is opened by the committee */
  route: routeSchema.nullable(),
  /** index in the log of the statement that names the dataset's committee */
  committee: z.int().min(0),
  /** how many sites may collude with each other besides the committee's t */
  maxColluding: z.int().min(0).max(MAX_COHORT),
  opening: z.enum(['committee', 'recipients']),
  dropout: z.enum(['pause', 'drop']),
  /** a round that may drop sites closes this long after its specification (milliseconds) */
  submitWithinMs: z.int().min(100),
  privacy: z.discriminatedUnion('mechanism', [z.strictObject({ mechanism: z.literal('none') })]),
  minimumCell: z.int().min(1),
  /** public keys of members with the role researcher, sorted */
  recipients: z.array(hexSchema).min(1).max(32),
  maxRounds: z.int().min(1).max(MAX_ROUNDS),
  maxAttempts: z.int().min(2).max(MAX_ATTEMPTS),
  /** milliseconds since 1970 */
  notBefore: z.int().min(0),
  notAfter: z.int().min(0),
  /** the log as the researcher saw it */
  checkpoint: z.strictObject({ size: z.int().min(1), root: hexSchema }),
})

export type Job = z.infer<typeof jobSchema>

export const JOB: Kind<Job> = { kind: 'job', version: 1, schema: jobSchema }

/** A job is known by the hash of its signed payload. */
export type JobId = Hex
