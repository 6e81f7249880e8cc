/** Operating-system processes of the end-to-end tests: commands that run to their end, and daemons that are watched. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Run {
  readonly exit: number | null
  readonly stdout: string
  readonly stderr: string
}

const running = new Set<ChildProcess>()
// whatever becomes of the tests, no process stays
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

function begin(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  child.once('close', () => running.delete(child))
  return child
}

export async function run(args: readonly string[]): Promise<Run> {
  const child = begin(args)
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (chunk) => (stdout += chunk))
  child.stderr?.on('data', (chunk) => (stderr += chunk))
  const [exit] = (await once(child, 'close')) as [number | null]
  return { exit, stdout, stderr }
}

/** One line of a daemon's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event?: string; readonly job?: string }

/** A daemon that is ready; it says so in the first line on stdout. */
export class Daemon {
  /** whether the test told it to end */
  private told = false

  private constructor(
    private readonly child: ChildProcess,
    private readonly closed: Promise<unknown>,
  ) {}

  /** Resolves with the daemon and the document it printed. Throws what it logged if it ends before. */
  static async start(
    args: readonly string[],
    log: LogLine[],
  ): Promise<{ daemon: Daemon; ready: Record<string, unknown> }> {
    const child = begin(args)
    createInterface({ input: child.stderr! }).on('line', (line) => {
      log.push(line.startsWith('{') ? (JSON.parse(line) as LogLine) : { text: line })
    })
    const closed = once(child, 'close')
    const first = once(createInterface({ input: child.stdout! }), 'line') as Promise<[string]>
    const line = await Promise.race([first.then(([text]) => text), closed.then(() => undefined)])
    if (line === undefined) throw new Error(`${args.join(' ')} ended at once: ${JSON.stringify(log.slice(-5))}`)
    return { daemon: new Daemon(child, closed), ready: JSON.parse(line) as Record<string, unknown> }
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** It ended, and nobody had told it to. */
  get crashed(): boolean {
    return !this.alive && !this.told
  }

  /** `SIGKILL` is kill -9. Resolves when the process is gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.told = true
    this.child.kill(signal)
    await this.closed
  }
}

const WAIT_MS = 60_000
const LOOK_MS = 20

/** Resolves with what `look` finds. Throws after a minute, which only a defect takes. */
export async function eventually<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const deadline = performance.now() + WAIT_MS; ; await sleep(LOOK_MS)) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`)
  }
}
