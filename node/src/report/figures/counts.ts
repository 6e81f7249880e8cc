/** Counts by name, as of strata: a bar each; what is withheld is framed and has no length. */
import { type Drawing, horizontalAxis, isNarrow } from '@flamesh/protocol/report/figure.js'
import { formatCount, plural } from '@flamesh/protocol/report/numbers.js'
import { linearScale } from '@flamesh/protocol/report/scale.js'
import { bar, text, textWidth } from '@flamesh/protocol/report/svg.js'
import { columnOf, label, type Numbers, numberOf, numbersOf, type Shape, textsOf } from './picture.js'

export const counts: Shape = (result) => {
  const names = textsOf(result, 'names')
  const values = names && numbersOf(result, 'counts', names.length)
  // a histogram has its own picture
  if (names === undefined || values === undefined || result['breaks'] !== undefined) return []
  const known = values.filter((value) => value !== null)
  if (known.length === 0) return []
  const hidden = values.length - known.length
  const all = numberOf(result['n']) ?? known.reduce<number>((sum, one) => sum + (one ?? 0), 0)
  const by = columnOf(result['row_factor'])
  return [
    {
      id: 'counts',
      title: by === undefined ? 'Counts' : `Counts by ${by}`,
      finding: `${plural(all, 'row')} in ${plural(values.length, 'group')}${hidden === 0 ? '' : `; ${plural(hidden, 'group is', 'groups are')} withheld`}.`,
      legend: `Rows of each group.${hidden === 0 ? '' : ' What is withheld is framed in dashes and has no length.'}`,
      draw: (width) => draw(names, values, width),
    },
  ]
}

function draw(names: readonly string[], values: Numbers, width: number): Drawing {
  const above = isNarrow(width)
  const left = above ? 0 : Math.min(width * 0.34, Math.max(...names.map((name) => textWidth(name))) + 12)
  const says = values.map((value) => (value === null ? 'withheld' : formatCount(value)))
  const pitch = above ? 42 : 26
  const frame = {
    left,
    right: width - Math.max(...says.map((one) => textWidth(one))) - 12,
    top: 8,
    bottom: 8 + names.length * pitch + 4,
  }
  const x = linearScale(
    'count',
    Math.max(...values.map((value) => value ?? 0)),
    [frame.left, frame.right],
    above ? 4 : 6,
  )
  const body = names.map((name, i) => {
    const y = frame.top + i * pitch + (above ? 19 : 4)
    const value = values[i] ?? null
    const end = value === null ? frame.left + 40 : x.at(value)
    const named = above ? label(0, y - 5, name, width) : label(left - 10, y + 13, name, left - 10, 'label', 'end')
    const style = value === null ? 'withheld' : 'bar-fill c0'
    const drawn = bar(frame.left, y, Math.max(0.6, end - frame.left), 18, style, `${name}: ${says[i]}`)
    return named + drawn + text(end + 6, y + 13, says[i] as string, 'value')
  })
  return { height: frame.bottom + 42, content: horizontalAxis(x, frame, 'rows') + body.join('') }
}
