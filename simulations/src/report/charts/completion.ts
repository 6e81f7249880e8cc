/** Completion against dropout: observed shares with Wilson's 95 % intervals, and what the binomial distribution predicts. */
import {
  type Drawing,
  type Figure,
  type Frame,
  horizontalAxis,
  isNarrow,
  legendRows,
  type Missing,
  verticalAxis,
} from '@flamesh/protocol/report/figure.js'
import { formatCount, formatShare, plural } from '@flamesh/protocol/report/numbers.js'
import { linearScale } from '@flamesh/protocol/report/scale.js'
import { escaped, line, mark, type Point, path, tag } from '@flamesh/protocol/report/svg.js'
import type { CompletionRow, Run } from '../run.js'
import { wilson } from '../statistics.js'

const ID = 'completion'
const TITLE = 'Completion against dropout'

interface Observed extends CompletionRow {
  readonly share: number
  readonly low: number
  readonly high: number
}

export function completion({ completion: rows }: Run): Figure | Missing {
  if (rows.length === 0) {
    return { id: ID, title: TITLE, why: 'This scenario does not vary the dropout, so there is no curve of completion.' }
  }
  const all = rows.map(
    (row): Observed => ({ ...row, share: row.completed / row.runs, ...wilson(row.completed, row.runs) }),
  )
  const predicted = all.filter(({ expected }) => expected !== null)
  const inside = predicted.filter(
    ({ expected, low, high }) => (expected as number) >= low && (expected as number) <= high,
  )
  const last = all.at(-1) as Observed
  const agreement =
    predicted.length === 0
      ? ''
      : ` The binomial prediction lies within the interval at ${inside.length} of ${plural(predicted.length, 'dropout rate')}.`
  return {
    id: ID,
    title: TITLE,
    finding: `At a dropout of ${formatShare(last.dropout)}, ${formatShare(last.share)} of the runs complete (95 % interval ${formatShare(last.low)} to ${formatShare(last.high)}).${agreement}`,
    legend:
      'Share of runs that complete, with Wilson’s 95 % interval, and the probability that the binomial distribution gives.',
    draw: (width) => draw(all, width),
    table: {
      columns: ['dropout', 'runs', 'completed', 'share', '95 % from', '95 % to', 'binomial'],
      rows: all.map(({ dropout, runs, completed, share, low, high, expected }) => [
        formatShare(dropout),
        formatCount(runs),
        formatCount(completed),
        formatShare(share),
        formatShare(low),
        formatShare(high),
        expected === null ? '–' : formatShare(expected),
      ]),
    },
  }
}

function draw(rows: readonly Observed[], width: number): Drawing {
  const entries = [
    {
      label: 'observed, 95 % interval',
      sample: (x: number, y: number) => interval(x, y - 8, y + 8) + mark(0, x, y, 'dot ring c0'),
    },
    {
      label: 'binomial prediction',
      sample: (x: number, y: number) => line(x - 13, y, x + 13, y, 'curve dash1 c1') + mark(3, x, y, 'hollow c1'),
    },
  ]
  const legend = legendRows(rows.some(({ expected }) => expected !== null) ? entries : entries.slice(0, 1), width, 0)
  const top = legend.height + 34
  const frame: Frame = { left: 36, right: width - 12, top, bottom: top + (isNarrow(width) ? 200 : 260) }
  const most = Math.max(...rows.map(({ dropout }) => dropout), 0.01)
  const x = linearScale('share', most * 1.04, [frame.left + 14, frame.right], isNarrow(width) ? 4 : 8, { tight: true })
  const y = linearScale('share', 1, [frame.bottom, frame.top], 5)
  const oracle = rows.flatMap(({ dropout, expected }): Point[] =>
    expected === null ? [] : [[x.at(dropout), y.at(expected)]],
  )
  const parts = [
    legend.content,
    verticalAxis(y, frame, 'runs completed'),
    horizontalAxis(x, frame, 'dropout per phase'),
    path(oracle, 'curve dash1 c1'),
    ...oracle.map(([at, height]) => mark(3, at, height, 'hollow c1', 4.5)),
    ...rows.map((row) => {
      const says = `dropout ${formatShare(row.dropout)}: ${formatShare(row.share)} of ${plural(row.runs, 'run')}`
      const dot = mark(0, x.at(row.dropout), y.at(row.share), 'dot ring c0')
      return tag(
        'g',
        {},
        tag('title', {}, escaped(says)) + interval(x.at(row.dropout), y.at(row.high), y.at(row.low)) + dot,
      )
    }),
  ]
  return { height: frame.bottom + 42, content: parts.join('') }
}

function interval(x: number, top: number, bottom: number): string {
  return (
    line(x, top, x, bottom, 'line c0') +
    line(x - 4, top, x + 4, top, 'line c0') +
    line(x - 4, bottom, x + 4, bottom, 'line c0')
  )
}
