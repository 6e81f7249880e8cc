/**
 * `linear`: least squares from exact sums of products, in one round; with `strata: site` every site has an intercept of
 * its own, taken out before anything leaves. Implements docs/spec/analyses.md, "linear". It checks the levels of factors,
 * not the values of numeric columns: a numeric 0/1 column with a single 1 is fitted.
 */
import { z } from 'zod'
import { checkCells, checkSites, suppressed } from '../privacy/disclosure.js'
import { centred, dividedBy, inverse, type Matrix, pairsOf, symmetric, times } from './algebra.js'
import type { Analysis, Outcome, Rows } from './analysis.js'
import { estimatesOf } from './coefficients.js'
import { columnSchema, completeFields, numbersOf } from './columns.js'
import {
  type Cases,
  casesAllowed,
  checkParameters,
  codedCovariates,
  completeCases,
  completeCovariates,
  covariateColumns,
  covariateNames,
  covariatesSchema,
  INTERCEPT,
  levelCounts,
  levelNames,
  levelsFrom,
  presence,
  singular,
} from './design.js'
import { fTail } from './distributions.js'
import { addProduct, zeroSums } from './double-double.js'
import { type Layout, openSum, planOf, quotient, SUM_BITS, sumToNumber, vectorOf, zeroVector } from './layout.js'

const parametersSchema = z
  .strictObject({ outcome: columnSchema, covariates: covariatesSchema, strata: z.enum(['none', 'site']) })
  .refine(
    ({ outcome, covariates }) => !covariateColumns(covariates).includes(outcome),
    'the outcome is among the covariates',
  )
export type LinearParameters = z.infer<typeof parametersSchema>

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  n: z.int().min(0),
  missing: z.int().min(0),
  coef: z.array(z.number()),
  se: z.array(z.number()),
  sigma: z.number(),
  /** of the variance within sites if stratified */
  r2: z.number(),
  df: z.int().min(1),
})
type Released = z.infer<typeof releasedSchema>

/** Columns whose products are summed: the covariates, then the outcome; `1` stands before them unless stratified. */
const columnNames = ({ covariates, outcome }: LinearParameters): readonly string[] => [
  ...covariateNames(covariates),
  outcome,
]

function layoutOf(parameters: LinearParameters): Layout {
  const names = columnNames(parameters)
  const products = pairsOf(names.length).map(([i, j]) => `Σ ${names[i]} × ${names[j]}`)
  const sums =
    parameters.strata === 'site'
      ? products.map((name) => `${name} (about the site's means)`)
      : [...names.map((name) => `Σ ${name}`), ...products]
  const levels = levelNames(parameters.covariates)
  return { counts: ['rows', 'missing', ...levels, ...levels.map((level) => `sites with ${level}`)], sums }
}

/** Coefficients at a site: the intercept is one of them, shared or its own. */
const parameterCount = ({ covariates }: LinearParameters): number => covariateNames(covariates).length + 1

function aboutMean(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const rough = values.map((value) => value - mean)
  // what rounding left in the mean
  const rest = rough.reduce((sum, value) => sum + value, 0) / values.length
  return rough.map((value) => value - rest)
}

function contribute(rows: Rows, parameters: LinearParameters): Float64Array {
  const { covariates, outcome, strata } = parameters
  const layout = layoutOf(parameters)
  const cases: Cases = completeCases(rows, covariates, [numbersOf(rows, outcome)])
  if (!casesAllowed(cases, covariates, parameterCount(parameters))) return zeroVector(layout)
  const columns = [...cases.design, ...cases.responses].map((values) =>
    strata === 'site' ? aboutMean(values) : values,
  )
  const first =
    strata === 'site' ? [] : columns.map((values) => [values, new Float64Array(cases.count).fill(1)] as const)
  const second = pairsOf(columns.length).map(
    ([i, j]) => [columns[i] as Float64Array, columns[j] as Float64Array] as const,
  )
  const sums = zeroSums(layout.sums.length)
  for (const [at, [a, b]] of [...first, ...second].entries()) {
    for (let row = 0; row < cases.count; row++) addProduct(sums, at, a[row] as number, b[row] as number)
  }
  const levels = levelCounts(cases, covariates)
  return vectorOf(layout, [cases.count, cases.missing, ...levels, ...presence(levels)], sums)
}

/** Bits after the point of a coefficient when residuals are computed exactly. */
const COEFFICIENT_BITS = 160n
const COEFFICIENT_UNIT = Number(1n << COEFFICIENT_BITS)

interface Fit {
  readonly coef: readonly number[]
  /** as integers in units of 2^-160 */
  readonly fixed: readonly bigint[]
  readonly inverse: Matrix<number>
  /** residual and total sum of squares in one unit */
  readonly residual: bigint
  readonly total: bigint
}

/**
 * Least squares on centred products, the outcome last. The residuals of the normal equations are exact, and so is the
 * residual sum of squares: an error of the coefficients enters it only squared.
 */
