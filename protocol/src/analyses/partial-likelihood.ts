/**
 * Breslow's partial likelihood of one stratum with its derivatives, in one pass from the last time to the first (Breslow,
 * "Covariance analysis of censored survival data", 1974). Runs at a site only: it uses exp and log.
 */
import { pairsOf } from './algebra.js'
import type { Cases } from './design.js'

export interface PartialLikelihood {
  readonly logLikelihood: number
  /** with all coefficients 0 */
  readonly logLikelihoodNull: number
  readonly score: Float64Array
  /** negative second derivatives, i ≤ j in the order of `pairsOf` */
  readonly information: Float64Array
  /** the sums over events that `score` and `information` are, each term times g of its time, or times g² */
  readonly scoreByTime: Float64Array
  readonly informationByTime: Float64Array
  readonly informationByTimeSquared: Float64Array
}

/** Only differences of covariates within the stratum count: taking the means out costs nothing and saves digits. */
function meanOf(values: Float64Array): number {
  let sum = 0
  for (let row = 0; row < values.length; row++) sum += values[row] as number
  return sum / values.length
}

const BLOCK = 1024

/** Of each row its place from the last time to the first. */
function placesOf(time: Float64Array): Int32Array {
  // sorting numbers takes a tenth of what sorting rows by them takes: equal times keep their order either way
  const times = time.slice().sort()
  const starts = new Map<number, number>()
  for (let at = times.length - 1, row = 0; at >= 0; at--, row++) {
    if (!starts.has(times[at] as number)) starts.set(times[at] as number, row)
  }
  const places = new Int32Array(time.length)
  for (let row = 0; row < time.length; row++) {
    const at = starts.get(time[row] as number) as number
    places[row] = at
    starts.set(time[row] as number, at + 1)
  }
  return places
}

/** Moments of the risk set, all divided by exp(top), the largest exp(eta) so far. */
class RiskSet {
  top = Number.NEGATIVE_INFINITY
  s0 = 0
  readonly s1: Float64Array
  readonly s2: Float64Array

  constructor(size: number) {
    this.s1 = new Float64Array(size)
    this.s2 = new Float64Array((size * (size + 1)) / 2)
  }

  #shrink(by: number): void {
    const { s1, s2 } = this
    this.s0 *= by
    for (let j = 0; j < s1.length; j++) s1[j] = (s1[j] as number) * by
    for (let at = 0; at < s2.length; at++) s2[at] = (s2[at] as number) * by
  }

  /** A row with covariates x[from], x[from + 1], … */
  enter(eta: number, x: Float64Array, from: number): void {
    const { s1, s2 } = this
    if (eta > this.top) {
      this.#shrink(Math.exp(this.top - eta))
      this.top = eta
    }
    const risk = Math.exp(eta - this.top)
    const size = s1.length
    this.s0 += risk
    for (let i = 0, at = 0; i < size; i++) {
      const own = risk * (x[from + i] as number)
      s1[i] = (s1[i] as number) + own
      for (let j = i; j < size; j++, at++) s2[at] = (s2[at] as number) + own * (x[from + j] as number)
    }
  }
}

/** One stratum from the last time to the first. */
export interface Followed {
  readonly time: Float64Array
  /** 0 or 1 */
  readonly event: Float64Array
  /** covariates about their means, row after row */
  readonly x: Float64Array
  readonly size: number
}

/** `cases.responses` are time and event. */
export function followedOf({ count, design, responses }: Cases): Followed {
  const [time, event] = responses as [Float64Array, Float64Array]
  const size = design.length
  const places = placesOf(time)
  const means = design.map(meanOf)
  const x = new Float64Array(count * size)
  const strip = new Float64Array(BLOCK * size)
  // a part of the rows at a time, column by column and then row by row: everything that is read or written is in a cache or in order
  for (let from = 0; from < count; from += BLOCK) {
    const rows = Math.min(BLOCK, count - from)
    for (const [j, column] of design.entries()) {
      const mean = means[j] as number
      for (let row = 0; row < rows; row++) strip[row * size + j] = (column[from + row] as number) - mean
    }
    for (let row = 0, own = 0; row < rows; row++) {
      const first = (places[from + row] as number) * size
      for (let j = 0; j < size; j++) x[first + j] = strip[own++] as number
    }
  }
  const ordered = (values: Float64Array): Float64Array => {
    const own = new Float64Array(count)
    for (let row = 0; row < count; row++) own[places[row] as number] = values[row] as number
    return own
  }
  return { time: ordered(time), event: ordered(event), x, size }
}

/** Rows censored at a time are at risk at it. */
export function partialLikelihood(
  { time, event, x, size }: Followed,
  beta: readonly number[],
  g: (time: number) => number = () => 0,
): PartialLikelihood {
  const pairs = pairsOf(size)
  const [score, scoreByTime, observed] = [new Float64Array(size), new Float64Array(size), new Float64Array(size)]
  const [information, informationByTime, informationByTimeSquared] = [0, 1, 2].map(
    () => new Float64Array(pairs.length),
  ) as [Float64Array, Float64Array, Float64Array]
  let [logLikelihood, logLikelihoodNull] = [0, 0]
  const coefficients = Float64Array.from(beta)
  const risks = new RiskSet(size)
  const { s1, s2 } = risks
  for (let from = 0; from < time.length; ) {
    const now = time[from] as number
    let [to, deaths, etas] = [from, 0, 0]
    observed.fill(0)
    for (; to < time.length && time[to] === now; to++) {
      const first = to * size
      let eta = 0
      for (let j = 0; j < size; j++) eta += (coefficients[j] as number) * (x[first + j] as number)
      risks.enter(eta, x, first)
      if (event[to] !== 1) continue
      deaths++
      etas += eta
      for (let j = 0; j < size; j++) observed[j] = (observed[j] as number) + (x[first + j] as number)
    }
    from = to
    if (deaths === 0) continue
    const { s0, top } = risks
    const weight = g(now)
    logLikelihood += etas - deaths * (top + Math.log(s0))
    logLikelihoodNull -= deaths * Math.log(to)
    for (let j = 0; j < size; j++) {
      const excess = (observed[j] as number) - (deaths * (s1[j] as number)) / s0
      score[j] = (score[j] as number) + excess
      scoreByTime[j] = (scoreByTime[j] as number) + weight * excess
    }
    for (let i = 0, at = 0; i < size; i++) {
      for (let j = i; j < size; j++, at++) {
        const spread = deaths * ((s2[at] as number) / s0 - ((s1[i] as number) / s0) * ((s1[j] as number) / s0))
        information[at] = (information[at] as number) + spread
        informationByTime[at] = (informationByTime[at] as number) + weight * spread
        informationByTimeSquared[at] = (informationByTimeSquared[at] as number) + weight * weight * spread
      }
    }
  }
  const byTime = { scoreByTime, informationByTime, informationByTimeSquared }
  return { logLikelihood, logLikelihoodNull, score, information, ...byTime }
}
