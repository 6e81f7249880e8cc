/** Counts in bins of a column, of everyone or group by group; what is withheld is marked as such and has no height. */
import { type Drawing, type Frame, horizontalAxis, isNarrow, verticalAxis } from '@flamesh/protocol/report/figure.js'
import { formatCount, plural } from '@flamesh/protocol/report/numbers.js'
import { linearScale, type Scale, valueScale } from '@flamesh/protocol/report/scale.js'
import { bar, line, tag, text } from '@flamesh/protocol/report/svg.js'
import { shortNumber } from '../text.js'
import { columnOf, type Numbers, numbersOf, type Shape, textsOf } from './picture.js'

interface Panel {
  readonly name: string
  /** below the first break, by bin, above the last; null: withheld */
  readonly counts: Numbers
}

/** Panels that fit a page. */
const MOST_PANELS = 6

export const histogram: Shape = (result) => {
  const breaks = numbersOf(result, 'breaks')
  if (breaks === undefined || breaks.length < 2 || breaks.includes(null)) return []
  const edges = breaks as readonly number[]
  const panels = panelsOf(result, edges.length + 1)
  if (panels.length === 0) return []
  const column = columnOf(result['column']) ?? 'value'
  const all = panels.flatMap(({ counts }) => counts)
  const hidden = all.filter((count) => count === null).length
  const n = typeof result['n'] === 'number' ? `${plural(result['n'], 'value')} of ${column}. ` : ''
  const equal = isEqual(edges)
  return [
    {
      id: 'histogram',
      title: `Distribution of ${column}`,
      finding: `${n}${peakOf(panels, edges)}${hidden === 0 ? '' : ` ${plural(hidden, 'count is', 'counts are')} withheld.`}`,
      legend: `${equal ? 'Counts' : 'Counts for each unit of the column'} by bin; a bin holds its lower end.${outside(panels)}${hidden === 0 ? '' : ' Dashed frames are bins whose count is withheld: it is small, or would give a small one away. They have no height.'}`,
      draw: (width) => draw(panels, edges, column, width),
    },
  ]
}

function panelsOf(result: Parameters<Shape>[0], bins: number): readonly Panel[] {
  const counts = numbersOf(result, 'counts', bins)
  if (counts !== undefined) return [{ name: '', counts }]
  const groups = textsOf(result, 'cols') ?? []
  const cells = numbersOf(result, 'counts_by_row', bins * groups.length)
  const by = columnOf(result['by'])
  if (cells !== undefined && groups.length > 0 && groups.length <= MOST_PANELS) {
    return groups.map((group, g) => ({
      name: by === undefined ? group : `${by} ${group}`,
      counts: Array.from({ length: bins }, (_, bin) => cells[bin * groups.length + g] ?? null),
    }))
  }
  const totals = numbersOf(result, 'row_totals', bins)
  return totals === undefined ? [] : [{ name: '', counts: totals }]
}

const isEqual = (edges: readonly number[]): boolean => {
  const widths = edges.slice(1).map((edge, i) => edge - (edges[i] as number))
  return widths.every((width) => Math.abs(width - (widths[0] as number)) < 1e-9 * Math.abs(width))
}

function peakOf(panels: readonly Panel[], edges: readonly number[]): string {
  const said = panels.map(({ name, counts }) => {
    const inner = counts.slice(1, -1).map((count) => count ?? 0)
    const at = inner.indexOf(Math.max(...inner))
    return `${name === '' ? '' : `of ${name} `}from ${shortNumber(edges[at] as number)} to ${shortNumber(edges[at + 1] as number)} (${formatCount(inner[at] as number)})`
  })
  return `The fullest ${said.length === 1 ? 'bin goes' : 'bins go'} ${said.join(', ')}.`
}

function outside(panels: readonly Panel[]): string {
  const ends = panels.flatMap(({ counts }) => [counts[0], counts.at(-1)])
  return ends.every((count) => count === 0) ? '' : ' The bars apart at the ends hold everything below and above.'
}

