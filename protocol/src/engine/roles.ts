/** The machines of one job at one node: which there are, how they are restored, stepped and compared with other jobs'. */
import type { Hex } from '../crypto/hash.js'
import { decode, encode } from '../encoding/canonical.js'
import { openSigned, type Signed } from '../encoding/signed.js'
import type { Verdict } from '../encoding/verdict.js'
import { type Roster, successionOf } from '../identity/roster.js'
import { guardKey } from '../jobs/check.js'
import { JOB, type Job, type JobId } from '../jobs/job.js'
import { DECISION, givesConsent } from '../jobs/messages.js'
import { type RequestEvent, stepRequest } from '../jobs/request.js'
import { newRequest, type RequestState } from '../jobs/request-state.js'
import type { SiteEvent } from '../jobs/site/event.js'
import { stepSite } from '../jobs/site/machine.js'
import { asks as siteAsks } from '../jobs/site/resolving.js'
import { newSite, type SiteState } from '../jobs/site/state.js'
import { KEEP_RESULT_MS, MAX_OPEN_JOBS_OF_ONE } from '../limits.js'
import { type Context, difference, type Effect, restore } from '../machine.js'
import type { Write } from '../ports.js'
import { stateKeyName } from '../secagg/kept-state.js'
import { type MemberEvent, stepMember } from '../secagg/member/machine.js'
import { type MemberState, newMember } from '../secagg/member/state.js'
import { type StationEvent, stepStation } from '../trains/machine.js'
import { isOver, newStation, type StationState } from '../trains/state.js'
import type { WireMessage } from '../wire.js'

export type Role = 'request' | 'site' | 'member' | 'station'
export const ROLES: readonly Role[] = ['request', 'site', 'member', 'station']
export type RoleEvent = SiteEvent | MemberEvent | RequestEvent | StationEvent

export interface JobRoles {
  readonly signed: Signed
  readonly site: SiteState | undefined
  readonly member: MemberState | undefined
  readonly request: RequestState | undefined
  /** of a job with a route, beside the site that decides */
  readonly station: StationState | undefined
}

export const JOB_PREFIX = 'job/'

export const rolePrefix = (id: JobId, role: Role): string => `${JOB_PREFIX}${id}/${role}/`

/** The machines this node has in a job. */
export function newRoles(signed: Signed, job: Job, roster: Roster, self: Hex): JobRoles {
  const invited = job.cohort.sites.length === 0 || job.cohort.sites.includes(self)
  const seated = job.route === null && roster.committees.get(job.committee)?.members.includes(self)
  return {
    signed,
    site: roster.members.get(self)?.roles.includes('site') && invited ? newSite(signed) : undefined,
    member: seated ? newMember(signed) : undefined,
    request: job.researcher === self || job.recipients.includes(self) ? newRequest(signed) : undefined,
    station: job.route?.stations.includes(self) ? newStation(signed) : undefined,
  }
}

export function writesOfNew(id: JobId, roles: JobRoles): readonly Write[] {
  const own = ROLES.flatMap((role) =>
    roles[role] === undefined ? [] : difference(rolePrefix(id, role), undefined, roles[role]),
  )
  return [{ key: `${JOB_PREFIX}${id}/signed`, value: encode(roles.signed) }, ...own]
}

/** All jobs of a store's entries under JOB_PREFIX. */
export function restoreRoles(entries: readonly (readonly [string, Uint8Array])[]): Map<JobId, JobRoles> {
  const grouped = new Map<JobId, Map<string, (readonly [string, unknown])[]>>()
  for (const [key, bytes] of entries) {
    const [id, role, ...rest] = key.slice(JOB_PREFIX.length).split('/') as [string, string, ...string[]]
    const parts = grouped.get(id) ?? new Map<string, (readonly [string, unknown])[]>()
    grouped.set(id, parts)
    const list = parts.get(role) ?? []
    parts.set(role, list)
    list.push([rest.join('/'), decode(bytes)])
  }
  const jobs = new Map<JobId, JobRoles>()
  for (const [id, parts] of grouped) {
    const signed = parts.get('signed')?.[0]?.[1] as Signed | undefined
    if (signed === undefined) continue
    const site = parts.get('site')
    const member = parts.get('member')
    const request = parts.get('request')
    const station = parts.get('station')
    jobs.set(id, {
      signed,
      site: site && restore(newSite(signed), site),
      member: member && restore(newMember(signed), member),
      request: request && restore(newRequest(signed), request),
      station: station && restore(newStation(signed), station),
    })
  }
  return jobs
}

