/**
 * `npm run bench -- analyses [--rows N] [--runs N] [--only NAME,NAME]`: the local work of each built-in analysis, all its rounds, on one site
 * with a million rows of twenty columns, beside R doing the same on the same machine, in turns; and what the site sends. Processor
 * time, so that other work on the machine counts less. Both sides have their rows in memory, and must agree on one number.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Rows } from '@flamesh/protocol/analyses/analysis.js'
import { countSlots } from '@flamesh/protocol/analyses/layout.js'
import { findAnalysis, listAnalyses } from '@flamesh/protocol/analyses/registry.js'
import { decodeVector, encodeVector } from '@flamesh/protocol/secagg/ring.js'
import { CASES, type Case, cut, makeColumns, rowsFrom } from './analyses-cases.js'
import { spread } from './statistics.js'

const RING = 128
/** Seats of a committee of four that are sent each word (docs/spec/secure-aggregation.md, "Committee and seeds"). */
const REPLICAS = 3
const RULES = { minimumCell: 5, minimumContributors: 1 }
const CLOSE = 1e-6

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string' },
  },
})

interface Pass {
  readonly cpuMs: number
  readonly value: number
}
interface Sent {
  readonly rounds: number
  /** of the longest vector of a round */
  readonly words: number
  /** of masked vectors over all rounds, to a committee of four: without signatures, seeds and frames */
  readonly sentBytes: number
}

const cpuMs = (since?: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1000
}

/** Every site's rows, which are one site's unless the analysis asks for more, to the result: what other sites add costs nothing beside it. */
function pass(name: string, { parameters, value }: Case, sites: readonly Rows[]): Pass & Sent {
  const analysis = findAnalysis(name)
  if (analysis === undefined) throw new Error(`there is no ${name}`)
  const canonical = analysis.parameters.parse(parameters)
  const context = { parameters: canonical, rules: RULES, survivors: sites.length, everyRow: true }
  const start = process.cpuUsage()
  let state: unknown
  let words = 0
  let sentBytes = 0
  for (let rounds = 1; ; rounds++) {
    const plan = analysis.plan(canonical, state)
    words = Math.max(words, plan.slots.length)
    sentBytes += (plan.slots.length * REPLICAS * RING) / 8
    const { fractionBits, bound } = plan
    const opened = sites.map((rows) => {
      const vector = analysis.contribute(rows, canonical, state)
      return decodeVector(encodeVector(vector, RING, fractionBits, bound, countSlots(plan)), RING, fractionBits)
    })
    const sum = opened.reduce((all, one) => all.map((word, at) => word + (one[at] as bigint)))
    const outcome = analysis.combine(sum, context, state)
    if (outcome.kind === 'suppressed') throw new Error(`${name}: ${outcome.code}`)
    if (outcome.kind === 'state') state = outcome.state
    else
      return {
        cpuMs: cpuMs(start),
        value: value(analysis.present(outcome.released, canonical)),
        rounds,
        words,
        sentBytes,
      }
  }
}

/** R with the same rows, in a process of its own. */
class OtherSide {
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #reader: Interface

  constructor(folder: string, rows: number, columns: readonly string[]) {
    const script = fileURLToPath(new URL('analyses.R', import.meta.url))
    this.#process = spawn('Rscript', [script, folder, String(rows), columns.join(',')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#reader = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream })
    this.#lines = this.#reader[Symbol.asyncIterator]()
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error('R ended')
    return value
  }

  async pass(name: string): Promise<Pass> {
    this.#process.stdin?.write(`${name}\n`)
    const [spent, value] = (await this.line()).split(' ').map(Number)
    return { cpuMs: spent as number, value: value as number }
  }

  stop(): void {
    this.#reader.close()
    this.#process.kill()
  }
}

async function startR(folder: string, rows: number): Promise<OtherSide | undefined> {
  if (spawnSync('Rscript', ['--version']).error !== undefined) {
    process.stderr.write(
      '\n*** Rscript is not installed: NOTHING IS COMPARED, only the times of flamesh are shown ***\n\n',
    )
    return undefined
  }
  const columns = makeColumns(rows)
  for (const [name, values] of columns) writeFileSync(join(folder, name), values)
  const r = new OtherSide(folder, rows, [...columns.keys()])
  await r.line()
  return r
}

async function measure(name: string, one: Case, rows: Rows, r: OtherSide | undefined, runs: number): Promise<string> {
  const mine: (Pass & Sent)[] = []
  const theirs: Pass[] = []
  // compiled, and in the caches, before it counts
  const fresh = (): readonly Rows[] => cut(rows, one.sites ?? 1)
  pass(name, one, fresh())
  for (let run = 0; run < runs; run++) {
    const turns = [async () => mine.push(pass(name, one, fresh())), async () => r && theirs.push(await r.pass(name))]
    for (const turn of run % 2 === 0 ? turns : turns.reverse()) await turn()
  }
  const [first] = mine as [Pass & Sent]
  const other = theirs[0]?.value ?? Number.NaN
  const agree = Math.abs(first.value - other) <= CLOSE * Math.abs(other)
  const ratios = mine.map(({ cpuMs }, at) => cpuMs / (theirs[at]?.cpuMs ?? Number.NaN))
  const shown = (values: readonly number[], digits: number): string => spread(values).median.toFixed(digits).padStart(9)
  const { min, max } = spread(ratios)
  const ratio = Number.isNaN(min) ? '' : `${shown(ratios, 2)}  ${min.toFixed(2)} to ${max.toFixed(2)}`
  const doubt = r === undefined || agree ? '' : `  DISAGREES: ${first.value}, R ${other}`
  return [
    name.padEnd(16),
    shown(
      mine.map(({ cpuMs }) => cpuMs),
      0,
    ),
    shown(
      theirs.map(({ cpuMs }) => cpuMs),
      0,
    ),
    ratio.padEnd(24),
    String(first.rounds).padStart(7),
    String(first.words).padStart(7),
    (first.sentBytes / 1000).toFixed(1).padStart(8),
    doubt,
  ].join(' ')
}

async function main(): Promise<void> {
  const [count, runs] = [Number(options.rows), Number(options.runs)]
  if (![count, runs].every((value) => Number.isInteger(value) && value > 0)) {
    throw new Error('--rows and --runs are whole numbers above 0')
  }
  const folder = mkdtempSync(join(tmpdir(), 'flamesh-bench-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const without = listAnalyses().filter(({ name }) => CASES[name] === undefined)
  if (without.length > 0) throw new Error(`no case in analyses-cases.ts: ${without.map(({ name }) => name).join(', ')}`)
  const say = (line: string): void => {
    process.stdout.write(`${line}\n`)
  }
  const load = loadavg()[0] as number
  say(
    `${count} rows × 20 columns, Node.js ${process.versions.node}, ${cpus()[0]?.model}, load average ${load.toFixed(1)}`,
  )
  const r = await startR(folder, count)
  const rows = rowsFrom(makeColumns(count))
  say(
    `${'processor time'.padEnd(16)}${'ms'.padStart(10)}${'R, ms'.padStart(10)}${'ratio'.padStart(10)}${'of the runs'.padEnd(15).padStart(17)}${'rounds'.padStart(8)}${'words'.padStart(8)}${'kB sent'.padStart(9)}`,
  )
  try {
    for (const { name } of listAnalyses()) {
      if (options.only?.split(',').includes(name) === false) continue
      say(await measure(name, CASES[name] as Case, rows, r, runs))
    }
  } finally {
    r?.stop()
  }
}

await main()
