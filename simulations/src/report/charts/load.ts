/** How a load is distributed over the sites: a row for each group, with a dot for each site or, with many sites, their density. */
import { type Drawing, type Figure, horizontalAxis, isNarrow, type Missing } from '@flamesh/protocol/report/figure.js'
import { format, formatCount, type Unit } from '@flamesh/protocol/report/numbers.js'
import { type Scale, suitableScale } from '@flamesh/protocol/report/scale.js'
import { fitted, line, type Point, path, tag, text } from '@flamesh/protocol/report/svg.js'
import type { Run, SiteRow } from '../run.js'
import { compareText, groupBy, quantile, sorted } from '../statistics.js'

const MOST_DOTS = 60
const ROW_PX = 46

interface Measure {
  readonly name: string
  readonly of: (site: SiteRow) => number
}

interface Group {
  readonly label: string
  /** colour and shape */
  readonly series: number
  readonly values: Float64Array
}

interface Load {
  readonly id: string
  readonly title: string
  readonly unit: Unit
  readonly axis: string
  readonly legend: string
  readonly measures: readonly Measure[]
}

const LOADS: readonly Load[] = [
  {
    id: 'bytes',
    title: 'Bytes per site',
    unit: 'bytes',
    axis: 'bytes over the whole run',
    legend: 'What each site sent and received over the whole run, by its roles.',
    measures: [
      { name: 'sent', of: ({ sent_bytes }) => sent_bytes },
      { name: 'received', of: ({ received_bytes }) => received_bytes },
    ],
  },
  {
    id: 'duplicates',
    title: 'Duplicates of gossip per site',
    unit: 'ratio',
    axis: 'duplicates for each message received',
    legend: 'How often a site received a gossiped message again, for each that was new to it, by its roles.',
    measures: [
      {
        name: 'duplicates',
        of: (site) => (site.gossip_received === 0 ? 0 : site.gossip_duplicates / site.gossip_received),
      },
    ],
  },
  {
    id: 'cpu',
    title: 'Computing time per site',
    unit: 'ms',
    axis: 'computing time over the whole run',
    legend: 'Time in which a site’s processor was busy over the whole run, by its roles.',
    measures: [{ name: 'computing', of: ({ cpu_ms }) => cpu_ms }],
  },
]

export function loads(run: Run): readonly (Figure | Missing)[] {
  return LOADS.map((load) => figureOf(load, run.sites))
}

function figureOf(load: Load, sites: readonly SiteRow[]): Figure | Missing {
  const { id, title, unit, measures } = load
  const most = Math.max(0, ...sites.flatMap((site) => measures.map(({ of }) => of(site))))
  if (most === 0)
    return { id, title, why: sites.length === 0 ? 'The run names no sites.' : 'Nothing of it was counted in this run.' }
  const roles = [...groupBy(sites, ({ roles }) => roles || 'no role')].sort(([a], [b]) => compareText(a, b))
  const several = roles.length > 1
  const groups: readonly Group[] = roles.flatMap(([role, members]) =>
    measures.map(({ name, of }, series) => ({
      label:
        measures.length > 1 ? (several ? `${roleName(role)}, ${name}` : name) : several ? roleName(role) : 'all sites',
      series,
      values: sorted(members.map(of)),
    })),
  )
  const says = measures.map(({ name, of }) => {
    const values = sorted(sites.map(of))
    return `${name}: median ${format(unit, quantile(values, 0.5))}, most ${format(unit, values.at(-1) as number)}`
  })
  const dots = groups.some(({ values }) => values.length <= MOST_DOTS) ? ' One dot is one site.' : ''
  const shape = groups.some(({ values }) => values.length > MOST_DOTS) ? ' A shape is as high as sites are many.' : ''
  return {
    id,
    title,
    finding: `Per site, ${says.join('; ')}.`,
    legend: `${load.legend}${dots}${shape} The upright stroke is the median, the thick line holds the middle half.`,
    draw: (width) => draw(load, groups, width),
    table: table(unit, groups),
  }
}

