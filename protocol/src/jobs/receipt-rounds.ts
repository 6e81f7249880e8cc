/**
 * The rounds of a job held against the job, its decisions and the log: the same for a recipient that is handed them and for
 * whoever reads them in a receipt. Implements docs/spec/jobs.md, "Receipt", step 7. Throws FlameshError at the first thing
 * that is wrong.
 */
import type { Hex } from '../crypto/hash.js'
import { openSigned, payloadHash, type Signed } from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import type { CommitteeRecord, Roster } from '../identity/roster.js'
import { profileOf } from '../secagg/committee.js'
import type { OpenedBody } from '../secagg/messages.js'
import { checkRecord, type Ending, endingOf, type RecordFacts } from '../secagg/record.js'
import type { AttemptRecord } from '../wire.js'
import { absentSeats, guardKey } from './check.js'
import type { KnownLog, SignedJob, SiteDecision } from './decisions.js'
import type { Job } from './job.js'
import { DECISION, givesConsent } from './messages.js'

function fail(code: string, message: string): never {
  throw new FlameshError(code, message)
}

/** What a job's rounds are shown by, beside the decisions. */
export interface Shown {
  readonly records: readonly AttemptRecord[]
  /** approvals of earlier jobs that specifications name for their consents */
  readonly consents: readonly Signed[]
}

/** Consents of earlier jobs, by the hash that a specification names them by: approvals that hold nothing but their site's own. */
function earlierConsents(consents: readonly Signed[], { job }: SignedJob, log: KnownLog): ReadonlyMap<Hex, Hex> {
  const key = guardKey(job)
  return new Map(consents.map((signed) => [payloadHash(signed), checkConsent(signed, key, log)] as const))
}

/** The site that consents to the question in an approval of whatever job. Throws `consent`, or what `checkSeen` throws. */
export function checkConsent(signed: Signed, key: Hex, log: Pick<KnownLog, 'checkSeen'>): Hex {
  const site = givesConsent(signed, key)
  if (site === undefined) return fail('consent', 'an approval that holds no consent to this question')
  log.checkSeen(openSigned(signed, DECISION).body.checkpoint)
  return site
}

/** What a round's guard relied on beyond its own approvals must be there, signed by the site whose aggregate it is about. */
function checkConsents(facts: RecordFacts, given: ReadonlyMap<Hex, Hex>): void {
  for (const { site, decision } of facts.specification?.consents ?? [])
    if (given.get(decision) !== site) fail('consent', 'a round relied on a consent that is not in the receipt')
}

export interface Rounds {
  /** every attempt that the receipt shows, in order; one that its writer missed may be left out */
  readonly attempts: readonly RecordFacts[]
  readonly rounds: number
  readonly ending: Ending
  /** sites in the sum that was opened last; none if the job ended without one */
  readonly survivors: readonly Hex[]
  /** what the result is committed to, and what the commitment is bound to: the round, or the job of a train */
  readonly opened: Pick<OpenedBody, 'roundId' | 'commitment'> | undefined
  /** sites whose consents the rounds relied on */
  readonly consents: readonly Hex[]
}

/** The hub's word for the committee is in the log; that its seats are distinct houses is seen here. */
function checkCommittee(job: Job, roster: Roster): void {
  const committee = roster.committees.get(job.committee)
  const members = committee?.members.map((key) => roster.members.get(key)) ?? []
  if (committee === undefined || members.some((member) => !member?.roles.includes('aggregator')))
    fail('committee-unknown', 'the receipt does not show who the committee is')
  if (new Set(members.map((member) => member?.organisation)).size !== members.length)
    fail('committee-unknown', 'two seats of the committee belong to one organisation')
}

/** A member whose seat is absent in this job may sign, but its signature makes no quorum. */
function checkQuorum(signed: Signed | null, job: Job, roster: Roster): void {
  const committee = roster.committees.get(job.committee) as CommitteeRecord
  const absent = absentSeats(job, committee, roster)
  const present = committee.members.filter((_, seat) => !absent.includes(seat))
  const counted = signed?.signatures.filter((one) => present.includes(one.signer)).length ?? 0
  const quorum = profileOf(committee.members.length)?.quorum ?? Number.POSITIVE_INFINITY
  if (signed !== null && counted < quorum)
    fail('quorum', 'too few signatures of members without an interest in the result')
}

