/**
 * What a cell stands for: missing, a number, a day, or a level. Implements docs/spec/jobs.md, "Datasets". A value is never
 * repaired: what does not have the declared form stands for nothing, and whoever reads says in which line.
 */
import { z } from 'zod'

/** A number, a level, or undefined if there is no value. */
export type Value = number | string | undefined

/** What counts as no value unless declared otherwise, exactly as written here; more would swallow a level such as `none`. */
export const MISSING_TOKENS: readonly string[] = [
  ...['', 'NA', 'N/A', 'n/a', '#N/A', 'NaN', 'nan', 'NULL', 'null', '.', '-'],
  ...['missing', 'Missing', 'MISSING'],
]

export const DECIMALS = ['.', ','] as const
export type Decimal = (typeof DECIMALS)[number]
export const THOUSANDS = ['.', ',', ' ', "'"] as const
export type Thousands = (typeof THOUSANDS)[number]

export const DATE_FORMATS = ['yyyy-mm-dd', 'dd.mm.yyyy', 'dd/mm/yyyy', 'mm/dd/yyyy', 'yyyymmdd'] as const
export type DateFormat = (typeof DATE_FORMATS)[number]
/** Only these are told apart by their looks. */
export const GUESSED_DATE_FORMATS: readonly DateFormat[] = ['yyyy-mm-dd', 'dd.mm.yyyy']
export const DEFAULT_EPOCH = '1970-01-01'

const DAY_MS = 86_400_000
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/
const COMMA_NUMBER = /^[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?$/
const INTEGER = /^[+-]?\d+$/
/** What a date looks like, and which of its three parts are year, month and day. */
const DATE_PATTERN: Readonly<Record<DateFormat, readonly [RegExp, number, number, number]>> = {
  'yyyy-mm-dd': [/^(\d{4})-(\d{1,2})-(\d{1,2})$/, 1, 2, 3],
  'dd.mm.yyyy': [/^(\d{1,2})\.(\d{1,2})\.(\d{4})$/, 3, 2, 1],
  'dd/mm/yyyy': [/^(\d{1,2})\/(\d{1,2})\/(\d{4})$/, 3, 2, 1],
  'mm/dd/yyyy': [/^(\d{1,2})\/(\d{1,2})\/(\d{4})$/, 3, 1, 2],
  yyyymmdd: [/^(\d{4})(\d{2})(\d{2})$/, 1, 2, 3],
}

/** How the cells of a column are read, as it stands in the stored schema. */
export const readingSchema = z.discriminatedUnion('as', [
  z.strictObject({
    as: z.literal('number'),
    decimal: z.enum(DECIMALS),
    thousands: z.enum(THOUSANDS).optional(),
  }),
  z.strictObject({ as: z.literal('date'), format: z.enum(DATE_FORMATS), epoch: z.iso.date() }),
  z.strictObject({ as: z.literal('level') }),
  z.strictObject({ as: z.literal('text') }),
  /** made of other columns (derive.ts) */
  z.strictObject({ as: z.literal('derived') }),
])
export type Reading = z.infer<typeof readingSchema>

/** The value of a cell that is not missing; undefined if it stands for none. */
export type ReadValue = (cell: string) => number | string | undefined

/** An integer beyond 2^53 is a label: it would lose digits. */
function finished(cell: string, value: number): number | undefined {
  if (!Number.isFinite(value) || (!Number.isSafeInteger(value) && INTEGER.test(cell))) return undefined
  // one zero: a negative one would be a level of its own
  return value === 0 ? 0 : value
}

const pointNumber = (cell: string): number | undefined => (NUMBER.test(cell) ? finished(cell, Number(cell)) : undefined)
const commaNumber = (cell: string): number | undefined =>
  COMMA_NUMBER.test(cell) ? finished(cell, Number(cell.replace(',', '.'))) : undefined

const GROUP_SIGN: Readonly<Record<Thousands, string>> = { '.': '\\.', ',': ',', ' ': '[ \u00a0\u202f]', "'": "['’]" }

function numberReader(decimal: Decimal, thousands: Thousands | undefined): (cell: string) => number | undefined {
  const bare = decimal === '.' ? pointNumber : commaNumber
  if (thousands === undefined) return bare
  const sign = GROUP_SIGN[thousands]
  const grouped = new RegExp(`^[+-]?\\d{1,3}(${sign}\\d{3})+(\\${decimal}\\d*)?$`)
  const signs = new RegExp(sign, 'g')
  return (cell) => (grouped.test(cell) ? bare(cell.replace(signs, '')) : bare(cell))
}

/** Days from 1970-01-01 to a day of the calendar; undefined if there is no such day. */
function dayOf(year: number, month: number, day: number): number | undefined {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() / DAY_MS : undefined
}

function dateReader(format: DateFormat, epoch: string): (cell: string) => number | undefined {
  const [pattern, year, month, day] = DATE_PATTERN[format]
  const zero = Date.parse(`${epoch}T00:00:00Z`) / DAY_MS
  return (cell) => {
    const parts = pattern.exec(cell)
    if (parts === null) return undefined
    const found = dayOf(Number(parts[year]), Number(parts[month]), Number(parts[day]))
    return found === undefined ? undefined : found - zero
  }
}

export function readerOf(reading: Reading): ReadValue {
  switch (reading.as) {
    case 'number':
      return numberReader(reading.decimal, reading.thousands)
    case 'date':
      return dateReader(reading.format, reading.epoch)
    case 'level':
    case 'text':
    case 'derived':
      return (cell) => cell
  }
}
