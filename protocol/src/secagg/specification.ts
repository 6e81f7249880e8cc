/**
 * The specification of a round: everything the job fixes, repeated, and what only the committee knows: cohort, one-time
 * keys, times, history. Implements docs/spec/secure-aggregation.md, "Specification". Members and sites check it with the
 * same function; q members' signatures make it valid.
 */
import { countSlots } from '../analyses/layout.js'
import { type Hex, hexToBytes } from '../crypto/hash.js'
import { isSealable } from '../crypto/sealing.js'
import { hashOf } from '../encoding/canonical.js'
import { type Opened, openSigned, type Signed } from '../encoding/signed.js'
import { assert, FlameshError } from '../errors.js'
import type { NamedSet } from '../history.js'
import type { CommitteeRecord, Roster } from '../identity/roster.js'
import { analysisOf } from '../jobs/analysis-of.js'
import { absentSeats } from '../jobs/check.js'
import type { Job, JobId } from '../jobs/job.js'
import { MAX_CLOCK_SKEW_MS, OPEN_MARGIN_MS } from '../limits.js'
import { type Profile, profileOf } from './committee.js'
import { PREKEY, type Prekey, SPECIFICATION, type Specification, SUITE } from './messages.js'
import { fits } from './ring.js'

/** What the job and the openings before it fix about a round. */
export interface RoundBasis {
  readonly jobId: JobId
  readonly job: Job
  readonly committee: CommitteeRecord
  readonly round: number
  readonly attempt: number
  /** the state the round starts from, decoded, and its commitment; undefined and null in round 1 */
  readonly state: unknown
  readonly stateCommitment: Hex | null
  readonly pinned: readonly Hex[] | null
}

export interface CohortEntry {
  readonly site: Hex
  readonly decision: Hex
}

const RING = 128

type Fixed = Omit<
  Specification,
  'cohort' | 'committee' | 'closesAt' | 'openBy' | 'checkpoint' | 'history' | 'consents' | 'pinned'
> & {
  readonly pinned: readonly Hex[] | null
}

/** The smallest b with bound ≤ 2^b. */
function boundBits(bound: number): number {
  let bits = 0
  for (let power = 1; power < bound; power *= 2) bits++
  return bits
}

/** The fields that leave nobody a choice. Throws what the analysis' own plan throws. */
function fixedFields(basis: RoundBasis): Fixed {
  const { job } = basis
  const analysis = analysisOf(job)
  if (analysis === undefined) throw new FlameshError('analysis-unknown', 'this node does not know the analysis')
  const plan = analysis.plan(job.parameters, basis.state)
  const profile = profileOf(basis.committee.members.length) as Profile
  return {
    suite: SUITE,
    job: basis.jobId,
    round: basis.round,
    attempt: basis.attempt,
    analysis: job.analysis.hash,
    state: basis.stateCommitment,
    dimension: plan.slots.length,
    counts: countSlots(plan),
    ring: RING,
    fractionBits: plan.fractionBits,
    boundBits: boundBits(plan.bound),
    minCohort: job.cohort.minimum,
    maxColluding: job.maxColluding,
    slices: Math.min(profile.members, plan.slots.length),
    opening: job.opening,
    noise: { mechanism: 'none' },
    pinned: basis.pinned,
  }
}

export interface Proposal {
  readonly cohort: readonly CohortEntry[]
  /** a signed prekey for each seat, null for those that are absent */
  readonly seats: readonly (Signed | null)[]
  readonly closesAt: number
  readonly checkpoint: Specification['checkpoint']
  readonly history: readonly NamedSet[]
  readonly consents: readonly CohortEntry[]
}

export function buildSpecification(basis: RoundBasis, proposal: Proposal): Specification {
  const cohort = [...proposal.cohort].sort((a, b) => (a.site < b.site ? -1 : 1))
  return {
    ...fixedFields(basis),
    pinned: basis.pinned === null ? null : [...basis.pinned],
    cohort,
    committee: { index: basis.committee.index, seats: [...proposal.seats] },
    closesAt: proposal.closesAt,
    openBy: proposal.closesAt + OPEN_MARGIN_MS,
    checkpoint: proposal.checkpoint,
    history: [...proposal.history].sort((a, b) => (a.set < b.set ? -1 : 1)),
    consents: [...proposal.consents].sort((a, b) => (a.site < b.site ? -1 : 1)),
  }
}

/** When a round closes at the latest: a pause lasts as long as the job, anything else as long as the job says. */
export function closingTime(job: Job, pinned: boolean, nowMs: number): number {
  return pinned || job.dropout === 'pause' ? job.notAfter : Math.min(nowMs + job.submitWithinMs, job.notAfter)
}

/** The signed prekeys of a specification by seat, each checked against its member's signature; null where absent. */
export function openPrekeys(specification: Specification, committee: CommitteeRecord): readonly (Prekey | null)[] {
  const before = opened.get(specification)
  if (before !== undefined) return before
  const prekeys = specification.committee.seats.map((signed, seat) => {
    if (signed === null) return null
    const { body, signers } = openSigned(signed, PREKEY)
    const member = committee.members[seat]
    if (signers.length !== 1 || signers[0] !== member || body.member !== member || body.committee !== committee.index) {
      throw new FlameshError('prekey', `seat ${seat} does not carry its member's own prekey`)
    }
    if (!isSealable(hexToBytes(body.key))) throw new FlameshError('prekey', `nothing can be sealed to seat ${seat}`)
    return body
  })
  opened.set(specification, prekeys)
  return prekeys
}

