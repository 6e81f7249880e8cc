/**
 * Covariates as the columns of a model: which there are, which rows are complete, and the counts by level that are opened
 * before any model sum is. Implements docs/spec/analyses.md, "Models". Numeric columns are taken as they are: one that
 * holds few values is not counted by value.
 */
import { z } from 'zod'
import { MAX_FACTOR_LEVELS } from '../limits.js'
import { type Level, parametersAllowed, subsetAllowed, suppressed } from '../privacy/disclosure.js'
import type { LevelsOf, Rows, Suppression } from './analysis.js'
import {
  type Covariate,
  codesOf,
  columnOf,
  completeCovariate,
  covariateSchema,
  isRecord,
  numbersOf,
} from './columns.js'

/** Coefficients of one model: its information matrix has half the square of this many words, twice. */
export const MAX_PARAMETERS = 200
export const INTERCEPT = '(Intercept)'

type Interaction = Extract<Covariate, { readonly interaction: readonly string[] }>
type Single = Exclude<Covariate, Interaction>
type Coded = Exclude<Single, string>

const isInteraction = (one: Covariate): one is Interaction => typeof one !== 'string' && 'interaction' in one
/** Those that are no interaction: they name every column that is read. */
export const singles = (covariates: readonly Covariate[]): readonly Single[] =>
  covariates.flatMap((one) => (isInteraction(one) ? [] : [one]))

export const codedCovariates = (covariates: readonly Covariate[]): readonly Coded[] =>
  singles(covariates).flatMap((one) => (typeof one === 'string' ? [] : [one]))

/** The columns that are read: interactions read no others than the covariates they are of. */
export const covariateColumns = (covariates: readonly Covariate[]): readonly string[] =>
  singles(covariates).map(columnOf)

/** Interactions come last, each once, of two covariates that are there, in their order. */
function interactionsFit(covariates: readonly Covariate[]): boolean {
  const columns = covariateColumns(covariates)
  const pairs = covariates.slice(columns.length).flatMap((one) => (isInteraction(one) ? [one.interaction] : []))
  const places = pairs.map((pair) => pair.map((column) => columns.indexOf(column)) as [number, number])
  return (
    columns.length + pairs.length === covariates.length &&
    places.every(([first, second]) => first >= 0 && first < second) &&
    new Set(places.map(String)).size === pairs.length
  )
}

export const covariatesSchema = z
  .array(covariateSchema)
  .min(1)
  .max(64)
  .refine((list) => new Set(covariateColumns(list)).size === covariateColumns(list).length, 'a column appears twice')
  .refine(interactionsFit, 'an interaction is of two different covariates of the list, and named once')
  .refine(
    (list) => factorsOf(list).every(({ levels }) => levels.length <= MAX_FACTOR_LEVELS),
    `two factors that interact have at most ${MAX_FACTOR_LEVELS} combinations of levels`,
  )
  .refine((list) => covariateNames(list).length < MAX_PARAMETERS, `a model has fewer than ${MAX_PARAMETERS} parameters`)

/** `age:sex` as an interaction, if both are covariates of their own; else it is a column with a colon in its name. */
function asInteraction(written: unknown, columns: readonly string[]): unknown {
  if (typeof written !== 'string') return written
  const parts = written.split(':')
  const cuts = parts.slice(1).map((_, at) => [parts.slice(0, at + 1).join(':'), parts.slice(at + 1).join(':')])
  const pair = cuts.find((names) => names.every((name) => columns.includes(name)))
  return pair === undefined ? written : { interaction: pair }
}

/** Fills in levels and references; interactions go to the end, each in the order of the covariates. */
export const completeCovariates =
  (levelsOf: LevelsOf) =>
  (written: unknown): unknown => {
    if (!Array.isArray(written)) return written
    const named = (one: unknown): unknown => (isRecord(one) ? one['column'] : one)
    const columns = written.map(named).filter((name) => typeof name === 'string')
    const order = (name: unknown): number => columns.indexOf(String(name))
    const terms = written.map((one) => asInteraction(one, columns))
    const pairs = terms.flatMap((one) => (isRecord(one) && Array.isArray(one['interaction']) ? [one] : []))
    const single = terms.filter((one) => !pairs.includes(one as (typeof pairs)[number]))
    return [
      ...single.map((one) => completeCovariate(one, levelsOf)),
      ...pairs.map((one) => ({
        ...one,
        interaction: (one['interaction'] as unknown[]).toSorted((a, b) => order(a) - order(b)),
      })),
    ]
  }

/** The levels that have a column of their own. */
const codedLevels = ({ levels, reference }: Coded): readonly string[] => levels.filter((level) => level !== reference)

/** The first index runs fastest, as in R. */
const crossed = <T, U>(first: readonly T[], second: readonly T[], joined: (a: T, b: T) => U): readonly U[] =>
  second.flatMap((b) => first.map((a) => joined(a, b)))

/** The covariates that an interaction is of. */
function partsOf({ interaction }: Interaction, covariates: readonly Covariate[]): readonly [Single, Single] {
  const part = (column: string): Single => singles(covariates).find((one) => columnOf(one) === column) ?? column
  return [part(interaction[0]), part(interaction[1])]
}

