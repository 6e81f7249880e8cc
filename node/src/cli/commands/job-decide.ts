/** `flamesh job approve`, `refuse` and `cancel`: decisions of this node about one job. */
import type { JobDocument } from '../../control/documents.js'
import type { CommandContext } from '../context.js'
import { shortId } from '../table.js'

const DONE = { approve: 'approved', refuse: 'refused', cancel: 'its cancellation is announced' } as const

async function decide(context: CommandContext, id: string, verb: keyof typeof DONE, body: object): Promise<undefined> {
  const view = await context.control().post<JobDocument>(`/jobs/${encodeURIComponent(id)}/${verb}`, body)
  context.out.result(view, () => `job ${shortId(view.job)}: ${DONE[verb]}`)
}

export const jobApprove = (
  context: CommandContext,
  id: string,
  options: { readonly consent?: boolean },
): Promise<undefined> => decide(context, id, 'approve', { consent: options.consent === true })

export const jobRefuse = (
  context: CommandContext,
  id: string,
  options: { readonly reason: string },
): Promise<undefined> => decide(context, id, 'refuse', { reason: options.reason })

export const jobCancel = (context: CommandContext, id: string): Promise<undefined> => decide(context, id, 'cancel', {})
