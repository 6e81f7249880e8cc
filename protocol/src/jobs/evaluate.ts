/**
 * A site's policy held against one job, rule by rule. Implements docs/spec/jobs.md, "Policy". It assumes a job that passed
 * `checkJob`; it sees no row of data, so neither its decision nor its messages can say anything about one. Floors hold for
 * an operator's approval too: whoever lets an operator approve evaluates again and stops at `refuse`.
 */
import { activeMember, attestationOf, imageAttestation } from '../identity/roster.js'
import type { ImageDescription } from '../images/description.js'
import { trainRules } from '../trains/policy.js'
import { analysisOf } from './analysis-of.js'
import type { Job } from './job.js'
import type { Policy } from './policy.js'
import { ask, hold, type PolicyContext, pass, type RuleOutcome, refuse } from './rules.js'
import { isUnusable, misfitsOf, usesOf } from './schema-fit.js'
import { listed, type Subject, selectors, subjectOf } from './selectors.js'

export interface PolicyDecision {
  readonly decision: 'approve' | 'ask' | 'refuse'
  /** every rule that was looked at, in order */
  readonly rules: readonly RuleOutcome[]
  /** of the rule that decided; `policy` for an approval */
  readonly code: string
  readonly message: string
  /** whether an approval carries this site's consent that its own aggregate may become derivable */
  readonly consents: boolean
  /** of so many operators an approval takes the signatures; 0 if the machine approves, or any one person may */
  readonly signatures: number
}

/** Rules that hold whoever decides: no approval, not even the operator's, gets past them. */
function floors(policy: Policy, job: Job, context: PolicyContext): RuleOutcome[] {
  const { minimum } = job.cohort
  const needed = Math.max(policy.minimumCohort, job.maxColluding + 2, policy.maxColluding + 2)
  const accepted = context.committee !== undefined && listed([context.committee.name], policy.committees, 'every')
  const known = [job.researcher, ...job.recipients].every(
    (key) => activeMember(context.roster, key, context.nowMs) !== undefined,
  )
  const outcomes = [
    hold(
      'no-dataset',
      context.bound === true || context.dataset !== undefined,
      'refuse',
      `the dataset ${job.dataset} is here`,
      `there is no dataset ${job.dataset} at this site`,
    ),
    hold(
      'not-a-member',
      known,
      'refuse',
      'the researcher and the recipients are members',
      'the researcher or a recipient is not a member in good standing',
    ),
    hold(
      'minimum-cohort',
      minimum >= needed,
      'refuse',
      `a cohort of at least ${minimum} organisations`,
      `the job is content with ${minimum} organisations, this site asks for ${needed}`,
    ),
    hold(
      'maximum-colluding',
      job.maxColluding >= policy.maxColluding,
      'refuse',
      `${job.maxColluding} sites may collude`,
      `the job is safe against ${job.maxColluding} colluding sites, this site asks for ${policy.maxColluding}`,
    ),
    hold(
      'minimum-cell',
      job.minimumCell >= policy.minimumCell,
      'refuse',
      `no cell below ${job.minimumCell} is released`,
      `the job releases cells of ${job.minimumCell}, this site asks for at least ${policy.minimumCell}`,
    ),
    hold(
      'committee-not-accepted',
      accepted,
      'refuse',
      'the committee is accepted',
      `this site does not accept the committee ${context.committee?.name ?? ''}`.trim(),
    ),
  ]
  outcomes.push(...schemaRules(job, context))
  const { image } = job
  if (image !== null) {
    const stands = imageAttestation(context.roster, job.analysis.hash) !== undefined
    const failed = 'the hub does not attest the image, or withdrew it'
    outcomes.push(
      hold('image-not-attested', stands, 'refuse', 'the hub attests the image', failed),
      grants(policy, image),
    )
  }
  outcomes.push(...trainRules(policy, job, context), ...intervalRules(policy, job))
  const changed = context.changedRows ?? 0
  if (changed > 0) {
    const allowed = policy.recomputeChangedRows !== 'never' && changed >= policy.recomputeChangedRows
    outcomes.push(
      hold(
        'rows-changed',
        allowed,
        'refuse',
        'the data changed enough since this was last computed',
        'this was computed before on other rows, and the policy does not let it be computed again',
      ),
    )
  }
  return outcomes
}

/** A column that is something else here than what it is used as would fail in the middle of a round. */
function schemaRules(job: Job, { dataset, bound }: PolicyContext): RuleOutcome[] {
  if (dataset === undefined || bound === true) return []
  const misfit = misfitsOf(usesOf(job), dataset).find(isUnusable)
  const failed = misfit === undefined ? '' : `this site ${misfit.message}`
  return [hold('columns-unfit', misfit === undefined, 'refuse', 'the columns are here what they are used as', failed)]
}

/** A fine grid over a column is for sites that say so. */
function intervalRules({ maxIntervals }: Policy, job: Job): RuleOutcome[] {
  const intervals = analysisOf(job)?.intervals?.(job.parameters)
  if (intervals === undefined) return []
  return [
    hold(
      'too-many-intervals',
      intervals <= maxIntervals,
      'refuse',
      `a column is cut into ${intervals} intervals`,
      `the job cuts a column into ${intervals} intervals, the policy allows ${maxIntervals}`,
    ),
  ]
}