/** R's names: the column, column and level of a factor, or two of these with a colon. */
export function covariateNames(covariates: readonly Covariate[]): readonly string[] {
  const names = (one: Covariate): readonly string[] => {
    if (typeof one === 'string') return [one]
    if (!isInteraction(one)) return codedLevels(one).map((level) => one.column + level)
    const [first, second] = partsOf(one, covariates)
    return crossed(names(first), names(second), (a, b) => `${a}:${b}`)
  }
  return covariates.flatMap(names)
}

/** The columns that each covariate has of the design, by its name: one, or those of a factor or of an interaction. */
export function covariateTerms(
  covariates: readonly Covariate[],
): readonly { readonly name: string; readonly columns: readonly number[] }[] {
  const width = (one: Covariate): number =>
    isInteraction(one)
      ? partsOf(one, covariates).reduce((product, part) => product * width(part), 1)
      : typeof one === 'string'
        ? 1
        : codedLevels(one).length
  let first = 0
  return covariates.map((one) => {
    const columns = Array.from({ length: width(one) }, (_, at) => first + at)
    first += columns.length
    return { name: isInteraction(one) ? one.interaction.join(':') : columnOf(one), columns }
  })
}

/** What rows are counted by: every factor, and every interaction of two factors as a factor of its own. */
interface Levels {
  /** of the factor, or of the two that interact */
  readonly columns: readonly string[]
  /** named for people */
  readonly levels: readonly string[]
}

function factorsOf(covariates: readonly Covariate[]): readonly Levels[] {
  const own = ({ column, levels }: Coded): Levels => ({
    columns: [column],
    levels: levels.map((level) => `${column}=${level}`),
  })
  return covariates.flatMap((one): Levels[] => {
    if (typeof one === 'string') return []
    if (!isInteraction(one)) return [own(one)]
    const [first, second] = partsOf(one, covariates)
    if (typeof first === 'string' || typeof second === 'string') return []
    const levels = crossed(own(first).levels, own(second).levels, (a, b) => `${a}, ${b}`)
    return [{ columns: one.interaction, levels }]
  })
}

/** The rows of a site that lack nothing the model reads. */
export interface Cases {
  readonly count: number
  readonly missing: number
  /** the design, column by column, without intercept, in the order of `covariateNames` */
  readonly design: readonly Float64Array[]
  /** outcome, time or event: what was asked for, in that order */
  readonly responses: readonly Float64Array[]
  /** level by row, one for each factor and for each interaction of two */
  readonly codes: readonly Int32Array[]
}

export function completeCases(rows: Rows, covariates: readonly Covariate[], responses: readonly Float64Array[]): Cases {
  const single = singles(covariates)
  const columns = single.map((one) => (typeof one === 'string' ? numbersOf(rows, one) : codesOf(rows, one)))
  const kept: number[] = []
  for (let row = 0; row < rows.count; row++) {
    const complete = columns.every((values) =>
      values instanceof Int32Array ? (values[row] as number) >= 0 : !Number.isNaN(values[row]),
    )
    if (complete && responses.every((values) => !Number.isNaN(values[row]))) kept.push(row)
  }
  const valuesOf = new Map(
    single.map((one, at) => {
      const values = columns[at] as Float64Array | Int32Array
      return [columnOf(one), kept.map((row) => values[row] as number)] as const
    }),
  )
  const design = (one: Covariate): readonly Float64Array[] => {
    if (isInteraction(one)) {
      const [first, second] = partsOf(one, covariates)
      return crossed(design(first), design(second), (a, b) => a.map((value, row) => value * (b[row] as number)))
    }
    const values = valuesOf.get(columnOf(one)) as readonly number[]
    if (typeof one === 'string') return [Float64Array.from(values)]
    const wanted = codedLevels(one).map((level) => one.levels.indexOf(level))
    return wanted.map((code) => Float64Array.from(values, (value) => (value === code ? 1 : 0)))
  }
  const width = (column: string): number =>
    codedCovariates(covariates).find((one) => one.column === column)?.levels.length ?? 1
  return {
    count: kept.length,
    missing: rows.count - kept.length,
    design: covariates.flatMap(design),
    responses: responses.map((values) => Float64Array.from(kept, (row) => values[row] as number)),
    codes: factorsOf(covariates).map(({ columns: [first = '', second] }) => {
      const codes = Int32Array.from(valuesOf.get(first) as readonly number[])
      if (second === undefined) return codes
      const others = valuesOf.get(second) as readonly number[]
      return codes.map((code, row) => code + width(first) * (others[row] as number))
    }),
  }
}

/** May the site's complete cases carry a model with this many parameters? */
export function casesAllowed(cases: Cases, covariates: readonly Covariate[], parameters: number): boolean {
  const levels = factorsOf(covariates).map((one) => one.levels.length)
  return subsetAllowed(cases.count, levels) && parametersAllowed(parameters, cases.count)
}

export function levelNames(covariates: readonly Covariate[]): readonly string[] {
  return factorsOf(covariates).flatMap(({ levels }) => levels)
}

/** Rows by level, factor after factor; only those with the event if `events` is given. */
export function levelCounts(cases: Cases, covariates: readonly Covariate[], events?: Float64Array): readonly number[] {
  return factorsOf(covariates).flatMap(({ levels }, factor) => {
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
