/** Entry point of `flamesh-hub`: runs one command and turns what went wrong into a sentence and an exit code. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { CommanderError } from 'commander'
import { exitCodeOf, USAGE_EXIT } from './exit-codes.js'
import { makeProgram } from './program.js'

/** With --json stdout holds one document, an error's as well. */
const json = process.argv.includes('--json')

function report(error: unknown): number {
  // commander has already printed what it had to say; help that was asked for is no error
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0
    if (json)
      process.stdout.write(`${JSON.stringify({ error: { code: 'usage', message: error.message, meta: {} } })}\n`)
    return USAGE_EXIT
  }
  const known = error instanceof FlameshError
  if (json) {
    const { code, meta, hint } = known ? error : { code: 'internal', meta: {}, hint: undefined }
    const message = error instanceof Error ? error.message : String(error)
    process.stdout.write(`${JSON.stringify({ error: { code, message, ...(hint ? { hint } : {}), meta } })}\n`)
  }
  const message = known ? `${error.message} (${error.code})` : String((error as Error)?.stack ?? error)
  process.stderr.write(`error: ${message}\n`)
  if (known && error.hint !== undefined) process.stderr.write(`hint: ${error.hint}\n`)
  return exitCodeOf(error)
}

try {
  await makeProgram().parseAsync()
} catch (error) {
  process.exitCode = report(error)
}