function roleName(roles: string): string {
  return roles
    .split(/[\s;|+]+/)
    .filter((role) => role !== '')
    .join(' + ')
}

function draw({ unit, axis }: Load, groups: readonly Group[], width: number): Drawing {
  const frame = { left: 10, right: width - 10, top: 0, bottom: groups.length * ROW_PX + 4 }
  const positive = groups.flatMap(({ values }) => [...values.filter((value) => value > 0)])
  const span = { low: Math.min(...sortedEnds(positive)), high: Math.max(...sortedEnds(positive)) }
  const scale = suitableScale(unit, span, [frame.left, frame.right], isNarrow(width) ? 4 : 7)
  const parts = [horizontalAxis(scale, frame, axis)]
  groups.forEach((group, row) => {
    const base = row * ROW_PX + 40
    const { values } = group
    const median = quantile(values, 0.5)
    const says = `median ${format(unit, median)}`
    parts.push(
      text(frame.left, base - 26, fitted(`${group.label} (${formatCount(values.length)})`, width - 130), 'label halo'),
    )
    parts.push(text(frame.right, base - 26, says, 'value halo', 'end'))
    parts.push(values.length > MOST_DOTS ? density(group, scale, base) : swarm(group, scale, base))
    if (values.length > 3)
      parts.push(line(scale.at(quantile(values, 0.25)), base, scale.at(quantile(values, 0.75)), base, 'half'))
    parts.push(line(scale.at(median), base - 7, scale.at(median), base + 4, 'median'))
  })
  return { height: frame.bottom + 42, content: parts.join('') }
}

function sortedEnds(values: readonly number[]): readonly number[] {
  const all = sorted(values)
  return [all[0] ?? 1, all.at(-1) ?? 1]
}

/** A dot for each site; where they would cover one another they pile up, as far as the row is high. */
function swarm({ values, series }: Group, scale: Scale, base: number): string {
  const heights = new Map<number, number>()
  return [...values]
    .map((value) => {
      const x = scale.at(value)
      const cell = Math.round(x / 7)
      const above = heights.get(cell) ?? 0
      heights.set(cell, above + 1)
      return tag('circle', { cx: x, cy: base - 5 - Math.min(above, 3) * 4, r: 3.2, class: `dot thin c${series}` })
    })
    .join('')
}

const BINS = 80

/** A histogram, smoothed once over its neighbours and filled down to the base line. */
function density({ values, series }: Group, scale: Scale, base: number): string {
  const low = scale.at(values[0] as number)
  const high = scale.at(values.at(-1) as number)
  const size = Math.max(2, (high - low) / BINS)
  const bins = new Array<number>(Math.floor((high - low) / size) + 1).fill(0)
  for (const value of values) {
    const bin = Math.min(bins.length - 1, Math.floor((scale.at(value) - low) / size))
    bins[bin] = (bins[bin] as number) + 1
  }
  const smooth = bins.map((count, at) => ((bins[at - 1] ?? 0) + 2 * count + (bins[at + 1] ?? 0)) / 4)
  const top = Math.max(...smooth)
  const points: Point[] = [[low, base]]
  for (const [at, count] of smooth.entries()) points.push([low + (at + 0.5) * size, base - (20 * count) / top])
  points.push([low + bins.length * size, base])
  return path(points, `area line c${series}`, true)
}

function table(unit: Unit, groups: readonly Group[]): Figure['table'] {
  const shares = [0, 0.25, 0.5, 0.75, 0.9, 0.99, 1]
  const name = (share: number): string =>
    share === 0 ? 'least' : share === 0.5 ? 'median' : share === 1 ? 'most' : `p${share * 100}`
  return {
    columns: ['group', 'sites', ...shares.map(name)],
    rows: groups.map(({ label, values }) => [
      label,
      formatCount(values.length),
      ...shares.map((share) => format(unit, quantile(values, share))),
    ]),
    note: 'One line for each site is in sites.csv.',
  }
}
