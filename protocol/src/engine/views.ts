/** One job as a person at this node may see it. */
import type { Hex } from '../crypto/hash.js'
import { openSigned } from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import type { Roster } from '../identity/roster.js'
import { analysisOf } from '../jobs/analysis-of.js'
import { guardKey } from '../jobs/check.js'
import { explainRefusal } from '../jobs/guard-refusal.js'
import { JOB, type JobId } from '../jobs/job.js'
import { DECISION, givesConsent } from '../jobs/messages.js'
import type { RequestState } from '../jobs/request-state.js'
import { boundVersion } from '../jobs/site/deciding.js'
import type { JobView, SiteView } from '../peer.js'
import type { MemberState } from '../secagg/member/state.js'
import type { Kernel } from './kernel.js'
import { type JobRoles, siteStatus } from './roles.js'

export function viewOf(id: JobId, roles: JobRoles, roster: Roster, self: Hex): JobView {
  const { body } = openSigned(roles.signed, JOB)
  const researcher = roster.members.get(body.researcher)
  const mine = body.researcher === self
  const site = siteStatus(roles)
  const status = mine || site === undefined ? (roles.request?.status ?? statusOfMember(roles.member)) : site
  return {
    job: id,
    name: body.name,
    purpose: body.purpose,
    researcher: researcher?.name ?? body.researcher,
    organisation: researcher?.organisation ?? '',
    analysis: body.analysis.name,
    dataset: body.dataset,
    body,
    status: status.status,
    code: status.code === '' ? undefined : status.code,
    message: messageOf(mine ? explanation(roles.request, roster) : site?.message),
    round: roundOf(roles),
    mine,
    consent: roles.site?.decision !== undefined && givesConsent(roles.site.decision, guardKey(body)) !== undefined,
    sites: sitesOf(roles, roster),
  }
}

function explanation(request: RequestState | undefined, roster: Roster): string | undefined {
  const refused = request?.release?.refused
  return refused ? explainRefusal(refused, roster) : undefined
}

const messageOf = (text: string | undefined): string | undefined => (text === '' ? undefined : text)

function statusOfMember(member: MemberState | undefined): {
  readonly status: JobView['status']
  readonly code: string
} {
  return member?.progress.ended ?? { status: 'announced', code: '' }
}

function roundOf({ request, member, site }: JobRoles): number {
  const rounds = [member?.progress.round ?? 0]
  for (const one of request?.progress.values() ?? []) rounds.push(one.round)
  for (const one of request?.release?.records ?? []) rounds.push(one.round)
  for (const name of site?.rounds.keys() ?? []) rounds.push(Number(name.split('.')[0]))
  return Math.max(...rounds)
}

/** As the researcher knows them, or a member of the committee; a site knows only of itself. */
function sitesOf({ request, member }: JobRoles, roster: Roster): Record<string, SiteView> {
  const sites: Record<string, SiteView> = {}
  const known = [...(member?.decisions.values() ?? []), ...(request?.decisions.values() ?? [])]
  for (const signed of [...known, ...(request?.release?.decisions ?? [])]) {
    const { body } = openSigned(signed, DECISION)
    const name = roster.members.get(body.site)?.name ?? body.site
    const told = request?.progress.get(body.site)?.status
    const status = body.decision === 'refuse' ? 'refused' : (told ?? 'approved')
    const included = request?.release === undefined ? {} : { included: request.release.survivors.includes(body.site) }
    sites[name] = { status, code: body.code, message: body.message, ...included }
  }
  return sites
}

/** The exact vector that would leave in round 1, for this site's own operator. */
export async function previewOf(kernel: Kernel, id: JobId): Promise<readonly { slot: string; value: number }[]> {
  const roles = kernel.known.get(id)
  const current = roles && kernel.datasets.find((one) => one.name === openSigned(roles.signed, JOB).body.dataset)
  // what was approved is what leaves, whatever is current by now
  const datasetVersion = boundVersion(roles?.site?.decision) ?? current?.version
  if (roles === undefined || datasetVersion === undefined)
    throw new FlameshError('no-dataset', 'this node does not have the dataset of the job')
  const { body } = openSigned(roles.signed, JOB)
  const { analysis, image, parameters, where } = body
  const found = analysisOf(body)
  if (found === undefined) throw new FlameshError('analysis-unknown', 'this node does not know the analysis')
  const request = {
    job: id,
    analysis: analysis.name,
    analysisVersion: analysis.version,
    image,
    round: 1,
    parameters,
    state: undefined,
    dataset: body.dataset,
    datasetVersion,
    where,
    preview: true as const,
  }
  const outcome = await kernel.options.ports.runner.contribute(request).outcome
  if (!outcome.ok) throw new FlameshError(outcome.code, outcome.message)
  const { slots } = found.plan(parameters, undefined)
  return slots.map((slot, at) => ({ slot: slot.name, value: outcome.values[at] as number }))
}
