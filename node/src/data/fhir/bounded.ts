/**
 * Work of expressions with an end: FHIRPath can repeat for ever, and a pattern can take longer than anybody waits, and nothing in
 * the same thread could stop it, not even Ctrl-C. The engine of Node.js can: it ends a script from outside.
 */
import { createContext, Script } from 'node:vm'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { MAX_EVALUATION_MS } from './limits.js'

const script = new Script('work()')

/** Throws what `work` throws, and `fhir-data` if it does not end. Ctrl-C ends it as it ends the command. */
export function bounded(work: () => void, limitMs: number = MAX_EVALUATION_MS): void {
  try {
    script.runInContext(createContext({ work }), { timeout: limitMs, breakOnSigint: true })
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED') process.exit(130)
    if (code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    throw new FlameshError('fhir-data', `an expression does not come to an end within ${limitMs / 1000} s`, {
      hint: 'look for repeat() of what is always new, and for patterns of matches() that can match in many ways',
    })
  }
}