function leastSquares(products: Matrix<bigint>, weight: bigint): Fit | undefined {
  const size = products.length - 1
  const design = products.slice(0, size).map((row) => row.slice(0, size))
  const target = products.slice(0, size).map((row) => row[size] as bigint)
  const inverted = inverse(dividedBy(weight, design))
  if (inverted === undefined) return undefined
  const gradient = (fixed: readonly bigint[]): bigint[] =>
    design.map((row, i) =>
      row.reduce((rest, value, j) => rest - value * (fixed[j] as bigint), (target[i] as bigint) << COEFFICIENT_BITS),
    )
  const denominator = weight << (BigInt(SUM_BITS) + COEFFICIENT_BITS)
  let coef: readonly number[] = new Array<number>(size).fill(0)
  let fixed: readonly bigint[] = coef.map(() => 0n)
  // from zero to the solution, then twice what rounding left of it
  for (let pass = 0; pass < 3; pass++) {
    const step = times(
      inverted,
      gradient(fixed).map((value) => quotient(value, denominator)),
    )
    coef = coef.map((value, i) => value + (step[i] as number) + 0)
    if (!coef.every((value) => Number.isFinite(value * COEFFICIENT_UNIT))) return undefined
    fixed = coef.map((value) => BigInt(Math.round(value * COEFFICIENT_UNIT)))
  }
  const left = gradient(fixed)
  const total = (products[size]?.[size] as bigint) << (2n * COEFFICIENT_BITS)
  const residual = fixed.reduce(
    (rest, value, i) => rest - value * (((target[i] as bigint) << COEFFICIENT_BITS) + (left[i] as bigint)),
    total,
  )
  return { coef, fixed, inverse: inverted, residual, total }
}

/** Beyond this the outcome is the covariates' in other words. */
const PERFECT = 10n ** 18n

function combineSums(
  sums: readonly bigint[],
  n: number,
  contributors: number,
  parameters: LinearParameters,
): Outcome<never, Omit<Released, 'contributors' | 'leftOut' | 'missing'>> {
  const stratified = parameters.strata === 'site'
  const size = columnNames(parameters).length
  const first = stratified ? new Array<bigint>(size).fill(0n) : sums.slice(0, size)
  const weight = (stratified ? 1n : BigInt(n)) << BigInt(SUM_BITS)
  const fitted = leastSquares(centred(weight, first, symmetric(size, stratified ? sums : sums.slice(size))), weight)
  const df = n - (size - 1) - (stratified ? contributors : 1)
  if (fitted === undefined || df < 1 || fitted.total <= 0n) return singular()
  const { coef, fixed, residual, total } = fitted
  if (residual * PERFECT <= total) return suppressed('perfect-fit', 'the covariates determine the outcome')
  const variance = quotient(residual, (weight * BigInt(df)) << (BigInt(SUM_BITS) + 2n * COEFFICIENT_BITS))
  const se = fitted.inverse.map((row, i) => Math.sqrt(variance * (row[i] as number)))
  const released = { n, df, sigma: Math.sqrt(variance), r2: quotient(total - residual, total) }
  if (stratified) return { kind: 'result', released: { ...released, coef: [...coef], se } }
  const means = first.slice(0, size - 1).map((sum) => sumToNumber(sum) / n)
  const share = fixed.reduce(
    (rest, value, i) => rest - value * (first[i] as bigint),
    (first[size - 1] as bigint) << COEFFICIENT_BITS,
  )
  const intercept = quotient(share, BigInt(n) << (BigInt(SUM_BITS) + COEFFICIENT_BITS))
  const spread = times(fitted.inverse, means).reduce((sum, value, i) => sum + value * (means[i] as number), 1 / n)
  return {
    kind: 'result',
    released: { ...released, coef: [intercept, ...coef], se: [Math.sqrt(variance * spread), ...se] },
  }
}

export const linear: Analysis<LinearParameters, never, Released> = {
  name: 'linear',
  version: 1,
  iterative: false,
  definition: [
    'parameters: outcome (numeric), covariates (numeric, or factors coded against a reference), strata: none | site',
    'round: contributors, rows, missing, rows by level, sites with each level; Σ of covariates and outcome (not if stratified), Σ of their products (about site means if stratified)',
    'released: n, missing, coefficients, standard errors, sigma, r², df; refused: levels that are small or at few sites, singular, perfect fit',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: ({ outcome, covariates }) => [outcome, ...covariateColumns(covariates)],
  complete: (written, levelsOf) =>
    completeFields(written, { covariates: completeCovariates(levelsOf), strata: (strata) => strata ?? 'none' }),
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine(sum, context) {
    const { parameters, rules, survivors } = context
    const opened = openSum(layoutOf(parameters), sum, context)
    if (opened.kind !== 'reading') return opened
    const { contributors, sums } = opened
    const [n = 0, missing = 0, ...levels] = opened.counts
    const byLevel = levels.slice(0, levels.length / 2)
    const refused =
      checkCells([n, ...byLevel], rules) ??
      checkSites(levelsFrom(byLevel, levels.slice(levels.length / 2)), rules) ??
      checkParameters(parameterCount(parameters), n)
    if (refused !== undefined) return refused
    const outcome = combineSums(sums, n, contributors, parameters)
    if (outcome.kind !== 'result') return outcome
    return {
      kind: 'result',
      released: { ...outcome.released, contributors, leftOut: survivors - contributors, missing },
    }
  },
  present({ contributors, leftOut, n, missing, coef, se, sigma, r2, df }, { outcome, covariates, strata }) {
    const names = covariateNames(covariates)
    const f = r2 / names.length / ((1 - r2) / df)
    return {
      names: strata === 'site' ? names : [INTERCEPT, ...names],
      ...estimatesOf(coef, se, df),
      sigma,
      r2,
      df,
      f,
      f_p: fTail(f, names.length, df),
      n,
      missing,
      outcome,
      factors: codedCovariates(covariates),
      strata,
      contributors,
      sites_left_out: leftOut,
    }
  },
}
