/**
 * Breslow's partial likelihood of one stratum with its derivatives, in one pass from the last time to the first (Breslow,
 * "Covariance analysis of censored survival data", 1974). Runs at a site only: it uses exp and log.
 */
import { pairsOf } from './algebra.js'
import type { Cases } from './design.js'

export interface PartialLikelihood {
  readonly logLikelihood: number
  readonly score: Float64Array
  /** negative second derivatives, i ≤ j in the order of `pairsOf` */
  readonly information: Float64Array
  /** the sums over events that `score` and `information` are, each term times g of its time, or times g² */
  readonly scoreByTime: Float64Array
  readonly informationByTime: Float64Array
  readonly informationByTimeSquared: Float64Array
}

/** Only differences of covariates within the stratum count: taking the means out costs nothing and saves digits. */
function aboutMean(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return values.map((value) => value - mean)
}

/** `cases.responses` are time and event (0 or 1); rows censored at a time are at risk at it. */
export function partialLikelihood(
  cases: Cases,
  beta: readonly number[],
  g: (time: number) => number = () => 0,
): PartialLikelihood {
  const [time, event] = cases.responses as [Float64Array, Float64Array]
  const x = cases.design.map(aboutMean)
  const pairs = pairsOf(x.length)
  const eta = Float64Array.from({ length: cases.count }, (_, row) =>
    x.reduce((sum, column, j) => sum + (beta[j] as number) * (column[row] as number), 0),
  )
  const order = Array.from({ length: cases.count }, (_, row) => row).sort(
    (a, b) => (time[b] as number) - (time[a] as number) || a - b,
  )
  const [score, scoreByTime] = [new Float64Array(x.length), new Float64Array(x.length)]
  const [information, informationByTime, informationByTimeSquared] = [0, 1, 2].map(
    () => new Float64Array(pairs.length),
  ) as [Float64Array, Float64Array, Float64Array]
  let logLikelihood = 0
  // moments of the risk set, all divided by exp(top), the largest exp(eta) so far
  let top = Number.NEGATIVE_INFINITY
  let s0 = 0
  const s1 = new Float64Array(x.length)
  const s2 = new Float64Array(pairs.length)
  const enter = (row: number): void => {
    const value = eta[row] as number
    if (value > top) {
      const shrink = Math.exp(top - value)
      top = value
      s0 *= shrink
      for (let j = 0; j < s1.length; j++) s1[j] = (s1[j] as number) * shrink
      for (let at = 0; at < s2.length; at++) s2[at] = (s2[at] as number) * shrink
    }
    const risk = Math.exp(value - top)
    s0 += risk
    x.forEach((column, j) => {
      s1[j] = (s1[j] as number) + risk * (column[row] as number)
    })
    for (const [at, [i, j]] of pairs.entries())
      s2[at] = (s2[at] as number) + risk * (x[i]?.[row] as number) * (x[j]?.[row] as number)
  }
  for (let from = 0; from < order.length; ) {
    let to = from
    while (to < order.length && time[order[to] as number] === time[order[from] as number]) enter(order[to++] as number)
    const died = order.slice(from, to).filter((row) => event[row] === 1)
    const deaths = died.length
    if (deaths > 0) {
      const weight = g(time[died[0] as number] as number)
      logLikelihood += died.reduce((sum, row) => sum + (eta[row] as number) - top, 0) - deaths * Math.log(s0)
      x.forEach((column, j) => {
        const observed = died.reduce((sum, row) => sum + (column[row] as number), 0)
        const expected = (deaths * (s1[j] as number)) / s0
        score[j] = (score[j] as number) + observed - expected
        scoreByTime[j] = (scoreByTime[j] as number) + weight * (observed - expected)
      })
      for (const [at, [i, j]] of pairs.entries()) {
        const spread = (s2[at] as number) / s0 - ((s1[i] as number) / s0) * ((s1[j] as number) / s0)
        information[at] = (information[at] as number) + deaths * spread
        informationByTime[at] = (informationByTime[at] as number) + weight * deaths * spread
        informationByTimeSquared[at] = (informationByTimeSquared[at] as number) + weight * weight * deaths * spread
      }
    }
    from = to
  }
  return { logLikelihood, score, information, scoreByTime, informationByTime, informationByTimeSquared }
}
