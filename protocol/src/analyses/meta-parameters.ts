/** What a `meta-analysis` is asked for: a model that every site fits, and which of its coefficients. Implements docs/spec/analyses/meta-analysis.md. */
import { z } from 'zod'
import type { Analysis, LevelsOf } from './analysis.js'
import { type Covariate, completeFields, isRecord } from './columns.js'
import { cox } from './cox.js'
import { covariateNames, INTERCEPT } from './design.js'
import { glm } from './glm.js'
import { type GlmParameters, glmRules } from './glm-parameters.js'
import { linear } from './linear.js'
import type { LocalFit } from './local-fit.js'
import { logistic } from './logistic.js'

interface Fitted {
  readonly covariates: readonly Covariate[]
}

/** A model that sites can fit. */
interface Model {
  readonly analysis: Analysis<Fitted, unknown, LocalFit>
  readonly intercept: boolean
  /** undefined if there are no events */
  readonly events?: (fit: Fitted) => {
    /** whether rows without the event carry the estimates as much */
    readonly bothOutcomes: boolean
    /** not so of a model that counts every row as an event */
    readonly hasEvents: boolean
    /** what the exponential of a coefficient is, if it is anything */
    readonly ratio?: string | undefined
  }
}

const MODELS: Readonly<Record<'linear' | 'logistic' | 'glm' | 'cox', Model>> = {
  linear: { analysis: linear, intercept: true },
  logistic: {
    analysis: logistic,
    intercept: true,
    events: () => ({ bothOutcomes: true, hasEvents: true, ratio: 'odds_ratio' }),
  },
  glm: { analysis: glm, intercept: true, events: (fit) => glmRules(fit as GlmParameters) },
  cox: {
    analysis: cox,
    intercept: false,
    events: () => ({ bothOutcomes: false, hasEvents: true, ratio: 'hazard_ratio' }),
  },
}

interface Chosen {
  readonly model: keyof typeof MODELS
  readonly fit: Fitted
}

export function namesOf({ model, fit }: Chosen): readonly string[] {
  const names = covariateNames(fit.covariates)
  return MODELS[model].intercept ? [INTERCEPT, ...names] : names
}

export const MAX_COEFFICIENTS = 40
const coefficients = z
  .array(z.string().min(1).max(300))
  .min(1)
  .max(MAX_COEFFICIENTS)
  .refine((names) => new Set(names).size === names.length, 'a coefficient appears twice')

export const metaSchema = z
  .discriminatedUnion('model', [
    z.strictObject({
      model: z.literal('linear'),
      fit: linear.parameters.refine(({ strata }) => strata === 'none', 'every site is fitted alone'),
      coefficients,
    }),
    z.strictObject({ model: z.literal('logistic'), fit: logistic.parameters, coefficients }),
    z.strictObject({ model: z.literal('glm'), fit: glm.parameters, coefficients }),
    z.strictObject({
      model: z.literal('cox'),
      fit: cox.parameters.refine(({ zph }) => zph === undefined, 'hazards are not tested at each site'),
      coefficients,
    }),
  ])
  .refine(
    (parameters) => parameters.coefficients.every((name) => namesOf(parameters).includes(name)),
    'a coefficient is none of the model',
  )
export type MetaAnalysisParameters = z.infer<typeof metaSchema>

export const modelOf = ({ model }: MetaAnalysisParameters): Model => MODELS[model]

const isModel = (name: unknown): name is keyof typeof MODELS => typeof name === 'string' && Object.hasOwn(MODELS, name)

/** All coefficients but the intercept, if none are named. */
export function completeMeta(written: unknown, levelsOf: LevelsOf): unknown {
  const name = isRecord(written) ? written['model'] : undefined
  if (!isRecord(written) || !isModel(name)) return written
  const fit = MODELS[name].analysis.complete(written['fit'], levelsOf)
  const parsed = MODELS[name].analysis.parameters.safeParse(fit)
  // all but the intercept
  const all = parsed.success ? covariateNames(parsed.data.covariates) : undefined
  return completeFields(written, { fit: () => fit, coefficients: (names) => names ?? all })
}
