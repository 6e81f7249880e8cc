/**
 * How parameters name columns, factors and outcomes, and how a site reads them from its rows. Levels are agreed in the
 * job, never taken from the rows. Implements docs/spec/analyses.md, "Columns". A value that is not finite, a level that
 * was not agreed and a column the site lacks are all missing values.
 */
import { z } from 'zod'
import { FlameshError } from '../errors.js'
import { MAX_FACTOR_LEVELS } from '../limits.js'
import type { LevelsOf, Rows } from './analysis.js'

export const columnSchema = z.string().min(1).max(128)
const levelSchema = z.string().max(64)
const levelsSchema = z
  .array(levelSchema)
  .min(2)
  .max(MAX_FACTOR_LEVELS)
  .refine((levels) => new Set(levels).size === levels.length, 'a level appears twice')

/** A column cut by its levels, or by whether it equals one value (levels "0" and "1"). */
const levelledSchema = z.strictObject({ column: columnSchema, levels: levelsSchema })
const indicatorSchema = z.strictObject({ column: columnSchema, is: levelSchema })
export const factorSchema = z.union([levelledSchema, indicatorSchema])
export type Factor = z.infer<typeof factorSchema>

/** A yes-or-no outcome: a column that holds nothing but 0 and 1, or whether a column equals one value. */
export const eventSchema = z.union([columnSchema, indicatorSchema])
export type Event = z.infer<typeof eventSchema>

/** A numeric column by name, or a factor coded as one 0/1 column for each level but the reference. */
const codedSchema = z
  .strictObject({ column: columnSchema, levels: levelsSchema, reference: levelSchema })
  .refine(({ levels, reference }) => levels.includes(reference), 'the reference is not among the levels')
/** The products of the columns of two covariates. */
const interactionSchema = z.strictObject({ interaction: z.tuple([columnSchema, columnSchema]) })
export const covariateSchema = z.union([columnSchema, codedSchema, interactionSchema])
export type Covariate = z.infer<typeof covariateSchema>

export const columnOf = (named: string | { readonly column: string }): string =>
  typeof named === 'string' ? named : named.column

export const levelsOfFactor = (factor: Factor): readonly string[] => ('levels' in factor ? factor.levels : ['0', '1'])

/** Levels by name, for slots. */
export function levelLabels(factor: Factor): readonly string[] {
  const column = 'is' in factor ? `(${factor.column}=${factor.is})` : factor.column
  return levelsOfFactor(factor).map((level) => `${column}=${level}`)
}

/** A numeric column, NaN where missing: the site's own, to be read and not changed. Throws `column-type` for a column of levels. */
export function numbersOf(rows: Rows, column: string): Float64Array {
  const values = rows.columns.get(column)
  if (values === undefined) return new Float64Array(rows.count).fill(Number.NaN)
  if (!(values instanceof Float64Array)) {
    throw new FlameshError('column-type', `${column} holds levels, not numbers`, {
      meta: { column },
      hint: `use it as a factor: {column: ${column}, levels: [...]}`,
    })
  }
  return anyInfinite(values) ? values.map((value) => (Number.isFinite(value) ? value : Number.NaN)) : values
}

function anyInfinite(values: Float64Array): boolean {
  let any = false
  for (let row = 0; row < values.length; row++) {
    const value = Math.abs(values[row] as number)
    if (value === Number.POSITIVE_INFINITY) any = true
  }
  return any
}

/** So many levels are looked through faster than looked up. */
const FEW = 8

