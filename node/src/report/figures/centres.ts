/** Centres of clusters, column by column: on one axis where the columns were scaled, else each on its own. */
import { type Drawing, type Frame, horizontalAxis, isNarrow, legendRows } from '@flamesh/protocol/report/figure.js'
import { formatCount } from '@flamesh/protocol/report/numbers.js'
import { type Scale, valueScale } from '@flamesh/protocol/report/scale.js'
import { escaped, line, mark, tag, text } from '@flamesh/protocol/report/svg.js'
import { shortNumber } from '../text.js'
import { isFields } from '../values.js'
import { label, listed, named, namedMatrix, numbersOf, type Shape, textsOf } from './picture.js'

/** Columns that a picture shows. */
const MOST_COLUMNS = 24
const RADIUS = 9
/** From one row of marks to the next. */
const LANE = 2 * RADIUS + 2

interface Column {
  readonly name: string
  /** by cluster, as drawn and as said */
  readonly values: readonly (number | null)[]
  readonly said: readonly string[]
}

export const centres: Shape = (result) => {
  const names = textsOf(result, 'names')
  const size = numbersOf(result, 'size', names?.length)
  const drawn = namedMatrix(result['centers'])
  if (names === undefined || size === undefined || drawn === undefined) return []
  if (names.some((name, i) => name !== drawn.rows[i])) return []
  const scaled = isFields(result['centers_unscaled'])
  const units = namedMatrix(result['centers_unscaled']) ?? drawn
  const columns = drawn.cols.slice(0, MOST_COLUMNS).map(
    (name, c): Column => ({
      name,
      values: drawn.values.map((row) => row[c] ?? null),
      said: units.values.map((row) => (typeof row[c] === 'number' ? shortNumber(row[c]) : '–')),
    }),
  )
  const clusters = names.map((name, i) => (name === String(i + 1) ? `cluster ${name}` : name))
  const rows = size.map((count) => (count === null ? 'withheld' : `n = ${formatCount(count)}`))
  return [
    {
      id: 'centres',
      title: 'Centres of the clusters',
      finding: `Sizes: ${listed(
        clusters.map((name, i) => `${named(name)}, ${rows[i]}`),
        8,
      )}.`,
      legend: scaled
        ? 'Means of each cluster, in standard deviations of each column from its mean over all rows (the line at 0). The tables have them in the units of the columns.'
        : 'Means of each cluster; each column has an axis of its own, in its units.',
      draw: (width) =>
        draw(
          columns,
          clusters.map((name, i) => `${name} (${rows[i]})`),
          scaled,
          width,
        ),
    },
  ]
}

const numbered = (at: number, x: number, y: number): string =>
  mark(0, x, y, `dot ring c${at % 6}`, RADIUS) + text(x, y + 4, String(at + 1), 'on', 'middle')

/** Marks that would cover each other stand one below the other. */
function lanesOf(places: readonly (number | null)[]): readonly number[] {
  const lanes = new Array<number>(places.length).fill(0)
  const ends: number[] = []
  const order = places.flatMap((x, at) => (x === null ? [] : [{ x, at }])).sort((a, b) => a.x - b.x)
  for (const { x, at } of order) {
    const free = ends.findIndex((end) => x - end >= LANE)
    const lane = free < 0 ? ends.length : free
    lanes[at] = lane
    ends[lane] = x
  }
  return lanes
}

function draw(columns: readonly Column[], clusters: readonly string[], scaled: boolean, width: number): Drawing {
  const legend = legendRows(
    clusters.map((name, at) => ({ label: name, sample: (x: number, y: number) => numbered(at, x, y) })),
    width,
    6,
  )
  const parts = [legend.content]
  const range = [RADIUS + 3, width - RADIUS - 3] as const
  const most = isNarrow(width) ? 5 : 8
  const scaleOf = (shown: readonly Column[]): Scale => {
    const values = shown.flatMap(({ values }) => values.filter((value) => value !== null))
    return valueScale(
      Math.min(...values, ...(scaled ? [0] : [])),
      Math.max(...values, ...(scaled ? [0] : [])),
      range,
      most,
    )
  }
  const frameAt = (top: number, bottom: number): Frame => ({ left: range[0], right: range[1], top, bottom })
  const shared = scaled ? scaleOf(columns) : undefined
  const first = legend.height + 14
  let top = first
  for (const column of columns) {
    const x = shared ?? scaleOf([column])
    const places = column.values.map((value) => (value === null ? null : x.at(value)))
    const lanes = lanesOf(places)
    const bottom = top + 22 + (Math.max(...lanes) + 1) * LANE + 6
    if (shared === undefined) parts.push(horizontalAxis(x, frameAt(top + 18, bottom), ''))
    parts.push(label(0, top + 12, column.name, width, 'head halo'))
    for (const [at, place] of places.entries()) {
      if (place === null) continue
      const y = top + 24 + (lanes[at] as number) * LANE + RADIUS
      parts.push(
        tag(
          'g',
          {},
          tag('title', {}, escaped(`${column.name}, ${clusters[at]}: ${column.said[at]}`)) + numbered(at, place, y),
        ),
      )
    }
    top = bottom + (shared === undefined ? 34 : 8)
  }
  if (shared === undefined) return { height: top, content: parts.join('') }
  const frame = frameAt(first, top)
  const axis = horizontalAxis(shared, frame, 'standard deviations from the mean')
  const none = line(shared.at(0), frame.top, shared.at(0), frame.bottom, 'none')
  return { height: frame.bottom + 42, content: axis + none + parts.join('') }
}
