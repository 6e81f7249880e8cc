/**
 * The business rules of a job: what every node, site or member of the committee, checks before it does anything for one.
 * Implements docs/spec/jobs.md, "Checks". It does not decide whether a site wants the job (evaluate.ts) and knows nothing
 * about signatures: that the job was signed by its researcher is checked where it is opened.
 */
import { analysisHash, findAnalysis } from '../analyses/registry.js'
import { equalBytes, type Hex } from '../crypto/hash.js'
import { encode, hashOf } from '../encoding/canonical.js'
import {
  activeMember,
  type CommitteeRecord,
  committeeFor,
  imageAttestation,
  type Member,
  type Roster,
} from '../identity/roster.js'
import { IMAGE_ANALYSIS } from '../images/analysis.js'
import { descriptionHash } from '../images/description.js'
import { DEFAULT_MIN_CELL, MAX_CLOCK_SKEW_MS, MAX_JOB_LIFETIME_MS } from '../limits.js'
import { profileOf } from '../secagg/committee.js'
import { routeProblem } from '../trains/route-problem.js'
import { analysisOf } from './analysis-of.js'
import type { Job } from './job.js'
import type { Condition } from './where.js'
import { conditionProblem, isDecimal } from './where.js'

export type JobCheck = { readonly ok: true } | { readonly ok: false; readonly code: string; readonly message: string }

/** 18.0, "18.00" and "18" are one number; text that is no number stays as it is. */
function canonicalNumber(value: string | number): string | number {
  if (typeof value === 'number' || !isDecimal(value)) return value
  const [, sign, whole, fraction] = /^(-?)0*(\d+?)(?:\.(\d*?)0*)?$/.exec(value) as unknown as [
    string,
    string,
    string,
    string | undefined,
  ]
  const digits = fraction ? `${whole}.${fraction}` : whole
  const text = digits === '0' ? '0' : `${sign}${digits}`
  return Number.isSafeInteger(Number(text)) && !text.includes('.') ? Number(text) : text
}

/** A level's text: the integer 3 and the text "3" compare alike everywhere, "03" and "3.0" do not. */
function canonicalText(value: string | number): string | number {
  return typeof value === 'string' && Number.isSafeInteger(Number(value)) && String(Number(value)) === value
    ? Number(value)
    : value
}

/**
 * The one way to write a set of conditions: each once, sorted, values in their shortest form, a list of one as "is". The
 * same question must not pass the guard under two keys.
 */
export function canonicalWhere(where: readonly Condition[]): Condition[] {
  const byKey = new Map<string, Condition>()
  for (const { column, operator, values } of where) {
    const equality = operator === 'is' || operator === 'is-not' || operator === 'in'
    const distinct = new Map(
      values.map(equality ? canonicalText : canonicalNumber).map((value) => [String(value), value]),
    )
    const sorted = [...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
    const condition: Condition = {
      column,
      operator: operator === 'in' && sorted.length === 1 ? 'is' : operator,
      values: sorted,
    }
    byKey.set(JSON.stringify([column, condition.operator, sorted]), condition)
  }
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, condition]) => condition)
}

/** What the guard against differencing counts as the same question (docs/spec/secure-aggregation.md, guard). */
export function guardKey(job: Question): Hex {
  const before = guardKeys.get(job)
  if (before !== undefined) return before
  const { dataset, analysis, image, where } = job
  // what an image's parameters mean only the image knows: a word more must not make another question of it
  const parameters = image === null ? job.parameters : null
  const key = hashOf({ dataset, analysis: analysis.hash, parameters, where: canonicalWhere(where) })
  guardKeys.set(job, key)
  return key
}

type Question = Pick<Job, 'dataset' | 'analysis' | 'image' | 'parameters' | 'where'>
/** Jobs never change, and each approval of a thousand is held against its job's. */
const guardKeys = new WeakMap<Question, Hex>()

/** Seats (ascending) of the organisations of the researcher and the recipients: absent in this job. */
export function absentSeats(
  job: Pick<Job, 'researcher' | 'recipients'>,
  committee: CommitteeRecord,
  roster: Roster,
): number[] {
  const interested = new Set([job.researcher, ...job.recipients].map((key) => roster.members.get(key)?.organisation))
  interested.delete(undefined)
  return committee.members.flatMap((key, seat) => {
    const organisation = roster.members.get(key)?.organisation
    return organisation === undefined || interested.has(organisation) ? [seat] : []
  })
}

const problem = (code: string, message: string): JobCheck => ({ ok: false, code, message })
const sortedSet = (keys: readonly Hex[]) => keys.every((key, at) => at === 0 || (keys[at - 1] as Hex) < key)

function checkTimes(job: Job, nowMs: number): JobCheck | undefined {
  if (job.notAfter - job.notBefore > MAX_JOB_LIFETIME_MS)
    return problem('lifetime', 'a job may be open for 30 days at most')
  if (job.cohort.approveWithinMs >= job.notAfter - job.notBefore)
    return problem('lifetime', 'the job expires before its cohort is fixed')
  if (nowMs >= job.notAfter) return problem('expired', 'the job has expired')
  if (nowMs < job.notBefore - MAX_CLOCK_SKEW_MS) return problem('not-yet', 'the job starts in the future')
  return undefined
}

function hasRole(roster: Roster, key: Hex, role: Member['roles'][number], nowMs: number): boolean {
  return activeMember(roster, key, nowMs)?.roles.includes(role) ?? false
}

