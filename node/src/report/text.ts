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
  return size < 1e-4 ? Number.POSITIVE_INFINITY : 2 - Math.floor(Math.log10(size))
}

function withPlaces(value: number, places: number): string {
  if (!Number.isFinite(places)) return shortNumber(value, 3)
  const text = value.toFixed(places)
  return Number(text) === 0 ? text.replace('-', '') : withMinus(Math.abs(value) >= 1e4 ? decimals(value, places) : text)
}

/** "0.58 (0.41 to 0.80)", with as many digits in the interval as in the estimate. */
export function withInterval(estimate: number | null, low: number | null, high: number | null): string {
  if (estimate === null) return '–'
  if (low === null || high === null) return fixed(estimate)
  const places = placesFor(Math.max(Math.abs(estimate), (high - low) / 20))
  const [middle, from, to] = [estimate, low, high].map((value) => withPlaces(value, places))
  return `${middle} (${from} to ${to})`
}

export function pText(value: number): string {
  if (value < 0.001) return `<${SPACE}0.001`
  if (value > 0.999) return `>${SPACE}0.999`
  return value.toFixed(3)
}

/** "p = 0.047", "p < 0.001" */
export const pSaid = (value: number): string =>
  `p${SPACE}${/^[<>]/.test(pText(value)) ? '' : `=${SPACE}`}${pText(value)}`

/** "age at least 18" */
export const conditionText = ({ column, operator, values }: Condition): string =>
  [column, operator.replaceAll('-', ' '), values.join(', ')].join(' ').trim()
