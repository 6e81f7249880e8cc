/** One run of the command line: parse, execute, print what went wrong, and the exit code. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { type Command, CommanderError } from 'commander'
import { hasCode } from '../store/files.js'
import { VERSION } from '../version.js'
import { type CommonOptions, createContext, type Environment, type Streams } from './context.js'
import { EXIT, exitOf } from './exit-codes.js'
import { createOutput } from './output.js'
import { createProgram, type Execute } from './program.js'

export async function main(args: readonly string[], env: Environment, streams: Streams): Promise<number> {
  let exitCode: number = EXIT.ok
  const execute: Execute = async (options: CommonOptions, run) => {
    const context = createContext(options, env, streams)
    exitCode = (await run(context)) ?? EXIT.ok
  }
  const program = createProgram(VERSION, execute)
  quiet(program, streams)
  try {
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
    const failure = error instanceof CommanderError ? usageError(error, program, args) : explained(error)
    createOutput(args.includes('--json'), streams.stdout, streams.stderr).error(failure)
    return failure instanceof FlameshError ? exitOf(failure.code) : EXIT.unexpected
  }
}

/** What a system says without a word of what to do. */
function explained(error: unknown): unknown {
  if (!hasCode(error, 'ENOSPC') && !hasCode(error, 'EDQUOT')) return error
  return new FlameshError('disk-full', 'there is no room left on the disk', {
    cause: error,
    hint: 'make room where the node’s folder lies, and run the command again: df -h',
  })
}

/** Help goes to stdout when it was asked for; commander's own messages are said by `usageError` instead. */
function quiet(command: Command, streams: Streams): void {
  command.exitOverride()
  command.configureOutput({ writeOut: (text) => streams.stdout.write(text), writeErr: () => undefined })
  for (const child of command.commands) quiet(child, streams)
}

function usageError(error: CommanderError, program: Command, args: readonly string[]): FlameshError {
  const { path, children } = locate(program, args)
  const message =
    error.code === 'commander.help' ? `${path} needs a command: ${children.join(', ')}` : plainMessage(error)
  return new FlameshError('usage', message, { hint: `see ${path} --help` })
}

function plainMessage(error: CommanderError): string {
  return error.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\?\)$/s, ' (did you mean $1?)')
    .trim()
}

/** The deepest command that the arguments name. */
function locate(program: Command, args: readonly string[]): { path: string; children: readonly string[] } {
  let command = program
  let path = program.name()
  for (const word of args) {
    const child = command.commands.find((one) => one.name() === word)
    if (child === undefined) break
    command = child
    path += ` ${child.name()}`
  }
  return { path, children: command.commands.map((one) => one.name()) }
}
