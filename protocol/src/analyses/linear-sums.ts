/**
 * What `linear` and `ridge` sum: products of covariates and outcome, about the site's own means if every site has an intercept
 * of its own, and the counts that they are held against at the gate. Implements docs/spec/analyses.md, "linear". It checks the
 * levels of factors, not the values of numeric columns: a numeric 0/1 column with a single 1 is fitted.
 */
import { z } from 'zod'
import { checkCells, checkSites } from '../privacy/disclosure.js'
import { centred, type Matrix, pairsOf, symmetric } from './algebra.js'
import type { AnalysisContext, ColumnUse, Rows, Suppression } from './analysis.js'
import { columnSchema, completeFields, numbersOf } from './columns.js'
import {
  type Cases,
  casesAllowed,
  checkParameters,
  completeCases,
  completeCovariates,
  covariateColumns,
  covariateNames,
  covariatesSchema,
  levelCounts,
  levelNames,
  levelsFrom,
  presence,
  singles,
} from './design.js'
import { addProduct, zeroSums } from './double-double.js'
import { type Layout, openSum, quotient, SUM_BITS, sumToNumber, vectorOf, zeroVector } from './layout.js'
import { COEFFICIENT_BITS } from './least-squares.js'

export const linearFields = {
  outcome: columnSchema,
  covariates: covariatesSchema,
  strata: z.enum(['none', 'site']),
}
export type LinearFields = z.infer<z.ZodObject<typeof linearFields>>

export const outcomeApart = ({ outcome, covariates }: LinearFields): boolean =>
  !covariateColumns(covariates).includes(outcome)
export const OUTCOME_AMONG = 'the outcome is among the covariates'

export const columnsOfLinear = ({ outcome, covariates }: LinearFields): readonly ColumnUse[] => [
  outcome,
  ...singles(covariates),
]

export const completeLinear = (written: unknown, levelsOf: Parameters<typeof completeCovariates>[0]): unknown =>
  completeFields(written, { covariates: completeCovariates(levelsOf), strata: (strata) => strata ?? 'none' })

/** Columns whose products are summed: the covariates, then the outcome; `1` stands before them unless stratified. */
const columnNames = ({ covariates, outcome }: LinearFields): readonly string[] => [
  ...covariateNames(covariates),
  outcome,
]

export function layoutOf(parameters: LinearFields): Layout {
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
const parameterCount = ({ covariates }: LinearFields): number => covariateNames(covariates).length + 1

function aboutMean(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const rough = values.map((value) => value - mean)
  // what rounding left in the mean
  const rest = rough.reduce((sum, value) => sum + value, 0) / values.length
  return rough.map((value) => value - rest)
}

export function contribute(rows: Rows, parameters: LinearFields): Float64Array {
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

/** The sums of everyone, centred exactly, the outcome last. */
export interface Moments {
  readonly n: number
  readonly missing: number
  readonly contributors: number
  readonly leftOut: number
  /** intercepts */
  readonly levels: number
  /** weight · Σ (z − z̄)(z − z̄)ᵀ */
  readonly products: Matrix<bigint>
  readonly weight: bigint
  /** Σ z, zeros if stratified */
  readonly first: readonly bigint[]
  /** of the covariates; zeros if stratified */
  readonly means: readonly number[]
}

/** The sums, if the counts pass the gate. */
export function openMoments(
  sum: readonly bigint[],
  { parameters, rules, survivors }: AnalysisContext<LinearFields>,
): Moments | Suppression {
  const opened = openSum(layoutOf(parameters), sum, { parameters, rules, survivors })
  if (opened.kind !== 'reading') return opened
  const { contributors, sums } = opened
  const [n = 0, missing = 0, ...levels] = opened.counts
  const byLevel = levels.slice(0, levels.length / 2)
  const refused =
    checkCells([n, ...byLevel], rules) ??
    checkSites(levelsFrom(byLevel, levels.slice(levels.length / 2)), rules) ??
    checkParameters(parameterCount(parameters), n)
  if (refused !== undefined) return refused
  const stratified = parameters.strata === 'site'
  const size = columnNames(parameters).length
  const first = stratified ? new Array<bigint>(size).fill(0n) : sums.slice(0, size)
  const weight = (stratified ? 1n : BigInt(n)) << BigInt(SUM_BITS)
  return {
    n,
    missing,
    contributors,
    leftOut: survivors - contributors,
    levels: stratified ? contributors : 1,
    products: centred(weight, first, symmetric(size, stratified ? sums : sums.slice(size))),
    weight,
    first,
    means: first.slice(0, size - 1).map((value) => sumToNumber(value) / n),
  }
}

/** ȳ − β·x̄ from β in units of 2^-160, rounded once. */
export function interceptOf({ first, n }: Moments, fixed: readonly bigint[]): number {
  const share = fixed.reduce(
    (rest, value, i) => rest - value * (first[i] as bigint),
    (first.at(-1) as bigint) << COEFFICIENT_BITS,
  )
  return quotient(share, BigInt(n) << (BigInt(SUM_BITS) + COEFFICIENT_BITS))
}
