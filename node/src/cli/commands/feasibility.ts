/** `flamesh feasibility`: how many rows of the mesh a question keeps; a job of the analysis of that name, asked and waited for. */
import type { JobDocument } from '../../control/documents.js'
import type { CommandContext } from '../context.js'
import { type FeasibilityOptions, feasibilityDocument, feasibilityText } from '../feasibility-job.js'
import { renderOutcome } from '../render-result.js'
import { awaitResult, type WaitOptions } from '../wait.js'

export async function feasibility(
  context: CommandContext,
  options: FeasibilityOptions & Pick<WaitOptions, 'timeout'>,
): Promise<number> {
  const document = await feasibilityDocument(options)
  const { job, body } = await context.control().post<JobDocument>('/jobs', { document })
  return awaitResult(context, job, options, (outcome, files) => {
    const answer = feasibilityText(outcome, body)
    const rest = renderOutcome(answer === undefined ? outcome : { ...outcome, result: null }, files)
    return answer === undefined ? rest : `${answer}\n${rest}`
  })
}
