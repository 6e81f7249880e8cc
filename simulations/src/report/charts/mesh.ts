/** How many mesh neighbours the sites have over time: the median, and the band from the least to the most. */
import {
  type Drawing,
  type Figure,
  type Frame,
  horizontalAxis,
  isNarrow,
  type Missing,
  spread,
  verticalAxis,
} from '@flamesh/protocol/report/figure.js'
import { formatCount, formatMs } from '@flamesh/protocol/report/numbers.js'
import { linearScale } from '@flamesh/protocol/report/scale.js'
import { type Point, path, text } from '@flamesh/protocol/report/svg.js'
import type { MeshRow, Run } from '../run.js'
import { mean } from '../statistics.js'

const ID = 'mesh'
const TITLE = 'Neighbours in the gossip mesh'

export function mesh({ mesh: rows, manifest }: Run): Figure | Missing {
  if (rows.length < 2) return { id: ID, title: TITLE, why: 'The mesh was not looked at often enough in this run.' }
  const last = rows.at(-1) as MeshRow
  return {
    id: ID,
    title: TITLE,
    finding: `In the end a site has ${formatCount(last.median)} neighbours in the median, ${formatCount(last.least)} at the least and ${formatCount(last.most)} at the most.`,
    legend:
      'Sites’ number of mesh neighbours over simulated time: the median as a line, the range over all sites as a band.',
    draw: (width) => draw(thinned(rows, Math.floor(width / 4)), manifest.simulatedMs, width),
    table: {
      columns: ['time', 'least', 'median', 'most'],
      rows: thinned(rows, 24).map(({ at_ms, least, median, most }) => [
        formatMs(at_ms),
        formatCount(least),
        formatCount(median),
        formatCount(most),
      ]),
      ...(rows.length > 24
        ? {
            note: 'Several samples to a line: the least, the mean of the medians, the most. Each sample is in mesh.csv.',
          }
        : {}),
    },
  }
}

/** Neighbouring samples together, so that no extreme is lost. */
function thinned(rows: readonly MeshRow[], most: number): readonly MeshRow[] {
  const size = Math.ceil(rows.length / most)
  if (size === 1) return rows
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, at) => {
    const group = rows.slice(at * size, (at + 1) * size)
    return {
      at_ms: (group[0] as MeshRow).at_ms,
      least: Math.min(...group.map(({ least }) => least)),
      median: mean(group.map(({ median }) => median)),
      most: Math.max(...group.map(({ most }) => most)),
    }
  })
}

function draw(rows: readonly MeshRow[], simulatedMs: number, width: number): Drawing {
  const frame: Frame = { left: 36, right: width - 52, top: 30, bottom: isNarrow(width) ? 170 : 200 }
  const last = rows.at(-1) as MeshRow
  const x = linearScale('ms', Math.max(simulatedMs, last.at_ms), [frame.left, frame.right], isNarrow(width) ? 4 : 8, {
    tight: true,
  })
  const y = linearScale('count', Math.max(...rows.map(({ most }) => most)), [frame.bottom, frame.top], 5)
  const along = (of: (row: MeshRow) => number): readonly Point[] => rows.map((row) => [x.at(row.at_ms), y.at(of(row))])
  const band = [...along(({ most }) => most), ...along(({ least }) => least).toReversed()]
  const labels = [last.most, last.median, last.least].map((value) => y.at(value) + 4)
  const places = spread(labels, 14, frame.top, frame.bottom + 4)
  const names = ['most', 'median', 'least'].map((name, at) =>
    text(x.at(last.at_ms) + 7, places[at] as number, name, at === 1 ? 'label' : 'tick'),
  )
  const content = [
    verticalAxis(y, frame, 'neighbours'),
    horizontalAxis(x, frame, 'simulated time'),
    path(band, 'area c0', true),
    path(
      along(({ most }) => most),
      'edge c0',
    ),
    path(
      along(({ least }) => least),
      'edge c0',
    ),
    path(
      along(({ median }) => median),
      'curve c0',
    ),
    ...names,
  ]
  return { height: frame.bottom + 42, content: content.join('') }
}
