/**
 * Runs one scenario: starts its federation, sets everything going, submits its jobs, and looks on until they have ended, the
 * scenario's time is over, or somebody interrupts.
 */
import { dirname } from 'node:path'
import { bytesToHex, type Hex } from '@flamesh/protocol/crypto/hash.js'
import { errorCode } from '@flamesh/protocol/errors.js'
import { compileJob } from '@flamesh/protocol/jobs/compile.js'
import { durationMs } from '@flamesh/protocol/jobs/document.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { OPEN_MARGIN_MS } from '@flamesh/protocol/limits.js'
import type { Federation } from '../federation.js'
import { seededRandom } from '../kernel/random.js'
import { DEFAULT_NEIGHBOURS } from '../network/links.js'
import { jobDocument } from '../scenarios/job-document.js'
import { RESEARCHER } from '../scenarios/names.js'
import type { Scenario } from '../scenarios/schema.js'
import { type Arrival, arrivals } from '../workload/arrivals.js'
import { drawSites, federate } from './federate.js'
import { MeshSamples } from './mesh.js'
import type { Standing } from './progress.js'
import { Record } from './record.js'
import { type Asked, type JobOutcome, jobOutcome } from './tables.js'
import { Timeline } from './timeline.js'

export interface Watcher {
  /** called often */
  readonly progress: (standing: Standing) => void
  /** true once somebody wants the run to end */
  readonly interrupted: () => boolean
}

export interface Execution {
  readonly federation: Federation
  readonly record: Record
  readonly mesh: MeshSamples
  readonly asked: readonly Asked[]
  readonly outcomes: readonly JobOutcome[]
  readonly simulatedMs: number
  readonly events: number
  /** over all deliveries and everything written to a disk */
  readonly hash: string
  readonly interrupted: boolean
}

/** For members to meet and hear of their neighbours' datasets: until the researcher has, and at the most. */
const MEET_MS = 60_000
/** For routers to find their mesh: some heartbeats. */
const WARM_UP_MS = 10_000
/** After the last job has ended: what is under way arrives. */
const SETTLE_MS = 5_000
const EVENTS_A_LOOK = 64

/** `file`: the scenario's; paths in it are relative to its folder. */
export async function execute(scenario: Scenario, file: string, watcher: Watcher): Promise<Execution> {
  const federation = federate(scenario, dirname(file))
  try {
    return await new Run(scenario, file, federation, watcher).run()
  } finally {
    await federation.stop()
  }
}

class Run {
  private readonly asked: Asked[] = []
  private readonly record: Record
  private readonly failures: unknown[] = []
  private looks = 0

  constructor(
    private readonly scenario: Scenario,
    private readonly file: string,
    private readonly federation: Federation,
    private readonly watcher: Watcher,
  ) {
    this.record = new Record(federation)
  }

  async run(): Promise<Execution> {
    const { scenario, federation, record, watcher } = this
    const { clock } = federation
    await this.start()
    record.begin()
    const zeroMs = clock.now()
    const onFailure = (error: unknown): void => void this.failures.push(error)
    const timeline = new Timeline({ scenario, federation, record, zeroMs, onFailure })
    const { stragglers } = scenario.sites
    for (const name of stragglers === undefined ? [] : drawSites(scenario, 'stragglers', stragglers.share))
      timeline.slowDown(name, stragglers?.slowdown ?? 1)
    timeline.schedule(this.file)
    const coming = arrivals(scenario)
    for (const arrival of coming) clock.setTimer(zeroMs + arrival.atMs, () => void this.submit(arrival))
    const mesh = new MeshSamples(federation, record)
    const untilMs = zeroMs + (scenario.duration ?? latestMs(coming))
    const lastEventMs = zeroMs + Math.max(0, ...scenario.events.map((event) => event.at ?? 0))
    const over = (): boolean =>
      scenario.duration === undefined &&
      clock.now() >= lastEventMs &&
      this.asked.length === coming.length &&
      this.asked.every(({ job, code }) => code !== undefined || (job !== undefined && record.ended.has(job)))
    await this.advance(untilMs, over)
    if (!watcher.interrupted() && scenario.duration === undefined) await this.advance(clock.now() + SETTLE_MS)
    mesh.sample()
    if (this.failures.length > 0) throw this.failures[0]
    const outcomes: JobOutcome[] = []
    for (const one of this.asked) outcomes.push(await jobOutcome(federation, record, one))
    return {
      federation,
      record,
      mesh,
      asked: this.asked,
      outcomes,
      simulatedMs: record.nowMs(),
      events: clock.events,
      hash: federation.network.hash(),
      interrupted: watcher.interrupted(),
    }
  }

