/**
 * The families of `glm` and their links: what a row adds to score, information, deviance and Pearson's χ² at a linear predictor, and
 * what of the outcome alone the deviance of no covariates and the log likelihood need. Implements docs/spec/analyses/glm.md.
 * `start`, `at` and `own` run at a site, `nullDeviance` and `logLikelihood` at the recipient: none of them at the committee.
 */
import { logGammaRest, normalTail } from './distributions.js'

/** What a row adds. */
export interface Terms {
  /** log likelihood less that of a mean equal to the outcome: minus half the deviance */
  fit: number
  /** (y − μ)² / V(μ) */
  pearson: number
  /** (y − μ)·μ′ / V(μ), which a column multiplies into the score */
  residual: number
  /** μ′² / V(μ), of the expected information: standard errors are from it, as in R */
  weight: number
  /** minus the second derivative of the fit, of the observed information: steps are from it; never below 0 */
  curvature: number
}

export interface Link {
  /** observed and expected information are the same, and `curvature` is not filled in */
  readonly canonical?: true
  /** every weight is 1: the expected information is sums of products of the covariates as they are */
  readonly unweighted?: true
  /** the linear predictor at a mean near the outcome, where R's `glm` begins */
  start(y: number): number
  /** all of a row at the linear predictor; NaN where that has no mean */
  at(y: number, eta: number, into: Terms): void
  /** what the exponential of a coefficient is, if it is anything */
  readonly ratio?: string
}

/** A sum over rows of the outcome y, and of t, the exponential of the offset (1 without one, and for other links than log). */
export interface OwnSum {
  name(y: string, t: string): string
  of(y: number, t: number): number
  /** no honest sum is 0 or less */
  readonly positive?: true
}

export interface Family {
  readonly outcome: 'count' | 'event' | 'positive'
  /** the first is the default */
  readonly links: Readonly<Record<string, Link>>
  /** standard errors are multiplied by the root of Pearson's dispersion, and Student's t takes the place of z */
  readonly dispersed: boolean
  readonly own: readonly OwnSum[]
  /** of a model of the intercept alone, with a log link or without an offset; `own` in the order above */
  nullDeviance(n: number, events: number, own: readonly number[]): number
  /** undefined if there is none; parameters of the dispersion count in the AIC */
  readonly likelihood?: {
    readonly parameters: number
    of(n: number, deviance: number, own: readonly number[]): number
  }
}

/** Below it outcome and mean are so close that logarithms would lose digits. */
const CLOSE = 0.1

/** artanh v − v, for |v| ≤ CLOSE. */
function artanhRest(v: number): number {
  const square = v * v
  let sum = 0
  for (let power = 19; power >= 3; power -= 2) sum = sum * square + 1 / power
  return sum * square * v
}

/** y·log(y/μ) − (y − μ), in digits of its own (Loader 2000). */
function countFit(y: number, mu: number): number {
  if (y === 0) return mu
  const v = (y - mu) / (y + mu)
  return Math.abs(v) < CLOSE ? (y - mu) * v + 2 * y * artanhRest(v) : y * Math.log(y / mu) - (y - mu)
}

/** (y − μ)/μ − log(y/μ), likewise. */
function positiveFit(y: number, mu: number): number {
  const v = (y - mu) / (y + mu)
  return Math.abs(v) < CLOSE ? ((y - mu) / mu) * v - 2 * artanhRest(v) : (y - mu) / mu - Math.log(y / mu)
}

const countsByLog: Link = {
  canonical: true,
  ratio: 'rate_ratio',
  start: (y) => Math.log(y + 0.1),
  at(y, eta, into) {
    const mu = Math.exp(eta)
    into.fit = -countFit(y, mu)
    into.pearson = (y - mu) * ((y - mu) / mu)
    into.residual = y - mu
    into.weight = mu
  },
}

const positiveByLog: Link = {
  unweighted: true,
  ratio: 'mean_ratio',
  start: Math.log,
  at(y, eta, into) {
    const mu = Math.exp(eta)
    const share = (y - mu) / mu
    into.fit = -positiveFit(y, mu)
    into.pearson = share * share
    into.residual = share
    into.weight = 1
    into.curvature = y / mu
  },
}

const positiveByInverse: Link = {
  canonical: true,
  start: (y) => 1 / y,
  at(y, eta, into) {
    const mu = eta > 0 ? 1 / eta : Number.NaN
    const share = (y - mu) / mu
    into.fit = -positiveFit(y, mu)
    into.pearson = share * share
    into.residual = mu - y
    into.weight = mu * mu
  },
}

// with the sign of what happened, no probability is computed as 1 − another

const eventsByLogit: Link = {
  canonical: true,
  ratio: 'odds_ratio',
  start: (y) => (y === 1 ? Math.log(3) : -Math.log(3)),
  at(y, eta, into) {
    const sign = y === 1 ? 1 : -1
    const odds = Math.exp(-Math.abs(eta))
    const likely = sign * eta >= 0
    into.fit = (likely ? 0 : sign * eta) - Math.log1p(odds)
    into.pearson = likely ? odds : 1 / odds
    into.residual = (sign * (likely ? odds : 1)) / (1 + odds)
    into.weight = odds / ((1 + odds) * (1 + odds))
  },
}

