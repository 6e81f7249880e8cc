/** Starts the FHIR server of `server.ts` as a process, and ends it. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ServerSetup } from './server.js'

export interface Asked {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

export async function withFhirServer<T>(
  setup: Partial<ServerSetup>,
  work: (server: { readonly base: string; asked(): Promise<readonly Asked[]> }) => Promise<T>,
): Promise<T> {
  const full = { people: 40, pageSize: 7, faults: [], ...setup }
  const child = fork(fileURLToPath(new URL('server.ts', import.meta.url)), [JSON.stringify(full)], {
    execArgv: ['--conditions=source', '--import=tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  try {
    const [{ port }] = (await once(child, 'message')) as [{ port: number }]
    const origin = `http://127.0.0.1:${port}`
    const asked = async () => (await (await fetch(`${origin}/asked`)).json()) as Asked[]
    return await work({ base: `${origin}/fhir`, asked })
  } finally {
    child.kill()
    await exited
  }
}
