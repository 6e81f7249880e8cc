/**
 * A chain of hops held against the job: whoever gets one, station, recipient or reader of a receipt, checks it alike.
 * Implements docs/spec/trains.md, "Checks". A chain shows who took part, in which order, and who was left out and why; not
 * that what a station added was true, nor that it handed on the sum rather than something else.
 */
import type { Hex } from '../crypto/hash.js'
import { openSigned, type Signed } from '../encoding/signed.js'
import { ignore, later, type Verdict } from '../encoding/verdict.js'
import { FlameshError } from '../errors.js'
import { activeMember } from '../identity/roster.js'
import { checkDecision, judgedBy, type KnownLog, type SignedJob } from '../jobs/decisions.js'
import type { Job, JobId } from '../jobs/job.js'
import { DECISION } from '../jobs/messages.js'
import { CONFIRMATION, HOP, type Hop } from './messages.js'
import { majorityOf, type Route } from './route.js'

export interface Link {
  readonly body: Hop
  readonly hash: Hex
  readonly signed: Signed
}

/** The hops and confirmations of a train that ended, as a receipt shows them. */
export interface TrainEnd {
  readonly hops: readonly Signed[]
  readonly confirmations: readonly Signed[]
}

export interface Chain {
  readonly links: readonly Link[]
  readonly last: Link
  /** stations whose rows are in the state, in order */
  readonly contributors: readonly Hex[]
  /** stations that were left out because they are no members in good standing any more */
  readonly revoked: readonly Hex[]
  /** the approvals of its stations, and the refusals of those that were left out for it */
  readonly decisions: readonly Signed[]
}

export interface ChainParts {
  readonly hops: readonly Signed[]
  readonly decisions: readonly Signed[]
}

function broken(message: string): never {
  throw new FlameshError('chain', message)
}

export const routeOf = (job: Job): Route => job.route ?? broken('the job has no route')

/** Approvals and refusals by station, each signed by it alone. Throws `chain`. */
function decisionsIn(decisions: readonly Signed[], jobId: JobId, { stations }: Route) {
  const approvals = new Map<Hex, { readonly site: Hex; readonly signed: Signed }>()
  const refusals = new Map<Hex, Signed>()
  for (const signed of decisions) {
    const { body, signers, hash } = openSigned(signed, DECISION)
    if (signers.length !== 1 || signers[0] !== body.site || body.job !== jobId || !stations.includes(body.site))
      broken("a decision is not a station's, or about another job")
    if (body.decision === 'approve') approvals.set(hash, { site: body.site, signed })
    else refusals.set(body.site, signed)
  }
  return { approvals, refusals }
}

function openHop(signed: Signed, jobId: JobId, { stations }: Route): Link {
  const { body, signers, hash } = openSigned(signed, HOP)
  if (signers.length !== 1 || signers[0] !== body.station) broken('a hop is not signed by its station')
  if (body.job !== jobId || stations[body.position] !== body.station)
    broken('a hop of another job, or of a station at another place')
  return { body, hash, signed }
}

/** The positions that a hop must account for: before the start, and between its station and the next one. */
function leftOut({ position, previous, next }: Hop, { stations }: Route): number[] {
  const to = next === null ? stations.length : stations.indexOf(next)
  if (to <= position) broken('a hop does not go forward')
  const all = Array.from({ length: stations.length }, (_, at) => at)
  return all.filter((at) => (at > position && at < to) || (previous === null && at < position))
}

function checkSkips(hop: Hop, route: Route, refusals: ReadonlyMap<Hex, Signed>): void {
  // a train that fails for want of stations stops where it is
  const failed = hop.arrival?.outcome === 'failed'
  const given = hop.skipped.map((one) => one.position)
  const wanted = leftOut(hop, route).filter((at) => !failed || at < hop.position || given.includes(at))
  if (given.join() !== wanted.join()) broken('a hop does not account for the stations between')
  for (const { position, code } of hop.skipped) {
    if (code === 'unreachable' && route.unreachable === 'wait') broken('a station was not waited for')
    if (code === 'refused' && !refusals.has(route.stations[position] as Hex))
      broken('a station was left out as refusing that did not refuse')
  }
}