/** What earlier attempts leave to the next: the state it starts from, and the survivors it must keep. */
interface Before {
  readonly commitment: Hex | null
  readonly pinned: readonly Hex[] | undefined
}

/** What must hold between one attempt and the job, its decisions and what was opened before it. */
function checkAttempt(
  facts: RecordFacts,
  { job }: SignedJob,
  decisions: ReadonlyMap<Hex, SiteDecision>,
  before: Before,
  log: KnownLog,
): void {
  const { specification, survivors } = facts
  if (specification === undefined) return
  log.checkSeen(specification.checkpoint)
  const { cohort } = specification
  if (specification.analysis !== job.analysis.hash) fail('not-the-job', 'a round computed another analysis')
  if (specification.minCohort !== job.cohort.minimum || specification.maxColluding !== job.maxColluding) {
    fail('not-the-job', 'a round had other floors than the job')
  }
  if (specification.committee.index !== job.committee || specification.opening !== job.opening)
    fail('not-the-job', 'a round was opened by others than the job says')
  if (specification.state !== before.commitment)
    fail('state', 'a round did not start from the state that was opened before it')
  for (const { site, decision } of cohort) {
    const own = decisions.get(site)
    if (own === undefined || own.hash !== decision || own.body.decision !== 'approve')
      fail('decision', 'a site of the cohort has no approval in the receipt')
    if (job.cohort.sites.length > 0 && !job.cohort.sites.includes(site))
      fail('not-the-job', 'a site took part that the job does not name')
  }
  if (survivors === undefined) return
  const organisations = new Set(survivors.map((key) => decisions.get(key)?.member.organisation))
  if (organisations.size !== survivors.length) fail('cohort', 'two sites of one organisation are in the sum')
  if (organisations.size < job.cohort.minimum)
    fail('minimum-cohort', 'the sum is over fewer organisations than the job demands')
  if (before.pinned !== undefined && before.pinned.join() !== survivors.join())
    fail('pinned', 'two rounds are over different sites')
}

/** Every round from the first to the attempt that ended the job. */
export function checkRounds(
  { records, consents }: Shown,
  signed: SignedJob,
  decisions: ReadonlyMap<Hex, SiteDecision>,
  log: KnownLog,
): Rounds {
  const { roster } = log
  checkCommittee(signed.job, roster)
  const attempts: RecordFacts[] = []
  const given = new Map(earlierConsents(consents, signed, log))
  for (const { body, hash } of decisions.values()) if (body.consents.length > 0) given.set(hash, body.site)
  let place = { round: 1, attempt: 0 }
  let before: Before = { commitment: null, pinned: undefined }
  let end: Pick<Rounds, 'ending' | 'opened' | 'survivors'> | undefined
  for (const record of records) {
    if (end !== undefined) fail('rounds', 'there are attempts after the one that ended the job')
    if (record.round !== place.round) fail('rounds', `the opening of round ${place.round} is missing`)
    if (record.attempt < place.attempt) fail('rounds', 'the attempts are not in order')
    const facts = checkRecord(record, signed.id, signed.job, roster)
    checkQuorum(record.specification, signed.job, roster)
    checkQuorum(record.opened, signed.job, roster)
    checkAttempt(facts, signed, decisions, before, log)
    checkConsents(facts, given)
    attempts.push(facts)
    const { opened, survivors } = facts
    const ending = endingOf(signed.job, record.attempt, facts)
    if (ending !== undefined) end = { ending, opened, survivors: opened === undefined ? [] : (survivors ?? []) }
    const { round, attempt } = record
    place = opened === undefined ? { round, attempt: attempt + 1 } : { round: round + 1, attempt: 0 }
    before = { commitment: opened?.commitment ?? before.commitment, pinned: survivors ?? before.pinned }
  }
  if (end === undefined) fail('rounds', 'no attempt ends this job')
  const relied = new Set(attempts.flatMap((one) => one.specification?.consents.map(({ site }) => site) ?? []))
  return { attempts, rounds: records.at(-1)?.round ?? 0, consents: [...relied].sort(), ...end }
}
