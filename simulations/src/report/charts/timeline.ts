/** What happened when: a lane for each kind of event, and the jobs as spans from submission to end. */
import {
  type Drawing,
  type Figure,
  horizontalAxis,
  isNarrow,
  legendRows,
  type Missing,
} from '@flamesh/protocol/report/figure.js'
import { formatCount, formatMs, plural } from '@flamesh/protocol/report/numbers.js'
import { linearScale, type Scale } from '@flamesh/protocol/report/scale.js'
import { bar, escaped, fitted, line, mark, tag, text, textWidth } from '@flamesh/protocol/report/svg.js'
import type { EventRow, JobRow, Run } from '../run.js'
import { groupBy } from '../statistics.js'

const ID = 'timeline'
const TITLE = 'Timeline of events and jobs'
const MOST_LANES = 10
const MOST_NAMED_JOBS = 20
const MOST_ROWS = 100

/** How a job ended: colour and shape of the mark at its end. */
const ENDS: readonly { readonly status: string; readonly series: number }[] = [
  { status: 'released', series: 0 },
  { status: 'failed', series: 1 },
  { status: 'suppressed', series: 2 },
  { status: 'refused', series: 3 },
  { status: 'expired', series: 4 },
  { status: 'cancelled', series: 5 },
]

export function timeline({ events, jobs, manifest }: Run): Figure | Missing {
  if (events.length + jobs.length === 0) return { id: ID, title: TITLE, why: 'Nothing happened in this run.' }
  const lanes = lanesOf(events)
  const endMs = Math.max(
    manifest.simulatedMs,
    ...jobs.map(({ ended_ms, submitted_ms }) => ended_ms ?? submitted_ms),
    events.at(-1)?.at_ms ?? 0,
  )
  const happened = [
    ...events.map(({ at_ms, event, node }) => ({ at: at_ms, cells: [event, node] })),
    ...jobs.map((job) => ({ at: job.submitted_ms, cells: ['job submitted', job.name] })),
    ...jobs.flatMap((job) =>
      job.ended_ms === null ? [] : [{ at: job.ended_ms, cells: [`job ${job.status}`, job.name] }],
    ),
  ].sort((a, b) => a.at - b.at)
  return {
    id: ID,
    title: TITLE,
    finding: `${plural(jobs.length, 'job')} and ${plural(events.length, 'event')} in ${formatMs(endMs)} of simulated time${lanes.length === 0 ? '' : `: ${lanes.map(([name, members]) => `${name} (${formatCount(members.length)})`).join(', ')}`}.`,
    legend: 'Above, events by kind; below, jobs from submission to end, with a mark that says how they ended.',
    draw: (width) => draw(lanes, jobs, endMs, width),
    table: {
      columns: ['what', 'who', 'time'],
      rows: happened.slice(0, MOST_ROWS).map(({ at, cells }) => [...cells, formatMs(at)]),
      ...(happened.length > MOST_ROWS
        ? { note: `The first ${MOST_ROWS} of ${formatCount(happened.length)}; all are in events.csv and jobs.csv.` }
        : {}),
    },
  }
}

type Lane = readonly [name: string, events: readonly EventRow[]]

function lanesOf(events: readonly EventRow[]): readonly Lane[] {
  const groups = [...groupBy(events, ({ event }) => event)]
  if (groups.length <= MOST_LANES) return groups
  const rest = groups.slice(MOST_LANES - 1).flatMap(([, members]) => members)
  return [...groups.slice(0, MOST_LANES - 1), ['other events', rest.sort((a, b) => a.at_ms - b.at_ms)]]
}

