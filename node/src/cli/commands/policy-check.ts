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

const VERDICTS = {
  approve: 'The policy would approve this job.',
  ask: 'The job would wait for the operator',
  refuse: 'The policy would refuse this job',
} as const

export async function policyCheck(context: CommandContext, file: string, options: CheckOptions): Promise<number> {
  const document = await parseYaml(await readText(file, MAX_JOB_BYTES), file)
  const check = await context
    .control()
    .post<PolicyDecision>('/policy/check', { document, researcher: options.researcher })
  context.out.result(check, () => {
    const rows = check.rules.map((rule) => [rule.outcome, rule.rule, rule.message])
    const verdict = VERDICTS[check.decision]
    const why = check.decision === 'approve' ? '' : `: ${check.message} (${check.code}).`
    return `${renderTable(
      ['', 'rule', 'because'].map((title) => ({ title })),
      rows,
    )}\n${verdict}${why}`
  })
  return check.decision === 'refuse' ? EXIT.refusedByPolicy : EXIT.ok
}