/** A member looks at the same specification with every message of a round, and its committee never changes. */
const opened = new WeakMap<Specification, readonly (Prekey | null)[]>()

const refuse = (code: string, message: string): never => {
  throw new FlameshError(code, message)
}

/** Whether the log here has every site that is named: one that enrolled lately is no lie of whoever has read of it. */
export const knowsCohort = ({ cohort }: Specification, roster: Roster): boolean =>
  cohort.every(({ site }) => roster.members.has(site))

/**
 * Checks everything about a specification that does not depend on who looks: form, the job's terms, the cohort, the
 * seats, the bound over the whole cohort, the times. Throws FlameshError with the rule that is broken.
 */
export function checkSpecification(
  specification: Specification,
  basis: RoundBasis,
  roster: Roster,
): readonly (Prekey | null)[] {
  const { cohort, committee: _c, closesAt, openBy, checkpoint: _k, history, consents, ...given } = specification
  if (hashOf(given) !== hashOf(fixedFields(basis))) refuse('not-the-job', 'the specification differs from the job')
  if (specification.committee.index !== basis.committee.index) refuse('not-the-job', 'another committee')
  if (specification.committee.seats.length !== basis.committee.members.length) refuse('seats', 'not one entry a seat')
  checkCohortList(specification, basis, roster)
  if (openBy !== closesAt + OPEN_MARGIN_MS || closesAt > basis.job.notAfter) refuse('times', 'closing or opening times')
  const paused = basis.pinned !== null || basis.job.dropout === 'pause'
  if (paused && closesAt !== basis.job.notAfter) refuse('times', 'a pause lasts as long as the job')
  if (!isSorted(history.map((one) => one.set))) refuse('history', 'history is not sorted')
  if (!isSorted(consents.map((one) => one.site))) refuse('consents', 'the consents are not sorted and distinct')
  if (!fits(cohort.length, 2 ** specification.boundBits, specification.ring, specification.fractionBits))
    refuse('overflow', 'the bound does not fit the ring')
  const prekeys = openPrekeys(specification, basis.committee)
  const absent = absentSeats(basis.job, basis.committee, roster)
  for (const seat of absent) if (prekeys[seat] !== null) refuse('seats', 'a seat that must be absent is not')
  const profile = profileOf(basis.committee.members.length) as Profile
  if (prekeys.filter((one) => one === null).length > profile.maxAbsent) refuse('seats', 'too many absent seats')
  return prekeys
}

const isSorted = (keys: readonly string[]): boolean =>
  keys.every((key, at) => at === 0 || (keys[at - 1] as string) < key)

function checkCohortList(specification: Specification, basis: RoundBasis, roster: Roster): void {
  if (checkedOn.get(specification) !== roster) checkSites(specification, basis.job, roster)
  checkedOn.set(specification, roster)
  if (basis.pinned === null) return
  const listed = new Set(specification.cohort.map((one) => one.site))
  if (basis.pinned.some((key) => !listed.has(key))) refuse('cohort', 'a pinned site is missing')
}

/** The roster a cohort was good on: a specification comes by many ways, and names its job. */
const checkedOn = new WeakMap<Specification, Roster>()

function checkSites(specification: Specification, job: Job, roster: Roster): void {
  const sites = specification.cohort.map((one) => one.site)
  if (!isSorted(sites)) refuse('cohort', 'the cohort is not sorted and distinct')
  const organisations = new Set<string>()
  for (const key of sites) {
    const member = roster.members.get(key)
    if (member === undefined || !member.roles.includes('site'))
      return refuse('cohort', 'the cohort names one who is no site')
    organisations.add(member.organisation)
  }
  if (organisations.size !== sites.length) refuse('cohort', 'two sites of one organisation')
  if (organisations.size < specification.minCohort) refuse('minimum-cohort', 'the cohort is below its minimum')
  const named = new Set(job.cohort.sites)
  if (named.size > 0 && !sites.every((key) => named.has(key))) refuse('cohort', 'a site that the job does not name')
}

/**
 * The members' signatures on a signed object: all must be of seats that are present in the job, since an absent one could
 * make a quorum that shares no honest member with another. Throws `signature` or `schema`.
 */
export function openByCommittee<T>(
  signed: Signed,
  kind: Parameters<typeof openSigned<T>>[1],
  seats: readonly (Hex | null)[],
): Opened<T> {
  const opened = openSigned(signed, kind)
  if (!opened.signers.every((key) => seats.includes(key)))
    refuse('signature', 'signed by one who has no seat in this job')
  return opened
}

/** A specification with the signatures of a quorum: what every later message of the round relies on. */
export function openQuorumSpecification(signed: Signed, seats: readonly (Hex | null)[]): Opened<Specification> {
  const opened = openByCommittee(signed, SPECIFICATION, seats)
  const profile = profileOf(seats.length)
  assert(profile !== undefined, 'a committee of the roster has a profile')
  if (opened.signers.length < profile.quorum) refuse('quorum', 'the specification lacks a quorum of signatures')
  return opened
}

/** A proposal's closing time must lie ahead, and not beyond what the job allows from now. */
export function closingIsFresh(specification: Specification, job: Job, nowMs: number): boolean {
  const latest = closingTime(job, specification.pinned !== null, nowMs + MAX_CLOCK_SKEW_MS)
  return specification.closesAt > nowMs - MAX_CLOCK_SKEW_MS && specification.closesAt <= latest
}
