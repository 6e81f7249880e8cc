/** The measured mesh: the demo's hub, eight hospitals and researcher, asked by the commands anyone has. */
import { fileURLToPath } from 'node:url'
import { type Profile, profileOf } from '@flamesh/protocol/secagg/committee.js'
import {
  ASKS_OPERATOR,
  COMMITTEE,
  Federation,
  type Fields,
  type Node,
} from '../../docs/examples/main-job/federation.js'
import { type JobTimes, jobTimes } from './phases.js'
import { residentMb, totalCpuMs } from './usage.js'

const POLICY = fileURLToPath(new URL('../../docs/examples/policies/approve-builtin.yaml', import.meta.url))
const RESULT_MS = 120_000

export interface MeshRun extends JobTimes {
  /** from the job at the researcher's node to its result there, in milliseconds */
  readonly tookMs: number
  /** the same with the start of the command and its end */
  readonly commandMs: number
  /** of all daemons together */
  readonly cpuMs: number
  readonly parameters: unknown
  /** in the sum */
  readonly sites: number
  /** without its proof */
  readonly result: Fields
}

export interface IdleUsage {
  readonly residentMb: readonly number[]
  /** of one core */
  readonly cpuShare: readonly number[]
}

export class Mesh {
  readonly #federation: Federation
  #pids: readonly number[] = []

  constructor(folder: string, say: (line: string) => void) {
    this.#federation = new Federation(folder, say)
  }

  async start(): Promise<void> {
    await this.#federation.build()
    await this.#federation.node(ASKS_OPERATOR).flamesh(['policy', 'set', POLICY])
    const states = await Promise.all(this.#federation.nodes.map((node) => node.flamesh(['status'])))
    this.#pids = states.map(({ pid }) => pid as number)
  }

  async idle(forMs: number): Promise<IdleUsage> {
    const before = this.#pids.map((pid) => totalCpuMs([pid]))
    const start = performance.now()
    await new Promise((resolve) => setTimeout(resolve, forMs))
    const elapsed = performance.now() - start
    return {
      residentMb: this.#pids.map(residentMb),
      cpuShare: this.#pids.map((pid, at) => (totalCpuMs([pid]) - (before[at] as number)) / elapsed),
    }
  }

  async run(file: string): Promise<MeshRun> {
    const { researcher } = this.#federation
    const cpuBefore = totalCpuMs(this.#pids)
    const start = performance.now()
    const outcome = await researcher.flamesh(['job', 'submit', file, '--wait', '--timeout', `${RESULT_MS / 1000}s`])
    const commandMs = performance.now() - start
    const cpuMs = totalCpuMs(this.#pids) - cpuBefore
    const job = outcome['job'] as string
    const included = Object.values(outcome['sites'] as Fields).filter((one) => (one as Fields)['included'] === true)
    const submitted = await logged(researcher, job, 'job-announced')
    const released = await logged(researcher, job, 'job-status', 'released')
    const { proof: _, ...result } = outcome['result'] as Fields
    const members = COMMITTEE.map((name) => this.#federation.node(name))
    const { quorum } = profileOf(members.length) as Profile
    return {
      ...(await jobTimes(members, job, { quorum, submitted, released })),
      tookMs: released - submitted,
      commandMs,
      cpuMs,
      parameters: ((await researcher.flamesh(['job', 'show', job]))['body'] as Fields)['parameters'],
      sites: included.length,
      result,
    }
  }
}

/** When a node's log said so, in milliseconds since 1970. */
async function logged(node: Node, job: string, event: string, status?: string): Promise<number> {
  const line = await node.log.until(
    `${event} at ${node.name}`,
    (events) => events.find((one) => one['job'] === job && one['event'] === event && one['status'] === status),
    RESULT_MS,
  )
  return Date.parse(line['time'] as string)
}
