/** Entry point of `flamesh-sim`: runs one command and turns what went wrong into a sentence and an exit code. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { type Command, CommanderError } from 'commander'
import { EXIT, exitOf } from './exit-codes.js'
import { createProgram } from './program.js'
import { VERSION } from './version.js'

const json = process.argv.includes('--json')
let exitCode: number = EXIT.ok

function quiet(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => undefined })
  for (const child of command.commands) quiet(child)
}

/** Two lines on stderr; with --json one document on stdout besides. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok
    const bare = error.code === 'commander.help' ? 'flamesh-sim needs a command' : error.message.replace(/^error: /, '')
    return report(new FlameshError('usage', bare.replaceAll('\n', ' '), { hint: 'see flamesh-sim --help' }))
  }
  const known = error instanceof FlameshError
  const message = error instanceof Error ? error.message : String(error)
  if (json) {
    const { code, meta, hint } = known ? error : { code: 'internal', meta: {}, hint: undefined }
    process.stdout.write(`${JSON.stringify({ error: { code, message, ...(hint ? { hint } : {}), meta } })}\n`)
  }
  process.stderr.write(`error: ${known ? message : ((error as Error)?.stack ?? message)}\n`)
  if (known && error.hint !== undefined) process.stderr.write(`hint: ${error.hint}\n`)
  return exitOf(error)
}

const program = createProgram(VERSION, (code) => {
  exitCode = code
})
quiet(program)
try {
  await program.parseAsync()
} catch (error) {
  exitCode = report(error)
}
// simulated nodes may still hold something open, and none of it means anything any more
await new Promise<void>((resolve) => process.stdout.write('', () => resolve()))
process.exit(exitCode === EXIT.ok ? process.exitCode : exitCode)
