/** How the commands are made: options that all have, values they take, and the operation that a command is. */
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { OperationResult } from '../operations.js'
import { print } from './print.js'
import { run } from './run.js'

export interface Common {
  readonly dir: string
  readonly json?: boolean
}

type Text = (result: OperationResult) => string

const folder = (text: string) => resolve(text)
export const list = (text: string) => text.split(',').map((item) => item.trim())
export const collect = (text: string, held: string[] | undefined) => [...(held ?? []), text]

export function whole(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new InvalidArgumentError('It must be a whole number above 0.')
  return Number(text)
}

export function hex(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new InvalidArgumentError('It must be 64 lowercase hexadecimal characters.')
  return text
}

export function add(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .addOption(
      new Option('--dir <folder>', 'folder of the hub').env('FLAMESH_HUB_DIR').argParser(folder).makeOptionMandatory(),
    )
    .option('--json', 'print the result as JSON')
}

/** A command that is one operation; whether the operation is well-formed is for `run` to say. */
export function operate<O extends Common>(
  command: Command,
  text: Text,
  operation: (options: O) => object | Promise<object>,
): void {
  command.action(async (options: O) =>
    print(await run(options.dir, await operation(options)), options.json === true, text),
  )
}
