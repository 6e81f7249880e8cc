/** The top of the page: the question, the answer in numbers, and what is needed to run the same again. */
import { formatCount, formatMs, plural, significant } from '@flamesh/protocol/report/numbers.js'
import { escaped } from '@flamesh/protocol/report/svg.js'
import { type JobRow, outcomeOf, type Run } from './run.js'
import { compareText, groupBy, quantile, sorted } from './statistics.js'

export interface Answer {
  readonly name: string
  readonly value: string
  readonly detail: string
  /** whether something is not as it should be */
  readonly alarming: boolean
}

export function answers({ jobs, sites, manifest }: Run): readonly Answer[] {
  return [
    ended(jobs),
    time(jobs),
    exactness(jobs),
    scale(sites.filter(({ roles }) => roles.split(' ').includes('site')).length, manifest),
  ]
}

function ended(jobs: readonly JobRow[]): Answer {
  const released = jobs.filter(({ status }) => status === 'released').length
  const others = [...groupBy(jobs, outcomeOf)]
    .filter(([how]) => how !== 'released')
    .sort((a, b) => b[1].length - a[1].length || compareText(a[0], b[0]))
    .map(([how, group]) => `${formatCount(group.length)} ${how}`)
  const all = jobs.length > 0 && released === jobs.length ? 'every job gave its result' : others.join(', ')
  const value = `${formatCount(released)} of ${formatCount(jobs.length)}`
  return { name: 'Jobs released', value, detail: jobs.length === 0 ? 'no job was submitted' : all, alarming: false }
}

function time(jobs: readonly JobRow[]): Answer {
  const released = jobs.filter(({ status, ended_ms }) => status === 'released' && ended_ms !== null)
  const name = 'Median time to result'
  if (released.length === 0) return { name, value: '–', detail: 'no job was released', alarming: false }
  const times = sorted(released.map(({ submitted_ms, ended_ms }) => (ended_ms as number) - submitted_ms))
  const range = `from ${formatMs(times[0] as number)} to ${formatMs(times.at(-1) as number)}`
  const detail = times.length === 1 ? 'of one job' : range
  return { name, value: formatMs(quantile(times, 0.5)), detail, alarming: false }
}

function exactness(jobs: readonly JobRow[]): Answer {
  const checked = jobs.filter(({ exact }) => exact !== null)
  const exact = checked.filter((job) => job.exact === true).length
  const name = 'Results checked exact'
  if (checked.length === 0) return { name, value: '–', detail: 'no result was there to check', alarming: false }
  const wrong = checked.filter((job) => job.exact !== true).map((job) => job.name)
  const detail =
    wrong.length === 0
      ? 'each opened sum equals the plain sum over its survivors'
      : `NOT equal to the plain sum: ${wrong.slice(0, 3).join(', ')}${wrong.length > 3 ? ' …' : ''}`
  return { name, value: `${formatCount(exact)} of ${formatCount(checked.length)}`, detail, alarming: wrong.length > 0 }
}

function scale(sites: number, { simulatedMs, wallMs, events }: Run['manifest']): Answer {
  const speed = wallMs > 0 ? `, ${significant(simulatedMs / wallMs)} × real time` : ''
  const rate = wallMs > 0 ? ` (${formatCount(Math.round((events * 1000) / wallMs))} a second)` : ''
  return {
    name: 'Simulated',
    value: plural(sites, 'site'),
    detail: `for ${formatMs(simulatedMs)}${speed}; ${plural(events, 'event')}${rate}`,
    alarming: false,
  }
}

export function summary(run: Run): string {
  const { scenario, interrupted } = run.manifest
  const tiles = answers(run).map(
    ({ name, value, detail, alarming }) =>
      `<div${alarming ? ' class="alarm"' : ''}><dt>${escaped(name)}</dt><dd><b>${escaped(value)}</b><span>${escaped(detail)}</span></dd></div>`,
  )
  const warning = interrupted
    ? '<p class="warning" role="alert"><b>This run was interrupted.</b> What follows is what was done until then: jobs may be missing, and jobs that are still open may have ended later.</p>'
    : ''
  return `<header><p class="eyebrow">Simulation <b>${escaped(scenario.name)}</b></p><h1>${escaped(scenario.question)}</h1>${warning}<dl class="answers">${tiles.join('')}</dl></header>`
}

export function reproduce({ manifest }: Run): string {
  const { scenario, seed, hash, version, node, platform, command } = manifest
  const facts: readonly (readonly [string, string])[] = [
    ['seed', String(seed)],
    ['hash of the run', hash],
    ['hash of the scenario', scenario.sha256],
    ['versions', `flamesh ${version}, Node.js ${node.replace(/^v/, '')}, ${platform}`],
  ]
  const rows = facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escaped(value)}</dd></div>`).join('')
  return `<section class="reproduce" aria-labelledby="reproduce"><h2 id="reproduce">To run the same again</h2><pre class="command"><code>${escaped(command)}</code></pre><p>The same scenario and seed give the same hash, on any machine.</p><dl>${rows}</dl><details><summary>Scenario file</summary><pre tabindex="0"><code>${escaped(scenario.text)}</code></pre></details></section>`
}
