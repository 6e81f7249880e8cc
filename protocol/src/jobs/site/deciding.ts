/** A site's decision about a job: by its policy, or by its operator. Implements docs/spec/jobs.md, "Policy". */
import type { Hex } from '../../crypto/hash.js'
import { openSigned, type Signed, signObject } from '../../encoding/signed.js'
import { accept, ignore, reject, type Verdict } from '../../encoding/verdict.js'
import { FlameshError } from '../../errors.js'
import { type Context, withEntry } from '../../machine.js'
import { checkJob, guardKey } from '../check.js'
import { evaluatePolicy, type PolicyDecision } from '../evaluate.js'
import type { Job, JobId } from '../job.js'
import { DECISION, type Decision } from '../messages.js'
import { checkApproval, countedApprovals, type GivenApproval, type Terms } from '../operators.js'
import type { SiteEvent } from './event.js'
import { audit, isOpen, presentMembers, send, setStatus, type Turn, voice } from './state.js'

/** The rows that a decision of this site binds a job to; undefined if it binds it to none. */
export function boundVersion(decision: Signed | undefined): Hex | undefined {
  return (decision && openSigned(decision, DECISION).body.datasetVersion) ?? undefined
}

/** `bound`: the version that this site approved the job on. What became of the dataset since then does not count. */
export function decidePolicy(job: Job, jobId: JobId, context: Context, bound?: Hex): PolicyDecision {
  const dataset = context.datasets.find((one) => one.name === job.dataset)
  const versions = context
    .history(guardKey(job))
    .flatMap((one) => (one.ownVersion === null || one.job === jobId ? [] : [one.ownVersion]))
  const version = bound ?? dataset?.version
  const changedRows = versions.length === 0 ? undefined : versions.every((one) => one === version) ? 0 : 1
  return evaluatePolicy(context.policy, job, {
    roster: context.roster,
    nowMs: context.nowMs,
    dataset,
    bound: bound !== undefined,
    recentJobs: context.approvalsToday,
    committee: context.roster.committees.get(job.committee),
    checkpointAgeMs: context.log.checkpointAgeMs,
    changedRows,
    answeredOtherwise:
      job.route === null
        ? context.travelled(guardKey(job), jobId)
        : context.history(guardKey(job)).some((one) => one.job !== jobId),
  })
}

/** Decides a job that is new, or that waits for the operator when the policy has changed. */
export function decideByPolicy(turn: Turn): void {
  if (voice(turn) !== 'free') return // it may have decided before
  const check = checkJob(turn.job, turn.context.roster, turn.context.nowMs)
  if (!check.ok) return decide(turn, 'refuse', 'policy', check.code, check.message)
  const { decision, code, message, consents } = decidePolicy(turn.job, turn.jobId, turn.context)
  if (decision !== 'ask') decide(turn, decision, 'policy', code, message, consents)
  else if (turn.state.status.status === 'announced') setStatus(turn, 'waiting', code, message)
}

export function onOperator(
  turn: Turn,
  { decision, reason, consent, approval }: Extract<SiteEvent, { type: 'operator' }>,
): Verdict {
  if (turn.state.decision !== undefined || !isOpen(turn)) return ignore('decided')
  if (voice(turn) === 'restored') return ignore('restored-from-backup')
  if (decision === 'refuse') {
    decide(turn, 'refuse', 'operator', 'operator', reason)
    return accept
  }
  const verdict = decidePolicy(turn.job, turn.jobId, turn.context)
  if (verdict.decision === 'refuse') return reject(verdict.code, verdict.message)
  if (consent && turn.job.image !== null)
    return reject('consent-not-offered', 'a consent to an image would cover whatever it is asked')
  const { needed } = turn.context.policy.approvals
  if (needed > 0 || approval !== undefined) return onApproval(turn, approval, reason, verdict.consents)
  // what the policy consents to needs no operator, and what the operator consents to no policy
  decide(turn, 'approve', 'operator', 'operator', reason, consent || verdict.consents)
  return accept
}

/** One of several operators: the job waits until enough of them have signed the same. */
function onApproval(turn: Turn, approval: Signed | undefined, reason: string, consents: boolean): Verdict {
  const { policy } = turn.context
  const terms = termsOf(turn.jobId, turn.job, turn.context)
  const { needed } = policy.approvals
  if (approval === undefined || terms === undefined)
    throw new FlameshError(
      'operator-key-needed',
      `the policy asks for the signatures of ${needed} operators: approve with --key FILE`,
    )
  const { name, key } = checkApproval(approval, terms, policy)
  turn.state = { ...turn.state, approvals: withEntry(turn.state.approvals, key, approval) }
  const given = countedApprovals(turn.state.approvals, terms, policy)
  audit(turn, 'operator-approved', { operator: name, key, missing: Math.max(0, needed - given.length) })
  if (given.length < needed) return accept
  decide(turn, 'approve', 'operator', 'operator', reason, consents || given.every((one) => one.consent), given)
  return accept
}

/** What an operator's approval of a job has to be about now; undefined if this site has no such rows. */
export function termsOf(job: JobId, { dataset }: Job, context: Context): Terms | undefined {
  const found = context.datasets.find((one) => one.name === dataset)
  return found && { job, site: context.self, policyHash: context.policyHash, datasetVersion: found.version }
}

function decide(
  turn: Turn,
  decision: 'approve' | 'refuse',
  by: 'policy' | 'operator',
  code: string,
  message: string,
  consents = false,
  operators: readonly GivenApproval[] = [],
): void {
  const { context, job } = turn
  // an image's question is what its parameters make of it, which the guard's key leaves out: nobody consents to all of them
  const consenting = decision === 'approve' && consents && job.image === null
  const key = guardKey(job)
  const dataset = context.datasets.find((one) => one.name === job.dataset)
  const body: Decision = {
    job: turn.jobId,
    site: context.self,
    decision,
    code,
    message,
    policyHash: context.policyHash,
    datasetVersion: decision === 'approve' ? (dataset?.version ?? null) : null,
    checkpoint: { size: context.log.size, root: context.log.root },
    consents: consenting ? [{ site: context.self, key }] : [],
    decidedAt: context.nowMs,
    by,
    operators: [...operators],
  }
  const signed = signObject(DECISION.kind, DECISION.version, body, context.signer)
  turn.state = { ...turn.state, decision: signed }
  setStatus(turn, decision === 'approve' ? 'approved' : 'refused', code, message)
  audit(turn, decision === 'approve' ? 'job-approved' : 'job-refused', { by, code, consent: consenting })
  if (consenting) turn.effects.push({ type: 'remember-consent', key, decision: signed })
  sendDecision(turn, signed)
}

export function sendDecision(turn: Turn, signed: Signed): void {
  // of a job with a route to its stations, this one among them
  for (const key of new Set([...(turn.job.route?.stations ?? presentMembers(turn)), turn.job.researcher]))
    send(turn, 'decision', key, { type: 'decision', decision: signed })
}
