/**
 * One case of the campaign, as data: a small federation, its jobs, and the operations that attack it. A case is all there is
 * to a run: written to a file it is replayed to the bit, and taking operations away is how it is shrunk.
 */
import { readFileSync } from 'node:fs'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { z } from 'zod'

const node = z.string().max(40)
const count = z.int().min(0)
const milliseconds = z.int().min(0)

/** Messages an operation is about; what is left out matches anything. */
export const matchSchema = z.strictObject({
  /** of the wire message */
  type: z.string().max(40).optional(),
  from: node.optional(),
  to: node.optional(),
  round: count.optional(),
  attempt: count.optional(),
})
export type Match = z.infer<typeof matchSchema>

/** What sets an operation off. Random times mostly miss: windows open with a message, a write or an entry in the audit log. */
export const whenSchema = z.discriminatedUnion('on', [
  z.strictObject({ on: z.literal('time'), atMs: milliseconds }),
  z.strictObject({ on: z.literal('message'), match: matchSchema, nth: count }),
  z.strictObject({ on: z.literal('write'), node, nth: count }),
  z.strictObject({ on: z.literal('audit'), node, event: z.string().max(60), nth: count }),
])
export type When = z.infer<typeof whenSchema>

export const LIES = [
  'silent',
  'selective',
  'two-haves',
  'biased-have',
  'forged-have',
  'wrong-partials',
  'wrong-tags',
  'wrong-opening',
  'second-specification',
  'shortened-history',
  'stale-checkpoint',
  'shortened-cohort',
  'private-round',
  'other-state',
  'puppet',
  'wrong-seeds',
  'two-submissions',
  'later-submission',
  'two-decisions',
  'noise',
] as const
export type LieName = (typeof LIES)[number]

/** How a puppet votes: a value, nothing, or not at all, by phase, view and whom it talks to. */
export const SCRIPTS = ['turncoat', 'split', 'nil', 'late', 'random', 'abandoner'] as const

export const deedSchema = z.discriminatedUnion('do', [
  /** kill -9; as a deed of a write: before or after it reached the disk */
  z.strictObject({ do: z.literal('crash'), node, afterWrite: z.boolean(), restartMs: milliseconds }),
  z.strictObject({ do: z.literal('backup'), node }),
  /** the store as it was at the backup, or empty but for the log if there was none */
  z.strictObject({ do: z.literal('restore'), node, restartMs: milliseconds }),
  z.strictObject({
    do: z.literal('unreliable'),
    dropRequest: z.number(),
    dropResponse: z.number(),
    duplicate: z.number(),
    reorder: z.number(),
    forMs: milliseconds,
  }),
  z.strictObject({ do: z.literal('drop-request'), match: matchSchema, times: count }),
  z.strictObject({ do: z.literal('drop-response'), match: matchSchema, times: count }),
  z.strictObject({ do: z.literal('duplicate'), match: matchSchema, times: count, afterMs: milliseconds }),
  z.strictObject({ do: z.literal('delay'), match: matchSchema, times: count, delayMs: milliseconds }),
  z.strictObject({ do: z.literal('partition'), group: z.array(node), forMs: milliseconds }),
  z.strictObject({ do: z.literal('one-way'), from: node, to: node, forMs: milliseconds }),
  z.strictObject({ do: z.literal('skew'), node, skewMs: z.int() }),
  /** the hub revokes a member, and tells these at once */
  z.strictObject({ do: z.literal('revoke'), node, tell: z.array(node) }),
  z.strictObject({ do: z.literal('hub-off'), forMs: milliseconds }),
  /** the hub shows these another log */
  z.strictObject({ do: z.literal('fork'), show: z.array(node) }),
  /** the hub names a committee of these for the dataset, the successor of the one that serves it */
  z.strictObject({ do: z.literal('name-committee'), members: z.array(node), tell: z.array(node) }),
  z.strictObject({ do: z.literal('cancel'), job: count }),
  /** a site's analysis fails from here on */
  z.strictObject({ do: z.literal('fail'), node }),
  z.strictObject({ do: z.literal('replace-rows'), node }),
  z.strictObject({
    do: z.literal('lie'),
    node,
    lie: z.enum(LIES),
    /** those it treats differently */
    victims: z.array(node),
    script: z.enum(SCRIPTS).optional(),
  }),
])
export type Deed = z.infer<typeof deedSchema>

export const operationSchema = z.strictObject({ when: whenSchema, deed: deedSchema })
export type Operation = z.infer<typeof operationSchema>

export const jobPlanSchema = z.strictObject({
  atMs: milliseconds,
  analysis: z.enum(['describe', 'table', 'linear', 'logistic']),
  /** names of the sites it asks for; null: everyone */
  sites: z.array(node).nullable(),
  /** only patients of at least this age; null: all */
  age: count.nullable(),
  minimum: z.int().min(3),
  /** how long it is open */
  minutes: z.int().min(1),
  /** of an analysis that goes back to the sites: it gives up after so many */
  rounds: z.int().min(2).max(32).optional(),
  /** which of the committees named so far: 0 the first */
  committee: count,
})
export type JobPlan = z.infer<typeof jobPlanSchema>

export const shapeSchema = z.strictObject({
  sites: z.int().min(3).max(8),
  committee: z.union([z.literal(3), z.literal(4), z.literal(7)]),
  latencyMs: z.int().min(1),
  /** sites with patients of eighty years and more */
  old: count,
  /** sites whose policy consents that their own aggregate may become derivable */
  consenting: z.array(node).optional(),
})
export type Shape = z.infer<typeof shapeSchema>

export const caseSchema = z.strictObject({
  version: z.literal(1),
  seed: count,
  /** where it comes from: a template of the generator, or what it once showed */
  name: z.string().max(200),
  shape: shapeSchema,
  jobs: z.array(jobPlanSchema).min(1).max(8),
  operations: z.array(operationSchema).max(200),
  /** when every fault is over (simulated milliseconds after the start) */
  calmMs: milliseconds,
})
export type Case = z.infer<typeof caseSchema>

export const siteName = (index: number): string => `site-${index}`
export const RESEARCHER = 'researcher'

export const siteNames = ({ sites }: Shape): readonly string[] => Array.from({ length: sites }, (_, at) => siteName(at))

/** The first sites, in seat order. */
export const committeeNames = (shape: Shape): readonly string[] => siteNames(shape).slice(0, shape.committee)

/** Who does not keep to the protocol in this case: liars, and nodes that forgot what they had said. */
export function dishonestOf(one: Case): ReadonlySet<string> {
  const names = one.operations.flatMap(({ deed }) => (deed.do === 'lie' || deed.do === 'restore' ? [deed.node] : []))
  return new Set(names)
}

/**
 * Nodes put back to a backup of which nobody may ever find a contradiction: where nothing else goes wrong every member is there to
 * tell them that they said more than they know of.
 */
export function toldInTime(one: Case): ReadonlySet<string> {
  const alone = one.operations.every(({ deed }) => deed.do === 'backup' || deed.do === 'restore')
  return alone ? dishonestOf(one) : new Set()
}

export function readCase(path: string): Case {
  try {
    return caseSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    throw new FlameshError('usage', `${path} holds no case: ${error instanceof Error ? error.message : error}`, {
      hint: 'a case is what "flamesh-sim campaign --keep DIR" writes',
    })
  }
}