function checkPeople(job: Job, roster: Roster, nowMs: number): JobCheck | undefined {
  if (!hasRole(roster, job.researcher, 'researcher', nowMs)) {
    return problem('researcher-unknown', 'whoever signed the job is not a researcher in good standing')
  }
  if (!sortedSet(job.recipients)) return problem('recipients', 'the recipients are not sorted and distinct')
  if (!job.recipients.every((key) => hasRole(roster, key, 'researcher', nowMs))) {
    return problem('recipient-unknown', 'a recipient is not a researcher in good standing')
  }
  return undefined
}

function checkCohort(job: Job, roster: Roster, nowMs: number): JobCheck | undefined {
  const { sites, minimum } = job.cohort
  if (minimum < job.maxColluding + 2) {
    return problem(
      'minimum-cohort',
      `a cohort safe against ${job.maxColluding} colluding sites has at least ${job.maxColluding + 2} organisations`,
    )
  }
  if (job.minimumCell < DEFAULT_MIN_CELL)
    return problem('minimum-cell', `no cell below ${DEFAULT_MIN_CELL} is ever released`)
  if (sites.length === 0) return undefined
  if (!sortedSet(sites)) return problem('cohort', 'the sites are not sorted and distinct')
  if (!sites.every((key) => hasRole(roster, key, 'site', nowMs)))
    return problem('site-unknown', 'a site of the cohort is not a site in good standing')
  const organisations = new Set(sites.map((key) => roster.members.get(key)?.organisation))
  if (organisations.size !== sites.length)
    return problem('cohort', 'two sites of the cohort belong to one organisation')
  if (organisations.size < minimum)
    return problem('minimum-cohort', `the job names ${organisations.size} organisations and needs ${minimum}`)
  return undefined
}

function checkCommittee(job: Job, roster: Roster): JobCheck | undefined {
  const committee = roster.committees.get(job.committee)
  if (committee === undefined) return problem('committee-unknown', 'the log names no such committee')
  if (committeeFor(roster, job.dataset)?.index !== committee.index) {
    return problem('committee-superseded', `${committee.name} is not the committee of ${job.dataset} now`)
  }
  const profile = profileOf(committee.members.length)
  if (profile === undefined) return problem('committee-unknown', 'a committee has 3, 4 or 7 members')
  const absent = absentSeats(job, committee, roster).length
  if (absent > profile.maxAbsent) {
    return problem(
      'committee-absent',
      `${absent} of ${profile.members} members of ${committee.name} share an organisation with the researcher or a recipient: too few are left`,
    )
  }
  if (job.maxAttempts < profile.colluding + 1)
    return problem('attempts', `a job has at least ${profile.colluding + 1} attempts`)
  return undefined
}

/** The hash is that of what the job says, or of what this node has under the name; an image is attested as well. */
function checkIdentity({ analysis, image }: Job, roster: Roster): JobCheck | undefined {
  const { name, version, hash } = analysis
  if (image === null) {
    return analysisHash(name, version) === hash
      ? undefined
      : problem('analysis-differs', `${name} version ${version} is another analysis at this node`)
  }
  if (name !== IMAGE_ANALYSIS || version !== image.contract || descriptionHash(image) !== hash)
    return problem('analysis-differs', 'the hash is not that of the description of the image')
  return imageAttestation(roster, hash) === undefined
    ? problem('image-not-attested', `the log attests no such description of ${image.image}, or withdrew it`)
    : undefined
}

function checkQuestion(job: Job, roster: Roster): JobCheck | undefined {
  const { name, version } = job.analysis
  const unknown = problem('analysis-unknown', `this node has no analysis ${name} version ${version}`)
  if (job.image === null && findAnalysis(name, version) === undefined) return unknown
  // before anything is made of a description: anybody can write one
  const other = checkIdentity(job, roster)
  if (other !== undefined) return other
  const analysis = analysisOf(job)
  if (analysis === undefined) return unknown
  if (job.image !== null && job.maxRounds > job.image.maxRounds)
    return problem('rounds', `the image is described for ${job.image.maxRounds} rounds at most`)
  const parsed = analysis.parameters.safeParse(job.parameters)
  if (!parsed.success) return problem('parameters', `the parameters do not fit ${name}`)
  if (!equalBytes(encode(parsed.data), encode(job.parameters)))
    return problem('parameters', 'the parameters are not written out')
  const wrong = job.where.map(conditionProblem).find((one) => one !== undefined)
  if (wrong !== undefined) return problem('where', wrong)
  if (!equalBytes(encode(canonicalWhere(job.where)), encode(job.where)))
    return problem('where', 'the conditions are not in their one canonical form')
  if (analysis.iterative && job.dropout !== 'pause')
    return problem('dropout', `${name} takes several rounds over the same sites: it can only pause`)
  if (!analysis.iterative && job.dropout !== 'drop')
    return problem('dropout', `${name} takes one round: it goes on without a missing site`)
  if (!analysis.iterative && job.maxRounds !== 1) return problem('rounds', `${name} takes one round`)
  const wrongRoute = routeProblem(job, analysis.iterative)
  if (wrongRoute !== undefined) return problem(wrongRoute.code, wrongRoute.message)
  if (job.opening !== 'committee')
    return problem('opening-not-offered', 'this version opens results by the committee only')
  return undefined
}

/**
 * Whether a job may run at all, as of a roster and a time. `checkpoint-ahead` and `not-yet` may pass later; every other
 * code is final for this roster. Total: it never throws, whatever the job holds.
 */
export function checkJob(job: Job, roster: Roster, nowMs: number): JobCheck {
  if (job.checkpoint.size > roster.size)
    return problem('checkpoint-ahead', 'the researcher has seen more of the log than this node')
  return (
    checkTimes(job, nowMs) ??
    checkPeople(job, roster, nowMs) ??
    checkCohort(job, roster, nowMs) ??
    checkCommittee(job, roster) ??
    checkQuestion(job, roster) ?? { ok: true }
  )
}
