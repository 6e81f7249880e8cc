/**
 * The signed objects of one round, in their final formats. Implements docs/spec/secure-aggregation.md, "Messages".
 * Decoding proves form alone; what an object may say is checked where it is used.
 */
import { z } from 'zod'
import type { Hex } from '../crypto/hash.js'
import { hexSchema, type Kind, type Signed, signedSchema } from '../encoding/signed.js'
import { MAX_COHORT, MAX_DIMENSION, MAX_NAMED_SETS, MAX_RETIREMENT_SETS } from '../limits.js'

export const SUITE = 'flamesh-sa-1'

const counter = z.int().min(0)
const seat = z.int().min(0).max(6)

/** A one-time X25519 key, published ahead by a member of a committee; good for one roundId. */
export const prekeySchema = z.strictObject({ member: hexSchema, committee: counter, key: hexSchema })
export type Prekey = z.infer<typeof prekeySchema>
export const PREKEY: Kind<Prekey> = { kind: 'prekey', version: 1, schema: prekeySchema }

export const specificationSchema = z.strictObject({
  suite: z.literal(SUITE),
  job: hexSchema,
  round: z.int().min(1),
  attempt: counter,
  analysis: hexSchema,
  /** commitment of the state this round starts from (the last opening's), null in round 1 */
  state: hexSchema.nullable(),
  dimension: z.int().min(1).max(MAX_DIMENSION),
  /** slots before the sums */
  counts: z.int().min(1).max(MAX_DIMENSION),
  ring: z.union([z.literal(64), z.literal(128)]),
  fractionBits: z.int().min(0).max(100),
  /** every |count| is at most 2^boundBits */
  boundBits: z.int().min(0).max(100),
  /** sorted by key; each with the hash of its signed approval */
  cohort: z
    .array(z.strictObject({ site: hexSchema, decision: hexSchema }))
    .min(3)
    .max(MAX_COHORT),
  minCohort: z.int().min(3),
  maxColluding: counter,
  committee: z.strictObject({
    index: counter,
    /** in seat order: each member's signed one-time key, or null for an absent seat */
    seats: z.array(signedSchema.nullable()).min(3).max(7),
  }),
  slices: z.int().min(1).max(64),
  /** milliseconds since 1970 */
  closesAt: counter,
  openBy: counter,
  opening: z.enum(['committee', 'recipients']),
  noise: z.strictObject({ mechanism: z.literal('none') }),
  /** the survivor set this round must have (keys, sorted), null while it is free */
  pinned: z.array(hexSchema).max(MAX_COHORT).nullable(),
  checkpoint: z.strictObject({ size: z.int().min(1), root: hexSchema }),
  /** the distinct survivor sets certified so far for the guard's key, sorted: guard and gate compute on these and no others */
  history: z
    .array(z.strictObject({ set: hexSchema, minimum: z.int().min(1), contributors: counter.nullable() }))
    .max(MAX_NAMED_SETS),
  /** sites that let their own aggregate become derivable under the guard's key, sorted, each with the approval that says so */
  consents: z.array(z.strictObject({ site: hexSchema, decision: hexSchema })).max(MAX_COHORT),
})
export type Specification = z.infer<typeof specificationSchema>
/** roundId is the hash of this object's payload. Valid with q members' signatures. */
export const SPECIFICATION: Kind<Specification> = { kind: 'specification', version: 1, schema: specificationSchema }

export const submissionSchema = z.strictObject({
  roundId: hexSchema,
  site: hexSchema,
  /** index in the log of the site's enrolment */
  enrolment: counter,
  /** one commitment a subset of the committee, in the order of `subsets` */
  seeds: z.array(hexSchema).max(21),
  /** one hash a slice of the masked vector */
  slices: z.array(hexSchema).max(64),
  /** one hash a seat, null where the seat is absent; what the envelopes' associated data leaves out */
  envelopes: z.array(hexSchema.nullable()).max(7),
})
export type Submission = z.infer<typeof submissionSchema>
export const SUBMISSION: Kind<Submission> = { kind: 'submission', version: 1, schema: submissionSchema }

