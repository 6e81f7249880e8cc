/** The command line in this process: arguments in, exit code and what was printed out. */
import { Readable } from 'node:stream'

export interface Ran {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** `typed`: there is a terminal, and this is what the person types. */
export async function flamesh(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  typed?: string,
): Promise<Ran> {
  let stdout = ''
  let stderr = ''
  // The command loads its parts by import(): so must the test, or there are two copies of every module.
  const { main } = await import('@flamesh/node/cli/run.js')
  const exit = await main(args, env, {
    stdin: Object.assign(Readable.from(typed === undefined ? [] : [typed]), { isTTY: typed !== undefined }),
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
  })
  return { exit, stdout, stderr }
}
