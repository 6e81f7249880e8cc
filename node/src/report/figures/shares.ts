/** Counts by two factors: each row of the table a bar that is cut by the shares of the columns, or shaded cells if there are many. */
import { type Drawing, horizontalAxis, isNarrow, legendRows } from '@flamesh/protocol/report/figure.js'
import { formatCount, plural } from '@flamesh/protocol/report/numbers.js'
import { linearScale } from '@flamesh/protocol/report/scale.js'
import { bar, text, textWidth } from '@flamesh/protocol/report/svg.js'
import { percent, testText } from '../text.js'
import { isFields } from '../values.js'
import { heatMap } from './heat-map.js'
import { columnOf, label, type Numbers, numbersOf, type Shape, textsOf } from './picture.js'

interface Counts {
  readonly rows: readonly string[]
  readonly cols: readonly string[]
  /** row by row; null: withheld */
  readonly counts: Numbers
  readonly totals: Numbers
  readonly rowTitle: string
  readonly colTitle: string
}

/** More parts of a bar than these cannot be told apart. */
const MOST_PARTS = 6

export const shares: Shape = (result) => {
  const rows = textsOf(result, 'rows')
  const cols = textsOf(result, 'cols')
  // a histogram has its own picture
  if (rows === undefined || cols === undefined || result['breaks'] !== undefined) return []
  const counts = numbersOf(result, 'counts_by_row', rows.length * cols.length)
  const totals = numbersOf(result, 'row_totals', rows.length)
  if (counts === undefined || totals === undefined || totals.every((total) => total === null)) return []
  const title = (key: string, other: string): string =>
    isFields(result[key]) ? (columnOf(result[key]) ?? other) : other
  const table = {
    rows,
    cols,
    counts,
    totals,
    rowTitle: title('row_factor', 'row'),
    colTitle: title('col_factor', 'column'),
  }
  const hidden = counts.filter((count) => count === null).length
  const many = cols.length > MOST_PARTS
  return [
    {
      id: 'shares',
      title: `${table.colTitle} by ${table.rowTitle}`,
      finding: findingOf(table, hidden) + testText(result),
      legend: `${many ? 'Shares of the rows of' : 'Share of each level of'} ${table.colTitle} among the rows of each level of ${table.rowTitle}.${hidden === 0 ? '' : ' What is withheld is framed in dashes: together, not singly, it is what is left of the row.'}`,
      draw: (width) => (many ? drawCells(table, width) : drawBars(table, width)),
    },
  ]
}

const countOf = ({ counts, cols }: Counts, r: number, c: number): number | null => counts[r * cols.length + c] ?? null

function findingOf(table: Counts, hidden: number): string {
  const total = table.totals.reduce<number>((sum, one) => sum + (one ?? 0), 0)
  const withheld = hidden === 0 ? '' : ` ${plural(hidden, 'of the cells is', 'of the cells are')} withheld.`
  const last = table.cols.length - 1
  const said = table.rows.flatMap((row, r) => {
    const [count, of] = [countOf(table, r, last), table.totals[r]]
    return count === null || !of ? [] : [`${percent(count / of)} of ${table.rowTitle} ${row}`]
  })
  const share =
    said.length === 0 || said.length > 3 ? '' : ` ${table.colTitle} is ${table.cols[last]} for ${said.join(' and ')}.`
  return `${plural(total, 'row')}.${share}${withheld}`
}

function drawBars(table: Counts, width: number): Drawing {
  const { rows, cols, totals, colTitle } = table
  const above = isNarrow(width)
  const entries = cols.map((name, c) => ({
    label: `${colTitle} ${name}`,
    sample: (x: number, y: number) => bar(x - 13, y - 8, 26, 16, `part s${c}`),
  }))
  const legend = legendRows(entries, width, 0)
  const names = above ? 0 : Math.min(200, Math.max(...rows.map((row) => textWidth(row))) + 12)
  const sizes = totals.map((total) => (total === null ? 'withheld' : `n = ${formatCount(total)}`))
  const right = width - Math.max(...sizes.map((size) => textWidth(size))) - 10
  const pitch = above ? 48 : 32
  const top = legend.height + 14
  const frame = { left: names, right, top, bottom: top + rows.length * pitch + 4 }
  const x = linearScale('share', 1, [frame.left, frame.right], above ? 4 : 5)
  const body = rows.map((row, r) => {
    const y = frame.top + r * pitch + (above ? 20 : 5)
    const name = above ? label(0, y - 6, row, width) : label(names - 10, y + 15, row, names - 10, 'label', 'end')
    return name + parts(table, r, x.at, y) + text(frame.right + 8, y + 15, sizes[r] as string, 'value')
  })
  const axis = horizontalAxis(x, frame, 'share of the row')
  return { height: frame.bottom + 42, content: legend.content + axis + body.join('') }
}

function parts(table: Counts, r: number, at: (share: number) => number, y: number): string {
  const total = table.totals[r]
  if (!total) return bar(at(0), y, at(1) - at(0), 22, 'withheld', total === 0 ? 'nobody' : 'withheld')
  let from = 0
  const drawn = table.cols.map((name, c) => {
    const count = countOf(table, r, c)
    if (count === null || count === 0) return ''
    const [left, right] = [at(from / total), at((from + count) / total)]
    from += count
    const says = percent(count / total)
    const inside =
      right - left > textWidth(says) + 8 ? text((left + right) / 2, y + 15, says, `in s${c}`, 'middle') : ''
    return (
      bar(
        left,
        y,
        Math.max(0.6, right - left - 1),
        22,
        `part s${c}`,
        `${name}: ${formatCount(count)} of ${formatCount(total)}`,
      ) + inside
    )
  })
  if (total > from) {
    const [left, right] = [at(from / total), at(1)]
    const says = 'withheld'
    drawn.push(bar(left, y + 0.5, right - left - 1, 21, 'withheld', says))
    if (right - left > textWidth(says) + 8) drawn.push(text((left + right) / 2, y + 15, says, 'value', 'middle'))
  }
  return drawn.join('')
}

function drawCells(table: Counts, width: number): Drawing {
  return heatMap(
    {
      rows: table.rows,
      cols: table.cols,
      cell: (r, c) => {
        const [count, total] = [countOf(table, r, c), table.totals[r]]
        if (count === null || !total) return { value: null, said: '–' }
        return { value: count / total, said: percent(count / total).replace('\u00a0%', '') }
      },
    },
    width,
  )
}
