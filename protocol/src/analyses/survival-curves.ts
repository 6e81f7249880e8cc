/**
 * Kaplan-Meier curves, medians, restricted means and the log-rank test from counts over intervals, for `present` only.
 * Kaplan and Meier (1958), Greenwood (1926), Mantel (1966); the median's interval by Brookmeyer and Crowley (1982). Equal to
 * R's survfit and survdiff on times rounded up to the ends of the intervals. Undefined numbers are null.
 */
import { inverse } from './algebra.js'
import { chiSquareTail, Z_975 } from './distributions.js'

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

export interface LogRank {
  readonly observed: readonly number[]
  readonly expected: readonly number[]
  readonly chisq: number | null
  readonly df: number
  readonly p: number | null
}

/** Of groups over the same intervals. Groups that nothing is expected of are left out of the test. */
export function logRank(groups: readonly Followed[]): LogRank {
  const risks = groups.map(({ events, censored }) => total(events) + total(censored))
  const expected = groups.map(() => 0)
  const variance = groups.map(() => groups.map(() => 0))
  const intervals = groups[0]?.events.length ?? 0
  for (let at = 0; at < intervals; at++) {
    const risk = total(risks)
    const events = total(groups.map((group) => group.events[at] as number))
    const spread = risk > 1 ? (events * (risk - events)) / (risk - 1) : 0
    const shares = risks.map((own) => (risk > 0 ? own / risk : 0))
    for (const [i, share] of shares.entries()) {
      expected[i] = (expected[i] as number) + events * share
      const row = variance[i] as number[]
      shares.forEach((other, j) => {
        row[j] = (row[j] as number) + spread * share * ((i === j ? 1 : 0) - other)
      })
    }
    groups.forEach((group, i) => {
      risks[i] = (risks[i] as number) - (group.events[at] as number) - (group.censored[at] as number)
    })
  }
  const observed = groups.map((group) => total(group.events))
  // one of the differences follows from the others
  const tested = groups
    .map((_, i) => i)
    .filter((i) => (expected[i] as number) > 0)
    .slice(1)
  const excess = tested.map((i) => (observed[i] as number) - (expected[i] as number))
  const inverted =
    tested.length === 0 ? undefined : inverse(tested.map((i) => tested.map((j) => variance[i]?.[j] as number)))
  if (inverted === undefined) return { observed, expected, chisq: null, df: tested.length, p: null }
  const chisq = total(
    inverted.map((row, i) => total(row.map((value, j) => value * (excess[i] as number) * (excess[j] as number)))),
  )
  return { observed, expected, chisq, df: tested.length, p: chiSquareTail(chisq, tested.length) }
}
