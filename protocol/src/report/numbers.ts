/** Numbers as people read them: three significant digits, a unit, a thousands separator; the same in every locale. */

/** Keeps a number and its unit on one line. */
const SPACE = '\u00a0'

export type Unit = 'ms' | 'bytes' | 'count' | 'share' | 'ratio'

interface Step {
  readonly from: number
  readonly size: number
  readonly name: string
}

const TIMES: readonly Step[] = [
  { from: 0, size: 1, name: 'ms' },
  { from: 1000, size: 1000, name: 's' },
  { from: 120_000, size: 60_000, name: 'min' },
  { from: 2 * 3_600_000, size: 3_600_000, name: 'h' },
  { from: 48 * 3_600_000, size: 24 * 3_600_000, name: 'd' },
]

const SIZES: readonly Step[] = [
  { from: 0, size: 1, name: 'B' },
  { from: 1e3, size: 1e3, name: 'kB' },
  { from: 1e6, size: 1e6, name: 'MB' },
  { from: 1e9, size: 1e9, name: 'GB' },
  { from: 1e12, size: 1e12, name: 'TB' },
]

function stepFor(steps: readonly Step[], value: number): Step {
  return steps.findLast(({ from }) => value >= from) ?? (steps[0] as Step)
}

function grouped(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, ',')
}

/** At most so many digits after the point, no zeros at the end. */
export function decimals(value: number, most: number): string {
  const [whole = '0', rest = ''] = value.toFixed(most).split('.')
  const fraction = rest.replace(/0+$/, '')
  return fraction === '' ? grouped(whole) : `${grouped(whole)}.${fraction}`
}

/** Three significant digits, but never fewer than the whole number has. */
export function significant(value: number): string {
  if (value === 0) return '0'
  const magnitude = Math.floor(Math.log10(Math.abs(value)))
  return decimals(value, Math.min(6, Math.max(0, 2 - magnitude)))
}

export function formatMs(value: number): string {
  const step = stepFor(TIMES, value)
  return `${significant(value / step.size)}${SPACE}${step.name}`
}

export function formatBytes(value: number): string {
  const step = stepFor(SIZES, value)
  return `${step.size === 1 ? decimals(value, 0) : significant(value / step.size)}${SPACE}${step.name}`
}

export function formatCount(value: number): string {
  return Number.isInteger(value) ? decimals(value, 0) : significant(value)
}

/** Of a share between 0 and 1. Never rounds to 0 or 100 what is neither. */
export function formatShare(value: number): string {
  const percent = value * 100
  if (percent > 0 && percent < 0.1) return `<${SPACE}0.1${SPACE}%`
  if (percent < 100 && percent > 99.9) return `>${SPACE}99.9${SPACE}%`
  return `${decimals(percent, 1)}${SPACE}%`
}

export function format(unit: Unit, value: number): string {
  switch (unit) {
    case 'ms':
      return formatMs(value)
    case 'bytes':
      return formatBytes(value)
    case 'share':
      return formatShare(value)
    case 'count':
      return formatCount(value)
    case 'ratio':
      return significant(value)
  }
}

/** The unit in which all ticks of an axis are given, judged by its largest value. */
export function axisUnit(unit: Unit, largest: number): { readonly size: number; readonly name: string } {
  switch (unit) {
    case 'ms':
      return stepFor(TIMES, largest)
    case 'bytes':
      return stepFor(SIZES, largest)
    case 'share':
      return { size: 0.01, name: '%' }
    case 'count':
    case 'ratio':
      return { size: 1, name: '' }
  }
}

/** "1 job", "12 jobs". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)}${SPACE}${count === 1 ? one : many}`
}
