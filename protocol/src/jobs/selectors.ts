/** What the rules of a policy look at in a job, selector by selector. Implements docs/spec/jobs.md, "Policy". */
import { columnOf } from '../analyses/columns.js'
import { activeMember, attestationOf, type Member, type Roster } from '../identity/roster.js'
import { type ImageDescription, repositoryOf } from '../images/description.js'
import { analysisOf } from './analysis-of.js'
import type { Job } from './job.js'
import type { PolicyRule } from './policy.js'

/** What the selectors of a rule are compared with. */
export interface Subject {
  readonly job: Job
  /** the researcher and the recipients */
  readonly people: readonly Member[]
  readonly columns: readonly string[]
  readonly builtin: boolean
  readonly attested: boolean
}

function columnsOf(job: Job): { columns: readonly string[]; builtin: boolean } {
  const analysis = analysisOf(job)
  const where = job.where.map((condition) => condition.column)
  return {
    columns: [...new Set([...(analysis?.columns(job.parameters).map(columnOf) ?? []), ...where])],
    builtin: job.image === null && analysis !== undefined,
  }
}

export function subjectOf(job: Job, { roster, nowMs }: { readonly roster: Roster; readonly nowMs: number }): Subject {
  const keys = [job.researcher, ...job.recipients]
  const people = keys.flatMap((key) => activeMember(roster, key, nowMs) ?? [])
  const attested = attestationOf(roster, job.analysis.hash) !== undefined
  return { job, people, ...columnsOf(job), attested }
}

/** `every`: all of the values must be listed (approve); `some`: one is enough (never). */
export type Quantifier = 'every' | 'some'

export function listed(values: readonly string[], list: 'any' | readonly string[], quantifier: Quantifier): boolean {
  if (list === 'any') return true
  return values[quantifier]((value) => list.includes(value))
}

/** The selectors a rule has, each with whether it fits the job. */
export function selectors(
  rule: PolicyRule,
  subject: Subject,
  quantifier: Quantifier,
): readonly (readonly [string, boolean])[] {
  const { job, people } = subject
  const fits: [string, boolean][] = []
  const purpose = job.purpose.toLowerCase()
  if (rule.researchers !== undefined)
    fits.push([
      'researchers',
      listed(
        people.map((one) => one.name),
        rule.researchers,
        quantifier,
      ),
    ])
  if (rule.organisations !== undefined) {
    fits.push([
      'organisations',
      listed(
        people.map((one) => one.organisation),
        rule.organisations,
        quantifier,
      ),
    ])
  }
  if (rule.analyses !== undefined) {
    const { analyses } = rule
    fits.push([
      'analyses',
      analyses === 'builtin' ? subject.builtin : listed([job.analysis.name], analyses, quantifier),
    ])
  }
  // foreign code is approved by a rule that speaks of images, and by no other; `never` rules and consents need not
  if (rule.images !== undefined || (job.image !== null && quantifier === 'every' && rule.hashes === undefined)) {
    const listedHere = job.image !== null && rule.images !== undefined
    fits.push([
      'images',
      listedHere && listed([repositoryOf(job.image as ImageDescription)], rule.images ?? [], quantifier),
    ])
  }
  if (rule.hashes !== undefined) fits.push(['hashes', rule.hashes.includes(job.analysis.hash)])
  if (rule.attested !== undefined) fits.push(['attested', rule.attested === subject.attested])
  if (rule.datasets !== undefined) fits.push(['datasets', listed([job.dataset], rule.datasets, quantifier)])
  if (rule.columns !== undefined) fits.push(['columns', listed(subject.columns, rule.columns, quantifier)])
  if (rule.purposes !== undefined)
    fits.push(['purposes', rule.purposes.some((phrase) => purpose.includes(phrase.toLowerCase()))])
  return fits
}
