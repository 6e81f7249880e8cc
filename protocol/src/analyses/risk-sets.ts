/**
 * Risk sets of everyone on a grid, from sums over the rows that leave in each interval: whoever leaves in an interval or later
 * is at risk in it. Implements docs/spec/analyses/cox-pooled.md. What a site adds is here and uses exp; what the committee
 * makes of it are integers and + − × ÷.
 */

import { hasSmallValue } from '../privacy/few-values.js'
import { centred, dividedBy, logarithm, type Matrix, pairsOf, symmetric } from './algebra.js'
import type { DisclosureRules } from './analysis.js'
import type { Covariate } from './columns.js'
import type { Cases } from './design.js'
import { add, addProduct, type Sums, zeroSums } from './double-double.js'
import { type Hazards, newtonStep, proportionality } from './hazards.js'
import { quotient, SUM_BITS, sumToNumber } from './layout.js'
import type { Solution } from './newton.js'
import { addInformation, addMoments } from './products.js'
import { linearIn } from './scoring.js'

/** Of a row's risk r = exp(βz): r, r·z and r·z·zᵀ. */
export const riskNames = (names: readonly string[]): readonly string[] => [
  'risk',
  ...names.map((name) => `risk · ${name}`),
  ...pairsOf(names.length).map(([i, j]) => `risk · ${names[i]} × ${names[j]}`),
]

export const sumsPerInterval = (size: number): number => 1 + size + (size * (size + 1)) / 2

/** Evaluations whose sums, of one interval, are to be fewer than the values of the rows that leave in it. */
const EVALUATIONS = 8

/** The fewest rows that may leave in an interval: with fewer, sums at different coefficients could be solved for their values. */
export const rowsNeeded = (size: number): number => Math.ceil((EVALUATIONS * sumsPerInterval(size)) / size)

/** Where sites evaluate. */
export interface Point {
  /** coefficients of x */
  readonly beta: readonly number[]
  readonly ends: readonly number[]
  /** z = (x − centre) / scale */
  readonly centre: readonly number[]
  readonly scale: readonly number[]
  readonly g?: readonly number[] | undefined
}

/** What of a site's rows is the same at every point with the same ends, centre and scale. */
export interface Leaving {
  /** where each interval's rows begin, and one place more */
  readonly starts: Int32Array
  /** the covariates, interval by interval */
  readonly z: readonly Float64Array[]
  /** over events: Σ z, and with a test Σ g·z */
  readonly ofEvents: Sums
}

/** `cases.responses` are the interval in which a row leaves, and 1 if by an event. */
export function leavingOf(cases: Cases, intervalOfRow: ArrayLike<number>, at: Omit<Point, 'beta'>): Leaving {
  const { count, design } = cases
  const intervals = at.ends.length
  const starts = new Int32Array(intervals + 1)
  for (let row = 0; row < count; row++) {
    const next = (intervalOfRow[row] as number) + 1
    starts[next] = (starts[next] as number) + 1
  }
  for (let k = 0; k < intervals; k++) starts[k + 1] = (starts[k + 1] as number) + (starts[k] as number)
  const free = starts.slice()
  const places = new Int32Array(count)
  for (let row = 0; row < count; row++) {
    const k = intervalOfRow[row] as number
    const place = free[k] as number
    places[row] = place
    free[k] = place + 1
  }
  const events = cases.responses[1] as Float64Array
  const ofEvents = zeroSums(at.g === undefined ? design.length : 2 * design.length)
  const z = design.map((column, j) => {
    const [from, unit] = [at.centre[j] as number, at.scale[j] as number]
    const own = new Float64Array(count)
    for (let row = 0; row < count; row++) {
      const value = ((column[row] as number) - from) / unit
      own[places[row] as number] = value
      if (events[row] !== 1) continue
      add(ofEvents, j, value)
      if (at.g !== undefined)
        addProduct(ofEvents, design.length + j, at.g[intervalOfRow[row] as number] as number, value)
    }
    return own
  })
  return { starts, z, ofEvents }
}

/**
 * Interval by interval, in the order of `riskNames`, over the rows that leave in it. Risks are rounded numbers, unless they are 1: then
 * sums are exact (products.ts), so that the gate can tell a column of few values.
 */
function leavingSums({ starts, z }: Leaving, coefficients: readonly number[]): Sums {
  const count = z[0]?.length ?? 0
  const intervals = starts.length - 1
  const width = sumsPerInterval(z.length)
  const plain = coefficients.every((value) => value === 0)
  const risks = linearIn(z, coefficients, count)
  for (let row = 0; row < count; row++) risks[row] = Math.exp(risks[row] as number)
  const sums = zeroSums(intervals * width)
  for (let at = 0; at < intervals; at++) {
    const [from, to] = [starts[at] as number, starts[at + 1] as number]
    const own = z.map((column) => column.subarray(from, to))
    const slot = at * width
    if (!plain) addInformation(own, risks.subarray(from, to), sums, slot)
    else {
      add(sums, slot, to - from)
      addMoments(own, sums, slot + 1, slot + 1 + z.length)
    }
  }
  return sums
}

/** Sums over the events of one site, then those over whoever leaves, by merged interval. */
export function siteSums(leaving: Leaving, { beta, scale }: Point): Sums {
  const risks = leavingSums(
    leaving,
    beta.map((value, j) => value * (scale[j] as number)),
  )
  const { ofEvents } = leaving
  return {
    high: Float64Array.from([...ofEvents.high, ...risks.high]),
    low: Float64Array.from([...ofEvents.low, ...risks.low]),
  }
}

