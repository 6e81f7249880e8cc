/** `flamesh job result`: the result of a job of one's own, now or as soon as there is one. */
import type { JobDocument } from '../../control/documents.js'
import type { CommandContext } from '../context.js'
import { awaitResult, fetchResult, type WaitOptions } from '../wait.js'

export async function jobResult(context: CommandContext, id: string, options: WaitOptions): Promise<number> {
  const { job } = await context.control().get<JobDocument>(`/jobs/${encodeURIComponent(id)}`)
  return options.wait === true ? awaitResult(context, job, options) : fetchResult(context, job, options)
}
