/** What a `glm` is asked for: family, link, outcome, offset and covariates, and the rows it reads. Implements docs/spec/analyses/glm.md. */
import { z } from 'zod'
import { FlameshError } from '../errors.js'
import type { ColumnUse, LevelsOf, Rows } from './analysis.js'
import {
  columnOf,
  columnSchema,
  completeEvent,
  completeFields,
  eventSchema,
  eventsOf,
  isRecord,
  numbersOf,
} from './columns.js'
import {
  type Cases,
  completeCases,
  completeCovariates,
  covariateColumns,
  covariateNames,
  covariatesSchema,
  INTERCEPT,
  singles,
} from './design.js'
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

/** Throws `column-values` for a number that is there and not allowed. */
function checkValues(column: string, values: Float64Array, allowed: (value: number) => boolean, hint: string): void {
  if (values.every((value) => Number.isNaN(value) || allowed(value))) return
  throw new FlameshError('column-values', `${column} holds values that the model has no place for`, {
    meta: { column },
    hint,
  })
}

const isCount = (value: number): boolean => value >= 0 && Number.isInteger(value)
const isPositive = (value: number): boolean => value > 0

function outcomesOf(rows: Rows, parameters: GlmParameters): Float64Array {
  const { outcome } = parameters
  const kind = familyOf(parameters).outcome
  if (typeof outcome !== 'string' || kind === 'event') return eventsOf(rows, outcome)
  const values = numbersOf(rows, outcome)
  if (kind === 'count') checkValues(outcome, values, isCount, 'a count is 0, 1, 2 …; or {column: …, is: …}')
  else checkValues(outcome, values, isPositive, 'the outcome is above 0: leave rows where it is not out by `where`')
  return values
}

/** Responses are the outcome, and the exposure, or else the offset. */
export function casesOf(rows: Rows, parameters: GlmParameters): Cases {
  const { exposure, offset, covariates } = parameters
  const outcomes = outcomesOf(rows, parameters)
  const column = exposure ?? offset
  const given = column === undefined ? new Float64Array(rows.count) : numbersOf(rows, column)
  if (exposure !== undefined)
    checkValues(exposure, given, isPositive, 'exposure is above 0: leave rows without any out by `where`')
  return completeCases(rows, covariates, [outcomes, given])
}
