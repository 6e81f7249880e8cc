/** What the command tree is put together from (program.ts, and a file for each larger group of commands). */
import { type Command, InvalidArgumentError } from 'commander'
import type { CommandContext } from './context.js'

/** Resolves with an exit code; nothing means 0. */
export type CommandRun<A extends unknown[]> = (context: CommandContext, ...given: A) => Promise<number | undefined>

// biome-ignore lint/suspicious/noExplicitAny: commander hands over arguments and options untyped; each command declares its own
export type Loaded = Promise<CommandRun<any>>

/** Adds a command that does something, with the options that every one of them has. */
export type Leaf = (parent: Command, signature: string, description: string, load: () => Loaded) => Command
export type Noun = (name: string, description: string) => Command

export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}

export function wholeNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw new InvalidArgumentError('not a whole number')
}
