/**
 * When a site's decision counts: the same for whoever makes a sum of it, hands it on, or reads it in a receipt, so that what a
 * quorum built on can always be shown. Implements docs/spec/jobs.md, "What a decision must be".
 */
import type { Hex } from '../crypto/hash.js'
import { openSigned, type Signed } from '../encoding/signed.js'
import { ignore, later, reject, type Verdict } from '../encoding/verdict.js'
import { errorCode, FlameshError } from '../errors.js'
import { type Member, memberAt, type Roster } from '../identity/roster.js'
import { guardKey } from './check.js'
import type { Job, JobId } from './job.js'
import { consentsFit, DECISION, type Decision } from './messages.js'
import { operatorsFit } from './operators.js'

export interface SignedJob {
  readonly id: JobId
  readonly job: Job
}

/** The log as someone says that they saw it. */
export type Seen = Decision['checkpoint']

export interface KnownLog {
  readonly roster: Roster
  /** Throws `log-fork` if it contradicts the log here, and at a node `checkpoint-ahead` if that is too short to tell. */
  readonly checkSeen: (seen: Seen) => void
}

export interface SiteDecision {
  readonly member: Member
  readonly body: Decision
  /** what a specification names it by */
  readonly hash: Hex
  readonly signed: Signed
}

function fail(code: string, message: string): never {
  throw new FlameshError(code, message)
}

/** Throws FlameshError: `signature`, `decision`, `consent`, `operators`, or what opening it or `checkSeen` throws. */
export function checkDecision(signed: Signed, { id, job }: SignedJob, log: KnownLog): SiteDecision {
  const { body, signers, hash } = openSigned(signed, DECISION)
  if (signers.length !== 1 || signers[0] !== body.site) fail('signature', 'a decision is not signed by its site')
  if (body.job !== id) fail('decision', 'a decision is about another job')
  log.checkSeen(body.checkpoint)
  const member = memberAt(log.roster, body.site, body.checkpoint.size, body.decidedAt)
  if (!member?.roles.includes('site')) return fail('decision', 'a decision is by one who was no site in good standing')
  if (job.cohort.sites.length > 0 && !job.cohort.sites.includes(body.site))
    fail('decision', `${member.name} decided, whom the job does not ask`)
  if (body.decidedAt >= job.notAfter) fail('decision', `${member.name} decided after the job had expired`)
  if (!consentsFit(body, guardKey(job)))
    fail('consent', `${member.name} consents in another's name, or to another question`)
  if (!operatorsFit(body)) fail('operators', `an operator of ${member.name} did not sign what its decision says`)
  return { member, body, hash, signed }
}

/** The same of one that may be anything: undefined if it does not count. */
export function countedDecision(signed: Signed, job: SignedJob, log: KnownLog): SiteDecision | undefined {
  return attempted(() => checkDecision(signed, job, log))
}

/** What a receipt shows beside what it must: of every other site the decision that came from it, if it counts. By site. */
export function withHeard(
  named: ReadonlyMap<Hex, SiteDecision>,
  heard: Iterable<Signed>,
  job: SignedJob,
  log: KnownLog,
): ReadonlyMap<Hex, SiteDecision> {
  const all = new Map(named)
  for (const signed of heard) {
    const one = countedDecision(signed, job, log)
    if (one !== undefined && !all.has(one.body.site)) all.set(one.body.site, one)
  }
  return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** What `read` gives; undefined if it breaks a rule, but for one of the code `except`. */
export function attempted<T>(read: () => T, except?: string): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof FlameshError && error.code !== 'internal' && error.code !== except) return undefined
    throw error
  }
}

/**
 * A node's answer to something that rests on a log, or undefined: what it cannot tell yet it is told again, and logs that
 * differ, or a clock that is wrong, are not whoever passes it on to blame for. Throws what else is wrong.
 */
export function judgedBy(check: () => unknown): Verdict | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    switch (errorCode(error)) {
      case 'checkpoint-ahead':
        return later('checkpoint-ahead')
      case 'log-fork':
        return ignore('log-fork')
      case 'decision':
        return ignore('decision-void')
      case 'operators':
        return reject('operators', 'an approval of an operator who did not sign it')
      default:
        throw error
    }
  }
}
