/**
 * `mantel-haenszel`: odds ratio, risk ratio, risk difference and test of a table of two by two, stratified by site and, if asked, within sites by a
 * factor. Sums of each stratum's terms are opened, never a table by site. Implements docs/spec/analyses/mantel-haenszel.md.
 */
import { z } from 'zod'
import { checkCells, checkContributors, checkSites, MIN_SITES_BY_SITE, subsetAllowed } from '../privacy/disclosure.js'
import type { Analysis, Rows } from './analysis.js'
import {
  codesOf,
  completeFactor,
  completeFields,
  type Factor,
  factorSchema,
  levelLabels,
  levelsOfFactor,
} from './columns.js'
import { levelsFrom, presence, singular } from './design.js'
import { chiSquareTail, Z_975 } from './distributions.js'
import { add, type Sums, zeroSums } from './double-double.js'
import { type Layout, openSum, planOf, sumToNumber, vectorOf, zeroVector } from './layout.js'
import { type Fourfold, logInterval } from './table-tests.js'

const twoLevels = (factor: Factor): boolean => levelsOfFactor(factor).length === 2

const parametersSchema = z
  .strictObject({
    exposure: factorSchema.refine(twoLevels, 'must have two levels'),
    outcome: factorSchema.refine(twoLevels, 'must have two levels'),
    within: factorSchema.optional(),
    strata: z.literal('site'),
  })
  .refine(
    ({ exposure, outcome, within }) => new Set([exposure.column, outcome.column, within?.column]).size === 3,
    'exposure, outcome and within are different columns',
  )
export type MantelHaenszelParameters = z.infer<typeof parametersSchema>

const ratioSchema = z.union([z.null(), z.strictObject({ estimate: z.number(), logVariance: z.number() })])
const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  informative: z.int().min(0),
  n: z.int().min(0),
  missing: z.int().min(0),
  oddsRatio: ratioSchema,
  riskRatio: ratioSchema,
  riskDifference: z.union([z.null(), z.strictObject({ estimate: z.number(), variance: z.number().min(0) })]),
  /** observed less expected rows in the first cell */
  excess: z.number(),
  /** of that, hypergeometric */
  variance: z.number(),
})
type Released = z.infer<typeof releasedSchema>

/** Terms of one stratum; each is summed over strata and sites. */
const TERMS: readonly (readonly [string, (...table: Fourfold) => number])[] = [
  ['ad/n', (a, b, c, d) => (a * d) / (a + b + c + d)],
  ['bc/n', (a, b, c, d) => (b * c) / (a + b + c + d)],
  ['(a + d)ad/n²', (a, b, c, d) => ((a + d) * a * d) / (a + b + c + d) ** 2],
  ['((a + d)bc + (b + c)ad)/n²', (a, b, c, d) => ((a + d) * b * c + (b + c) * a * d) / (a + b + c + d) ** 2],
  ['(b + c)bc/n²', (a, b, c, d) => ((b + c) * b * c) / (a + b + c + d) ** 2],
  ['d(a + b)/n', (a, b, c, d) => (d * (a + b)) / (a + b + c + d)],
  ['b(c + d)/n', (a, b, c, d) => (b * (c + d)) / (a + b + c + d)],
  [
    '((a + b)(c + d)(b + d) − bdn)/n²',
    (a, b, c, d) => ((a + b) * (c + d) * (b + d) - b * d * (a + b + c + d)) / (a + b + c + d) ** 2,
  ],
  ['a − E', (a, b, c, d) => (a * d - b * c) / (a + b + c + d)],
  ['(a + b)(c + d)/n', (a, b, c, d) => ((a + b) * (c + d)) / (a + b + c + d)],
  [
    '(ab(c + d)³ + cd(a + b)³)/((a + b)(c + d)n²)',
    (a, b, c, d) => {
      const [n0, n1] = [a + b, c + d]
      // a stratum with one level of exposure has no difference, and no weight
      return n0 * n1 === 0 ? 0 : (a * b * n1 ** 3 + c * d * n0 ** 3) / (n0 * n1 * (n0 + n1) ** 2)
    },
  ],
  [
    'V',
    (a, b, c, d) => {
      const n = a + b + c + d
      return ((a + b) * (c + d) * (a + c) * (b + d)) / (n * n * (n - 1))
    },
  ],
]

