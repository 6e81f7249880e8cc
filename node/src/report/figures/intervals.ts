/** Estimates with their intervals, one below the other on one axis: the body of forest plots and of means by group. */
import { type Drawing, horizontalAxis, isNarrow } from '@flamesh/protocol/report/figure.js'
import { ratioScale, type Scale, valueScale } from '@flamesh/protocol/report/scale.js'
import { escaped, line, mark, path, tag, text, textWidth } from '@flamesh/protocol/report/svg.js'
import { placesOf, pText, withInterval } from '../text.js'
import { label, type Numbers } from './picture.js'

export interface Row {
  readonly label: string
  /** where the label alone does not say it all */
  readonly full?: string
  readonly indented?: boolean
  /** null: nothing to draw, a heading or a withheld value */
  readonly estimate: number | null
  readonly low: number | null
  readonly high: number | null
  readonly p?: number | null
  /** in the place of the numbers */
  readonly said?: string
  readonly pooled?: boolean
  /** colour and mark */
  readonly series?: number
}

export interface Axis {
  readonly title: string
  readonly logarithmic: boolean
  /** where there is no effect; undefined: the axis need not hold any such point */
  readonly none?: number
}

export interface Columns {
  /** over the numbers; empty: no numbers are written */
  readonly numbers: string
  /** all in one unit: as many digits after the point in each */
  readonly alike?: boolean
}

/** How far beyond the estimates an interval is drawn: of ratios by this factor. */
const FARTHEST_RATIO = 12

/** From where to where the axis goes: all intervals, but for ends that would make the others unreadable. */
function extent(rows: readonly Row[], { logarithmic, none }: Axis): readonly [low: number, high: number] {
  const known = (values: Numbers): number[] =>
    values.filter((value): value is number => value !== null && (!logarithmic || value > 0))
  const points = known([...rows.map(({ estimate }) => estimate), none ?? null])
  const ends = known(rows.flatMap(({ low, high }) => [low, high]))
  const [least, largest] = [Math.min(...points), Math.max(...points)]
  const low = Math.min(...points, ...ends)
  const high = Math.max(...points, ...ends)
  if (logarithmic) return [Math.max(low, least / FARTHEST_RATIO), Math.min(high, largest * FARTHEST_RATIO)]
  const widths = known(rows.map((row) => (row.low === null || row.high === null ? null : row.high - row.low)))
  const reach = 3 * Math.max(largest - least, widths.sort((a, b) => a - b)[widths.length >> 1] ?? 0)
  return [Math.max(low, least - reach), Math.min(high, largest + reach)]
}

function scaleOf(rows: readonly Row[], axis: Axis, range: readonly [number, number], most: number): Scale {
  const [low, high] = extent(rows, axis)
  return axis.logarithmic ? ratioScale(low, high, range, most) : valueScale(low, high, range, most)
}

/** Marks by series: a square first. */
const MARKS = [1, 0, 2, 3, 4, 5]

export const isDrawable = ({ estimate }: Row, { logarithmic }: Axis): boolean =>
  estimate !== null && (!logarithmic || estimate > 0)

