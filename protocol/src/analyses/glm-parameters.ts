/** What a `glm` is asked for: family, link, outcome, offset and covariates. Implements docs/spec/analyses/glm.md. */
import { z } from 'zod'
import type { ColumnUse, LevelsOf } from './analysis.js'
import { columnOf, columnSchema, completeEvent, completeFields, eventSchema, isRecord } from './columns.js'
import { completeCovariates, covariateColumns, covariateNames, covariatesSchema, INTERCEPT, singles } from './design.js'
import { FAMILIES, FAMILY_NAMES, type Family, isFamily, LINK_NAMES, type Link } from './families.js'

const fields = z.strictObject({
  family: z.enum(FAMILY_NAMES),
  link: z.enum(LINK_NAMES),
  /** by family: a count, or a yes-or-no outcome counted as 0 or 1; a positive number; a yes-or-no outcome */
  outcome: eventSchema,
  /** person-time, or expected events: its logarithm is the offset */
  exposure: columnSchema.optional(),
  /** added to the linear predictor, with coefficient 1 */
  offset: columnSchema.optional(),
  covariates: covariatesSchema,
})
export type GlmParameters = z.infer<typeof fields>

/** Columns beside the covariates and the outcome. */
const offsets = ({ exposure, offset }: GlmParameters): readonly string[] =>
  [exposure, offset].filter((column) => column !== undefined)

export const glmSchema = fields
  .refine(({ family, link }) => Object.hasOwn(FAMILIES[family].links, link), 'the family has no such link')
  .refine(({ link, exposure }) => link === 'log' || exposure === undefined, 'an exposure belongs to the link log')
  .refine((parameters) => offsets(parameters).length < 2, 'an exposure is an offset: one of them')
  .refine(
    ({ family, outcome }) => FAMILIES[family].outcome !== 'positive' || typeof outcome === 'string',
    'the outcome of this family is a numeric column',
  )
  .refine((parameters) => {
    const { outcome, covariates } = parameters
    const columns = [columnOf(outcome), ...offsets(parameters), ...covariateColumns(covariates)]
    return new Set(columns).size === columns.length
  }, 'outcome, exposure or offset, and covariates are different columns')

export const columnsOfGlm = (parameters: GlmParameters): readonly ColumnUse[] => [
  parameters.outcome,
  ...offsets(parameters),
  ...singles(parameters.covariates),
]

/** The family is Poisson if none is named, the link the first of the family. */
export function completeGlm(written: unknown, levelsOf: LevelsOf): unknown {
  const family = (isRecord(written) ? written['family'] : undefined) ?? 'poisson'
  return completeFields(written, {
    covariates: completeCovariates(levelsOf),
    family: () => family,
    link: (link) => link ?? (isFamily(family) ? Object.keys(FAMILIES[family].links)[0] : undefined),
    outcome: completeEvent,
  })
}

export const familyOf = ({ family }: GlmParameters): Family => FAMILIES[family]
export const linkOf = (parameters: GlmParameters): Link => familyOf(parameters).links[parameters.link] as Link
export const namesOf = ({ covariates }: GlmParameters): readonly string[] => [INTERCEPT, ...covariateNames(covariates)]

/** How the counts of the first round are held against the gate, and what a reader is told of them. */
export function glmRules(parameters: GlmParameters) {
  const { outcome } = familyOf(parameters)
  return { bothOutcomes: outcome === 'event', hasEvents: outcome !== 'positive', ratio: linkOf(parameters).ratio }
}
