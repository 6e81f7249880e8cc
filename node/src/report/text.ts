/** Numbers as a paper has them: few digits, a true minus, thousands apart; p values never 0. And conditions in words. */
import type { Condition } from '@flamesh/protocol/jobs/where.js'
import { decimals, superscript } from '@flamesh/protocol/report/numbers.js'

/** Keeps a number and what belongs to it on one line. */
export const SPACE = '\u00a0'

const withMinus = (text: string): string => text.replace('-', '−')

/** Whole numbers whole, others to four significant digits or so many; a power of ten where there would be many zeros. */
export function shortNumber(value: number, digits = 4): string {
  const size = Math.abs(value)
  if (value === 0) return '0'
  if (Number.isInteger(value) && size < 1e9) return withMinus(decimals(value, 0))
  const power = Math.floor(Math.log10(size))
  if (power >= 9 || power < -4)
    return withMinus(`${decimals(value / 10 ** power, digits - 1)}${SPACE}×${SPACE}10${superscript(power)}`)
  return withMinus(decimals(value, Math.max(0, digits - 1 - power)))
}

/** Of ratios and the like: two digits after the point, more below a tenth and fewer above ten. */
export const fixed = (value: number): string => withPlaces(value, placesFor(Math.abs(value)))

/** Infinite: a power of ten is needed. */
function placesFor(size: number): number {
  if (size === 0 || size >= 0.1) return size >= 1e6 ? Number.POSITIVE_INFINITY : size >= 100 ? 0 : size >= 10 ? 1 : 2
  return size < 1e-3 ? Number.POSITIVE_INFINITY : 2 - Math.floor(Math.log10(size))
}

/** So many digits after the point; thousands apart. */
export function withPlaces(value: number, places: number): string {
  if (!Number.isFinite(places)) return shortNumber(value, 3)
  const [whole = '', rest] = Math.abs(value).toFixed(places).split('.')
  const text = [decimals(Number(whole), 0), ...(rest === undefined ? [] : [rest])].join('.')
  return value < 0 && Number(text.replaceAll(',', '')) !== 0 ? `−${text}` : text
}

type Bounded = readonly [estimate: number | null, low: number | null, high: number | null]

/** Digits after the point of an estimate with an interval. */
export function placesOf([estimate, low, high]: Bounded): number {
  if ([estimate, low, high].every((one) => one === null || Number.isInteger(one))) return 0
  const size = Math.abs(estimate ?? 0)
  return placesFor(low === null || high === null ? size : Math.max(size, (high - low) / 4))
}

/** "0.58 (0.41 to 0.80)", with as many digits in the interval as in the estimate. */
export function withInterval(
  estimate: number | null,
  low: number | null,
  high: number | null,
  places = placesOf([estimate, low, high]),
): string {
  if (estimate === null) return '–'
  if (!Number.isFinite(places) && estimate !== 0 && low !== null && high !== null) {
    const power = Math.floor(Math.log10(Math.abs(estimate)))
    const scaled = ([estimate, low, high] as const).map((value) => value / 10 ** power)
    return `${withInterval(scaled[0] as number, scaled[1] as number, scaled[2] as number, 2)}${SPACE}×${SPACE}10${superscript(power)}`
  }
  const [middle, from, to] = [estimate, low ?? 0, high ?? 0].map((value) => withPlaces(value, places))
  return low === null || high === null ? (middle as string) : `${middle} (${from} to ${to})`
}

/** Numbers of one column of a table: as many digits after the point as the others have, but no more than each has to four. */
export function alike(values: readonly number[]): readonly string[] {
  const texts = values.map((value) => shortNumber(value))
  const places = (text: string): number => (/[×]/.test(text) ? 0 : (text.split('.')[1]?.length ?? 0))
  const most = Math.max(0, ...texts.map(places))
  return texts.map((text, i) => {
    const value = values[i] as number
    const own = 3 - Math.floor(Math.log10(Math.abs(value)))
    if (Number.isInteger(value) || /[×]/.test(text) || own <= 0) return text
    return withPlaces(value, Math.min(most, own))
  })
}

/** Of a share between 0 and 1, as a percentage with one digit after the point; never 0 or 100 what is neither. */
export function percent(share: number): string {
  const value = 100 * share
  if (value === 0) return `0${SPACE}%`
  if (value > 0 && value < 0.05) return `<${SPACE}0.1${SPACE}%`
  if (value < 100 && value >= 99.95) return `>${SPACE}99.9${SPACE}%`
  return `${value.toFixed(1)}${SPACE}%`
}

export function pText(value: number): string {
  if (value < 0.001) return `<${SPACE}0.001`
  if (value > 0.999) return `>${SPACE}0.999`
  return value.toFixed(3)
}

/** "p = 0.047", "p < 0.001" */
export const pSaid = (value: number): string =>
  `p${SPACE}${/^[<>]/.test(pText(value)) ? '' : `=${SPACE}`}${pText(value)}`

/** " χ² = 11.1, df = 2, p = 0.004." of a result with a test of no difference. */
export function testText({ chisq, df, p }: Readonly<Record<string, unknown>>): string {
  if (![chisq, df, p].every((one) => typeof one === 'number' && Number.isFinite(one))) return ''
  const of = (value: unknown): string => shortNumber(value as number)
  return ` Test of no difference: χ²${SPACE}=${SPACE}${of(chisq)}, df${SPACE}=${SPACE}${of(df)}, ${pSaid(p as number)}.`
}

/** "age at least 18" */
export const conditionText = ({ column, operator, values }: Condition): string =>
  [column, operator.replaceAll('-', ' '), values.join(', ')].join(' ').trim()
