/**
 * The `flamesh-sim` command: one job over a simulated federation of the production engines, deterministic to the bit. It
 * prints how the job ended and a hash over every delivery; the same arguments print the same hash on any machine.
 */
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import type { Value } from '@flamesh/protocol/encoding/canonical.js'
import { errorCode, FlameshError } from '@flamesh/protocol/errors.js'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { addCampaignCommands } from '../campaign/command.js'
import { Federation } from '../federation.js'
import { SYNTHETIC_COLUMNS, syntheticSites } from '../synthetic.js'

const QUESTIONS: Readonly<Record<string, unknown>> = {
  describe: { columns: ['age'] },
  table: { rows: 'treated', columns: 'event' },
  linear: { outcome: 'age', covariates: ['treated', 'event'] },
  logistic: { outcome: 'event', covariates: ['age', 'treated'] },
}

interface RunOptions {
  readonly seed: number
  readonly sites: number
  readonly rows: number
  readonly committee: number
  readonly latency: number
  readonly analysis: string
  readonly away: readonly string[]
  readonly json?: true
}

function count(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!Number.isSafeInteger(value) || value < least) throw new InvalidArgumentError(`a whole number from ${least} up`)
    return value
  }
}

async function run(options: RunOptions): Promise<void> {
  const question = QUESTIONS[options.analysis]
  const analysis = findAnalysis(options.analysis)
  if (question === undefined || analysis === undefined) {
    throw new FlameshError('usage', `there is no question about "${options.analysis}"`, {
      hint: `choose one of ${Object.keys(QUESTIONS).join(', ')}`,
    })
  }
  const sites = syntheticSites(options.seed, options.sites, options.rows)
  const unknown = options.away.find((name) => !sites.some((site) => site.name === name))
  if (unknown !== undefined)
    throw new FlameshError('usage', `there is no ${unknown}`, { hint: 'sites are site-1, site-2, …' })
  const federation = new Federation({
    seed: options.seed,
    dataset: 'synthetic',
    columns: SYNTHETIC_COLUMNS,
    sites,
    committee: sites.slice(0, options.committee).map((site) => site.name),
    latencyMs: options.latency,
  })
  await federation.startAll()
  const levels = (name: string) => SYNTHETIC_COLUMNS.find((column) => column.name === name)?.levels
  const parameters = analysis.parameters.parse(analysis.complete(question, levels)) as Value
  const startedMs = federation.clock.now()
  for (const name of options.away) federation.node(name).kill()
  const job = await federation.node('researcher').up().submit(federation.job(options.analysis, parameters))
  await federation.finish(job)
  report(options, federation, job, startedMs)
}

function report(options: RunOptions, federation: Federation, job: string, startedMs: number): void {
  const view = federation.node('researcher').up().job(job)
  const outcome = {
    seed: options.seed,
    sites: options.sites,
    status: view?.status ?? 'unknown',
    ...(view?.code === undefined ? {} : { code: view.code }),
    rounds: view?.round ?? 0,
    simulatedMs: federation.clock.now() - startedMs,
    deliveries: federation.network.deliveries,
    hash: federation.network.hash(),
  }
  const text = `${options.analysis} over ${outcome.sites} simulated sites: ${outcome.status} after ${outcome.rounds} round(s), ${outcome.simulatedMs} simulated ms, ${outcome.deliveries} deliveries\nhash ${outcome.hash}`
  process.stdout.write(`${options.json ? JSON.stringify(outcome) : text}\n`)
}

function makeProgram(): Command {
  const program = new Command('flamesh-sim')
    .description('simulates a federation with the production protocol')
    .exitOverride()
  program
    .command('run')
    .description('one job over synthetic rows')
    .option('--seed <n>', 'of everything random', count(0), 1)
    .option('--sites <n>', 'how many sites', count(3), 8)
    .option('--rows <n>', 'patients a site, about', count(1), 60)
    .option('--committee <n>', '3, 4 or 7 of the sites', count(3), 4)
    .option('--latency <ms>', 'one way', count(1), 10)
    .option('--analysis <name>', Object.keys(QUESTIONS).join(', '), 'describe')
    .option('--away <site...>', 'sites that are down', [])
    .option('--json', 'one JSON document')
    .action(run)
  addCampaignCommands(program)
  return program
}

try {
  await makeProgram().parseAsync()
  process.exit() // the simulated nodes' timers mean nothing any more
} catch (error) {
  if (!(error instanceof CommanderError)) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
    if (error instanceof FlameshError && error.hint !== undefined) process.stderr.write(`hint: ${error.hint}\n`)
  }
  const usage = error instanceof CommanderError ? error.exitCode !== 0 : errorCode(error) === 'usage'
  process.exitCode = usage ? 2 : error instanceof CommanderError ? 0 : 1
}
