/** `flamesh-sim campaign` and `flamesh-sim replay`: the campaign against our own protocol, from the command line. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { Command } from 'commander'
import { runCampaign } from './campaign.js'
import { type Case, readCase } from './case.js'
import { generate } from './generate.js'
import { type CaseOutcome, runCase } from './run-case.js'
import { breaks, shrink } from './shrink.js'
import { type Finding, statisticsText } from './statistics.js'

interface CampaignFlags {
  readonly minutes: number
  readonly seeds?: string
  readonly workers: number
  readonly keep?: string
  readonly json?: true
}

/** No more findings than this are shrunk: each takes a while, and many show the same. */
const MAX_SHRUNK = 5

function seedsOf(text: string | undefined): { from: number; to: number } {
  if (text === undefined) return { from: 0, to: Number.MAX_SAFE_INTEGER }
  const [from, to] = text.split('..').map(Number)
  if (from === undefined || to === undefined || !(Number.isSafeInteger(from) && Number.isSafeInteger(to)) || to < from)
    throw new FlameshError('usage', `"${text}" is no range of seeds`, { hint: 'write --seeds 0..999' })
  return { from, to: to + 1 }
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new FlameshError('usage', `"${text}" is not above zero`)
  return value
}

async function campaign(flags: CampaignFlags): Promise<void> {
  const began = Date.now()
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  let told = began
  const all = await runCampaign({
    seeds: seedsOf(flags.seeds),
    untilMs: began + flags.minutes * 60_000,
    workers: flags.workers,
    signal: stop.signal,
    onProgress: ({ seeds, steps, findings }) => {
      if (Date.now() - told < 5_000) return
      told = Date.now()
      const seconds = (told - began) / 1000
      process.stderr.write(
        `${seeds} seeds, ${steps} steps, ${findings.length} findings, ${(seeds / seconds).toFixed(1)} seeds/s, ${Math.round(seconds)} s\n`,
      )
    },
  })
  const wallMs = Date.now() - began
  const cases = stop.signal.aborted ? [] : await shrunkCases(all.findings, flags.keep)
  const text = `${statisticsText(all)}\n${(wallMs / 1000).toFixed(0)} s\n${cases.map((one) => JSON.stringify(one)).join('\n')}`
  process.stdout.write(`${flags.json ? JSON.stringify({ ...all, wallMs, cases }) : text.trimEnd()}\n`)
  if (all.findings.length > 0) process.exitCode = 8
}

/** The first finding of each invariant, made short; kept as files only where that was asked for. */
async function shrunkCases(findings: readonly Finding[], keep: string | undefined): Promise<readonly Case[]> {
  const first = new Map<string, Finding>()
  for (const one of findings) if (!first.has(one.invariant)) first.set(one.invariant, one)
  const cases: Case[] = []
  for (const { seed, invariant } of [...first.values()].slice(0, MAX_SHRUNK)) {
    const short = { ...(await shrink(generate(seed), breaks(invariant))), name: invariant }
    cases.push(short)
    if (keep === undefined) continue
    mkdirSync(keep, { recursive: true })
    writeFileSync(
      join(keep, `${invariant.replaceAll(/[^a-z0-9]+/gi, '-')}-${seed}.json`),
      `${JSON.stringify(short, null, 2)}\n`,
    )
  }
  return cases
}

interface ReplayFlags {
  readonly json?: true
}

/** True if it was a case: what is neither a seed nor a case file is for others to replay. */
export function isCase(what: string): boolean {
  return /^\d+$/.test(what) || (what.endsWith('.json') && existsSync(what))
}

export async function replayCase(what: string, { json }: ReplayFlags): Promise<void> {
  const one = /^\d+$/.test(what) ? generate(Number(what)) : readCase(what)
  const outcome = await runCase(one)
  process.stdout.write(`${json ? JSON.stringify({ case: one, outcome }) : replayText(one, outcome)}\n`)
  if (outcome.violations.length > 0) process.exitCode = 8
}

function replayText(one: Case, outcome: CaseOutcome): string {
  const { sites, committee } = one.shape
  return [
    `seed ${one.seed}, ${one.name}: ${sites} sites, a committee of ${committee}, ${one.jobs.map((job) => job.analysis).join(', ')}`,
    ...one.operations.map(({ when, deed }) => `  when ${JSON.stringify(when)}: ${JSON.stringify(deed)}`),
    `happened: ${JSON.stringify(outcome.fired)}`,
    `jobs ended: ${JSON.stringify(outcome.endings)}, ${outcome.steps} steps, ${outcome.messages} messages`,
    ...outcome.violations.map((found) => `VIOLATION at step ${found.step}: ${found.invariant}: ${found.message}`),
    `hash ${outcome.hash}`,
  ].join('\n')
}

export function addCampaignCommands(program: Command): void {
  program
    .command('campaign')
    .description('attacks the protocol: faults and liars from seeds, invariants after every step')
    .option('--minutes <m>', 'how long', positive, 1)
    .option('--seeds <a..b>', 'which seeds, both included; from 0 on if left out')
    .option('--workers <n>', 'processes', positive, 2)
    .option('--keep <dir>', 'where to write shrunk cases of what was found')
    .option('--json', 'one JSON document')
    .action(campaign)
  program
    .command('replay')
    .description('one case again: a seed of the campaign, or a file')
    .argument('<seed|file>')
    .option('--json', 'one JSON document')
    .action(replayCase)
}
