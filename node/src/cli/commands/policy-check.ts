/** `flamesh policy check`: what this site's policy would say to a job, rule by rule, before anybody submits it. */
import type { PolicyDecision } from '@flamesh/protocol/jobs/evaluate.js'
import { MAX_JOB_BYTES } from '@flamesh/protocol/limits.js'
import { parseYaml, readText } from '../../config/read-file.js'
import type { CommandContext } from '../context.js'
import { EXIT } from '../exit-codes.js'
import { renderTable } from '../table.js'

interface CheckOptions {
  readonly researcher?: string
}

/** What would become of the job, and whose word it would wait for. */
export function verdictText({ decision, code, message, signatures }: PolicyDecision): string {
  const why = `: ${message} (${code}).`
  switch (decision) {
    case 'approve':
      return 'The policy would approve this job.'
    case 'refuse':
      return `The policy would refuse this job${why}`
    case 'ask': {
      const operators = signatures === 1 ? 'an operator has signed' : `${signatures} operators have signed`
      return `The job would wait ${signatures === 0 ? 'for the operator' : `until ${operators}`}${why}`
    }
  }
}

export async function policyCheck(context: CommandContext, file: string, options: CheckOptions): Promise<number> {
  const document = await parseYaml(await readText(file, MAX_JOB_BYTES), file)
  const check = await context
    .control()
    .post<PolicyDecision>('/policy/check', { document, researcher: options.researcher })
  context.out.result(check, () => {
    const rows = check.rules.map((rule) => [rule.outcome, rule.rule, rule.message])
    return `${renderTable(
      ['', 'rule', 'because'].map((title) => ({ title })),
      rows,
    )}\n${verdictText(check)}`
  })
  return check.decision === 'refuse' ? EXIT.refusedByPolicy : EXIT.ok
}
