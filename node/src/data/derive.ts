/**
 * Columns that are made of those of the file: levels mapped, units converted, numbers cut into groups, a difference of two
 * columns. Implements docs/spec/jobs.md, "Datasets". These few operations are all there is: whoever needs more prepares the
 * file.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { suggest } from '@flamesh/protocol/jobs/document.js'
import { MAX_FACTOR_LEVELS } from '@flamesh/protocol/limits.js'
import { z } from 'zod'
import type { ProposedColumn } from './proposed-column.js'
import { readerOf, type Value } from './values.js'

const MAX_MAPPED = 100_000
const level = z.string().trim().min(1).max(64)
/** null: no value */
const target = z.union([level, z.number(), z.null()], { error: 'a level, a number, or null for no value' })

const OPERATIONS = ['map', 'times', 'plus', 'cut', 'since'] as const

export const deriveSchema = z
  .strictObject({
    /** a column of the file */
    from: z.string(),
    /** from values as they stand in the file */
    map: z
      .record(z.string(), target)
      .refine((map) => Object.keys(map).length <= MAX_MAPPED, 'too many values')
      .optional(),
    /** × times + plus */
    times: z.number().optional(),
    plus: z.number().optional(),
    /** where each group begins; the last has no end */
    cut: z
      .array(z.number())
      .min(1)
      .max(MAX_FACTOR_LEVELS)
      .refine((cuts) => cuts.every((one, at) => at === 0 || one > (cuts[at - 1] as number)), 'has to increase')
      .optional(),
    /** of the groups, as many as there are cuts */
    labels: z.array(level).optional(),
    /** the column that is subtracted */
    since: z.string().optional(),
    /** for a value that `map` does not have, or below the first cut */
    otherwise: target.optional(),
  })
  .superRefine((derive, check) => {
    const complain = (message: string): void => check.addIssue({ code: 'custom', message })
    const linear = derive.times !== undefined || derive.plus !== undefined
    const given = [derive.map, derive.cut, derive.since, linear || undefined].filter((one) => one !== undefined)
    if (given.length !== 1) complain(`has to have one of ${OPERATIONS.join(', ')} (times and plus may be together)`)
    if (derive.labels !== undefined && derive.labels.length !== derive.cut?.length)
      complain('labels: as many as there are cuts')
    if (new Set(derive.labels).size !== (derive.labels?.length ?? 0)) complain('labels: each of them once')
    if (derive.otherwise !== undefined && derive.map === undefined && derive.cut === undefined)
      complain('otherwise: only with map or cut')
    const targets = [...Object.values(derive.map ?? {}), derive.otherwise].filter((one) => one != null)
    if (derive.map !== undefined && new Set(targets.map((one) => typeof one)).size > 1)
      complain('map: to levels or to numbers, not to both')
    if (derive.cut !== undefined && typeof derive.otherwise === 'number') complain('otherwise: a level, as the labels')
  })
export type Derive = z.infer<typeof deriveSchema>
export const DERIVE_FIELDS = Object.keys(deriveSchema.shape)

/** Why a row has no value that could be derived. */
export class Underivable {
  constructor(readonly reason: string) {}
}

export interface Derivation {
  readonly name: string
  readonly type: 'integer' | 'number' | 'level'
  /** from the values of a row in the order of the file's columns */
  derive(row: readonly Value[]): Value | Underivable
}

export function labelsOf({ cut = [], labels }: Pick<Derive, 'cut' | 'labels'>): readonly string[] {
  return labels ?? cut.map((from, at) => (at === cut.length - 1 ? `${from}+` : `[${from},${cut[at + 1]})`))
}

