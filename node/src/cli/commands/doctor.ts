/** `flamesh doctor`: looks at everything a node needs, changes nothing, and says what to do about what is wrong. */
import type { CommandContext } from '../context.js'
import { runChecks } from '../doctor-checks.js'
import { EXIT } from '../exit-codes.js'
import { printable } from '../output.js'

const MARKS = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const

export async function doctor(context: CommandContext): Promise<number> {
  const checks = await runChecks(context)
  const failed = checks.some((check) => check.outcome === 'fail')
  context.out.result({ healthy: !failed, checks }, () =>
    checks
      .map(({ name, outcome, message, hint }) => {
        const advice = outcome === 'ok' || hint === undefined ? '' : `\n      hint: ${printable(hint)}`
        return `${MARKS[outcome]}  ${name}: ${printable(message)}${advice}`
      })
      .join('\n'),
  )
  return failed ? EXIT.configuration : EXIT.ok
}