/** Rows from `top` on; at least one of them has something to draw. */
export function intervals(
  rows: readonly Row[],
  axis: Axis,
  { numbers, alike = false }: Columns,
  width: number,
  top: number,
): Drawing {
  const narrow = isNarrow(width)
  // 99.6 beside 101 is 100
  const places = Math.max(
    ...rows.map(({ estimate, low, high }) => placesOf([estimate === null ? null : 1.25 * estimate, low, high])),
  )
  const said = rows.map(
    (row) =>
      row.said ??
      (row.estimate === null ? '' : withInterval(row.estimate, row.low, row.high, alike ? places : undefined)),
  )
  const ps = rows.map(({ p }) => (typeof p === 'number' ? pText(p) : ''))
  const wide = (texts: readonly string[]): number => Math.max(0, ...texts.map((one) => textWidth(one)))
  const names = Math.min(width * 0.34, wide(rows.map((row) => row.label)) + (rows.some((row) => row.indented) ? 14 : 0))
  const pWidth = ps.some((one) => one !== '') ? wide([...ps, 'p']) + 16 : 0
  const saidWidth = numbers === '' ? 0 : wide([...said, numbers]) + 16
  const heights = rows.map((row) => (!narrow ? 24 : isDrawable(row, axis) ? 42 : 22))
  const tops = heights.map((_, i) => heights.slice(0, i).reduce((sum, one) => sum + one, 0))
  const total = heights.reduce((sum, one) => sum + one, 0)
  const head = numbers === '' ? 0 : 22
  const right = narrow ? width - 6 : width - saidWidth - pWidth - 6
  const frame = { left: narrow ? 6 : names + 16, right, top: top + head, bottom: top + head + total + 4 }
  const scale = scaleOf(
    rows.filter((row) => isDrawable(row, axis)),
    axis,
    [frame.left, frame.right],
    narrow ? 5 : 6,
  )
  const at = (value: number): number => Math.max(frame.left, Math.min(frame.right, scale.at(value)))
  const body = rows.map((row, i) => {
    const y = frame.top + (tops[i] as number) + (narrow ? 30 : 14)
    const textY = narrow ? y - 13 : y + 4
    const indent = row.indented ? 14 : 0
    const room = narrow ? width - saidWidth - pWidth - indent : names - indent
    const drawn = isDrawable(row, axis) ? interval(row, y, at, frame) : ''
    const values = numbers === '' ? '' : text(width - pWidth, textY, said[i] as string, 'value halo', 'end')
    const tip = tag('title', {}, escaped(`${row.full ?? row.label}: ${said[i]}${ps[i] === '' ? '' : `, p ${ps[i]}`}`))
    return tag(
      'g',
      {},
      tip +
        label(indent, textY, row.label, room, 'label halo') +
        drawn +
        values +
        text(width, textY, ps[i] as string, 'value halo', 'end'),
    )
  })
  const heads =
    numbers === ''
      ? ''
      : text(width - pWidth, top + 10, numbers, 'name', 'end') +
        (pWidth > 0 ? text(width, top + 10, 'p', 'name', 'end') : '')
  const zero = axis.none === undefined ? '' : line(at(axis.none), frame.top, at(axis.none), frame.bottom, 'none')
  const content = heads + horizontalAxis(scale, frame, axis.title) + zero + body.join('')
  return { height: frame.bottom + 42, content }
}

function interval(
  row: Row,
  y: number,
  at: (value: number) => number,
  { left, right }: { left: number; right: number },
): string {
  const series = row.series ?? 0
  const x = at(row.estimate as number)
  const parts: string[] = []
  if (row.low !== null && row.high !== null) {
    const [from, to] = [at(row.low), at(row.high)]
    if (row.pooled)
      return path(
        [
          [from, y],
          [x, y - 7],
          [to, y],
          [x, y + 7],
        ],
        `dot c${series}`,
        true,
      )
    parts.push(line(from, y, to, y, `line c${series}`))
    const ends = [
      { x: from, cut: from <= left, inwards: 6 },
      { x: to, cut: to >= right, inwards: -6 },
    ]
    for (const end of ends) {
      if (end.cut)
        parts.push(
          path(
            [
              [end.x, y],
              [end.x + end.inwards, y - 4],
              [end.x + end.inwards, y + 4],
            ],
            `dot c${series}`,
            true,
          ),
        )
      else parts.push(line(end.x, y - 4, end.x, y + 4, `line c${series}`))
    }
  }
  parts.push(
    row.said === undefined
      ? mark(MARKS[series % 6] as number, x, y, `dot ring c${series}`)
      : mark(0, x, y, `hollow c${series}`, 3.5),
  )
  return parts.join('')
}
