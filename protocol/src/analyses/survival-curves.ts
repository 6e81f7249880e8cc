/**
 * Kaplan-Meier curves, medians and restricted means from counts over intervals, for `present` only. Kaplan and Meier (1958),
 * Greenwood (1926); the median's interval by Brookmeyer and Crowley (1982). Equal to R's survfit on times rounded up to the ends
 * of the intervals. Undefined numbers are null.
 */
import { Z_975 } from './distributions.js'

/** Of one group, by interval; everyone leaves at last, by an event or censored. */
export interface Followed {
  readonly events: readonly number[]
  readonly censored: readonly number[]
}

/** One group at the end of one interval in which somebody was at risk. */
export interface Point {
  readonly time: number
  readonly risk: number
  readonly events: number
  readonly censored: number
  readonly surv: number
  /** Greenwood's */
  readonly se: number | null
  /** 95 %, on the scale of log(−log S) */
  readonly lower: number | null
  readonly upper: number | null
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)

/** What one interval adds to the variance of log S. */
const greenwood = ({ risk, events }: Pick<Point, 'risk' | 'events'>): number => events / (risk * (risk - events))

export function kaplanMeier({ events, censored }: Followed, times: readonly number[]): readonly Point[] {
  const points: Point[] = []
  let risk = total(events) + total(censored)
  let surv = 1
  let variance = 0
  times.forEach((time, at) => {
    if (risk === 0) return
    const [died, lost] = [events[at] as number, censored[at] as number]
    surv *= (risk - died) / risk
    if (surv > 0) variance += greenwood({ risk, events: died })
    const inside = surv > 0 && surv < 1
    const reach = inside ? (Z_975 * Math.sqrt(variance)) / Math.log(surv) : 0
    const bound = (shift: number): number | null =>
      inside ? Math.exp(-Math.exp(Math.log(-Math.log(surv)) + shift)) : null
    const se = surv > 0 ? surv * Math.sqrt(variance) : null
    points.push({ time, risk, events: died, censored: lost, surv, se, lower: bound(-reach), upper: bound(reach) })
    risk -= died + lost
  })
  return points
}

/** R's: curves that differ from a half by less are at it. */
const AT_HALF = Math.sqrt(Number.EPSILON)

/** When a curve falls to a half; where it lies on a half for a while, the middle of that; null if it never does. */
function halfTime(points: readonly Point[], curve: (point: Point) => number | null): number | null {
  const below = points.flatMap((point) => {
    const value = curve(point)
    return value !== null && value < 0.5 + AT_HALF ? [{ time: point.time, value }] : []
  })
  const [first] = below
  if (first === undefined) return null
  const next = Math.abs(first.value - 0.5) < AT_HALF ? below.find(({ value }) => value < first.value) : undefined
  return next === undefined ? first.time : (first.time + next.time) / 2
}

export interface Median {
  readonly median: number | null
  readonly lower: number | null
  readonly upper: number | null
}

export const median = (points: readonly Point[]): Median => ({
  median: halfTime(points, ({ surv }) => surv),
  lower: halfTime(points, ({ lower }) => lower),
  upper: halfTime(points, ({ upper }) => upper),
})

export interface RestrictedMean {
  readonly rmst: number
  readonly se: number
}

/** The area under the curve up to the horizon; undefined if the curve ends before it above 0. */
export function restrictedMean(points: readonly Point[], horizon: number): RestrictedMean | undefined {
  const last = points.at(-1)
  if (last === undefined || (last.time < horizon && last.surv > 0)) return undefined
  const inside = points.filter(({ time }) => time <= horizon)
  let variance = 0
  let after = 0
  let until = horizon
  for (const point of inside.toReversed()) {
    after += point.surv * (until - point.time)
    until = point.time
    if (point.risk > point.events) variance += after * after * greenwood(point)
  }
  return { rmst: until + after, se: Math.sqrt(variance) }
}
