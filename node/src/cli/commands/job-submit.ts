/** `flamesh job submit`: signs a job, announces it and, with --wait, stays until it ends. */
import { MAX_JOB_BYTES } from '@flamesh/protocol/limits.js'
import { parseYaml, readText } from '../../config/read-file.js'
import type { JobDocument } from '../../control/documents.js'
import type { CommandContext } from '../context.js'
import { renderFields, timeText } from '../table.js'
import { awaitResult, type WaitOptions } from '../wait.js'

export async function jobSubmit(
  context: CommandContext,
  file: string,
  options: WaitOptions,
): Promise<number | undefined> {
  const document = await parseYaml(await readText(file, MAX_JOB_BYTES), file)
  const view = await context.control().post<JobDocument>('/jobs', { document })
  if (options.wait === true) return awaitResult(context, view.job, options)
  context.out.result({ job: view.job, status: view.status, sites: view.sites }, () =>
    renderFields([
      ['job', view.job],
      ['name', view.name],
      ['open until', timeText(view.body.notAfter)],
      ['result', `flamesh job result ${view.job}`],
    ]),
  )
  return undefined
}