function draw(lanes: readonly Lane[], jobs: readonly JobRow[], endMs: number, width: number): Drawing {
  const narrow = isNarrow(width)
  const statuses = ENDS.filter(({ status }) => jobs.some((job) => job.status === status))
  const entries = statuses.map(({ status, series }) => ({
    label: status,
    sample: (x: number, y: number) =>
      bar(x - 13, y - 3, 18, 6, `span c${series}`) + mark(series, x + 6, y, `dot ring c${series}`, 4.5),
  }))
  if (jobs.some(({ status }) => !ENDS.some((end) => end.status === status))) {
    entries.push({ label: 'not ended', sample: (x, y) => bar(x - 13, y - 3, 26, 6, 'span c6') })
  }
  const legend = legendRows(entries, width, 0)
  const named = jobs.length <= MOST_NAMED_JOBS
  const labels = [
    ...lanes.map(([name, members]) => laneLabel(name, members)),
    ...(named ? jobs.map(({ name }) => name) : ['jobs']),
  ]
  const names = narrow ? 0 : Math.min(190, Math.max(...labels.map((label) => textWidth(label))) + 14)
  const top = legend.height + 12
  const lanePx = narrow ? 36 : 24
  const tracks = named ? jobs.map((job) => [job]) : packed(jobs, endMs / 200)
  const trackPx = named ? (narrow ? 36 : 22) : Math.max(3, Math.min(12, 240 / tracks.length))
  const jobsTop = top + lanes.length * lanePx + (lanes.length > 0 ? 8 : 0)
  const frame = {
    left: narrow ? 6 : names,
    right: width - 10,
    top,
    bottom: jobsTop + tracks.length * trackPx + (named ? 6 : 24),
  }
  const x = linearScale('ms', endMs, [frame.left, frame.right], narrow ? 4 : 8, { tight: true })
  const parts = [legend.content, horizontalAxis(x, frame, 'simulated time')]
  const name = (label: string, middle: number): string =>
    narrow
      ? text(0, middle - 10, fitted(label, width), 'label halo')
      : text(names - 12, middle + 4, fitted(label, names - 14), 'label', 'end')
  lanes.forEach(([event, members], at) => {
    const middle = top + at * lanePx + (narrow ? 24 : lanePx / 2)
    parts.push(
      line(frame.left, middle, frame.right, middle, 'grid'),
      name(laneLabel(event, members), middle),
      ticks(members, x, middle),
    )
  })
  if (lanes.length > 0) parts.push(line(0, jobsTop, frame.right, jobsTop, 'axis'))
  const first = jobsTop + (named ? 3 : 20)
  if (!named) parts.push(text(0, jobsTop + 15, `${formatCount(jobs.length)} jobs`, 'label halo'))
  tracks.forEach((track, at) => {
    const middle = first + at * trackPx + (narrow && named ? 24 : trackPx / 2)
    if (named) parts.push(name(track[0]?.name ?? '', middle))
    for (const job of track) parts.push(span(job, x, middle, endMs, named ? 3 : trackPx / 2 - 0.5))
  })
  return { height: frame.bottom + 42, content: parts.join('') }
}

function laneLabel(name: string, members: readonly EventRow[]): string {
  return members.length > 1 ? `${name} × ${formatCount(members.length)}` : name
}

/** A stroke for each event; those that fall on the same pixels are one, which says how many it stands for. */
function ticks(events: readonly EventRow[], x: Scale, middle: number): string {
  const columns = groupBy(events, ({ at_ms }) => String(Math.round(x.at(at_ms) / 3)))
  return [...columns.values()]
    .map((together) => {
      const [first] = together as [EventRow]
      const who = together
        .slice(0, 6)
        .map(({ node }) => node)
        .join(', ')
      const tip = `${formatMs(first.at_ms)}: ${first.event}, ${who}${together.length > 6 ? ` and ${together.length - 6} more` : ''}`
      const at = x.at(first.at_ms)
      return tag('g', {}, tag('title', {}, escaped(tip)) + line(at, middle - 7, at, middle + 7, 'event'))
    })
    .join('')
}

function span(job: JobRow, x: Scale, middle: number, endMs: number, half: number): string {
  const series = ENDS.find(({ status }) => status === job.status)?.series
  const from = x.at(job.submitted_ms)
  const to = x.at(job.ended_ms ?? endMs)
  const took = job.ended_ms === null ? 'still open' : `${job.status} after ${formatMs(job.ended_ms - job.submitted_ms)}`
  const style = series === undefined ? 'span c6' : `span c${series}`
  const end = series === undefined || half < 2.5 ? '' : mark(series, to, middle, `dot ring c${series}`, 4.5)
  return bar(from, middle - half, Math.max(1.5, to - from), half * 2, style, `${job.name}: ${took}`) + end
}

/** Jobs that do not overlap share a track. */
function packed(jobs: readonly JobRow[], gapMs: number): readonly (readonly JobRow[])[] {
  const tracks: JobRow[][] = []
  for (const job of jobs) {
    const free = tracks.find(
      (track) => ((track.at(-1) as JobRow).ended_ms ?? Number.POSITIVE_INFINITY) + gapMs < job.submitted_ms,
    )
    if (free === undefined) tracks.push([job])
    else free.push(job)
  }
  return tracks
}
