/** How long gossip takes to reach the sites: one cumulative curve for each kind of message, with p50, p90 and p99. */
import {
  type Figure,
  type Frame,
  horizontalAxis,
  isNarrow,
  type Missing,
  verticalAxis,
} from '@flamesh/protocol/report/figure.js'
import { formatCount, formatMs, plural } from '@flamesh/protocol/report/numbers.js'
import { linearScale, type Scale, suitableScale } from '@flamesh/protocol/report/scale.js'
import { fitted, line, mark, type Point, steps, text, textWidth } from '@flamesh/protocol/report/svg.js'
import type { Delays, Run } from '../run.js'
import { countUpTo, quantile, sorted } from '../statistics.js'

const ID = 'propagation'
const TITLE = 'Propagation of messages'
const MOST_KINDS = 6
const MARKED = [0.5, 0.9, 0.99] as const

export function propagation({ delays }: Run): Figure | Missing {
  const kinds = fewKinds(delays)
  if (kinds.length === 0) {
    return { id: ID, title: TITLE, why: 'No message reached a site in this run, so there is no propagation to show.' }
  }
  const slowest = kinds.reduce((a, b) => (quantile(b.delaysMs, 0.99) > quantile(a.delaysMs, 0.99) ? b : a))
  const [first] = kinds as [Delays]
  const all = kinds.reduce((sum, { delaysMs }) => sum + delaysMs.length, 0)
  const p = (kind: Delays, share: number): string => formatMs(quantile(kind.delaysMs, share))
  const rest =
    slowest === first
      ? ''
      : ` The slowest, of kind ${slowest.kind}: half within ${p(slowest, 0.5)}, 99 % within ${p(slowest, 0.99)}.`
  return {
    id: ID,
    title: TITLE,
    finding: `Messages of kind ${first.kind}: half arrive within ${p(first, 0.5)}, 99 % within ${p(first, 0.99)}.${rest}`,
    legend: `Cumulative distribution of the delay from publishing to the first arrival at a site, over ${plural(all, 'delivery', 'deliveries')}. Marks stand at the 50th, 90th and 99th percentile.`,
    draw: (width) => draw(kinds, width),
    table: table(kinds),
  }
}

/** The kinds with the fewest deliveries share one curve if there are too many to tell apart. */
function fewKinds(delays: readonly Delays[]): readonly Delays[] {
  if (delays.length <= MOST_KINDS) return delays
  const rest = delays.slice(MOST_KINDS - 1)
  const together = sorted(rest.flatMap(({ delaysMs }) => [...delaysMs]))
  return [...delays.slice(0, MOST_KINDS - 1), { kind: `${rest.length} other kinds`, delaysMs: together }]
}

function draw(kinds: readonly Delays[], width: number): { readonly height: number; readonly content: string } {
  const narrow = isNarrow(width)
  const frame: Frame = { left: 36, right: width - 34, top: 30, bottom: narrow ? 230 : 290 }
  const low = Math.min(...kinds.map(({ delaysMs }) => quantile(delaysMs, 0.01)))
  const high = Math.max(...kinds.map(({ delaysMs }) => delaysMs.at(-1) as number))
  const x = suitableScale('ms', { low, high }, [frame.left, frame.right], narrow ? 5 : 8)
  const y = linearScale('share', 1, [frame.bottom, frame.top], 5)
  const parts = [verticalAxis(y, frame, 'deliveries'), horizontalAxis(x, frame, 'delay')]
  for (const share of MARKED) {
    parts.push(line(frame.left, y.at(share), frame.right, y.at(share), 'guide'))
    parts.push(text(frame.right + 6, y.at(share) + (share === 0.99 ? 2 : 4), `p${share * 100}`, 'tick'))
  }
  parts.push(...kinds.map((kind, series) => curve(kind, series, x, y, frame)))
  kinds.forEach((kind, series) => {
    for (const share of MARKED) {
      parts.push(mark(series, x.at(quantile(kind.delaysMs, share)), y.at(share), `dot ring c${series}`))
    }
  })
  const key = keyTable(kinds, frame.bottom + 58, width)
  return { height: key.height + frame.bottom + 58, content: parts.join('') + key.content }
}

/** The staircase, looked at once every few pixels: what lies between could not be seen. */
function curve({ delaysMs }: Delays, series: number, x: Scale, y: Scale, { left, right }: Frame): string {
  const points: Point[] = []
  let before = -1
  let drawn = Number.NEGATIVE_INFINITY
  for (let at = 0; at < delaysMs.length; ) {
    const value = delaysMs[at] as number
    const next = countUpTo(delaysMs, value)
    const px = Math.max(left, Math.min(right, x.at(value)))
    if (px - drawn >= 1.5 || next === delaysMs.length) {
      if (before < 0) points.push([px, y.at(at / delaysMs.length)])
      points.push([px, y.at(next / delaysMs.length)])
      before = next
      drawn = px
    }
    at = next
  }
  return steps(points, `curve dash${series} c${series}`)
}

/** Legend and numbers in one: the samples of the curves, and the percentiles right next to them. */
function keyTable(kinds: readonly Delays[], top: number, width: number): { height: number; content: string } {
  const columns = [...MARKED, 1].map((_, at) => width - (3 - at) * (isNarrow(width) ? 54 : 84))
  const parts = ['p50', 'p90', 'p99', 'max'].map((name, at) => text(columns[at] as number, top, name, 'tick', 'end'))
  const room = (columns[0] as number) - 34 - textWidth('000 ms') - 8
  kinds.forEach(({ kind, delaysMs }, series) => {
    const y = top + 20 + series * 20
    parts.push(line(0, y - 4, 26, y - 4, `curve dash${series} c${series}`))
    parts.push(mark(series, 13, y - 4, `dot ring c${series}`))
    parts.push(text(34, y, fitted(kind, room), 'label'))
    for (const [at, share] of [...MARKED, 1].entries()) {
      parts.push(text(columns[at] as number, y, formatMs(quantile(delaysMs, share)), 'label', 'end'))
    }
  })
  return { height: 28 + kinds.length * 20, content: parts.join('') }
}

function table(kinds: readonly Delays[]): Figure['table'] {
  const shares = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1]
  return {
    columns: ['kind', 'deliveries', ...shares.map((share) => (share === 1 ? 'max' : `p${share * 100}`))],
    rows: kinds.map(({ kind, delaysMs }) => [
      kind,
      formatCount(delaysMs.length),
      ...shares.map((share) => formatMs(quantile(delaysMs, share))),
    ]),
  }
}