export interface RoleStep {
  readonly roles: JobRoles
  readonly writes: readonly Write[]
  readonly effects: readonly Effect[]
  readonly verdict: Verdict
}

/** One step of one machine; undefined if the node has no such part in the job. */
export function stepRole(
  id: JobId,
  roles: JobRoles,
  role: Role,
  event: RoleEvent,
  context: Context,
): RoleStep | undefined {
  const before = roles[role]
  if (before === undefined) return undefined
  const { state, effects, verdict } = run(roles, role, event, context)
  return {
    roles: { ...roles, [role]: state },
    writes: difference(rolePrefix(id, role), before, state),
    effects,
    verdict,
  }
}

function run(roles: JobRoles, role: Role, event: RoleEvent, context: Context) {
  switch (role) {
    case 'site':
      return stepSite(roles.site as SiteState, event as SiteEvent, context)
    case 'member':
      return stepMember(roles.member as MemberState, event as MemberEvent, context)
    case 'request':
      return stepRequest(roles.request as RequestState, event as RequestEvent, context)
    case 'station':
      return stepStation(roles.station as StationState, event as StationEvent, context)
  }
}

/** Which machines a message about a job is for. */
export function rolesFor(message: WireMessage): readonly Role[] {
  switch (message.type) {
    case 'decision':
      return ['request', 'member', 'station']
    case 'train':
    case 'travelling':
    case 'confirmation':
      return ['station']
    case 'delivery':
      return ['request', 'station']
    case 'behind':
      return ['member', 'station']
    case 'progress':
    case 'retired':
    case 'release':
      return ['request']
    case 'round':
      return ['site', 'member']
    case 'standing':
    case 'ended':
      return ['site', 'member']
    case 'outcome':
      return ['request', 'site', 'member']
    case 'cancel':
      return ['request', 'site', 'member', 'station']
    default:
      return ['member']
  }
}

/** The job a message belongs to; undefined if it belongs to none. What it says is checked by whoever takes it. */
export function jobIdOf(message: WireMessage): JobId | undefined {
  switch (message.type) {
    case 'decision':
      return jobIn(message.decision)
    case 'withdrawal':
      return jobIn(message.withdrawal)
    case 'cancel':
      return jobIn(message.cancel)
    case 'specification':
    case 'round':
      return jobIn(message.specification)
    case 'outcome':
      return message.record.job
    case 'standing':
      return jobIn(message.standing)
    default:
      return 'job' in message && typeof message.job === 'string' ? message.job : undefined
  }
}

function jobIn(signed: Signed): JobId | undefined {
  if (named.has(signed)) return named.get(signed)
  const body = decode(signed.payload) as { readonly job?: unknown } | null
  const job = typeof body?.job === 'string' ? body.job : undefined
  named.set(signed, job)
  return job
}

/** A specification of a thousand sites need not be decoded with every message that carries it. */
const named = new WeakMap<Signed, JobId | undefined>()

/**
 * Whether another job holds the guard's key at this node: a job that is bound to a round comes first, then the lower id, so
 * that all members give way to the same one.
 */
export function isBusy(jobs: ReadonlyMap<JobId, JobRoles>, key: Hex, job: JobId, roster: Roster): boolean {
  for (const [id, { member, site, signed }] of jobs) {
    const { body } = openSigned(signed, JOB)
    if (id === job || guardKey(body) !== key) continue
    if (member !== undefined && member.progress.ended === null && member.attempt.readyAtMs !== null) {
      const { attempt, specification, progress } = member
      const bound = attempt.signed !== null || specification !== undefined || progress.round > 1
      if (bound || id < job) return true
    }
    // what a committee that handed over may have certified is in its successor's history
    if (successionOf(roster, body.committee, body.dataset) !== undefined) continue
    const answering = site?.status.status === 'preparing' || site?.status.status === 'submitted'
    if (answering && [...(site?.rounds.values() ?? [])].some((one) => !one.resolved)) return true
  }
  return false
}

const OVER: ReadonlySet<string> = new Set(['refused', 'released', 'suppressed', 'failed', 'expired', 'cancelled'])

