/**
 * `npm run bench [-- --runs N] [-- --json]`: one `describe` and one Cox job over eight site processes, from submit to
 * released result and where the time goes, beside the same analyses without protection; and what an idle daemon takes.
 * Everything is a process of its own, on loopback. Numbers depend on what else the machine does, so the load is told too.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { killEverything, stopEverything } from '../../docs/examples/main-job/processes.js'
import { Baseline, type BaselineRun } from './baseline.js'
import { type IdleUsage, Mesh, type MeshRun } from './mesh.js'
import { idleLines, jobLines } from './report.js'

const JOBS = ['describe', 'cox'] as const
/** Greetings and exchanged addresses are over by then. */
const WARM_UP_MS = 15_000
const IDLE_MS = 30_000
/** Members tell each other about the end of a job for a few seconds: that belongs to no next job. */
const BETWEEN_JOBS_MS = 8000
const CLOSE = 1e-12

export interface JobReport {
  readonly analysis: string
  readonly mesh: readonly MeshRun[]
  readonly baseline: readonly BaselineRun[]
}

const { values: options } = parseArgs({
  options: { runs: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
})
const runs = Number(options.runs)
const out = options.json ? process.stderr : process.stdout
const say = (line: string): void => {
  out.write(`${line}\n`)
}

/** The same numbers in the same places. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number')
    return Math.abs(a - b) <= CLOSE * Math.max(Math.abs(a), Math.abs(b))
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return a === b
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every((key) => same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
}

async function measure(mesh: Mesh, baseline: Baseline, analysis: string): Promise<JobReport> {
  const file = fileURLToPath(new URL(`../../docs/examples/main-job/${analysis}.yaml`, import.meta.url))
  const masked: MeshRun[] = []
  const unmasked: BaselineRun[] = []
  for (let run = 1; run <= runs; run++) {
    await sleep(BETWEEN_JOBS_MS)
    say(`${analysis}, run ${run} of ${runs} …`)
    const one = await mesh.run(file)
    const plain = await baseline.run(analysis, one.parameters)
    if (one.rounds !== plain.rounds || !same(one.result, plain.result)) {
      throw new Error(
        `the mesh and the baseline disagree:\n${JSON.stringify(one.result)}\n${JSON.stringify(plain.result)}`,
      )
    }
    masked.push(one)
    unmasked.push(plain)
  }
  return { analysis, mesh: masked, baseline: unmasked }
}

async function bench(folder: string): Promise<{ readonly idle: IdleUsage; readonly jobs: readonly JobReport[] }> {
  const mesh = new Mesh(folder, say)
  const baseline = new Baseline()
  try {
    await mesh.start()
    await baseline.start()
    say(`idle for ${(WARM_UP_MS + IDLE_MS) / 1000} s …`)
    await sleep(WARM_UP_MS)
    const idle = await mesh.idle(IDLE_MS)
    const jobs: JobReport[] = []
    for (const analysis of JOBS) jobs.push(await measure(mesh, baseline, analysis))
    return { idle, jobs }
  } finally {
    baseline.stop()
    await stopEverything()
  }
}

async function main(): Promise<void> {
  if (!Number.isInteger(runs) || runs < 1) throw new Error('--runs is a whole number, 1 or more')
  if (process.platform !== 'linux') throw new Error('the bench reads /proc, which only Linux has')
  const folder = mkdtempSync(join(tmpdir(), 'flamesh-bench-'))
  process.on('exit', () => {
    killEverything()
    rmSync(folder, { recursive: true, force: true })
  })
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  const loadBefore = loadavg()[0] as number
  const { idle, jobs } = await bench(folder)
  const machine = {
    nodejs: process.versions.node,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    loadBefore,
    loadAfter: loadavg()[0] as number,
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ machine, runs, idle, jobs })}\n`)
  say(`\nNode.js ${machine.nodejs}, ${machine.cores} × ${machine.cpu}`)
  say(
    `load average ${loadBefore.toFixed(1)} before and ${machine.loadAfter.toFixed(1)} after: what is above about 1 before is other work`,
  )
  for (const line of idleLines(idle)) say(line)
  for (const job of jobs) for (const line of jobLines(job)) say(line)
}

await main()