function layoutOf({ exposure, outcome, within }: MantelHaenszelParameters): Layout {
  const [first, second] = [levelLabels(exposure), levelLabels(outcome)]
  const levels = [...first, ...second, ...(within === undefined ? [] : levelLabels(within))]
  return {
    counts: [
      'missing',
      'sites with a stratum that tells',
      ...first.flatMap((row) => second.map((column) => `${row}, ${column}`)),
      ...(within === undefined ? [] : levelLabels(within)),
      ...levels.map((level) => `sites with ${level}`),
    ],
    sums: TERMS.map(([name]) => `Σ ${name}`),
  }
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)

const marginsOf = ([a, b, c, d]: Fourfold): Fourfold => [a + b, c + d, a + c, b + d]

/** A stratum without one of the rows or columns adds nothing to the odds ratio and the test. */
const tells = (table: Fourfold): boolean => marginsOf(table).every((margin) => margin > 0)

function sumsOf(strata: readonly Fourfold[]): Sums {
  const sums = zeroSums(TERMS.length)
  for (const table of strata) for (const [at, [, term]] of TERMS.entries()) add(sums, at, term(...table))
  return sums
}

function contribute(rows: Rows, parameters: MantelHaenszelParameters): Float64Array {
  const { exposure, outcome, within } = parameters
  const layout = layoutOf(parameters)
  const first = codesOf(rows, exposure)
  const second = codesOf(rows, outcome)
  const inner = within === undefined ? new Int32Array(rows.count) : codesOf(rows, within)
  const depth = within === undefined ? 1 : levelsOfFactor(within).length
  const tables = Array.from({ length: depth }, () => [0, 0, 0, 0] as [number, number, number, number])
  let used = 0
  for (let row = 0; row < rows.count; row++) {
    const [i, j, k] = [first[row] as number, second[row] as number, inner[row] as number]
    const table = tables[k]
    if (i < 0 || j < 0 || table === undefined) continue
    used++
    const cell = 2 * i + j
    table[cell] = (table[cell] as number) + 1
  }
  if (!subsetAllowed(used, within === undefined ? [2, 2] : [2, 2, depth])) return zeroVector(layout)
  const pooled = tables.reduce<Fourfold>(
    (sum, one) => sum.map((n, at) => n + (one[at] as number)) as never,
    [0, 0, 0, 0],
  )
  const sizes = within === undefined ? [] : tables.map(total)
  return vectorOf(
    layout,
    [
      rows.count - used,
      tables.some(tells) ? 1 : 0,
      ...pooled,
      ...sizes,
      ...presence(marginsOf(pooled)),
      ...presence(sizes),
    ],
    sumsOf(tables.filter((table) => total(table) > 1)),
  )
}

/** Of values that honest sums have; null for what does not exist. */
function ratioOf(estimate: number, logVariance: number): Released['oddsRatio'] {
  return estimate > 0 && logVariance > 0 && Number.isFinite(estimate) && Number.isFinite(logVariance)
    ? { estimate, logVariance }
    : null
}

function differenceOf(estimate: number, variance: number): Released['riskDifference'] {
  return Math.abs(estimate) <= 1 && variance >= 0 && Number.isFinite(variance)
    ? { estimate: estimate + 0, variance: variance + 0 }
    : null
}

/** Wald's interval. */
function aroundDifference(difference: Released['riskDifference']): object | null {
  if (difference === null) return null
  const { estimate, variance } = difference
  const se = Math.sqrt(variance)
  return { estimate, lower: estimate - Z_975 * se, upper: estimate + Z_975 * se, se }
}

