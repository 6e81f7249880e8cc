/** `flamesh job list`: the jobs this node knows, its own marked. */
import type { JobDocument } from '../../control/documents.js'
import type { CommandContext } from '../context.js'
import { renderTable, shortId } from '../table.js'

export async function jobList(context: CommandContext): Promise<undefined> {
  const { jobs } = await context.control().get<{ jobs: readonly JobDocument[] }>('/jobs')
  context.out.result({ jobs }, () => {
    if (jobs.length === 0) return 'no jobs'
    return renderTable(
      ['job', 'status', 'analysis', 'dataset', 'researcher', 'name'].map((title) => ({ title })),
      jobs.map((job) => [
        shortId(job.job),
        job.status,
        job.analysis,
        job.dataset,
        job.mine ? 'this node' : `${job.researcher} (${job.organisation})`,
        job.name,
      ]),
    )
  })
}