/** For a person. */
export function deriveText({ from, map, times, plus, cut, since }: Derive): string {
  if (map !== undefined) {
    const some = Object.entries(map).slice(0, 12)
    const more = Object.keys(map).length > some.length ? ', …' : ''
    return `${from}: ${some.map(([value, to]) => `${value} → ${to ?? 'nothing'}`).join(', ')}${more}`
  }
  if (cut !== undefined) return `${from} cut at ${cut.join(', ')}`
  if (since !== undefined) return `${from} − ${since}`
  return [from, ...(times === undefined ? [] : [`× ${times}`]), ...(plus === undefined ? [] : [`+ ${plus}`])].join(' ')
}

type Step = Pick<Derivation, 'type'> & {
  readonly step: (value: number | string, row: readonly Value[]) => Value | Underivable
}

function mapped(source: ProposedColumn, map: NonNullable<Derive['map']>, otherwise: Derive['otherwise']): Step {
  const number = readerOf({ as: 'number', decimal: '.' })
  const numeric = source.type === 'integer' || source.type === 'number'
  const byValue = new Map(
    Object.entries(map).map(([key, to]) => [numeric ? (number(key) ?? key) : key, to ?? undefined]),
  )
  const targets = [...byValue.values(), otherwise].filter((one) => one != null)
  const levels = targets.every((one) => typeof one === 'string')
  return {
    type: levels ? 'level' : targets.every(Number.isInteger) ? 'integer' : 'number',
    step: (value) => {
      if (byValue.has(value)) return byValue.get(value)
      if (otherwise === undefined) return new Underivable(`no mapping of this value of ${source.name}`)
      return otherwise ?? undefined
    },
  }
}

function cutUp(source: ProposedColumn, cut: readonly number[], derive: Derive): Step {
  const labels = labelsOf(derive)
  return {
    type: 'level',
    step: (value) => {
      const at = cut.findLastIndex((from) => (value as number) >= from)
      if (at >= 0) return labels[at]
      if (derive.otherwise === undefined) return new Underivable(`${source.name} is below the first cut`)
      return derive.otherwise ?? undefined
    },
  }
}

/** With one zero, as numbers are read. */
const finite = (value: number): number | Underivable =>
  Number.isFinite(value) ? value + 0 : new Underivable('not a finite number')

/** Throws `declaration-invalid` where a column is not there or is none of numbers. */
export function compileDerive(name: string, derive: Derive, sources: readonly ProposedColumn[]): Derivation {
  const invalid = (message: string, hint: string | undefined): FlameshError =>
    new FlameshError('declaration-invalid', `derive.${name}: ${message}`, {
      meta: { path: `derive.${name}` },
      ...(hint === undefined ? {} : { hint }),
    })
  const indexOf = (column: string): number => {
    const index = sources.findIndex((one) => one.name === column)
    if (index < 0) {
      const hint = suggest(
        column,
        sources.map((one) => one.name),
      )
      throw invalid(`the file has no column ${column}`, hint)
    }
    return index
  }
  const numeric = (column: string): number => {
    const index = indexOf(column)
    const { type } = sources[index] as ProposedColumn
    if (type === 'integer' || type === 'number') return index
    throw invalid(`column ${column} is not of numbers`, `declare its type: the error then names the line`)
  }
  const stepOf = (): Step => {
    const { map, cut, since, times = 1, plus = 0 } = derive
    const source = sources[indexOf(derive.from)] as ProposedColumn
    if (map !== undefined) return mapped(source, map, derive.otherwise)
    numeric(derive.from)
    if (cut !== undefined) return cutUp(source, cut, derive)
    if (since === undefined) return { type: 'number', step: (value) => finite((value as number) * times + plus) }
    const other = numeric(since)
    const whole = source.type === 'integer' && sources[other]?.type === 'integer'
    return {
      type: whole ? 'integer' : 'number',
      step: (value, row) => {
        const start = row[other]
        return start === undefined ? undefined : finite((value as number) - (start as number))
      },
    }
  }
  const index = indexOf(derive.from)
  const { type, step } = stepOf()
  return {
    name,
    type,
    derive: (row) => {
      const value = row[index]
      return value === undefined ? undefined : step(value, row)
    },
  }
}
