/** One simulation for sim.ts, profiled by its own process: the argument is how many sites; prints one JSON document. */
import { Session } from 'node:inspector/promises'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import type { Value } from '@flamesh/protocol/encoding/canonical.js'
import { Federation } from '@flamesh/simulations/federation.js'
import { MEASURED } from '@flamesh/simulations/network/costs.js'
import { hospitalLatency } from '@flamesh/simulations/network/latency.js'
import { SYNTHETIC_COLUMNS, syntheticSites } from './sites.js'

export interface SimRun {
  readonly startS: number
  readonly warmUpS: number
  readonly jobsS: number
  readonly simulatedS: number
  readonly events: number
  /** the processor's time, which other work on the machine does not lengthen */
  readonly cpuS: number
  readonly emptyMb: number
  readonly residentMb: number
  /** of the processor's time, by part */
  readonly shares: Readonly<Record<string, number>>
  readonly outcome: string
}

const WARM_UP_MS = 30_000
const COMMITTEE = 7
/** To approve and to submit: members greet a thousand sites first. */
const PATIENCE_MS = 60_000
const QUESTIONS = {
  describe: { columns: ['age'] },
  linear: { outcome: 'age', covariates: ['treated', 'event'] },
}

/** By the file a function is in; the first that fits. */
const PARTS: readonly (readonly [part: string, pattern: RegExp])[] = [
  ['crypto', /crypto|@noble/],
  ['codec', /cborg|dag-cbor|\/zod\/|protocol\/src\/encoding|protocol\/src\/wire/],
  ['engines', /protocol\/src/],
  ['kernel and network', /simulations\/src/],
  ['routers', /node_modules/],
]

const seconds = (): number => Number(process.hrtime.bigint()) / 1e9
const residentMb = (): number => process.memoryUsage().rss / 2 ** 20

async function profiled(work: () => Promise<void>): Promise<Readonly<Record<string, number>>> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 10_000 })
  await session.post('Profiler.start')
  await work()
  const { profile } = await session.post('Profiler.stop')
  const partOf = new Map(
    profile.nodes.map(({ id, callFrame: { url, functionName } }) => {
      const found = PARTS.find(([, pattern]) => pattern.test(url))?.[0]
      return [id, found ?? (functionName === '(garbage collector)' ? 'garbage collector' : 'Node.js')]
    }),
  )
  const times: Record<string, number> = {}
  let total = 0
  profile.samples?.forEach((id, at) => {
    const part = partOf.get(id) as string
    const took = profile.timeDeltas?.[at] ?? 0
    times[part] = (times[part] ?? 0) + took
    total += took
  })
  return Object.fromEntries(Object.entries(times).map(([part, took]) => [part, took / total]))
}

async function main(count: number): Promise<SimRun> {
  const emptyMb = residentMb()
  const sites = syntheticSites(1, count)
  const names = sites.map((site) => site.name)
  const federation = new Federation({
    seed: 1,
    dataset: 'synthetic',
    columns: SYNTHETIC_COLUMNS,
    sites,
    committee: names.slice(0, COMMITTEE),
    gossip: 'router',
    latencyMs: hospitalLatency([...names, 'researcher']),
    costs: MEASURED,
  })
  const { clock } = federation
  const cpuBefore = process.cpuUsage()
  const startMs = clock.now()
  const times: number[] = [seconds()]
  const outcomes: string[] = []
  const shares = await profiled(async () => {
    await federation.startAll()
    times.push(seconds())
    await clock.run(clock.now() + WARM_UP_MS)
    times.push(seconds())
    for (const [name, question] of Object.entries(QUESTIONS)) {
      const analysis = findAnalysis(name)
      const levels = (column: string) => SYNTHETIC_COLUMNS.find((one) => one.name === column)?.levels
      const parameters = analysis?.parameters.parse(analysis.complete(question, levels)) as Value
      const submittedMs = clock.now()

      const { cohort } = federation.job(name, parameters)
      const change = { cohort: { ...cohort, approveWithinMs: PATIENCE_MS }, submitWithinMs: PATIENCE_MS }
      const job = await federation
        .node('researcher')
        .up()
        .submit(federation.job(name, parameters, change))
      await federation.finish(job)
      const view = federation.node('researcher').up().job(job)
      const included = Object.values(view?.sites ?? {}).filter((site) => site.included).length
      outcomes.push(`${name} ${view?.status} over ${included} after ${clock.now() - submittedMs} ms`)
    }
    times.push(seconds())
  })
  const [begun = 0, started = 0, warm = 0, ended = 0] = times
  const { user, system } = process.cpuUsage(cpuBefore)
  const run = {
    cpuS: (user + system) / 1e6,
    startS: started - begun,
    warmUpS: warm - started,
    jobsS: ended - warm,
    simulatedS: (clock.now() - startMs) / 1000,
    events: clock.events,
    emptyMb,
    residentMb: residentMb(),
    shares,
    outcome: outcomes.join(', '),
  }
  await federation.stop()
  return run
}

process.stdout.write(`${JSON.stringify(await main(Number(process.argv[2])))}\n`, () => process.exit(0))
