/** Columns one below the other, each on an axis of its own: means by group with their intervals, and box plots of quantiles. */
import { tQuantile } from '@flamesh/protocol/analyses/distributions.js'
import { type Drawing, type Frame, horizontalAxis, isNarrow } from '@flamesh/protocol/report/figure.js'
import { type Scale, valueScale } from '@flamesh/protocol/report/scale.js'
import { bar, line, text } from '@flamesh/protocol/report/svg.js'
import { alike, pSaid, shortNumber } from '../text.js'
import { type Fields, isFields } from '../values.js'
import { intervals, isDrawable, type Row } from './intervals.js'
import { columnOf, label, listed, named, numberOf, type Shape } from './picture.js'

/** Columns that a picture shows. */
const MOST_COLUMNS = 16

interface Panel {
  readonly title: string
  readonly rows: readonly Row[]
}

export const means: Shape = (result) => {
  const { describe } = result
  if (!isFields(describe)) return []
  const by = columnOf(result['by']) ?? 'group'
  const panels = Object.entries(describe).flatMap(([column, own]): Panel[] => {
    const groups = isFields(own) && isFields(own['by']) ? Object.entries(own['by']) : []
    if (!isFields(own) || groups.length === 0) return []
    const rows = groups.map(([level, group]) => meanRow(`${by} ${level}`, isFields(group) ? group : {}))
    return [{ title: column, rows: [{ ...meanRow('everyone', own), series: 5 }, ...rows] }]
  })
  const axis = { title: '', logarithmic: false }
  const drawn = panels.filter(({ rows }) => rows.slice(1).some((row) => isDrawable(row, axis))).slice(0, MOST_COLUMNS)
  if (drawn.length === 0) return []
  return [
    {
      id: 'means',
      title: `Means by ${by}`,
      finding: meansFinding(drawn, result['tests']),
      legend:
        'Means with 95 % intervals by Student’s t from mean, standard deviation and n; each column has its own axis.',
      draw: (width) => drawMeans(drawn, width),
    },
  ]
}

function meanRow(name: string, { n, mean, sd }: Fields): Row {
  const [count, estimate, spread] = [numberOf(n), numberOf(mean), numberOf(sd)]
  if (estimate === null) return { label: name, estimate, low: null, high: null, said: 'withheld' }
  if (count === null || spread === null || count < 2) return { label: name, estimate, low: null, high: null }
  const reach = (tQuantile(0.975, count - 1) * spread) / Math.sqrt(count)
  return { label: name, estimate, low: estimate - reach, high: estimate + reach }
}

function meansFinding(panels: readonly Panel[], tests: unknown): string {
  const said = panels.map(({ title, rows }) => {
    const known = rows.slice(1).filter(({ estimate }) => estimate !== null)
    const values = alike(known.map(({ estimate }) => estimate as number))
    const parts = known.map(({ label: name }, i) => `${named(name)} ${values[i]}`)
    const own = isFields(tests) && isFields(tests[title]) ? tests[title] : {}
    const test = [own['welch'], own['welch_anova'], own['anova']].find(isFields)
    const p = test === undefined ? null : numberOf(test['p'])
    return `${title}: ${parts.length > 3 ? extremes(rows.slice(1)) : parts.join(', ')}${p === null ? '' : ` (${own['welch'] === test ? 'Welch’s t-test' : 'analysis of variance'}, ${pSaid(p)})`}`
  })
  return `Means of ${listed(said, 3)}.`
}

function extremes(rows: readonly Row[]): string {
  const known = rows.flatMap(({ label: name, estimate }) => (estimate === null ? [] : [{ name, estimate }]))
  const ordered = known.sort((a, b) => a.estimate - b.estimate)
  const says = (one: (typeof known)[number] | undefined): string =>
    one === undefined ? '–' : `${shortNumber(one.estimate)} (${one.name})`
  return `from ${says(ordered[0])} to ${says(ordered.at(-1))}`
}

function drawMeans(panels: readonly Panel[], width: number): Drawing {
  const parts: string[] = []
  let top = 0
  for (const { title, rows } of panels) {
    parts.push(label(0, top + 12, title, width / 2, 'head'))
    const drawn = intervals(
      rows,
      { title: `mean of ${title}`, logarithmic: false },
      { numbers: 'mean (95 % interval)', alike: true },
      width,
      top,
    )
    parts.push(drawn.content)
    top = drawn.height + 14
  }
  return { height: top - 14, content: parts.join('') }
}

interface Quantile {
  readonly p: number
  /** the quantile, or from where to where it lies */
  readonly low: number
  readonly high: number
}

interface Box {
  readonly column: string
  readonly quantiles: readonly Quantile[]
}