/** Whether what everyone's sums at 0 say of a column may be a value that few rows have (privacy/few-values.ts). */
export function someValueIsSmall(n: number, sums: readonly bigint[], size: number, rules: DisclosureRules): boolean {
  const width = sumsPerInterval(size)
  const whole = Array.from({ length: width }, (_, at) =>
    sums.reduce((sum, value, slot) => (slot % width === at ? sum + value : sum), 0n),
  )
  const squares = symmetric(size, whole.slice(1 + size))
  return squares.some((row, j) =>
    hasSmallValue(n, whole[1 + j] as bigint, row[j] as bigint, 1n << BigInt(SUM_BITS), rules),
  )
}

/** Who is at risk in one interval, weighted by risk. */
export interface RiskSet {
  /** of the sum of risks */
  readonly logarithm: number
  readonly mean: readonly number[]
  readonly variance: Matrix<number>
}

/** By interval; undefined if the risks of one do not add up to more than 0. */
export function riskSets(sums: readonly bigint[], size: number): readonly RiskSet[] | undefined {
  const width = sumsPerInterval(size)
  const atRisk = new Array<bigint>(width).fill(0n)
  const sets: RiskSet[] = []
  for (let first = sums.length - width; first >= 0; first -= width) {
    for (const [at, before] of atRisk.entries()) atRisk[at] = before + (sums[first + at] as bigint)
    const [risk = 0n, ...moments] = atRisk
    if (risk <= 0n) return undefined
    const firsts = moments.slice(0, size)
    const total = sumToNumber(risk)
    const spread = dividedBy(risk, centred(risk, firsts, symmetric(size, moments.slice(size))))
    sets.push({
      logarithm: logarithm(total),
      mean: firsts.map((sum) => quotient(sum, risk)),
      variance: spread.map((row) => row.map((value) => value / total)),
    })
  }
  return sets.reverse()
}

/** Σ weight · mean and Σ weight · variance over intervals. */
function weighted(
  sets: readonly RiskSet[],
  weights: readonly number[],
): { readonly mean: readonly number[]; readonly variance: Matrix<number> } {
  const size = sets[0]?.mean.length ?? 0
  const mean = new Array<number>(size).fill(0)
  const variance = mean.map(() => new Array<number>(size).fill(0))
  for (const [at, set] of sets.entries()) {
    const weight = weights[at] as number
    for (let i = 0; i < size; i++) {
      mean[i] = (mean[i] as number) + weight * (set.mean[i] as number)
      const row = variance[i] as number[]
      for (let j = 0; j < size; j++) row[j] = (row[j] as number) + weight * (set.variance[i]?.[j] as number)
    }
  }
  return { mean, variance }
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)
const less = (a: readonly number[], b: readonly number[]): number[] => a.map((value, i) => value - (b[i] as number))
const product = (a: readonly number[], b: readonly number[]): number[] => a.map((value, i) => value * (b[i] as number))

/** Everyone's sums at one point. */
export interface Evaluation {
  readonly sets: readonly RiskSet[]
  /** by interval */
  readonly events: readonly number[]
  /** Σ z over events, and Σ g·z if there is a test */
  readonly observed: readonly number[]
}

/** Of a point where sums do not exist. */
export const WORST = { logLikelihood: Number.NEGATIVE_INFINITY, solution: undefined }

/** What follows at a point. */
export function evaluate(
  { sets, events, observed }: Evaluation,
  { beta, scale }: Pick<Point, 'beta' | 'scale'>,
): { readonly logLikelihood: number; readonly solution: Solution | undefined } {
  const { mean, variance } = weighted(sets, events)
  const step = newtonStep(less(observed.slice(0, mean.length), mean), variance, total(events))
  const original = (values: readonly number[]): number[] => values.map((value, j) => value / (scale[j] as number))
  const risks = sets.map((set) => set.logarithm)
  return {
    logLikelihood: total(product(product(beta, scale), observed)) - total(product(events, risks)),
    solution: step && { ...step, step: original(step.step), se: original(step.se) },
  }
}

/** The log partial likelihood where everyone's risk is 1. */
export function logLikelihoodAtZero(events: readonly number[], leaving: readonly number[]): number {
  return -total(
    product(
      events,
      leaving.map((_, at) => logarithm(total(leaving.slice(at)))),
    ),
  )
}

/** Mean and standard deviation of everyone, who are at risk at first; a column that is constant has no estimate anyway. */
export function standardised([first]: readonly RiskSet[]): { centre: number[]; scale: number[] } {
  const { mean, variance } = first as RiskSet
  const spread = variance.map((row, j) => Math.sqrt(row[j] as number))
  return { centre: [...mean], scale: spread.map((value) => (value > 0 ? value : 1)) }
}

/** The test of proportional hazards with g by interval. */
export function proportional(
  { sets, events, observed }: Evaluation,
  g: readonly number[],
  covariates: readonly Covariate[],
): NonNullable<Hazards['zph']> {
  const plain = weighted(sets, events)
  const once = weighted(sets, product(events, g))
  const twice = weighted(sets, product(product(events, g), g))
  const score = less(observed.slice(observed.length / 2), once.mean)
  return proportionality({ information: plain.variance, score, once: once.variance, twice: twice.variance }, covariates)
}

/** 1 less the Kaplan-Meier curve just before each interval's end. */
export function deadBefore(events: readonly number[], leaving: readonly number[]): readonly number[] {
  let alive = 1
  return events.map((died, at) => {
    const before = 1 - alive
    alive *= 1 - died / total(leaving.slice(at))
    return before
  })
}
