/** Correlations as a matrix; principal components as what they explain and what they load on. */
import { type Drawing, type Frame, isNarrow, verticalAxis } from '@flamesh/protocol/report/figure.js'
import { linearScale } from '@flamesh/protocol/report/scale.js'
import { bar, line, mark, type Point, path, text } from '@flamesh/protocol/report/svg.js'
import { fixed, percent } from '../text.js'
import { isFields } from '../values.js'
import { heatMap } from './heat-map.js'
import { listed, type Named, namedMatrix, numbersOf, type Picture, type Shape, textsOf } from './picture.js'

/** Components that a picture shows. */
const MOST_COMPONENTS = 8

const drawMatrix = ({ rows, cols, values }: Named, width: number): Drawing =>
  heatMap(
    {
      rows,
      cols,
      cell: (r, c) => {
        const value = values[r]?.[c] ?? null
        return { value, said: value === null ? '–' : fixedShort(value) }
      },
    },
    width,
  )

const fixedShort = (value: number): string => value.toFixed(2).replace('-0.00', '0.00').replace('-', '−')

export const correlations: Shape = (result) => {
  const matrix = isFields(result['matrix']) ? namedMatrix(result['matrix']) : undefined
  const names = textsOf(result, 'names')
  const r = numbersOf(result, 'r', names?.length)
  if (matrix === undefined || names === undefined || r === undefined) return []
  const strongest = names
    .map((name, i) => ({ name, r: r[i] ?? 0 }))
    .sort((a, b) => Math.abs(b.r) - Math.abs(a.r))
    .slice(0, 3)
  return [
    {
      id: 'correlations',
      title: 'Correlations',
      finding: `The largest in size: ${listed(strongest.map((one) => `${one.name} ${fixed(one.r)}`))}.`,
      legend: 'Pearson’s correlation of each pair of columns: blue above 0, orange below. Intervals are in the table.',
      draw: (width) => drawMatrix(matrix, width),
    },
  ]
}

export const components: Shape = (result) => {
  const names = textsOf(result, 'names')
  const proportion = numbersOf(result, 'proportion', names?.length)
  const cumulative = numbersOf(result, 'cumulative', names?.length)
  if (names === undefined || proportion === undefined || cumulative === undefined || proportion.includes(null))
    return []
  const shares = proportion as readonly number[]
  const enough = cumulative.findIndex((share) => (share ?? 0) >= 0.8) + 1
  const scree: Picture = {
    id: 'scree',
    title: 'Variance by component',
    finding: `The first component holds ${percent(shares[0] as number)} of the variance${enough > 0 ? `; ${enough === 1 ? 'it alone holds' : `${enough} components hold`} at least 80 %` : ''}.`,
    legend: 'Share of the variance of each principal component (bars), and of all up to it (line).',
    draw: (width) => drawScree(names, shares, cumulative, width),
  }
  const loadings = namedMatrix(result['rotation'])
  if (loadings === undefined) return [scree]
  const cols = loadings.cols.slice(0, MOST_COMPONENTS)
  return [
    scree,
    {
      id: 'loadings',
      title: 'Loadings',
      finding: `${cols[0]} loads most on ${most(loadings)}.`,
      legend: `What each column contributes to ${cols.length < loadings.cols.length ? `the first ${cols.length} components` : 'each component'}; the sign of a component as a whole is arbitrary.`,
      draw: (width) => drawMatrix({ ...loadings, cols }, width),
    },
  ]
}

function most({ rows, values }: Named): string {
  const ordered = rows
    .map((row, i) => ({ row, value: values[i]?.[0] ?? 0 }))
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
  return listed(ordered.slice(0, 2).map(({ row, value }) => `${row} (${fixed(value)})`))
}

function drawScree(
  names: readonly string[],
  shares: readonly number[],
  cumulative: readonly (number | null)[],
  width: number,
): Drawing {
  const frame: Frame = { left: 40, right: width - 8, top: 34, bottom: 34 + (isNarrow(width) ? 180 : 220) }
  const y = linearScale('share', 1, [frame.bottom, frame.top], 5)
  const pitch = (frame.right - frame.left) / names.length
  const size = Math.min(64, pitch * 0.66)
  const centre = (i: number): number => frame.left + (i + 0.5) * pitch
  const bars = shares.map((share, i) => {
    const x = centre(i) - size / 2
    const says = percent(share)
    const tall = frame.bottom - y.at(share) > 20
    const number = tall
      ? text(centre(i), frame.bottom - 7, says, 'on', 'middle')
      : text(centre(i), y.at(share) - 5, says, 'value', 'middle')
    const above = pitch > 44 ? number : ''
    return bar(x, y.at(share), size, frame.bottom - y.at(share), 'bar-fill c0', `${names[i]}: ${says}`) + above
  })
  const points = cumulative.map((share, i): Point => [centre(i), y.at(share ?? 0)])
  const every = Math.ceil(34 / pitch)
  const labels = names.map((name, i) =>
    i % every === 0 ? text(centre(i), frame.bottom + 17, name, 'tick', 'middle') : '',
  )
  const content = [
    verticalAxis(y, frame, 'share of the variance'),
    ...bars,
    line(frame.left, frame.bottom, frame.right, frame.bottom, 'axis'),
    path(points, 'line c1'),
    ...points.map(([x, at]) => mark(0, x, at, 'dot ring c1', 3.5)),
    ...labels,
  ]
  return { height: frame.bottom + 26, content: content.join('') }
}
