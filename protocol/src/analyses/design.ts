/**
 * Covariates as the columns of a model: which there are, which rows are complete, and the counts by level that are opened
 * before any model sum is. Implements docs/spec/analyses.md, "Models". Numeric columns are taken as they are: one that
 * holds few values is not counted by value.
 */
import { z } from 'zod'
import { type Level, parametersAllowed, subsetAllowed, suppressed } from '../privacy/disclosure.js'
import type { LevelsOf, Rows, Suppression } from './analysis.js'
import { type Covariate, codesOf, columnOf, completeCovariate, covariateSchema, eachOf, numbersOf } from './columns.js'

/** Coefficients of one model: its information matrix has half the square of this many words, twice. */
export const MAX_PARAMETERS = 200
export const INTERCEPT = '(Intercept)'

export const covariatesSchema = z
  .array(covariateSchema)
  .min(1)
  .max(64)
  .refine((list) => new Set(list.map(columnOf)).size === list.length, 'a column appears twice')
  .refine((list) => covariateNames(list).length < MAX_PARAMETERS, `a model has fewer than ${MAX_PARAMETERS} parameters`)

export const completeCovariates = (levelsOf: LevelsOf): ((written: unknown) => unknown) =>
  eachOf((one) => completeCovariate(one, levelsOf))

type Coded = Exclude<Covariate, string>

export const codedCovariates = (covariates: readonly Covariate[]): readonly Coded[] =>
  covariates.filter((one) => typeof one !== 'string')

/** The levels that have a column of their own. */
const codedLevels = ({ levels, reference }: Coded): readonly string[] => levels.filter((level) => level !== reference)

/** R's names: the column, or column and level of a factor. */
export function covariateNames(covariates: readonly Covariate[]): readonly string[] {
  return covariates.flatMap((one) =>
    typeof one === 'string' ? [one] : codedLevels(one).map((level) => one.column + level),
  )
}

/** The rows of a site that lack nothing the model reads. */
export interface Cases {
  readonly count: number
  readonly missing: number
  /** the design, column by column, without intercept, in the order of `covariateNames` */
  readonly design: readonly Float64Array[]
  /** outcome, time or event: what was asked for, in that order */
  readonly responses: readonly Float64Array[]
  /** level by row, one for each factor */
  readonly codes: readonly Int32Array[]
}

export function completeCases(rows: Rows, covariates: readonly Covariate[], responses: readonly Float64Array[]): Cases {
  const columns = covariates.map((one) => (typeof one === 'string' ? numbersOf(rows, one) : codesOf(rows, one)))
  const kept: number[] = []
  for (let row = 0; row < rows.count; row++) {
    const complete = columns.every((values) =>
      values instanceof Int32Array ? (values[row] as number) >= 0 : !Number.isNaN(values[row]),
    )
    if (complete && responses.every((values) => !Number.isNaN(values[row]))) kept.push(row)
  }
  const design = covariates.flatMap((one, at) => {
    const values = columns[at] as Float64Array | Int32Array
    if (typeof one === 'string') return [Float64Array.from(kept, (row) => values[row] as number)]
    const wanted = codedLevels(one).map((level) => one.levels.indexOf(level))
    return wanted.map((code) => Float64Array.from(kept, (row) => (values[row] === code ? 1 : 0)))
  })
  return {
    count: kept.length,
    missing: rows.count - kept.length,
    design,
    responses: responses.map((values) => Float64Array.from(kept, (row) => values[row] as number)),
    codes: columns.flatMap((values) =>
      values instanceof Int32Array ? [Int32Array.from(kept, (row) => values[row] as number)] : [],
    ),
  }
}

/** May the site's complete cases carry a model with this many parameters? */
export function casesAllowed(cases: Cases, covariates: readonly Covariate[], parameters: number): boolean {
  const levels = codedCovariates(covariates).map((one) => one.levels.length)
  return subsetAllowed(cases.count, levels) && parametersAllowed(parameters, cases.count)
}

export function levelNames(covariates: readonly Covariate[]): readonly string[] {
  return codedCovariates(covariates).flatMap(({ column, levels }) => levels.map((level) => `${column}=${level}`))
}

/** Rows by level, factor after factor; only those with the event if `events` is given. */
export function levelCounts(cases: Cases, covariates: readonly Covariate[], events?: Float64Array): readonly number[] {
  return codedCovariates(covariates).flatMap(({ levels }, factor) => {
    const counts = levels.map(() => 0)
    for (let row = 0; row < cases.count; row++) {
      const code = cases.codes[factor]?.[row] as number
      if (events === undefined || events[row] === 1) counts[code] = (counts[code] as number) + 1
    }
    return counts
  })
}

/** Rows and sites by level, from two lists in the order of `levelNames`. */
export function levelsFrom(rows: readonly number[], sites: readonly number[]): readonly Level[] {
  return rows.map((count, at) => ({ rows: count, sites: sites[at] as number }))
}

/** 1 where a site has any row of a level. */
export const presence = (counts: readonly number[]): readonly number[] => counts.map((count) => (count > 0 ? 1 : 0))

export const singular = (): Suppression =>
  suppressed(
    'singular',
    'a level without rows, a constant column, or columns that determine each other: the estimates do not exist',
  )

export const separation = (): Suppression =>
  suppressed('separation', 'the covariates, or one level, separate the outcomes: no finite estimate exists')

export function checkParameters(parameters: number, rows: number): Suppression | undefined {
  if (parametersAllowed(parameters, rows)) return undefined
  return suppressed('too-many-parameters', 'too few rows, or too few of the rarer outcome, for this many parameters')
}