/** The 75 % quantile of the standard normal distribution. */
const Z_75 = 0.6744897501960817
const ROOT = Math.sqrt(2 * Math.PI)

const eventsByProbit: Link = {
  start: (y) => (y === 1 ? Z_75 : -Z_75),
  at(y, eta, into) {
    const sign = y === 1 ? 1 : -1
    const likely = sign * eta >= 0
    const rare = normalTail(eta) / 2
    const density = Math.exp((-eta * eta) / 2) / ROOT
    into.fit = likely ? Math.log1p(-rare) : Math.log(rare)
    into.pearson = likely ? rare / (1 - rare) : (1 - rare) / rare
    const slope = density / (likely ? 1 - rare : rare)
    into.residual = sign * slope
    into.weight = (density * (density / rare)) / (1 - rare)
    into.curvature = slope * (slope + sign * eta)
  },
}

const eventsByLogLog: Link = {
  start: (y) => Math.log(-Math.log(y === 1 ? 0.25 : 0.75)),
  at(y, eta, into) {
    // the probability of no event is exp(−hazard)
    const hazard = Math.exp(eta)
    const odds = Math.expm1(hazard)
    if (y === 1) {
      into.fit = hazard > Math.LN2 ? Math.log1p(-Math.exp(-hazard)) : Math.log(-Math.expm1(-hazard))
      into.pearson = 1 / odds
      into.residual = hazard / odds
      into.curvature = into.residual * (hazard / -Math.expm1(-hazard) - 1)
    } else {
      into.fit = -hazard
      into.pearson = odds
      into.residual = -hazard
      into.curvature = hazard
    }
    into.weight = hazard * (hazard / odds)
  },
}

const total: OwnSum = { name: (y) => `Σ ${y}`, of: (y) => y, positive: true }

/** 2π·x, by its logarithm. */
const logTwoPi = (x: number): number => Math.log(2 * Math.PI * x)

const poisson: Family = {
  outcome: 'count',
  links: { log: countsByLog },
  dispersed: false,
  own: [
    total,
    { name: (_, t) => `Σ ${t}`, of: (_, t) => t, positive: true },
    { name: (y, t) => `Σ ${y} · log(${y} / ${t})`, of: (y, t) => (y === 0 ? 0 : y * Math.log(y / t)) },
    {
      name: (y) => `Σ ${y} · log(${y}) − ${y} − log(${y}!)`,
      // Stirling's: what is left is small
      of: (y) => (y === 0 ? 0 : -logTwoPi(y) / 2 - logGammaRest(y)),
    },
  ],
  nullDeviance: (_n, _events, [sum = 0, time = 0, entropy = 0]) => 2 * (entropy - sum * Math.log(sum / time)),
  likelihood: { parameters: 0, of: (_n, deviance, own) => (own[3] as number) - deviance / 2 },
}

const binomial: Family = {
  outcome: 'event',
  links: { logit: eventsByLogit, probit: eventsByProbit, cloglog: eventsByLogLog },
  dispersed: false,
  own: [],
  nullDeviance: (n, events) => -2 * (events * Math.log(events / n) + (n - events) * Math.log((n - events) / n)),
  likelihood: { parameters: 0, of: (_n, deviance) => -deviance / 2 },
}

const gamma: Family = {
  outcome: 'positive',
  links: { log: positiveByLog, inverse: positiveByInverse },
  dispersed: true,
  own: [
    total,
    { name: (y) => `Σ log(${y})`, of: (y) => Math.log(y) },
    { name: (y, t) => `Σ ${y} / ${t}`, of: (y, t) => y / t, positive: true },
    { name: (_, t) => `Σ log(${t})`, of: (_, t) => Math.log(t) },
  ],
  nullDeviance: (n, _events, [, logs = 0, ratios = 0, offsets = 0]) => 2 * (n * Math.log(ratios / n) - logs + offsets),
  likelihood: {
    parameters: 1,
    // with 1/shape = deviance/n, as R has it: n·(a·log a − a − ln Γ(a)) by Stirling's series
    of: (n, deviance, [, logs = 0]) => {
      const shape = n / deviance
      return n * (Math.log(shape) - logTwoPi(1) - 2 * logGammaRest(shape) - 1) * 0.5 - logs
    },
  },
}

/** Without a likelihood: only mean and variance are said. */
const quasi = ({ likelihood: _, ...family }: Family): Family => ({ ...family, dispersed: true })

export const FAMILIES = {
  poisson,
  quasipoisson: quasi(poisson),
  gamma,
  binomial,
  quasibinomial: quasi(binomial),
}
export type FamilyName = keyof typeof FAMILIES
export const FAMILY_NAMES = Object.keys(FAMILIES) as [FamilyName, ...FamilyName[]]
export const LINK_NAMES = [...new Set(Object.values(FAMILIES).flatMap(({ links }) => Object.keys(links)))]

export const isFamily = (name: unknown): name is FamilyName => typeof name === 'string' && Object.hasOwn(FAMILIES, name)
