/** The tables of a result, from what was recorded. All times are simulated milliseconds since everything was up. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { JobView } from '@flamesh/protocol/peer.js'
import { csv } from '@flamesh/protocol/report/csv.js'
import { profileOf } from '@flamesh/protocol/secagg/committee.js'
import type { Federation } from '../federation.js'
import type { Record, Seen } from './record.js'
import { isExact } from './value-check.js'

/** One job of a run: asked, and what became of it. */
export interface Asked {
  readonly name: string
  readonly analysis: string
  readonly submittedMs: number
  /** undefined if the researcher's node could not submit it, which `code` explains */
  readonly job: Hex | undefined
  readonly code?: string
}

export interface JobOutcome {
  readonly name: string
  readonly job: string
  readonly analysis: string
  readonly submittedMs: number
  readonly endedMs: number | undefined
  readonly status: string
  readonly code: string
  readonly rounds: number
  readonly invited: number
  readonly approved: number
  readonly survivors: number
  /** the released numbers are those of the plain sum over the survivors; undefined if nothing was released */
  readonly exact: boolean | undefined
}

export async function jobOutcome(federation: Federation, record: Record, asked: Asked): Promise<JobOutcome> {
  const { name, analysis, submittedMs, job } = asked
  const peer = federation.node('researcher').peer
  const view = job === undefined ? undefined : peer?.job(job)
  if (view === undefined || peer === undefined || job === undefined) {
    const status = job === undefined ? 'not-submitted' : 'unknown'
    const none = { endedMs: undefined, rounds: 0, invited: 0, approved: 0, survivors: 0, exact: undefined }
    return { name, job: job ?? '', analysis, submittedMs, status, code: asked.code ?? '', ...none }
  }
  const answers = Object.entries(view.sites)
  const included = answers.flatMap(([site, { included: counted }]) => (counted === true ? [site] : []))
  const result = (await peer.result(job))?.result
  return {
    name,
    job,
    analysis,
    submittedMs,
    endedMs: record.ended.get(job),
    status: view.status,
    code: view.code ?? '',
    rounds: view.round,
    invited: view.body.cohort.sites.length || federation.options.sites.length,
    approved: answers.filter(([, { status }]) => status !== 'refused').length,
    survivors: included.length,
    exact: result === undefined ? undefined : isExact(federation, view.body as JobView['body'], included, result),
  }
}

export function jobsTable(outcomes: readonly JobOutcome[]): string {
  const columns = ['job', 'name', 'analysis', 'submitted_ms', 'ended_ms', 'status', 'code', 'rounds']
  return csv(
    [...columns, 'invited', 'approved', 'survivors', 'exact'],
    outcomes.map((one) => [
      ...[one.job, one.name, one.analysis, one.submittedMs, one.endedMs, one.status, one.code, one.rounds],
      ...[one.invited, one.approved, one.survivors, one.exact],
    ]),
  )
}

/** Which member's record says that the committee got so far: the first's, or that of the last of a quorum. */
const MILESTONES = [
  { phase: 'decided', event: 'specification-proposed', which: 'first' },
  { phase: 'specified', event: 'specification-signed', which: 'first' },
  { phase: 'submitted', event: 'submission-received', which: 'last' },
  { phase: 'closed', event: 'round-closed', which: 'quorum' },
  { phase: 'certified', event: 'partials-sent', which: 'quorum' },
  { phase: 'opened', event: 'opened', which: 'quorum' },
] as const

export function phasesTable(federation: Federation, record: Record, asked: readonly Asked[]): string {
  const quorum = profileOf(federation.options.committee.length)?.quorum ?? 1
  const byJob = new Map<Hex, Seen[]>()
  for (const seen of record.audits) {
    if (seen.job === undefined) continue
    const known = byJob.get(seen.job)
    if (known === undefined) byJob.set(seen.job, [seen])
    else known.push(seen)
  }
  const rows = asked.flatMap(({ job, submittedMs }) => {
    const seen = byJob.get(job ?? '') ?? []
    const attempts = [...new Set(seen.map(attemptOf))].filter((one) => one !== '').sort(inOrder)
    const reached = attempts.flatMap((attempt) => {
      const own = seen.filter((one) => attemptOf(one) === attempt)
      return MILESTONES.flatMap(({ phase, event, which }) => {
        const times = own.flatMap((one) => (one.event === event ? [one.atMs] : [])).sort((a, b) => a - b)
        const atMs = which === 'first' ? times[0] : which === 'last' ? times.at(-1) : times[quorum - 1]
        return atMs === undefined ? [] : [[job, ...attempt.split('.').map(Number), phase, atMs]]
      })
    })
    const last = attempts.at(-1)?.split('.').map(Number) ?? [1, 0]
    const released = seen.find((one) => one.event === 'result-received')
    return [
      [job, 1, 0, 'announced', submittedMs],
      ...reached,
      ...(released === undefined ? [] : [[job, ...last, 'released', released.atMs]]),
    ].filter(([id]) => id !== undefined)
  })
  return csv(['job', 'round', 'attempt', 'phase', 'at_ms'], rows)
}

const attemptOf = ({ fields }: Seen): string =>
  fields['round'] === undefined ? '' : `${fields['round']}.${fields['attempt']}`

function inOrder(a: string, b: string): number {
  const [roundA = 0, attemptA = 0] = a.split('.').map(Number)
  const [roundB = 0, attemptB = 0] = b.split('.').map(Number)
  return roundA - roundB || attemptA - attemptB
}

export function propagationTable({ heard }: Record): string {
  return csv(
    ['message', 'kind', 'site', 'delay_ms'],
    heard.map((one) => [one.message, one.kind, one.site, one.delayMs]),
  )
}

export function eventsTable({ events }: Record): string {
  return csv(
    ['at_ms', 'event', 'node'],
    events.map((one) => [one.atMs, one.event, one.node]),
  )
}

export function sitesTable(federation: Federation, record: Record): string {
  const { network, options } = federation
  const columns = ['site', 'organisation', 'roles', 'sent_bytes', 'received_bytes', 'gossip_received']
  const rows = [...federation.nodes.values()].map(({ name, key, roles }) => {
    const traffic = network.counters.of(key)
    const seat = options.committee.includes(name)
    const shown = roles.filter((role) => role !== 'aggregator' || seat).join(' ')
    return [
      ...[name, `org-${name}`, shown, traffic.sentBytes, traffic.receivedBytes, record.gossipReceived.get(key) ?? 0],
      ...[
        traffic.duplicates,
        traffic.sentMessages,
        Math.round(network.cpu.totalMs(key)),
        record.upShare(name).toFixed(6),
      ],
    ]
  })
  return csv([...columns, 'gossip_duplicates', 'direct_messages', 'cpu_ms', 'up_share'], rows)
}
