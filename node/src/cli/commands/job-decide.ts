/** `flamesh job approve`, `refuse` and `cancel`: decisions of this node about one job. */
import { encodeSigned, type Signer } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { encodeBase64 } from '@flamesh/protocol/identity/base.js'
import type { JobBrief } from '@flamesh/protocol/jobs/brief.js'
import { operatorOf, signApproval } from '@flamesh/protocol/jobs/operators.js'
import type { JobDocument, ShownJobDocument, StatusDocument } from '../../control/documents.js'
import { readOperatorKey } from '../../store/operator-key.js'
import { canAsk, confirmed } from '../confirm.js'
import type { CommandContext } from '../context.js'
import { approvalsText, renderJob } from '../render-job.js'
import { shortId } from '../table.js'

const DONE = { refuse: 'refused', cancel: 'its cancellation is announced' } as const

const pathOf = (id: string): string => `/jobs/${encodeURIComponent(id)}`

async function decide(context: CommandContext, id: string, verb: keyof typeof DONE, body: object): Promise<undefined> {
  const view = await context.control().post<JobDocument>(`${pathOf(id)}/${verb}`, body)
  context.out.result(view, () => `job ${shortId(view.job)}: ${DONE[verb]}`)
}

interface ApproveOptions {
  readonly consent?: boolean
  readonly key?: string
  readonly yes?: boolean
}

export async function jobApprove(context: CommandContext, id: string, options: ApproveOptions): Promise<undefined> {
  const control = context.control()
  const consent = options.consent === true
  const operator = options.key === undefined ? undefined : await readOperatorKey(options.key)
  const view = await control.get<ShownJobDocument>(pathOf(id))
  const { needed } = view.brief.approvals
  if (needed > 0 && operator === undefined)
    throw new FlameshError('operator-key-needed', `the policy asks for the signatures of ${needed} operators`, {
      hint: 'each of them approves with --key FILE; "flamesh policy show" says who they are',
    })
  const signed = operator && (await approvalOf(context, view.brief, operator, consent))
  if (options.yes !== true && canAsk(context)) await look(context, view, consent)
  // what was looked at is what is approved: an id that grew ambiguous meanwhile is refused
  const after = await control.post<ShownJobDocument>(`${pathOf(view.job)}/approve`, {
    consent,
    ...(signed === undefined ? {} : { approval: signed }),
  })
  context.out.result(after, () => {
    const waits = after.status === 'waiting' || after.status === 'announced'
    const done = waits && needed > 0 ? `signed; ${approvalsText(after.brief)}` : 'approved'
    return `job ${shortId(after.job)}: ${done}`
  })
}

/** Everything there is to know, and the question whether it shall be. */
async function look(context: CommandContext, view: ShownJobDocument, consent: boolean): Promise<void> {
  context.out.stderr.write(`${renderJob(view)}\n`)
  const consenting = consent ? " and let this site's own aggregate for this question become derivable, for good" : ''
  if (await confirmed(context, `Approve this job${consenting}?`)) return
  throw new FlameshError('not-confirmed', 'nothing was decided')
}

/** What an operator signs, in base64: this job under the policy and on the rows that were shown. */
async function approvalOf(
  context: CommandContext,
  { job, policy, dataset, approvals }: JobBrief,
  operator: Signer,
  consent: boolean,
): Promise<string> {
  const { name } = operatorOf(approvals.operators, operator.publicKey)
  if (policy === null || dataset.version === null)
    throw new FlameshError('no-dataset', `there is no dataset ${dataset.name} at this site`)
  const site = (await context.control().get<StatusDocument>('/status')).key
  const { hash: policyHash } = policy
  const signed = signApproval({ job, site, policyHash, datasetVersion: dataset.version, name, consent }, operator)
  return encodeBase64(encodeSigned(signed))
}

export const jobRefuse = (
  context: CommandContext,
  id: string,
  options: { readonly reason: string },
): Promise<undefined> => decide(context, id, 'refuse', { reason: options.reason })

export const jobCancel = (context: CommandContext, id: string): Promise<undefined> => decide(context, id, 'cancel', {})
