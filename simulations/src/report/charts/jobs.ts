/** Time to result, and where it goes: for each job a bar that is cut where the job passed from one phase to the next. */
import {
  type Drawing,
  type Figure,
  horizontalAxis,
  isNarrow,
  legendRows,
  type Missing,
} from '@flamesh/protocol/report/figure.js'
import { formatMs, formatShare, plural } from '@flamesh/protocol/report/numbers.js'
import { linearScale } from '@flamesh/protocol/report/scale.js'
import { bar, fitted, text, textWidth } from '@flamesh/protocol/report/svg.js'
import { type JobRow, outcomeOf, type PhaseRow, type Run } from '../run.js'
import { groupBy, quantile, sorted } from '../statistics.js'

const ID = 'time-to-result'
const TITLE = 'Time to result, and where it goes'
const MOST_BARS = 24

/** What is going on until the phase of this name is reached. */
const STAGES: readonly { readonly phase: string; readonly label: string }[] = [
  { phase: 'announced', label: 'announcing' },
  { phase: 'decided', label: 'sites deciding' },
  { phase: 'specified', label: 'agreeing on the round' },
  { phase: 'submitted', label: 'computing and masking' },
  { phase: 'closed', label: 'waiting for updates' },
  { phase: 'certified', label: 'certifying the survivors' },
  { phase: 'opened', label: 'opening the sum' },
  { phase: 'released', label: 'checking and releasing' },
  { phase: '', label: 'on to the next round' },
  { phase: '', label: 'anything else' },
]
const NEXT = STAGES.length - 2
const OTHER = STAGES.length - 1

interface Bar {
  readonly label: string
  readonly parts: readonly number[]
  readonly total: number
  readonly note: string
}

export function timeToResult({ jobs, phases }: Run): Figure | Missing {
  const ended = jobs.filter(({ ended_ms }) => ended_ms !== null)
  if (ended.length === 0)
    return { id: ID, title: TITLE, why: 'No job ended in this run, so there is no time to result.' }
  const marks = groupBy(phases, ({ job }) => job)
  const single = ended.map((job) => barOf(job, marks.get(job.job) ?? []))
  const aggregated = ended.length > MOST_BARS
  const bars = aggregated ? means(ended, single) : single
  const used = STAGES.map((_, stage) => stage).filter((stage) =>
    single.some(({ parts }) => (parts[stage] as number) > 0),
  )
  const totals = sorted(single.map(({ total }) => total))
  const sums = STAGES.map((_, stage) => single.reduce((sum, { parts }) => sum + (parts[stage] as number), 0))
  const longest = sums.indexOf(Math.max(...sums))
  const share =
    (sums[longest] as number) /
    Math.max(
      1,
      sums.reduce((a, b) => a + b),
    )
  const took =
    single.length === 1
      ? `The job ended after ${formatMs(totals[0] as number)}.`
      : `Half of the ${plural(single.length, 'job')} ended within ${formatMs(quantile(totals, 0.5))}, the longest took ${formatMs(totals.at(-1) as number)}.`
  const what = aggregated ? 'Mean over the jobs of each analysis' : 'One bar for each job'
  return {
    id: ID,
    title: TITLE,
    finding: `${took} Most time, ${formatShare(share)}, goes into ${STAGES[longest]?.label}.`,
    legend: `${what}, from its submission to its end, all rounds and attempts together. The numbers in the bars are those of the key.`,
    draw: (width) => draw(bars, used, width),
    table: {
      columns: [aggregated ? 'analysis' : 'job', 'ended', 'time', ...used.map((stage) => STAGES[stage]?.label ?? '')],
      rows: bars.map(({ label, parts, total, note }) => [
        label,
        note,
        formatMs(total),
        ...used.map((stage) => formatMs(parts[stage] as number)),
      ]),
    },
  }
}