/** Row by row the index of the factor's level, −1 where missing. Numbers are compared with levels by their shortest decimal form. */
export function codesOf(rows: Rows, factor: Factor): Int32Array {
  const codes = new Int32Array(rows.count).fill(-1)
  const values = rows.columns.get(factor.column)
  if (values === undefined) return codes
  const [levels, other] = 'levels' in factor ? [factor.levels, -1] : [['', factor.is], 0]
  const first = 'levels' in factor ? 0 : 1
  if (values instanceof Float64Array) {
    const shortest = (level: string): number => (String(Number(level)) === level ? Number(level) : Number.NaN)
    const numbers = Float64Array.from(levels, shortest)
    for (let row = 0; row < codes.length; row++) {
      const value = values[row] as number
      if (!Number.isFinite(value)) continue
      let at = first
      while (at < numbers.length && numbers[at] !== value) at++
      codes[row] = at < numbers.length ? at : other
    }
    return codes
  }
  const indices = levels.length > FEW ? new Map(levels.map((level, at) => [level, at])) : undefined
  for (let row = 0; row < codes.length; row++) {
    const value = values[row] ?? null
    if (value === null) continue
    let at = first
    if (indices !== undefined) at = indices.get(value) ?? levels.length
    else while (at < levels.length && levels[at] !== value) at++
    codes[row] = at < levels.length ? at : other
  }
  return codes
}

function onlyZeroAndOne(values: Float64Array): boolean {
  let only = true
  for (let row = 0; row < values.length; row++) {
    const value = values[row] as number
    if (value !== 0 && value !== 1 && !Number.isNaN(value)) only = false
  }
  return only
}

/** Row by row 1 if the event happened, 0 if not, NaN where missing. Throws `column-type` or `column-values`. */
export function eventsOf(rows: Rows, event: Event): Float64Array {
  if (typeof event !== 'string')
    return Float64Array.from(codesOf(rows, event), (code) => (code < 0 ? Number.NaN : code))
  const values = numbersOf(rows, event)
  if (!onlyZeroAndOne(values)) {
    throw new FlameshError('column-values', `${event} holds other values than 0 and 1`, {
      meta: { column: event },
      hint: `say which value is the event: {column: ${event}, is: 2}`,
    })
  }
  return values
}

type Written = Readonly<Record<string, unknown>>

export const isRecord = (value: unknown): value is Written =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** YAML writes levels as numbers; a job holds them as text. */
const asText = (value: unknown): unknown =>
  typeof value === 'number' || typeof value === 'boolean' ? String(value) : value

function announcedLevels(column: string, levelsOf: LevelsOf): readonly string[] {
  const levels = levelsOf(column)
  if (levels !== undefined && levels.length > 0) return levels
  throw new FlameshError('levels-unknown', `no site has announced the levels of ${column}`, {
    meta: { column },
    hint: `list them in the job: {column: ${column}, levels: ["1", "2"]}`,
  })
}

/** A factor as a user writes it: `sex`, `{column: sex}`, with levels, or `{column: status, is: 2}`. */
export function completeFactor(written: unknown, levelsOf: LevelsOf): unknown {
  const factor = typeof written === 'string' ? { column: written } : written
  if (!isRecord(factor) || typeof factor['column'] !== 'string') return written
  if ('is' in factor) return { ...factor, is: asText(factor['is']) }
  const levels = factor['levels'] ?? announcedLevels(factor['column'], levelsOf)
  return { ...factor, levels: Array.isArray(levels) ? levels.map(asText) : levels }
}

/** `event`, or `{column: status, is: 2}`. */
export function completeEvent(written: unknown): unknown {
  return isRecord(written) && 'is' in written ? { ...written, is: asText(written['is']) } : written
}

/** `age` (numeric), or a factor: `{column: ph.ecog}`, with levels and a reference if not the announced ones and the first. */
export function completeCovariate(written: unknown, levelsOf: LevelsOf): unknown {
  if (!isRecord(written)) return written
  const factor = completeFactor(written, levelsOf)
  if (!isRecord(factor) || !Array.isArray(factor['levels'])) return factor
  return { ...factor, reference: asText(factor['reference'] ?? factor['levels'][0]) }
}

/** Rewrites some fields of a record and leaves anything else as it is. */
export function completeFields(
  written: unknown,
  fields: Readonly<Record<string, (value: unknown) => unknown>>,
): unknown {
  if (!isRecord(written)) return written
  const completed: Record<string, unknown> = { ...written }
  for (const [name, complete] of Object.entries(fields)) {
    const value = complete(written[name])
    if (value !== undefined) completed[name] = value
  }
  return completed
}