export const mantelHaenszel: Analysis<MantelHaenszelParameters, never, Released> = {
  name: 'mantel-haenszel',
  version: 1,
  method: 'the Mantel-Haenszel odds ratio, risk ratio, risk difference and test stratified by site',
  iterative: false,
  definition: [
    'parameters: exposure, outcome (factors of two levels), within (a factor, optional), strata: site',
    'round: contributors, missing, sites with a stratum that has both levels of both; rows by exposure and outcome, rows by level of within, sites with each level; sums over strata of the terms of the odds ratio, its variance, the risk ratio, its variance, the test, and the weight and variance of the risk difference',
    'released: n, missing, informative sites, odds ratio and risk ratio with variances of their logarithms, risk difference with its variance, Σ(a − E), ΣV; refused: small cells of the pooled table, small levels, levels at few sites, informative strata at fewer than 5',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: ({ exposure, outcome, within }) => [exposure, outcome, ...(within === undefined ? [] : [within])],
  complete: (written, levelsOf) => {
    const factor = (value: unknown): unknown => completeFactor(value, levelsOf)
    return completeFields(written, {
      exposure: factor,
      outcome: factor,
      within: (within) => (within === undefined ? undefined : factor(within)),
      strata: (strata) => strata ?? 'site',
    })
  },
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine(sum, context) {
    const { parameters, rules, survivors } = context
    const opened = openSum(layoutOf(parameters), sum, context)
    if (opened.kind !== 'reading') return opened
    const { contributors, counts } = opened
    const [missing = 0, informative = 0, a = 0, b = 0, c = 0, d = 0, ...rest] = counts
    const n = a + b + c + d
    const depth = (rest.length - 4) / 2
    const levels = [...marginsOf([a, b, c, d]), ...rest.slice(0, depth)]
    const refused =
      checkCells([a, b, c, d, ...levels], rules) ??
      checkSites(levelsFrom(levels, rest.slice(depth)), rules) ??
      // what others add is zero: the sums would be those of the sites that have both levels of both
      checkContributors(informative, { ...rules, minimumContributors: MIN_SITES_BY_SITE })
    if (refused !== undefined) return refused
    const [
      r = 0,
      s = 0,
      pr = 0,
      mixed = 0,
      qs = 0,
      top = 0,
      bottom = 0,
      w = 0,
      excess = 0,
      weight = 0,
      spread = 0,
      variance = 0,
    ] = opened.sums.map(sumToNumber)
    if (!(variance > 0)) return singular()
    return {
      kind: 'result',
      released: {
        contributors,
        leftOut: survivors - contributors,
        informative,
        n,
        missing,
        oddsRatio: ratioOf(r / s, pr / (2 * r * r) + mixed / (2 * r * s) + qs / (2 * s * s)),
        riskRatio: ratioOf(top / bottom, w / (top * bottom)),
        riskDifference: differenceOf((top - bottom) / weight, spread / (weight * weight)),
        excess,
        variance,
      },
    }
  },
  present(released, parameters) {
    const { contributors, leftOut, informative, n, missing, oddsRatio, riskRatio, excess, variance } = released
    const { exposure, outcome, within } = parameters
    const size = Math.abs(excess)
    const chisq = (excess * excess) / variance
    const less = size - (size >= 0.5 ? 0.5 : 0)
    const corrected = (less * less) / variance
    const interval = (ratio: Released['oddsRatio']): object | null =>
      ratio === null
        ? null
        : { ...logInterval(ratio.estimate, ratio.logVariance), log_se: Math.sqrt(ratio.logVariance) }
    return {
      odds_ratio: interval(oddsRatio),
      risk_ratio: interval(riskRatio),
      risk_difference: aroundDifference(released.riskDifference),
      chisq,
      df: 1,
      p: chiSquareTail(chisq, 1),
      chisq_corrected: corrected,
      p_corrected: chiSquareTail(corrected, 1),
      n,
      missing,
      exposure,
      outcome,
      ...(within === undefined ? {} : { within }),
      strata: 'site',
      contributors,
      sites_informative: informative,
      sites_left_out: leftOut,
    }
  },
}