export const boxes: Shape = (result) => {
  const found = isFields(result['quantiles']) ? Object.entries(result['quantiles']) : []
  const drawn = found
    .flatMap(([column, own]): Box[] => {
      const list = isFields(own)
        ? Object.entries(own)
            .flatMap(quantileOf)
            .sort((a, b) => a.p - b.p)
        : []
      return list.length > 0 && isFields(own) ? [{ column, quantiles: list }] : []
    })
    .slice(0, MOST_COLUMNS)
  if (drawn.length === 0) return []
  const said = drawn.map(({ column, quantiles }) => {
    const at = (p: number): string | undefined => {
      const one = quantiles.find((own) => own.p === p)
      return (
        one && (one.low === one.high ? shortNumber(one.low) : `${shortNumber(one.low)} to ${shortNumber(one.high)}`)
      )
    }
    const [low, median, high] = [0.25, 0.5, 0.75].map(at)
    if (median === undefined) return column
    return `${column} ${median}${low === undefined || high === undefined ? '' : ` (quartiles ${low} and ${high})`}`
  })
  const [least, largest] = [
    Math.min(...drawn.flatMap(({ quantiles }) => quantiles.map(({ p }) => p))),
    Math.max(...drawn.flatMap(({ quantiles }) => quantiles.map(({ p }) => p))),
  ]
  return [
    {
      id: 'quantiles',
      title: 'Quantiles',
      finding: `Medians: ${listed(said)}.`,
      legend: `Boxes from the lower to the upper quartile with the median, whiskers to the lowest and highest quantile that was asked for (${least} and ${largest}): extremes are never known. Pale bands are quantiles that are only known to lie within. Each column has its own axis.`,
      draw: (width) => drawBoxes(drawn, width),
    },
  ]
}

function quantileOf([p, own]: readonly [string, unknown]): readonly Quantile[] {
  if (!isFields(own) || !(Number(p) > 0 && Number(p) < 1)) return []
  const [value, lower, upper] = ['value', 'lower', 'upper'].map((key) => numberOf(own[key])) as [
    number | null,
    number | null,
    number | null,
  ]
  if (value !== null) return [{ p: Number(p), low: value, high: value }]
  return lower === null || upper === null ? [] : [{ p: Number(p), low: lower, high: upper }]
}

function drawBoxes(list: readonly Box[], width: number): Drawing {
  const parts: string[] = []
  let top = 0
  for (const { column, quantiles } of list) {
    const frame: Frame = { left: 8, right: width - 10, top: top + 24, bottom: top + 76 }
    const [low, high] = [Math.min(...quantiles.map((one) => one.low)), Math.max(...quantiles.map((one) => one.high))]
    const pad = (high - low) * 0.03
    const x = valueScale(
      low - pad < 0 && low >= 0 ? 0 : low - pad,
      high + pad,
      [frame.left, frame.right],
      isNarrow(width) ? 5 : 8,
    )
    parts.push(
      label(0, top + 12, column, width, 'head'),
      horizontalAxis(x, frame, ''),
      box(quantiles, x, (frame.top + frame.bottom) / 2),
    )
    top = frame.bottom + 34
  }
  return { height: top, content: parts.join('') }
}

function box(quantiles: readonly Quantile[], x: Scale, y: number): string {
  const centre = ({ low, high }: Quantile): number => x.at((low + high) / 2)
  const at = (p: number): Quantile | undefined => quantiles.find((one) => one.p === p)
  const [first, last] = [quantiles[0] as Quantile, quantiles.at(-1) as Quantile]
  const [q1, median, q3] = [at(0.25), at(0.5), at(0.75)]
  const parts: string[] = []
  for (const one of quantiles) {
    if (one.high > one.low)
      parts.push(
        bar(
          x.at(one.low),
          y - 18,
          Math.max(1, x.at(one.high) - x.at(one.low)),
          36,
          'bar-fill faint c6',
          `${one.p}: ${shortNumber(one.low)} to ${shortNumber(one.high)}`,
        ),
      )
  }
  parts.push(line(centre(first), y, centre(last), y, 'line c0'))
  for (const one of quantiles) {
    const inBox = q1 !== undefined && q3 !== undefined && one.p > 0.25 && one.p < 0.75
    if (!inBox) parts.push(line(centre(one), y - 7, centre(one), y + 7, 'line c0'))
  }
  if (q1 !== undefined && q3 !== undefined)
    parts.push(
      bar(
        centre(q1),
        y - 14,
        Math.max(1, centre(q3) - centre(q1)),
        28,
        'box c0',
        `quartiles ${shortNumber(q1.low)} and ${shortNumber(q3.low)}`,
      ),
    )
  if (median !== undefined)
    parts.push(
      line(centre(median), y - 14, centre(median), y + 14, 'median'),
      text(centre(median), y - 18, shortNumber(median.low), 'halo', 'middle'),
    )
  return parts.join('')
}