/** A site that cannot submit says so, so that nobody waits for it. The code names a rule, never the data. */
export const withdrawalSchema = z.strictObject({
  job: hexSchema,
  round: z.int().min(1),
  attempt: counter,
  site: hexSchema,
  code: z.string().max(64),
})
export type Withdrawal = z.infer<typeof withdrawalSchema>
export const WITHDRAWAL: Kind<Withdrawal> = { kind: 'withdrawal', version: 1, schema: withdrawalSchema }

/**
 * Which sites' seeds and slices this member holds whole, and of which submission: a site that sends different ones to
 * different members must not split the committee. One a member and round.
 */
export const haveSchema = z
  .strictObject({
    roundId: hexSchema,
    seat,
    /** cohort indices, ascending */
    sites: z.array(counter).max(MAX_COHORT),
    /** hash of each of these sites' submissions */
    submissions: z.array(hexSchema).max(MAX_COHORT),
  })
  .refine(({ sites, submissions }) => sites.length === submissions.length)
export type Have = z.infer<typeof haveSchema>
export const HAVE: Kind<Have> = { kind: 'have', version: 1, schema: haveSchema }

/** The public half of a partial sum. `part` is a subset's index, or -1 for the sum of the masked vectors (then `tag` is a hash). */
export const partialSchema = z.strictObject({
  roundId: hexSchema,
  survivors: hexSchema,
  seat,
  slice: counter,
  part: z.int().min(-1).max(20),
  tag: hexSchema,
})
export type Partial = z.infer<typeof partialSchema>
export const PARTIAL: Kind<Partial> = { kind: 'partial', version: 1, schema: partialSchema }

/** What was opened: valid with q members' signatures. The commitment hides the released numbers until their salt is known. */
export const openedSchema = z.strictObject({
  job: hexSchema,
  round: z.int().min(1),
  attempt: counter,
  roundId: hexSchema,
  survivors: hexSchema,
  outcome: z.enum(['state', 'result', 'suppressed']),
  /** why nothing is released; null unless suppressed */
  code: z.string().max(64).nullable(),
  /** of the next state or the released result; null when suppressed */
  commitment: hexSchema.nullable(),
  /** sites whose rows are in the sum; null when suppressed. The guard solves for it in later sums. */
  contributors: counter.nullable(),
  /** accepted tags of the mask sums, subset-major, then slice */
  macs: z.array(hexSchema).max(21 * 64),
})
export type OpenedBody = z.infer<typeof openedSchema>
export const OPENED: Kind<OpenedBody> = { kind: 'opened', version: 1, schema: openedSchema }

/** A member asks a co-holder for what a certified site failed to give it. */
export const fetchSchema = z.strictObject({ roundId: hexSchema, seat, site: counter })
export type Fetch = z.infer<typeof fetchSchema>
export const FETCH: Kind<Fetch> = { kind: 'fetch', version: 1, schema: fetchSchema }

/**
 * A member of a committee that is succeeded leaves: it votes for none of these datasets any more, and names every set that it
 * can prove. With a quorum of these the successor knows whatever was or could yet be certified.
 */
export const retirementSchema = z.strictObject({
  /** indices of the two committees' statements */
  predecessor: counter,
  successor: counter,
  /** sorted */
  datasets: z.array(z.string().max(64)).min(1).max(64),
  /** sorted by key and set */
  sets: z
    .array(
      z.strictObject({ key: hexSchema, set: hexSchema, minimum: z.int().min(1), contributors: counter.nullable() }),
    )
    .max(MAX_RETIREMENT_SETS),
})
export type Retirement = z.infer<typeof retirementSchema>
export const RETIREMENT: Kind<Retirement> = { kind: 'retirement', version: 1, schema: retirementSchema }

/** Two signed objects by one signer that contradict each other. */
export interface Evidence {
  readonly against: Hex
  readonly first: Signed
  readonly second: Signed
}
