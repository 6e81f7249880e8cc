/** From numbers to pixels: linear and logarithmic scales with ticks at round values of their unit. */
import { axisUnit, decimals, format, type Unit } from './numbers.js'

export interface Tick {
  readonly value: number
  readonly label: string
}

export interface Scale {
  readonly at: (value: number) => number
  readonly ticks: readonly Tick[]
  /** what all tick labels are given in; empty if each says it itself */
  readonly unit: string
  readonly logarithmic: boolean
}

/** In seconds, minutes and hours, people count by 15 and 30 as well. */
const SIXTIES = [1, 2, 5, 10, 15, 30, 60]

function niceStep(rough: number, sixties: boolean): number {
  const base = 10 ** Math.floor(Math.log10(rough))
  const sixty = sixties && rough > 1 ? SIXTIES.find((step) => step >= rough) : undefined
  return sixty ?? [1, 2, 5, 10].map((factor) => factor * base).find((step) => step >= rough * 0.999) ?? rough
}

/** From `from` to at least `largest`, with at most about `most` ticks. */
export function linearScale(
  unit: Unit,
  largest: number,
  [left, right]: readonly [number, number],
  most = 6,
  { tight = false }: { readonly tight?: boolean } = {},
): Scale {
  const top = largest > 0 ? largest : 1
  const { size, name } = axisUnit(unit, top)
  const rough = top / size / most
  const whole = unit === 'count'
  const step = Math.max(whole ? 1 : 0, niceStep(rough, name === 's' || name === 'min')) * size
  const last = tight ? Math.floor(top / step + 1e-9) : Math.ceil(top / step - 1e-9)
  const end = tight ? top : last * step
  const places = Math.max(0, -Math.floor(Math.log10(step / size) + 1e-9))
  const ticks = Array.from({ length: last + 1 }, (_, at) => ({
    value: at * step,
    label: decimals((at * step) / size, places),
  }))
  return { at: (value) => left + ((right - left) * value) / end, ticks, unit: name, logarithmic: false }
}

/** Between the powers of ten, or 1-2-5, around what is shown; every label says its unit. */
export function logScale(
  unit: Unit,
  least: number,
  largest: number,
  [left, right]: readonly [number, number],
  most = 7,
): Scale {
  const ends = roundedOut(least, largest)
  const low = Math.log10(ends.low)
  const high = Math.log10(ends.high)
  const candidates = [[1, 2, 5], [1, 3], [1]].map((factors) => between(ends.low, ends.high, factors))
  const fits = candidates.find((values) => values.length <= most) ?? (candidates.at(-1) as readonly number[])
  const thin = Math.ceil(fits.length / most)
  const ticks = fits.filter((_, at) => at % thin === 0).map((value) => ({ value, label: powerLabel(unit, value) }))
  const at = (value: number): number =>
    left + ((right - left) * (Math.log10(Math.max(value, ends.low)) - low)) / (high - low)
  return { at, ticks, unit: '', logarithmic: true }
}

/** Powers of ten stay powers of ten: long times in seconds, never in minutes. */
function powerLabel(unit: Unit, value: number): string {
  return unit === 'ms' && value > 1000 ? `${decimals(value / 1000, 0)}\u00a0s` : format(unit, value)
}

function roundedOut(least: number, largest: number): { readonly low: number; readonly high: number } {
  const around = (value: number): readonly number[] => {
    const base = 10 ** Math.floor(Math.log10(value))
    return [1, 2, 5, 10].map((factor) => factor * base)
  }
  const low = around(least).findLast((value) => value <= least * 1.0001) ?? least
  const high = around(largest).find((value) => value >= largest * 0.9999) ?? largest
  return { low, high: high > low ? high : low * 10 }
}

function between(low: number, high: number, factors: readonly number[]): readonly number[] {
  const values: number[] = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const factor of factors) {
      const value = Number(`${factor}e${power}`)
      if (value >= low * 0.9999 && value <= high * 1.0001) values.push(value)
    }
  }
  return values
}

/** A logarithmic axis where the bulk of the values spans more than a decade and a half, else a linear one from 0. */
export function suitableScale(
  unit: Unit,
  span: { readonly low: number; readonly high: number },
  range: readonly [number, number],
  most: number,
): Scale {
  return span.low > 0 && span.high / span.low > 30
    ? logScale(unit, span.low, span.high, range, most)
    : linearScale(unit, span.high, range, most)
}
