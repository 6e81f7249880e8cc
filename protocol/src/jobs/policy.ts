/**
 * A site's policy: the operator's file, as data. Inside it a job is approved by the machine, outside it waits for the
 * operator, and `never` is never. Implements docs/spec/jobs.md, "Policy"; evaluate.ts decides by it. A policy can only
 * make the protocol's own floors stricter, except the smallest cohort, which it may lower to three.
 */
import { z } from 'zod'
import type { Hex } from '../crypto/hash.js'
import { hashOf } from '../encoding/canonical.js'
import { hexSchema } from '../encoding/signed.js'
import {
  DEFAULT_MIN_CELL,
  DEFAULT_MIN_COHORT,
  MAX_CHECKPOINT_AGE_MS,
  MAX_COHORT,
  MAX_OPERATORS,
  MIN_COHORT_FLOOR,
} from '../limits.js'

const namesSchema = z.array(z.string().min(1).max(128)).min(1).max(1000)
const anyOrNames = z.union([z.literal('any'), namesSchema])

/**
 * What a rule looks at; a selector that is left out says nothing. A rule applies to a job if all its selectors do. Where a
 * job names several things (recipients, columns), an `approve` rule must cover every one of them and a `never` rule
 * applies as soon as it names one.
 */
export const policyRuleSchema = z.strictObject({
  /** members by their name in the roster: the researcher and the recipients */
  researchers: anyOrNames.optional(),
  /** their organisations */
  organisations: anyOrNames.optional(),
  /** `builtin`: every analysis that runs in the node itself */
  analyses: z.union([z.enum(['any', 'builtin']), namesSchema]).optional(),
  /** container images, by the repository they come from; an `approve` rule without it or `hashes` covers no image */
  images: anyOrNames.optional(),
  /** analyses by content hash: of an image, that of its description */
  hashes: z.array(hexSchema).min(1).max(1000).optional(),
  /** whether the hub's log holds an attestation of the analysis that was not withdrawn */
  attested: z.boolean().optional(),
  datasets: anyOrNames.optional(),
  /** columns that the analysis or `where` reads */
  columns: anyOrNames.optional(),
  /** words or phrases, one of which the job's stated purpose contains, whatever the case */
  purposes: namesSchema.optional(),
})
export type PolicyRule = z.infer<typeof policyRuleSchema>

/**
 * Where a site consents that its own aggregate may become derivable. It has to say for which datasets and analyses, by name:
 * nobody gives such a consent for everything by leaving a selector out.
 */
export const consentRuleSchema = policyRuleSchema.extend({
  analyses: namesSchema,
  datasets: namesSchema,
})

const operatorSchema = z.strictObject({
  /** as it stands in receipts */
  name: z.string().regex(/^[^\s\p{C}]([^\p{C}]{0,62}[^\s\p{C}])?$/u, 'must be 1 to 64 printable characters'),
  /** Ed25519, of the person alone */
  key: hexSchema,
})
export type Operator = z.infer<typeof operatorSchema>

const distinct = (values: readonly string[]): boolean => new Set(values).size === values.length

/** Whose signatures an operator's approval takes. */
const approvalsSchema = z
  .strictObject({
    /** so many of the operators; 0: whoever reaches the node's control socket decides */
    needed: z.int().min(0).max(MAX_OPERATORS),
    operators: z.array(operatorSchema).max(MAX_OPERATORS),
    /** jobs that the machine approves in no case, whatever `approve` covers: all, or kinds of them */
    always: z.union([z.literal('any'), z.array(z.enum(['images', 'trains'])).max(2)]).default([]),
  })
  .refine(({ needed, operators }) => needed <= operators.length, {
    path: ['needed'],
    message: 'must not be more than there are operators',
  })
  .refine(({ needed, operators }) => needed > 0 || operators.length === 0, {
    path: ['needed'],
    message: 'must be at least 1 where operators are named',
  })
  .refine(({ needed, always }) => needed > 0 || always.length === 0, {
    path: ['always'],
    message: 'needs operators who sign',
  })
  .refine(({ operators }) => distinct(operators.map((one) => one.name)) && distinct(operators.map((one) => one.key)), {
    path: ['operators'],
    message: 'must have distinct names and keys',
  })

export const policySchema = z.strictObject({
  /** of this format; the policy itself is known by its hash */
  version: z.literal(1),
  approve: z.array(policyRuleSchema).max(100).default([]),
  never: z.array(policyRuleSchema).max(100).default([]),
  /** an approval of a job that one of these covers carries this site's consent, for good */
  consents: z.array(consentRuleSchema).max(100).default([]),
  /** organisations, counted over the whole survivor set */
  minimumCohort: z.int().min(MIN_COHORT_FLOOR).max(MAX_COHORT).default(DEFAULT_MIN_COHORT),
  minimumCell: z.int().min(DEFAULT_MIN_CELL).max(1_000_000).default(DEFAULT_MIN_CELL),
  /** sites that a job must assume to collude, at least */
  maxColluding: z.int().min(0).max(MAX_COHORT).default(1),
  /** committees, by their name in the log, that may open this site's updates */
  committees: anyOrNames.default('any'),
  /** four eyes: an approval that is not the machine's takes the signatures of so many of these */
  approvals: approvalsSchema.default({ needed: 0, operators: [], always: [] }),
  /** what an image may be given beside the contract, by name: `gpu`, `memory-8g` */
  grants: z.array(z.string().min(1).max(40)).max(16).default([]),
  /** whether this site's rows may go on a train: the next station sees what they add to */
  trains: z.boolean().default(false),
  /** public intervals into which an analysis may cut a column: a finer grid opens cells of single patients to the committee */
  maxIntervals: z.int().min(1).max(1_000_000).default(120),
  /** in how many rows a question must differ from earlier ones, unless it is about the same rows (docs/spec/analyses.md, "Disclosure") */
  ledger: z
    .strictObject({
      minimumDifference: z.int().min(DEFAULT_MIN_CELL).max(1_000_000).default(DEFAULT_MIN_CELL),
      /** and each side of two questions by itself, not only both together */
      eachSide: z.boolean().default(false),
    })
    .default({ minimumDifference: DEFAULT_MIN_CELL, eachSide: false }),
  /** a job that stays open for longer waits for the operator */
  maxOpenHours: z.int().min(1).max(720).default(168),
  /** the machine approves so many jobs in 24 hours; more wait for the operator */
  jobsPerDay: z.int().min(0).max(100_000).default(200),
  /** with an older checkpoint of the hub's log new jobs wait */
  maxCheckpointHours: z
    .int()
    .min(1)
    .max(MAX_CHECKPOINT_AGE_MS / 3_600_000)
    .default(MAX_CHECKPOINT_AGE_MS / 3_600_000),
  /** the same question again on changed data: refused, or allowed if at least so many rows changed */
  // changed rows are not counted yet: 1 allows any change, more than 1 refuses like `never`
  recomputeChangedRows: z.union([z.literal('never'), z.int().min(1)]).default('never'),
})
export type Policy = z.infer<typeof policySchema>

/** A new node's: it asks the operator about everything. */
export const defaultPolicy: Policy = policySchema.parse({ version: 1 })

/** Names the policy in approvals: of the parsed policy, so comments and the order of fields do not matter. */
export function policyHash(policy: Policy): Hex {
  return hashOf(policy)
}
