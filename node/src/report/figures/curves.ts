/** Kaplan-Meier curves with pointwise bands, medians, and the numbers at risk under the axis. */
import {
  type Drawing,
  type Frame,
  horizontalAxis,
  isNarrow,
  legendRows,
  verticalAxis,
} from '@flamesh/protocol/report/figure.js'
import { formatCount } from '@flamesh/protocol/report/numbers.js'
import { linearScale, type Scale, valueScale } from '@flamesh/protocol/report/scale.js'
import { line, type Point, path, steps, text, textWidth } from '@flamesh/protocol/report/svg.js'
import { pSaid, shortNumber } from '../text.js'
import { type Fields, isFields } from '../values.js'
import { columnOf, eventText, label, listed, named, numberOf, numbersOf, type Shape, textsOf } from './picture.js'

interface Step {
  readonly time: number
  readonly risk: number
  readonly surv: number
  readonly lower: number | null
  readonly upper: number | null
}

interface Curve {
  readonly name: string
  readonly steps: readonly Step[]
  readonly median: number | null
  readonly said: string
}

interface Curves {
  readonly curves: readonly Curve[]
  readonly time: string
  readonly event: string
}

/** More bands than these hide each other. */
const MOST_BANDS = 3

export const survival: Shape = (result) => {
  const time = numbersOf(result, 'time')
  const levels = textsOf(result, 'level', time?.length)
  const [surv, risk, lower, upper] = ['surv', 'n_risk', 'lower', 'upper'].map((key) =>
    numbersOf(result, key, time?.length),
  )
  if (!(time && levels && surv && risk && lower && upper) || time.length === 0) return []
  const by = columnOf(result['by'])
  const curves = [...new Set(levels)].map((level): Curve => {
    const own = levels.flatMap((one, i): Step[] =>
      one === level
        ? [
            {
              time: time[i] ?? 0,
              risk: risk[i] ?? 0,
              surv: surv[i] ?? 0,
              lower: lower[i] ?? null,
              upper: upper[i] ?? null,
            },
          ]
        : [],
    )
    return { name: by === undefined ? 'everyone' : `${by} ${level}`, steps: own, ...medianOf(result, level) }
  })
  const what = {
    curves,
    time: typeof result['time_column'] === 'string' ? result['time_column'] : 'time',
    event: eventText(result['event']),
  }
  const test = isFields(result['logrank']) ? numberOf(result['logrank']['p']) : null
  const medians = `Median ${what.time}: ${listed(
    curves.map(({ name, said }) => `${named(name)} ${said}`),
    6,
  )}.`
  return [
    {
      id: 'survival',
      title: 'Kaplan-Meier curves',
      finding: test === null ? medians : `${medians} Log-rank test: ${pSaid(test)}.`,
      legend: `Share without ${what.event}${curves.length <= MOST_BANDS ? ', with pointwise 95 % intervals (log-log)' : ''}. Curves fall at the ends of the released intervals of time, so medians and their limits are such ends too; dotted lines lead to the medians. Below: how many are still at risk after these times.`,
      draw: (width) => draw(what, width),
    },
  ]
}

function medianOf(result: Fields, level: string): Pick<Curve, 'median' | 'said'> {
  const groups = isFields(result['groups']) ? result['groups'][level] : undefined
  const of = (key: string): number | null => (isFields(groups) ? numberOf(groups[key]) : null)
  const [median, low, high] = [of('median'), of('median_lower'), of('median_upper')]
  const bound = (value: number | null): string => (value === null ? 'not reached' : shortNumber(value))
  const interval = low === null && high === null ? '' : ` (95 % interval ${bound(low)} to ${bound(high)})`
  return { median, said: `${bound(median)}${interval}` }
}

const styleOf = (at: number): string => `c${at % 6} dash${Math.floor(at / 6 + at) % 6}`

