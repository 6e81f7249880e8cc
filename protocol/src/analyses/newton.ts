/**
 * Newton's method across rounds: the state that goes back to the sites, and what follows from one evaluation. It holds
 * coefficients and the log likelihood of everyone, which tell convergence, and nothing else. Implements
 * docs/spec/analyses.md, "Iterations".
 */
import { z } from 'zod'
import { suppressed } from '../privacy/disclosure.js'
import type { Suppression } from './analysis.js'
import { MAX_PARAMETERS, separation, singular } from './design.js'

const coefficientsSchema = z.array(z.number()).min(1).max(MAX_PARAMETERS)

export const newtonSchema = z.strictObject({
  /** evaluations made before this one */
  iteration: z.int().min(0).max(64),
  /** where the sites evaluate */
  beta: coefficientsSchema,
  /** the best point so far, null before the first evaluation */
  best: z.union([z.null(), z.strictObject({ beta: coefficientsSchema, logLikelihood: z.number() })]),
})
export type NewtonState = z.infer<typeof newtonSchema>

export const startAt = (parameters: number): NewtonState => ({
  iteration: 0,
  beta: new Array<number>(parameters).fill(0),
  best: null,
})

/** Where one evaluation points to. */
export interface Solution {
  /** from the point to the next */
  readonly step: readonly number[]
  /** root mean square, over rows by their weight, of what the step adds to the linear predictor */
  readonly stepSize: number
  /** standard errors at the point */
  readonly se: readonly number[]
}

export type Progress =
  | { readonly kind: 'state'; readonly state: NewtonState }
  | { readonly kind: 'converged'; readonly coef: number[]; readonly se: number[]; readonly iterations: number }
  | Suppression

/** Standard errors belong to the point before the last step: this keeps them within 1e-10; the coefficients have the square. */
const CONVERGED = 1e-11
/**
 * Estimates that exist are reached well before this many steps. On the way to infinity the likelihood settles, but a
 * coefficient keeps moving by about as much in every step: by more than this share of itself.
 */
const SETTLED_AFTER = 12
const MOVING = 0.01
const MAX_ITERATIONS = 30
/** A log likelihood that falls by less than this share, of itself or of its terms, fell by rounding. */
const ROUNDING = 1e-12

interface Nature {
  /** the size of what the log likelihood is a difference of, if that may be much larger than the difference */
  readonly terms?: number
  /** whether estimates may lie at infinity: where they cannot, slow steps are nothing but slow */
  readonly separates?: boolean
  /** what rounding makes of the linear predictor: no step is known to less, and no fall of the log likelihood that follows from it */
  readonly rounding?: number
}

/** What follows from the log likelihood at the state's point and the solution there, undefined if the information is singular. */
export function advance(
  state: NewtonState,
  logLikelihood: number,
  solution: Solution | undefined,
  { terms = 0, separates = true, rounding = 0 }: Nature = {},
): Progress {
  const { iteration, beta, best } = state
  const next = (to: readonly number[], from: NewtonState['best']): Progress => {
    if (iteration + 1 === MAX_ITERATIONS)
      return suppressed('not-converged', `no convergence within ${MAX_ITERATIONS} iterations`)
    return { kind: 'state', state: { iteration: iteration + 1, beta: to.map((value) => value + 0), best: from } }
  }
  if (
    best !== null &&
    logLikelihood < best.logLikelihood - (ROUNDING + rounding) * (Math.abs(best.logLikelihood) + terms)
  ) {
    // overshot: half way back
    return next(
      beta.map((value, i) => (value + (best.beta[i] as number)) / 2),
      best,
    )
  }
  if (
    solution === undefined ||
    ![logLikelihood, solution.stepSize, ...solution.step, ...solution.se].every(Number.isFinite)
  ) {
    // a matrix that was regular at the start became singular on the way to infinity
    return iteration === 0 || !separates ? singular() : separation()
  }
  const { step, stepSize, se } = solution
  const reached = beta.map((value, i) => value + (step[i] as number) + 0)
  if (stepSize <= CONVERGED + rounding)
    return { kind: 'converged', coef: reached, se: [...se], iterations: iteration + 1 }
  const moving = step.some((value, i) => Math.abs(value) > MOVING * Math.abs(reached[i] as number))
  if (separates && iteration >= SETTLED_AFTER && moving) return separation()
  return next(reached, { beta, logLikelihood })
}
