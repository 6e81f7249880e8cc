/**
 * A model fitted to one site's rows alone, by the analysis that fits it to everyone's: the rounds are run over this site only,
 * and nothing of them leaves it. For docs/spec/analyses/meta-analysis.md. What the analysis holds a site's rows against holds
 * here; the rules of the gate are for sums and do not.
 */
import { decodeVector, encodeVector } from '../secagg/ring.js'
import type { Analysis, DisclosureRules, Rows } from './analysis.js'
import { countSlots } from './layout.js'

/** What every model releases, the intercept first if it has one. */
export interface LocalFit {
  readonly coef: readonly number[]
  readonly se: readonly number[]
}

export interface LocalModel {
  /** of the model's first round, without `contributors`; zeros if the site is below a rule */
  readonly counts: Float64Array
  /** undefined if the site is below a rule, or the model has no estimates here */
  readonly fit: LocalFit | undefined
}

const ALONE: DisclosureRules = { minimumCell: 1, minimumContributors: 1 }
const RING = 128

/** Throws what the model's `contribute` throws. */
export function fitAlone<P, S>(analysis: Analysis<P, S, LocalFit>, rows: Rows, parameters: P): LocalModel {
  const context = { parameters, rules: ALONE, survivors: 1 }
  let counts: Float64Array | undefined
  let state: S | undefined
  for (;;) {
    const plan = analysis.plan(parameters, state)
    const vector = analysis.contribute(rows, parameters, state)
    counts ??= vector.slice(1, countSlots(plan))
    const words = encodeVector(vector, RING, plan.fractionBits, plan.bound, countSlots(plan))
    const sum = decodeVector(words, RING, plan.fractionBits)
    const outcome = analysis.combine(sum, context, state)
    if (outcome.kind !== 'state') return { counts, fit: outcome.kind === 'result' ? outcome.released : undefined }
    state = outcome.state
  }
}