/** What an image needs beside the contract a site grants by name, whoever decides. */
function grants(policy: Policy, image: ImageDescription): RuleOutcome {
  const missing = image.resources.filter((one) => !policy.grants.includes(one))
  return hold(
    'resource-not-granted',
    missing.length === 0,
    'refuse',
    image.resources.length === 0
      ? 'the image needs nothing beside the contract'
      : `granted: ${image.resources.join(', ')}`,
    `the image needs ${missing.join(', ')}, which the policy does not grant`,
  )
}

function neverRules(policy: Policy, subject: Subject): RuleOutcome[] {
  return policy.never.map((rule, index) => {
    const fits = selectors(rule, subject, 'some')
    const names = fits.map(([name]) => name).join(', ') || 'any job'
    return fits.every(([, fit]) => fit)
      ? refuse('policy-never', `"never" rule ${index + 1} (${names}) applies`)
      : pass('policy-never', `"never" rule ${index + 1} (${names}) does not apply`)
  })
}

/** The first `approve` rule that covers the job, or why none does. */
function approveRules(policy: Policy, subject: Subject): RuleOutcome {
  const misses: string[] = []
  for (const [index, rule] of policy.approve.entries()) {
    const missing = selectors(rule, subject, 'every').filter(([, fit]) => !fit)
    if (missing.length === 0) return pass('outside-policy', `"approve" rule ${index + 1} covers the job`)
    misses.push(`rule ${index + 1} does not: ${missing.map(([name]) => name).join(', ')}`)
  }
  return ask(
    'outside-policy',
    misses.length === 0
      ? 'the policy approves nothing by itself'
      : `no "approve" rule covers the job (${misses.join('; ')})`,
  )
}

/** Bounds on what the machine may approve by itself. */
function machineLimits(policy: Policy, job: Job, context: PolicyContext): RuleOutcome[] {
  const hours = Math.ceil((job.notAfter - job.notBefore) / 3_600_000)
  const { hash } = job.analysis
  const { attestations, images } = context.roster
  const everAttested = images.has(hash) || attestations.some((one) => one.analysisHash === hash)
  const withdrawn = everAttested && attestationOf(context.roster, hash) === undefined
  return [
    hold(
      'checkpoint-stale',
      context.checkpointAgeMs <= policy.maxCheckpointHours * 3_600_000,
      'ask',
      "the hub's log is recent enough",
      `the newest checkpoint of the hub's log is older than ${policy.maxCheckpointHours} hours: new jobs wait until the hub is back`,
    ),
    hold(
      'analysis-withdrawn',
      !withdrawn,
      'ask',
      'the attestation of the analysis was not withdrawn',
      'the hub withdrew its attestation of this analysis',
    ),
    hold(
      'open-too-long',
      hours <= policy.maxOpenHours,
      'ask',
      `open for ${hours} hours at most`,
      `the job stays open for ${hours} hours, the policy approves ${policy.maxOpenHours}`,
    ),
    hold(
      'rate',
      context.recentJobs < policy.jobsPerDay,
      'ask',
      'within the jobs of a day',
      `the policy approves ${policy.jobsPerDay} jobs a day by itself`,
    ),
  ]
}

/** Four eyes: who signs, and whether the job is one that the machine never approves. */
function operatorRules({ approvals }: Policy, job: Job): RuleOutcome[] {
  const { needed, operators, always } = approvals
  if (needed === 0) return []
  const names = operators.map((one) => one.name).join('; ')
  const kinds = [...(job.image === null ? [] : ['images' as const]), ...(job.route === null ? [] : ['trains' as const])]
  const demanded = always === 'any' || kinds.some((kind) => always.includes(kind))
  const some = `${needed} of ${operators.length} operators (${names})`
  return [
    hold(
      'four-eyes',
      !demanded,
      'ask',
      `${some} sign whatever the machine does not approve`,
      `${some} sign ${always === 'any' ? 'every job' : kinds.join(' and ')}, also what an "approve" rule covers`,
    ),
  ]
}

/** The first `consents` rule that covers the job, if there is one. It decides nothing about the job itself. */
function consentRules(policy: Policy, subject: Subject): RuleOutcome | undefined {
  const at = policy.consents.findIndex((rule) => selectors(rule, subject, 'every').every(([, fit]) => fit))
  return at < 0
    ? undefined
    : pass('consents', `"consents" rule ${at + 1} covers the job: this site's own aggregate may become derivable`)
}

/** Total and deterministic: the same policy, job and context always give the same decision. */
export function evaluatePolicy(policy: Policy, job: Job, context: PolicyContext): PolicyDecision {
  const subject = subjectOf(job, context)
  const covered = approveRules(policy, subject)
  const consent = consentRules(policy, subject)
  const rules = [
    ...floors(policy, job, context),
    ...neverRules(policy, subject),
    ...machineLimits(policy, job, context),
    covered,
    ...operatorRules(policy, job),
    ...(consent === undefined ? [] : [consent]),
  ]
  const consents = consent !== undefined
  for (const decision of ['refuse', 'ask'] as const) {
    const decisive = rules.find((one) => one.outcome === decision)
    if (decisive === undefined) continue
    const { rule: code, message } = decisive
    const signatures = decision === 'ask' ? policy.approvals.needed : 0
    return { decision, rules, code, message, consents, signatures }
  }
  return { decision: 'approve', rules, code: 'policy', message: covered.message, consents, signatures: 0 }
}