/** A site's status in a job; with a route, that of the train once it has come to this station. */
export function siteStatus({ site, station }: JobRoles): SiteState['status'] | undefined {
  return site?.status.status === 'refused' ? site.status : (station?.status ?? site?.status)
}

/** Whether this site took a train of another job to the same question. */
export function hasTravelled(jobs: ReadonlyMap<JobId, JobRoles>, key: Hex, job: JobId): boolean {
  return [...jobs].some(
    ([id, { station, signed }]) =>
      id !== job && station?.taken !== undefined && guardKey(openSigned(signed, JOB).body) === key,
  )
}

/** Whether this node has nothing left to do in a job. */
export function isFinished(roles: JobRoles): boolean {
  const { member, request } = roles
  const own = [siteStatus(roles)?.status, request?.status.status].every(
    (status) => status === undefined || OVER.has(status),
  )
  return own && (member === undefined || member.progress.ended !== null)
}

/** Whether states of the job lie sealed on this disk that something here still needs, or further ones are about to. */
export function keepsStates({ site, member }: JobRoles): boolean {
  if (site?.status.status === 'preparing' || site?.status.status === 'submitted') return true
  return member !== undefined && (member.progress.previous !== null || member.nextState !== undefined)
}

/** Names of the vault's keys of such jobs. */
export const stateKeysInUse = (jobs: ReadonlyMap<JobId, JobRoles>): readonly string[] =>
  [...jobs].flatMap(([id, roles]) => (keepsStates(roles) ? [stateKeyName(id)] : []))

/** What of a node decides whether it takes a job for its result alone. */
interface Fetcher {
  readonly key: Hex
  readonly known: ReadonlyMap<JobId, JobRoles>
  readonly log: { readonly roster: Roster }
  now(): number
}

/**
 * Whether a job that is over is worth knowing: this node is to have its result, which the member that tells of it may still
 * keep. No researcher's past jobs crowd out the others'.
 */
export function mayFetch(node: Fetcher, from: Hex, job: Job): boolean {
  const { key, known, log } = node
  const nowMs = node.now()
  const committee = log.roster.committees.get(job.committee)
  const isRecipient = job.researcher === key || job.recipients.includes(key)
  if (!isRecipient || !committee?.members.includes(from) || nowMs >= job.notAfter + KEEP_RESULT_MS) return false
  const waiting = [...known.values()].filter(({ signed, request }) => {
    const { researcher, notAfter } = openSigned(signed, JOB).body
    return researcher === job.researcher && notAfter <= nowMs && request !== undefined && request.release === undefined
  })
  return waiting.length < MAX_OPEN_JOBS_OF_ONE
}

/** Machines of a job that is over here which have something to say to, or to ask of, whoever they meet. */
export function rolesWaitingFor({ signed, site, member, station }: JobRoles, peer: Hex): readonly Role[] {
  const roles: Role[] = []
  if (station !== undefined && isOver(station) && !station.delivered.get(peer)) {
    const { researcher, recipients } = openSigned(signed, JOB).body
    if (peer === researcher || recipients.includes(peer)) roles.push('station')
  }
  if (member !== undefined && member.progress.ended !== null) {
    const { researcher, recipients } = openSigned(signed, JOB).body
    const wanted = peer === researcher || recipients.includes(peer)
    const asks = member.progress.ended.status === 'expired' && !member.resolved
    if (asks || (wanted && !member.delivered.get(peer))) roles.push('member')
  }
  if (site !== undefined && siteAsks(site)) roles.push('site')
  return roles
}

/** Jobs that this site's machine approved since a time. */
export function approvalsSince(jobs: ReadonlyMap<JobId, JobRoles>, sinceMs: number): number {
  let count = 0
  for (const { site } of jobs.values()) {
    if (site?.decision === undefined) continue
    const { body } = openSigned(site.decision, DECISION)
    if (body.decision === 'approve' && body.by === 'policy' && body.decidedAt >= sinceMs) count++
  }
  return count
}

/** Every approval in which this site consented under a guard key. */
export function ownConsents(jobs: ReadonlyMap<JobId, JobRoles>, key: Hex): readonly Signed[] {
  return [...jobs.values()].flatMap(({ site }) =>
    site?.decision !== undefined && givesConsent(site.decision, key) !== undefined ? [site.decision] : [],
  )
}