/** Every moment between submission and end belongs to the phase that was reached next; so the parts sum to the whole. */
function barOf(job: JobRow, marks: readonly PhaseRow[]): Bar {
  const end = job.ended_ms ?? job.submitted_ms
  const parts = STAGES.map(() => 0)
  let before = job.submitted_ms
  const inside = marks
    .filter(({ at_ms }) => at_ms >= job.submitted_ms && at_ms <= end)
    .sort((a, b) => a.at_ms - b.at_ms)
  const [first] = inside.filter(({ phase }) => phase === 'decided')
  for (const mark of inside) {
    const stage = STAGES.findIndex(({ phase }) => phase === mark.phase)
    // sites decide once, about the job; later attempts only begin
    const place = stage < 0 ? OTHER : mark.phase === 'decided' && mark !== first ? NEXT : stage
    const { at_ms } = mark
    parts[place] = (parts[place] as number) + at_ms - before
    before = at_ms
  }
  parts[OTHER] = (parts[OTHER] as number) + end - before
  return { label: job.name || job.job.slice(0, 8), parts, total: end - job.submitted_ms, note: outcomeOf(job) }
}

function means(jobs: readonly JobRow[], bars: readonly Bar[]): readonly Bar[] {
  const groups = groupBy(
    jobs.map((job, at) => ({ job, bar: bars[at] as Bar })),
    ({ job }) => job.analysis,
  )
  return [...groups].slice(0, MOST_BARS).map(([analysis, members]) => {
    const mean = (of: (bar: Bar) => number): number =>
      members.reduce((sum, { bar }) => sum + of(bar), 0) / members.length
    const released = members.filter(({ job }) => job.status === 'released').length
    return {
      label: `${analysis} × ${members.length}`,
      parts: STAGES.map((_, stage) => mean(({ parts }) => parts[stage] as number)),
      total: mean(({ total }) => total),
      note: `${released} of ${members.length} released`,
    }
  })
}

function draw(bars: readonly Bar[], used: readonly number[], width: number): Drawing {
  const above = isNarrow(width)
  const entries = used.map((stage, at) => ({
    label: STAGES[stage]?.label ?? '',
    sample: (x: number, y: number) =>
      bar(x - 13, y - 8, 26, 16, `p${stage}`) + text(x, y + 4, String(at + 1), `in p${stage}`, 'middle'),
  }))
  const legend = legendRows(entries, width, 0)
  const names = Math.min(230, Math.max(...bars.map(({ label }) => textWidth(label))) + 12)
  const times = Math.max(...bars.map(({ total, note }) => textWidth(endLabel(total, note)))) + 12
  const pitch = above ? 44 : 28
  const top = legend.height + 14
  const frame = {
    left: above ? 0 : names,
    right: width - Math.min(times, width * 0.35),
    top,
    bottom: top + bars.length * pitch + 4,
  }
  const longest = Math.max(...bars.map(({ total }) => total))
  const scale = linearScale('ms', longest, [frame.left, frame.right], above ? 4 : 7, { tight: true })
  const rows = bars.map((one, at) => {
    const y = frame.top + at * pitch + (above ? 20 : 5)
    const label = above
      ? text(0, y - 6, fitted(one.label, width), 'label')
      : text(names - 10, y + 13, fitted(one.label, names - 10), 'label', 'end')
    let x = frame.left
    const parts = used.map((stage, place) => {
      const value = one.parts[stage] as number
      const to = x + scale.at(value) - frame.left
      const tip = `${one.label}: ${STAGES[stage]?.label}, ${formatMs(value)}`
      const digit = to - x >= 13 ? text((x + to) / 2, y + 13.5, String(place + 1), `in p${stage}`, 'middle') : ''
      const piece =
        value <= 0 ? '' : bar(x, y, Math.max(0.6, to - x - (to - x > 3 ? 1 : 0)), 18, `p${stage}`, tip) + digit
      x = to
      return piece
    })
    return label + parts.join('') + text(x + 6, y + 13, fitted(endLabel(one.total, one.note), width - x - 6), 'value')
  })
  const axis = horizontalAxis(scale, frame, 'time since submission')
  return { height: frame.bottom + 42, content: legend.content + axis + rows.join('') }
}

/** What is usual is not said. */
function endLabel(total: number, note: string): string {
  return note === 'released' ? formatMs(total) : `${formatMs(total)}, ${note.replace(/ \(.*/, '')}`
}
