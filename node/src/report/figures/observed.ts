/** Observed events of each group as bars, with a mark where the expected would end, as a rank test has them. */
import { type Drawing, horizontalAxis, isNarrow, legendRows } from '@flamesh/protocol/report/figure.js'
import { formatCount } from '@flamesh/protocol/report/numbers.js'
import { linearScale } from '@flamesh/protocol/report/scale.js'
import { bar, line, text, textWidth } from '@flamesh/protocol/report/svg.js'
import { fixed, shortNumber, testText } from '../text.js'
import { columnOf, groupName, label, listed, named, numbersOf, type Shape, textsOf } from './picture.js'

interface Group {
  readonly name: string
  readonly observed: number
  readonly expected: number
}

export const observed: Shape = (result) => {
  const names = textsOf(result, 'names')
  const [counts, expected] = ['observed', 'expected'].map((key) => numbersOf(result, key, names?.length))
  if (names === undefined || counts === undefined || expected === undefined) return []
  const by = columnOf(result['by'])
  const groups = names.flatMap((name, i): Group[] => {
    const [events, due] = [counts[i], expected[i]]
    return typeof events === 'number' && typeof due === 'number'
      ? [{ name: groupName(name, by), observed: events, expected: due }]
      : []
  })
  if (groups.length === 0) return []
  const said = groups.map((one) =>
    one.expected > 0
      ? `${named(one.name)} ${fixed(one.observed / one.expected)}`
      : `${named(one.name)} ${formatCount(one.observed)} events, none expected`,
  )
  return [
    {
      id: 'observed',
      title: 'Observed and expected events',
      finding: `Observed to expected: ${listed(said)}.${testText(result)}`,
      legend:
        'Events of each group (bars), and how many there would be if the risk did not differ between groups (upright lines). The numbers are observed / expected.',
      draw: (width) => draw(groups, width),
    },
  ]
}

function draw(groups: readonly Group[], width: number): Drawing {
  const above = isNarrow(width)
  const legend = legendRows(
    [
      { label: 'observed', sample: (x, y) => bar(x - 13, y - 7, 26, 14, 'bar-fill c0') },
      { label: 'expected', sample: (x, y) => line(x, y - 9, x, y + 9, 'median') },
    ],
    width,
    0,
  )
  const says = groups.map((one) => `${formatCount(one.observed)} / ${one.expected.toFixed(1)}`)
  const names = Math.min(width * 0.34, Math.max(...groups.map(({ name }) => textWidth(name))) + 12)
  const pitch = above ? 46 : 32
  const top = legend.height + 10
  const frame = {
    left: above ? 0 : names,
    right: width - Math.max(...says.map((one) => textWidth(one))) - 14,
    top,
    bottom: top + groups.length * pitch + 4,
  }
  const largest = Math.max(...groups.flatMap((one) => [one.observed, one.expected]))
  const x = linearScale('count', largest, [frame.left, frame.right], above ? 4 : 6)
  const body = groups.map((one, i) => {
    const y = frame.top + i * pitch + (above ? 20 : 7)
    const name = above
      ? label(0, y - 6, one.name, width)
      : label(names - 10, y + 14, one.name, names - 10, 'label', 'end')
    const tip = `${one.name}: ${formatCount(one.observed)} observed, ${shortNumber(one.expected)} expected`
    const due = x.at(one.expected)
    return [
      name,
      bar(frame.left, y, Math.max(0.6, x.at(one.observed) - frame.left), 20, 'bar-fill c0', tip),
      line(due, y - 4, due, y + 24, 'median'),
      text(width, y + 14, says[i] as string, 'value', 'end'),
    ].join('')
  })
  return { height: frame.bottom + 42, content: legend.content + horizontalAxis(x, frame, 'events') + body.join('') }
}
