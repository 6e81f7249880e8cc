/** Runs the commands as other tools script them: the built program, real processes, loopback. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { withFolder } from './fixtures.js'

const PROGRAM = fileURLToPath(new URL('../../hub-registry/bin/flamesh-hub.js', import.meta.url))

export interface Run {
  readonly exit: number | null
  readonly stdout: string
  readonly stderr: string
}

export async function run(...args: string[]): Promise<Run> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => (stdout += chunk))
  child.stderr.on('data', (chunk) => (stderr += chunk))
  const [exit] = (await once(child, 'close')) as [number | null]
  return { exit, stdout, stderr }
}

export async function json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  const { exit, stdout, stderr } = await run(...args, '--json')
  assert.equal(exit, 0, stderr)
  return JSON.parse(stdout) as T
}

export interface Serving {
  readonly url: string
  readonly child: ChildProcess
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export async function serve(dir: string): Promise<Serving> {
  const args = ['serve', '--dir', dir, '--listen', '127.0.0.1:0', '--json']
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stderr.resume()
  const closed = once(child, 'close') as Promise<[number | null]>
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    closed.then(([exit]) => assert.fail(`serve ended with ${exit}`)),
  ])) as [string]
  const { event, url } = JSON.parse(line) as { event: string; url: string }
  assert.equal(event, 'ready')
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal)
    return (await closed)[0]
  }
  return { url, child, stop }
}

/** Runs with a hub served from the folder; whatever happens, it is not left running. */
export async function whileServed(dir: string, use: (serving: Serving) => Promise<void>): Promise<void> {
  const serving = await serve(dir)
  try {
    await use(serving)
  } finally {
    if (serving.child.exitCode === null && serving.child.signalCode === null) await serving.stop()
  }
}

export const withNewHub = (use: (dir: string, hubKey: string) => Promise<void>) =>
  withFolder(async (dir) => {
    const { hubKey } = await json<{ hubKey: string }>('init', '--dir', dir)
    await use(dir, hubKey)
  })