function draw(panels: readonly Panel[], edges: readonly number[], column: string, width: number): Drawing {
  const narrow = isNarrow(width)
  const height = panels.length === 1 ? (narrow ? 200 : 260) : 120
  const equal = isEqual(edges)
  const [first, last] = [edges[0] as number, edges.at(-1) as number]
  const apart = panels.some(({ counts }) => counts[0] !== 0 || counts.at(-1) !== 0)
  const gap = apart ? (narrow ? 34 : 48) : 0
  const valueAt = (counts: Numbers, bin: number): number => {
    const size = (edges[bin] as number) - (edges[bin - 1] as number)
    return (counts[bin] ?? 0) / (equal ? 1 : size)
  }
  const most = Math.max(
    1e-9,
    ...panels.flatMap(({ counts }) => edges.slice(1).map((_, i) => valueAt(counts, i + 1))),
    ...(equal ? panels.flatMap(({ counts }) => [counts[0] ?? 0, counts.at(-1) ?? 0]) : []),
  )
  const parts: string[] = []
  let top = 34
  for (const panel of panels) {
    const frame: Frame = { left: 48 + gap, right: width - 10 - gap, top, bottom: top + height }
    const x = valueScale(first, last, [frame.left, frame.right], narrow ? 5 : 8, { tight: true })
    const y = equal
      ? linearScale('count', most, [frame.bottom, frame.top], 4)
      : valueScale(0, most, [frame.bottom, frame.top], 4)
    const unit = equal ? 'rows' : `rows per unit of ${column}`
    const title = panel.name === '' ? unit : `${panel.name}, ${unit}`
    const isLast = panel === panels.at(-1)
    const wide: Frame = { ...frame, left: 48, right: width - 10 }
    parts.push(
      verticalAxis(y, wide, title),
      ...bars(panel, edges, { x, y, frame, gap, named: isLast, valueAt: (bin) => valueAt(panel.counts, bin) }),
    )
    if (isLast) parts.push(horizontalAxis(x, { ...frame, top: frame.bottom }, column))
    parts.push(line(48, frame.bottom, width - 10, frame.bottom, 'axis'))
    top = frame.bottom + (isLast ? 42 : 44)
  }
  return { height: top, content: parts.join('') }
}

interface Place {
  readonly x: Scale
  readonly y: Scale
  readonly frame: Frame
  readonly gap: number
  /** whether the bars apart are named */
  readonly named: boolean
  readonly valueAt: (bin: number) => number
}

function bars(
  { counts }: Panel,
  edges: readonly number[],
  { x, y, frame, gap, named, valueAt }: Place,
): readonly string[] {
  const inner = edges.slice(1).map((edge, i) => {
    const from = edges[i] as number
    const says = `${shortNumber(from)} to ${shortNumber(edge)}: ${counts[i + 1] === null ? 'withheld' : formatCount(counts[i + 1] as number)}`
    return one(x.at(from) + 0.75, x.at(edge) - 0.75, counts[i + 1] ?? null, y.at(valueAt(i + 1)), frame, says)
  })
  if (gap === 0) return inner
  const outer = [
    { at: 48, count: counts[0] ?? null, name: `< ${shortNumber(edges[0] as number)}` },
    { at: frame.right + 10, count: counts.at(-1) ?? null, name: `> ${shortNumber(edges.at(-1) as number)}` },
  ].map(({ at, count, name }) => {
    const size = gap - 10
    const drawn = one(
      at,
      at + size,
      count,
      frame.bottom - Math.max(0, Math.min(frame.bottom - frame.top, frame.bottom - y.at(count ?? 0))),
      frame,
      `${name}: ${count === null ? 'withheld' : formatCount(count)}`,
    )
    return named ? drawn + text(at + size / 2, frame.bottom + 17, name, 'tick', 'middle') : drawn
  })
  return [...outer, ...inner]
}

function one(from: number, to: number, count: number | null, height: number, frame: Frame, says: string): string {
  const width = Math.max(0.5, to - from)
  if (count === null) {
    const middle = from + width / 2
    const cross =
      line(middle - 4, frame.bottom - 12, middle + 4, frame.bottom - 4, 'line soft') +
      line(middle + 4, frame.bottom - 12, middle - 4, frame.bottom - 4, 'line soft')
    return tag('g', {}, bar(from, frame.top, width, frame.bottom - frame.top, 'withheld', says) + cross)
  }
  return bar(from, height, width, frame.bottom - height, 'bar-fill c0', says)
}