  private async start(): Promise<void> {
    const { federation, watcher } = this
    const nodes = [...federation.nodes.values()]
    for (const [at, node] of nodes.entries()) {
      if (watcher.interrupted()) return
      await node.start()
      const share = at / nodes.length
      watcher.progress({
        simulatedMs: 0,
        untilMs: 0,
        events: at,
        note: `starting node ${at + 1} of ${nodes.length}`,
        share,
      })
    }
    const sites = nodes.filter(({ rows }) => rows !== undefined).length
    const neighbours = Math.min(sites, federation.options.network?.neighbours ?? DEFAULT_NEIGHBOURS)
    const met = (): boolean => federation.node(RESEARCHER).up().catalogue().size >= neighbours
    await this.advance(federation.clock.now() + MEET_MS, met, 0)
    await this.advance(federation.clock.now() + (sites > neighbours ? WARM_UP_MS : 1000), undefined, 0)
  }

  private async advance(untilMs: number, over: () => boolean = () => false, fromMs?: number): Promise<void> {
    const { clock } = this.federation
    const beginMs = fromMs === undefined ? clock.now() - this.record.nowMs() : clock.now()
    await clock.run(untilMs, () => {
      if (this.failures.length > 0) return true
      if (this.looks++ % EVENTS_A_LOOK === 0) {
        const simulatedMs = clock.now() - beginMs
        this.watcher.progress({ simulatedMs, untilMs: untilMs - beginMs, events: clock.events })
        if (this.watcher.interrupted()) return true
      }
      return over()
    })
  }

  private async submit({ name, job }: Arrival): Promise<void> {
    const { federation, record } = this
    const submittedMs = record.nowMs()
    const place = this.asked.push({ name, analysis: job.analysis, submittedMs, job: undefined }) - 1
    const settle = (change: Partial<Asked>): void => {
      this.asked[place] = { ...(this.asked[place] as Asked), ...change }
    }
    const { peer } = federation.node(RESEARCHER)
    const checkpoint = peer?.checkpoint()
    if (peer === undefined || checkpoint === undefined) return settle({ code: 'researcher-down' })
    try {
      const signed: Job = compileJob(jobDocument(job, name), {
        roster: peer.roster(),
        researcher: peer.key,
        catalogue: peer.catalogue(),
        nowMs: federation.clock.now(),
        nonce: nonceOf(this.scenario.seed, name),
        checkpoint: { size: checkpoint.size, root: checkpoint.root },
      })
      settle({ job: await peer.submit(signed) })
      record.happened('job submitted', RESEARCHER)
    } catch (error) {
      settle({ code: errorCode(error) })
      record.happened(`job ${name} is not submitted (${errorCode(error)})`, RESEARCHER)
    }
  }
}

const nonceOf = (seed: number, name: string): Hex => bytesToHex(seededRandom(seed, `nonce/${name}`).bytes(32))

/** What a job document says when it does not say. */
const DEFAULT_EXPIRES = '2h'

/** When the last job has expired, whatever happens. */
function latestMs(coming: readonly Arrival[]): number {
  const ends = coming.map(({ atMs, job }) => atMs + (durationMs(String(job['expires'] ?? DEFAULT_EXPIRES)) ?? 0))
  return Math.max(...ends) + 2 * OPEN_MARGIN_MS
}
