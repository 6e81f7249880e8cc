/** The unmasked baseline: the same analyses over the same rows in as many processes, with a collector that adds what it is sent. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { RoundPlan } from '@flamesh/protocol/analyses/analysis.js'
import { countSlots } from '@flamesh/protocol/analyses/layout.js'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { addInto, decodeVector, encodeVector } from '@flamesh/protocol/secagg/ring.js'
import { SITES } from '../../docs/examples/main-job/data.js'
import type { Question } from './baseline-site.js'
import { totalCpuMs } from './usage.js'

const SITE = fileURLToPath(new URL('baseline-site.ts', import.meta.url))
const RING = 128
const RULES = { minimumCell: 5, minimumContributors: 5 }

export interface BaselineRun {
  readonly tookMs: number
  /** of all sites and the collector together */
  readonly cpuMs: number
  readonly rounds: number
  readonly result: Readonly<Record<string, unknown>>
}

/** A hospital as the collector sees it: one line out, one line back. */
class Line {
  readonly #socket: Socket
  readonly #lines: AsyncIterator<string>

  constructor(socket: Socket) {
    socket.setNoDelay(true)
    this.#socket = socket
    this.#lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  }

  async ask(message: unknown): Promise<readonly number[]> {
    this.#socket.write(`${JSON.stringify(message)}\n`)
    const { value } = await this.#lines.next()
    return JSON.parse(value)
  }

  close(): void {
    this.#socket.destroy()
  }
}

export class Baseline {
  readonly #lines: Line[] = []
  #processes: readonly ChildProcess[] = []

  async start(): Promise<void> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const args = [...process.execArgv, SITE, String(port)]
    this.#processes = SITES.map(() => spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] }))
    while (this.#lines.length < SITES.length) {
      const [socket] = (await once(server, 'connection')) as [Socket]
      this.#lines.push(new Line(socket))
    }
    server.close()
    await Promise.all(this.#lines.map((line, at) => line.ask({ csv: SITES[at]?.csv })))
  }

  /** Without a collector a site has nothing left to do, and ends. */
  stop(): void {
    for (const line of this.#lines) line.close()
  }

  async run(name: string, parameters: unknown): Promise<BaselineRun> {
    const analysis = findAnalysis(name)
    if (analysis === undefined) throw new Error(`there is no analysis ${name}`)
    const pids = [process.pid, ...this.#processes.map(({ pid }) => pid as number)]
    const cpuBefore = totalCpuMs(pids)
    const start = performance.now()
    let state: unknown
    for (let rounds = 1; ; rounds++) {
      const question: Question = { analysis: name, parameters, ...(state === undefined ? {} : { state }) }
      const vectors = await Promise.all(this.#lines.map((line) => line.ask(question)))
      const sum = add(vectors, analysis.plan(parameters, state))
      const outcome = analysis.combine(sum, { parameters, rules: RULES, survivors: vectors.length }, state)
      if (outcome.kind === 'suppressed') throw new Error(`suppressed: ${outcome.code}`)
      if (outcome.kind === 'state') {
        state = outcome.state
        continue
      }
      const result = analysis.present(outcome.released, parameters)
      const tookMs = performance.now() - start
      return { tookMs, cpuMs: totalCpuMs(pids) - cpuBefore, rounds, result }
    }
  }
}

/** In the ring, for the same result bit by bit. */
function add(vectors: readonly (readonly number[])[], plan: RoundPlan): readonly bigint[] {
  const { fractionBits, bound } = plan
  const [first, ...rest] = vectors.map((values) => encodeVector(values, RING, fractionBits, bound, countSlots(plan)))
  if (first === undefined) throw new Error('no site answered')
  for (const other of rest) addInto(first, other, RING)
  return decodeVector(first, RING, fractionBits)
}
