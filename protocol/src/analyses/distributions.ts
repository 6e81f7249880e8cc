/**
 * Tails of the normal, χ², t and F distributions, for `present` only: p values and intervals are computed by the reader's
 * engine from released numbers and are no part of what is committed to. Regularised incomplete gamma and beta functions
 * by series and continued fractions (DLMF 8.7.1, 8.9.2, 8.17.22) evaluated with Lentz's method as modified by Thompson
 * and Barnett (1986); ln Γ by Stirling's series after upward recurrence (DLMF 5.5.1, 5.11.1).
 */

/** The 97.5 % quantile of the standard normal distribution. */
export const Z_975 = 1.959963984540054

const LIMIT = 10_000
const EPSILON = 1e-16
/** Stands in for a zero denominator in Lentz's method. */
const TINY = 1e-300

/** Bernoulli numbers B_2k / (2k(2k − 1)), k = 1 … 8. */
const STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400]

/** What Stirling's series adds to (x − ½)·ln x − x + ½·ln 2π, for x ≥ 12. */
function stirling(x: number): number {
  return STIRLING.reduceRight((sum, term) => sum / (x * x) + term, 0) / x
}

/** ln Γ(x) for x > 0. */
export function logGamma(x: number): number {
  let factor = 1
  let shifted = x
  for (; shifted < 12; shifted++) factor *= shifted
  return (
    (shifted - 0.5) * Math.log(shifted) - shifted + 0.5 * Math.log(2 * Math.PI) + stirling(shifted) - Math.log(factor)
  )
}

/** ln Γ(x) − (x − ½)·ln x + x − ½·ln 2π for x > 0, which is small where ln Γ(x) is large. */
export function logGammaRest(x: number): number {
  return x < 12 ? logGamma(x) - (x - 0.5) * Math.log(x) + x - 0.5 * Math.log(2 * Math.PI) : stirling(x)
}

/** b0 + a1/(b1 + a2/(b2 + …)), terms from 1 on. */
function continuedFraction(b0: number, terms: (k: number) => readonly [a: number, b: number]): number {
  let value = b0 || TINY
  let c = value
  let d = 0
  for (let k = 1; k < LIMIT; k++) {
    const [a, b] = terms(k)
    d = 1 / (b + a * d || TINY)
    c = b + a / c || TINY
    const change = c * d
    value *= change
    if (Math.abs(change - 1) < EPSILON) break
  }
  return value
}

/** Both regularised incomplete gamma functions, each to its own digits where it is the smaller; a > 0, x ≥ 0. */
function gammaTails(a: number, x: number): { readonly lower: number; readonly upper: number } {
  if (x <= 0) return { lower: 0, upper: 1 }
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a))
  if (x < a + 1) {
    let term = 1 / a
    let sum = term
    for (let k = 1; k < LIMIT && term > sum * EPSILON; k++) {
      term *= x / (a + k)
      sum += term
    }
    return { lower: scale * sum, upper: 1 - scale * sum }
  }
  const upper = scale / continuedFraction(x + 1 - a, (k) => [-k * (k - a), x + 2 * k + 1 - a])
  return { lower: 1 - upper, upper }
}

/** Q(a, x), the upper regularised incomplete gamma function; a > 0, x ≥ 0. */
export const upperGamma = (a: number, x: number): number => gammaTails(a, x).upper

/** P(a, x), the lower one. */
export const lowerGamma = (a: number, x: number): number => gammaTails(a, x).lower

/** I_x(a, b), the regularised incomplete beta function; `rest` is 1 − x, given apart to keep its digits. */
export function incompleteBeta(x: number, rest: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (rest <= 0) return 1
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(rest, x, b, a)
  const scale = Math.exp(a * Math.log(x) + b * Math.log(rest) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a
  const fraction = continuedFraction(1, (k) => {
    const m = Math.floor(k / 2)
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    return [k % 2 === 0 ? even : odd, 1]
  })
  return scale / fraction
}

/** P(|Z| > |z|) for a standard normal Z. */
export function normalTail(z: number): number {
  return upperGamma(0.5, (z * z) / 2)
}

/** P(X > x) for X distributed as χ² with df degrees of freedom. */
export function chiSquareTail(x: number, df: number): number {
  return upperGamma(df / 2, x / 2)
}

/** P(|T| > |t|) for Student's T with df degrees of freedom. */
export function tTail(t: number, df: number): number {
  const square = t * t
  return incompleteBeta(df / (df + square), square / (df + square), df / 2, 0.5)
}

/** P(F > f) with df1 and df2 degrees of freedom. */
export function fTail(f: number, df1: number, df2: number): number {
  const spread = df2 + df1 * f
  return incompleteBeta(df2 / spread, (df1 * f) / spread, df2 / 2, df1 / 2)
}

/** The x with f(x) = value, for an f that falls from above the value to below it on x ≥ 0: bisection until doubles are exhausted. */
function solveFalling(f: (x: number) => number, value: number): number {
  let low = 0
  let high = 1
  while (f(high) > value) high *= 2
  for (;;) {
    const middle = (low + high) / 2
    if (middle <= low || middle >= high) return middle
    if (f(middle) > value) low = middle
    else high = middle
  }
}

/** The t with P(T ≤ t) = p, for p in (0.5, 1). */
export function tQuantile(p: number, df: number): number {
  return solveFalling((t) => tTail(t, df), 2 * (1 - p))
}

/** The x with P(X > x) = tail, for X gamma distributed with this shape and scale 1; the tail in (0, 1). */
export function gammaQuantile(tail: number, shape: number): number {
  return solveFalling((x) => upperGamma(shape, x), tail)
}
