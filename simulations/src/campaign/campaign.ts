/**
 * A campaign: seeds in a row, each a case, over worker processes that take disjoint ranges, until the time is over or the
 * range is done. It finds; it repairs nothing.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { generate } from './generate.js'
import { nothingShows } from './interference.js'
import { type CaseOutcome, runCase } from './run-case.js'
import { addOutcome, addStatistics, noStatistics, type Statistics } from './statistics.js'

/** A case that takes the processor longer than this does not end: itself a finding. */
const MAX_CASE_CPU_MS = 60_000
const LOOK_EVERY_MS = 5_000
/** Seeds a worker takes at a time. */
const BATCH = 20

export interface Range {
  readonly from: number
  /** not included */
  readonly to: number
}

export interface CampaignOptions {
  readonly seeds: Range
  readonly untilMs: number
  readonly workers: number
  readonly onProgress: (all: Statistics) => void
  /** stops it before its time */
  readonly signal?: AbortSignal
}

/** Every so many seeds a case runs twice more, with other rows at one site. */
const COMPARE_EVERY = 20

async function runOnce(seed: number): Promise<CaseOutcome> {
  const one = generate(seed)
  const outcome = await runCase(one)
  if (seed % COMPARE_EVERY !== 0) return outcome
  const found = await nothingShows(one, (seed / COMPARE_EVERY) % one.shape.sites)
  const violations = [...outcome.violations, ...(found === undefined ? [] : [found])]
  return { ...outcome, violations, checks: { ...outcome.checks, '8 nothing shows': 1 } }
}

/** One seed; what the machinery itself throws is a finding as well. */
export async function runSeed(seed: number): Promise<CaseOutcome> {
  let timer: ReturnType<typeof setInterval> | undefined
  const before = process.cpuUsage()
  const tooLong = new Promise<never>((_, fail) => {
    timer = setInterval(() => {
      const { user, system } = process.cpuUsage(before)
      if ((user + system) / 1000 > MAX_CASE_CPU_MS) fail(new Error('the case does not end'))
    }, LOOK_EVERY_MS)
  })
  try {
    return await Promise.race([runOnce(seed), tooLong])
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const violations = [{ invariant: 'no fault', message: message.slice(0, 600), step: 0 }]
    return { seed, violations, steps: 0, messages: 0, fired: {}, endings: {}, checks: {}, hash: '' }
  } finally {
    clearInterval(timer)
  }
}

/** A range in this process. */
export async function runRange({ from, to }: Range, goOn: () => boolean = () => true): Promise<Statistics> {
  const all = noStatistics()
  for (let seed = from; seed < to && goOn(); seed++) addOutcome(all, await runSeed(seed))
  return all
}

export async function runCampaign(options: CampaignOptions): Promise<Statistics> {
  const all = noStatistics()
  let next = options.seeds.from
  const take = (): Range | undefined => {
    if (next >= options.seeds.to || Date.now() >= options.untilMs || options.signal?.aborted) return undefined
    const from = next
    next = Math.min(next + BATCH, options.seeds.to)
    return { from, to: next }
  }
  const done = (some: Statistics): void => {
    addStatistics(all, some)
    options.onProgress(all)
  }
  await Promise.all(Array.from({ length: options.workers }, () => work(take, done, options)))
  return all
}

/** One worker process, fed range by range; a range under way when the time is over still counts as far as it came. */
function work(take: () => Range | undefined, done: (some: Statistics) => void, { untilMs, signal }: CampaignOptions) {
  return new Promise<void>((resolve, fail) => {
    // a collector with threads of its own takes the processor from the other workers
    const execArgv = [...process.execArgv, '--single-threaded-gc']
    const child = fork(fileURLToPath(import.meta.url), ['--as-worker'], { execArgv })
    const feed = (): void => {
      const range = take()
      if (range === undefined) child.disconnect()
      else child.send({ range, untilMs })
    }
    signal?.addEventListener('abort', () => child.connected && child.send({ stop: true }))
    child.on('message', (some) => {
      done(some as Statistics)
      feed()
    })
    child.on('error', fail)
    child.on('exit', (code) =>
      code === 0 || signal?.aborted ? resolve() : fail(new Error(`a worker ended with ${code}`)),
    )
    feed()
  })
}

interface Order {
  readonly range?: Range
  readonly untilMs?: number
  readonly stop?: true
}

/** Ctrl-C reaches the whole group: a worker finishes its case, says what it has, and waits to be let go. */
function beWorker(): void {
  let stopped = false
  process.on('SIGINT', () => {
    stopped = true
  })
  process.on('message', ({ range, untilMs = 0, stop }: Order) => {
    stopped ||= stop === true
    if (range === undefined) return
    void runRange(range, () => !stopped && Date.now() < untilMs).then((all) => process.send?.(all))
  })
  process.on('disconnect', () => process.exit(0))
}

if (process.argv.includes('--as-worker')) beWorker()
