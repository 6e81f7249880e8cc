/**
 * What sites and researchers say about a job besides the job itself: a site's decision, a cancellation, and the datasets a
 * site has. Implements docs/spec/jobs.md, "Messages". The schemas fix the form only: who may sign what is checked by
 * whoever receives it.
 */
import { z } from 'zod'
import type { Hex } from '../crypto/hash.js'
import { bytesSchema, hexSchema, type Kind, openSigned, type Signed } from '../encoding/signed.js'
import { MAX_OPERATORS } from '../limits.js'
import { datasetAnnouncementSchema } from './dataset.js'

/** A stable, machine-readable reason. */
export const codeSchema = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/)

/** A site lets its own aggregate under one guard key become derivable (docs/spec/secure-aggregation.md, guard). */
const consentSchema = z.strictObject({ site: hexSchema, key: hexSchema })

/** An operator's own signature under the approval (docs/spec/jobs.md, "Four eyes"). */
const decidingOperatorSchema = z.strictObject({
  name: z.string().min(1).max(64),
  key: hexSchema,
  /** this operator consents as well */
  consent: z.boolean(),
  /** of the `operator-approval` that the rest of the decision says */
  signature: bytesSchema,
})

export const decisionSchema = z.strictObject({
  job: hexSchema,
  /** public key of the site, which signs this */
  site: hexSchema,
  decision: z.enum(['approve', 'refuse']),
  code: codeSchema,
  /** for a person; names a rule, never anything about the data */
  message: z.string().max(500),
  policyHash: hexSchema,
  /** the rows the job is approved on; null in a refusal */
  datasetVersion: hexSchema.nullable(),
  /** the log as the site saw it */
  checkpoint: z.strictObject({ size: z.int().min(1), root: hexSchema }),
  consents: z.array(consentSchema).max(64),
  /** milliseconds since 1970 */
  decidedAt: z.int().min(0),
  by: z.enum(['policy', 'operator']),
  /** those whose signatures the policy asked for; empty if it asked for none */
  operators: z.array(decidingOperatorSchema).max(MAX_OPERATORS),
})
export type Decision = z.infer<typeof decisionSchema>
export const DECISION: Kind<Decision> = { kind: 'decision', version: 1, schema: decisionSchema }

/** Consents other than a site's own, for the question it approves, are nobody's to give. */
export function consentsFit({ site, consents, decision }: Decision, key: Hex): boolean {
  return consents.every((one) => decision === 'approve' && one.site === site && one.key === key)
}

/** The site that consents, under this guard key, in an approval that it alone signed; undefined if none does. */
export function givesConsent(signed: Signed, key: Hex): Hex | undefined {
  const { body, signers } = openSigned(signed, DECISION)
  const own = signers.length === 1 && signers[0] === body.site && body.consents.length > 0
  return own && consentsFit(body, key) ? body.site : undefined
}

/** Signed by the job's researcher: no round that is not certified yet will be opened. */
export const cancelSchema = z.strictObject({
  job: hexSchema,
  /** milliseconds since 1970 */
  at: z.int().min(0),
})
export type Cancel = z.infer<typeof cancelSchema>
export const CANCEL: Kind<Cancel> = { kind: 'cancel', version: 1, schema: cancelSchema }

/** Datasets one site may announce: an announcement has to fit into one gossip message. */
const MAX_DATASETS = 64

export const datasetsSchema = z.strictObject({
  /** public key of the site, which signs this */
  site: hexSchema,
  /** the highest wins; grows with every change */
  sequence: z.int().min(0),
  datasets: z.array(datasetAnnouncementSchema).max(MAX_DATASETS),
})
export interface DatasetsAnnouncement {
  readonly site: Hex
  readonly sequence: number
  readonly datasets: readonly z.infer<typeof datasetAnnouncementSchema>[]
}
export const DATASETS: Kind<DatasetsAnnouncement> = { kind: 'datasets', version: 1, schema: datasetsSchema }