function checkArrival({ body }: Link, contributors: number, { cohort: { minimum } }: Job, { stations }: Route): void {
  const { arrival, next, position, skipped } = body
  if ((arrival === null) !== (next !== null)) broken('a last hop says how the train ended, and no other one does')
  if (arrival === null) return
  if ((arrival.outcome === 'result') !== (arrival.commitment !== null))
    broken('a result, and nothing else, is committed to')
  if ((arrival.outcome === 'result') !== (arrival.code === 'released')) broken('a code of another outcome')
  if (arrival.outcome !== 'failed' && contributors < minimum) broken('fewer organisations than the job demands')
  if (arrival.outcome !== 'failed' || arrival.code === STATION_REVOKED) return
  const ahead = stations.length - 1 - position - skipped.filter((one) => one.position > position).length
  if (arrival.code !== BELOW_MINIMUM || contributors + ahead >= minimum)
    broken('a train that failed though enough stations are left')
}

/** Why a train ends where it is: the stations that are left cannot bring the minimum, or one that took part was revoked. */
export const BELOW_MINIMUM = 'cohort-below-minimum'
export const STATION_REVOKED = 'station-revoked'

/**
 * Checks hops against the job and each other. Throws FlameshError: `signature`, `schema`, or `chain` if anything is missing,
 * out of order or not this job's. Nothing here depends on the log: see `standing`.
 */
export function checkChain({ hops, decisions }: ChainParts, jobId: JobId, job: Job): Chain {
  const route = routeOf(job)
  const { approvals, refusals } = decisionsIn(decisions, jobId, route)
  const links = hops.map((signed) => openHop(signed, jobId, route))
  for (const [at, { body }] of links.entries()) {
    const before = links[at - 1]
    if (body.previous !== (before?.hash ?? null)) broken('a hop does not follow the one before it')
    if (before !== undefined && before.body.next !== body.station) broken('a hop by another station than the next')
    if (approvals.get(body.decision)?.site !== body.station) broken('a hop by a station without an approval')
    checkSkips(body, route, refusals)
  }
  const last = links.at(-1) ?? broken('a chain without hops')
  for (const { body } of links.slice(0, -1)) if (body.arrival !== null) broken('a train that goes on after its end')
  const contributors = links.flatMap(({ body }) => (body.failed === null ? [body.station] : []))
  checkArrival(last, contributors.length, job, route)
  const revoked = links.flatMap(({ body }) =>
    body.skipped.flatMap(({ position, code }) => (code === 'revoked' ? [route.stations[position] as Hex] : [])),
  )
  const relied = links.flatMap(({ body }) => [
    approvals.get(body.decision)?.signed,
    ...body.skipped.map(({ position, code }) =>
      code === 'refused' ? refusals.get(route.stations[position] as Hex) : undefined,
    ),
  ])
  return { links, last, contributors, revoked, decisions: relied.filter((one) => one !== undefined) }
}

/** What the log, as it is known here, has against a chain; undefined if it has nothing. */
export function standing(chain: Chain, job: SignedJob, log: KnownLog, nowMs: number): Verdict | undefined {
  const { roster } = log
  const against = judgedBy(() => chain.decisions.map((signed) => checkDecision(signed, job, log)))
  if (against !== undefined) return against
  if (chain.revoked.some((key) => activeMember(roster, key, nowMs) !== undefined)) return later('checkpoint-ahead')
  const { arrival } = chain.last.body
  const gone = chain.links.some(({ body }) => activeMember(roster, body.station, nowMs) === undefined)
  if (!gone && arrival?.code === STATION_REVOKED) return later('checkpoint-ahead')
  return gone && arrival?.outcome !== 'failed' ? ignore('station-revoked') : undefined
}

/** Whether most stations confirmed the end of this chain. Throws `signature`, `schema` or `chain`. */
export function isConfirmed(chain: Chain, confirmations: readonly Signed[], jobId: JobId, job: Job): boolean {
  const route = routeOf(job)
  const stations = new Set<Hex>()
  for (const signed of confirmations) {
    const { body, signers } = openSigned(signed, CONFIRMATION)
    if (signers.length !== 1 || signers[0] !== body.station || !route.stations.includes(body.station))
      broken('a confirmation is not signed by its station')
    if (body.job !== jobId || body.last !== chain.last.hash) broken('a confirmation of another end')
    stations.add(body.station)
  }
  return stations.size >= majorityOf(route)
}

/** Two hops of one station, of which an honest one signs only one: it takes one train and adds to it once. */
export function contradicts(a: Hop, b: Hop): boolean {
  return a.previous !== b.previous || a.state !== b.state || a.failed !== b.failed || a.decision !== b.decision
}