function draw({ curves, time, event }: Curves, width: number): Drawing {
  const narrow = isNarrow(width)
  const entries = curves.map(({ name }, at) => ({
    label: name,
    sample: (x: number, y: number) => line(x - 13, y, x + 13, y, `curve ${styleOf(at)}`),
  }))
  const legend = curves.length > 1 ? legendRows(entries, width, 0) : { height: 0, content: '' }
  const last = Math.max(...curves.flatMap((curve) => curve.steps.map((step) => step.time)))
  const counts = Math.max(...curves.map(({ steps: [first] }) => textWidth(formatCount(first?.risk ?? 0))))
  const names = narrow ? 0 : Math.min(150, Math.max(...curves.map(({ name }) => textWidth(name))) + 14)
  const top = legend.height + 34
  const frame: Frame = {
    left: Math.max(40, names + counts / 2),
    right: width - 14,
    top,
    bottom: top + (narrow ? 220 : 300),
  }
  const x = valueScale(0, last, [frame.left, frame.right], narrow ? 4 : 7, { tight: true })
  const y = linearScale('share', 1, [frame.bottom, frame.top], 5)
  const bands = curves.length > MOST_BANDS ? [] : curves.map((curve, at) => band(curve, x, y, `c${at % 6}`))
  const lines = curves.map(({ steps: own }, at) =>
    steps(
      [[x.at(0), y.at(1)], ...own.map((step): Point => [x.at(step.time), y.at(step.surv)])],
      `curve ${styleOf(at)}`,
    ),
  )
  const medians = curves.flatMap(({ median }) => (median === null ? [] : [guide(x.at(median), x, y, frame)]))
  const risks = atRisk(curves, x, { ...frame, top: frame.bottom + 52 }, width)
  const content = [
    legend.content,
    verticalAxis(y, frame, `without ${event}`),
    horizontalAxis(x, frame, time),
    ...bands,
    ...medians,
    ...lines,
    risks.content,
  ]
  return { height: frame.bottom + 52 + risks.height, content: content.join('') }
}

function guide(at: number, x: Scale, y: Scale, { bottom }: Frame): string {
  return path(
    [
      [x.at(0), y.at(0.5)],
      [at, y.at(0.5)],
      [at, bottom],
    ],
    'guide',
  )
}

/** A staircase of both bounds; nothing where there is no interval. */
function band({ steps: own }: Curve, x: Scale, y: Scale, style: string): string {
  const upper: Point[] = [[x.at(0), y.at(1)]]
  const lower: Point[] = [[x.at(0), y.at(1)]]
  for (const step of own) {
    const known = step.lower !== null && step.upper !== null
    if (!known && step.surv < 1) break
    for (const [points, bound] of [
      [upper, step.upper ?? 1],
      [lower, step.lower ?? 1],
    ] as const) {
      const before = points.at(-1) as Point
      points.push([x.at(step.time), before[1]], [x.at(step.time), y.at(bound)])
    }
  }
  return path([...upper, ...lower.toReversed()], `area ${style}`, true)
}

/**
 * Below the ends of released intervals whoever has neither had the event nor been lost until then: the risk set of the
 * interval that begins there, which is that of the unrounded times.
 */
function atRisk(curves: readonly Curve[], x: Scale, { left, top }: Frame, width: number): Drawing {
  const narrow = isNarrow(width)
  const above = narrow && curves.length > 1
  const pitch = above ? 34 : 18
  const widest = Math.max(...curves.map(({ steps: [first] }) => textWidth(formatCount(first?.risk ?? 0)))) + 10
  const times = [...new Set([0, ...curves.flatMap((curve) => curve.steps.map(({ time }) => time))])].sort(
    (a, b) => a - b,
  )
  const shown: number[] = []
  for (const time of times.slice(0, -1)) {
    if (shown.length === 0 || x.at(time) - x.at(shown.at(-1) as number) >= widest) shown.push(time)
  }
  const parts = [text(0, top + 4, 'at risk', 'name')]
  curves.forEach(({ name, steps: own }, row) => {
    const y = top + 22 + row * pitch
    if (curves.length > 1) parts.push(label(0, y, name, narrow ? width : left - widest / 2 - 4))
    for (const time of shown) {
      const risk = own.find((step) => step.time > time)?.risk ?? 0
      const says = formatCount(risk)
      const centre = Math.max(textWidth(says) / 2, x.at(time))
      parts.push(text(centre, y + (above ? 16 : 0), says, `value c${row % 6}`, 'middle'))
    }
  })
  const ticks = shown.map((time) => line(x.at(time), top - 8, x.at(time), top - 4, 'axis'))
  return { height: 22 + curves.length * pitch, content: parts.concat(ticks).join('') }
}
