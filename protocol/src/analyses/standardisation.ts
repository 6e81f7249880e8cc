/**
 * Rates and their intervals from events and person-time, for `present` only: exact Poisson limits (Garwood 1936), direct
 * standardisation with gamma limits (Fay and Feuer 1997), the ratio of observed to expected events. What does not exist is null.
 */
import { gammaQuantile, lowerGamma, upperGamma } from './distributions.js'

export interface Counted {
  readonly n: number
  readonly events: number
  readonly time: number
}

export interface Estimate {
  readonly estimate: number | null
  readonly se: number | null
  readonly lower: number | null
  readonly upper: number | null
  /** of a ratio, against 1 */
  readonly p: number | null
  /** events, of a ratio */
  readonly expected: number | null
}

const NONE: Estimate = { estimate: null, se: null, lower: null, upper: null, p: null, expected: null }

/** Each tail of a 95 % interval. */
const TAIL = 0.025

/** Exact limits of the mean of a Poisson variable. */
const lowerLimit = (events: number): number => (events === 0 ? 0 : gammaQuantile(1 - TAIL, events))
const upperLimit = (events: number): number => gammaQuantile(TAIL, events + 1)

function over(events: number, size: number): Estimate {
  if (!(size > 0)) return NONE
  return {
    ...NONE,
    estimate: events / size,
    se: Math.sqrt(events) / size,
    lower: lowerLimit(events) / size,
    upper: upperLimit(events) / size,
  }
}

/** Events over person-time, times `per`. */
export function crudeRate(total: Counted | undefined, per: number): Estimate {
  return total === undefined ? NONE : over(total.events, total.time / per)
}

/** The mean of the strata's rates by the weights; undefined if a stratum with weight has no person-time. */
export function directRate(strata: readonly Counted[] | undefined, weights: readonly number[], per: number): Estimate {
  if (strata === undefined || strata.some(({ time }, s) => (weights[s] as number) > 0 && !(time > 0))) return NONE
  const whole = weights.reduce((sum, weight) => sum + weight, 0)
  // what one event of a stratum adds to the rate
  const steps = strata.map(({ time }, s) => (weights[s] === 0 ? 0 : (weights[s] as number) / whole / time))
  const sum = (of: (step: number, events: number) => number): number =>
    strata.reduce((total, { events }, s) => total + of(steps[s] as number, events), 0)
  const rate = sum((step, events) => step * events)
  const variance = sum((step, events) => step * step * events)
  const largest = Math.max(...steps)
  const limit = (tail: number, mean: number, spread: number): number =>
    (gammaQuantile(tail, (mean * mean) / spread) * spread) / mean
  return {
    ...NONE,
    estimate: rate * per,
    se: Math.sqrt(variance) * per,
    lower: rate > 0 ? limit(1 - TAIL, rate, variance) * per : 0,
    upper: limit(TAIL, rate + largest, variance + largest * largest) * per,
  }
}

/** Observed over expected events (a standardised mortality ratio), with the exact test that goes with its limits. */
export function ratio(strata: readonly Counted[] | undefined, rates: readonly number[], per: number): Estimate {
  if (strata === undefined) return NONE
  const expected = strata.reduce((sum, { time }, s) => sum + ((rates[s] as number) * time) / per, 0)
  const observed = strata.reduce((sum, { events }) => sum + events, 0)
  if (!(expected > 0)) return NONE
  const atMost = upperGamma(observed + 1, expected)
  const atLeast = observed === 0 ? 1 : lowerGamma(observed, expected)
  return { ...over(observed, expected), expected, p: Math.min(1, 2 * Math.min(atMost, atLeast)) }
}

/** The reference population's crude rate times the ratio. */
export function indirectRate({ estimate, se, lower, upper }: Estimate, crude: number): Estimate {
  const times = (value: number | null): number | null => (value === null ? null : value * crude)
  return { ...NONE, estimate: times(estimate), se: times(se), lower: times(lower), upper: times(upper) }
}
