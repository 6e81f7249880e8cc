/** `flamesh ledger show`: of which rows of this site sums may have left, for whom. It reads the ledger's file, and needs no daemon. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { requireInitialised } from '../../config/state-folder.js'
import { type LedgerEntry, ledgerFile, readLedger } from '../../ledger/entries.js'
import { conditionText } from '../../report/text.js'
import type { CommandContext } from '../context.js'
import { renderTable, shortId, timeText } from '../table.js'

interface ShowOptions {
  readonly job?: string
  readonly since?: string
}

export async function ledgerShow(
  context: CommandContext,
  dataset: string | undefined,
  options: ShowOptions,
): Promise<undefined> {
  const { folder, out } = context
  requireInitialised(folder)
  const sinceMs = options.since === undefined ? 0 : dayMs(options.since)
  const { entries } = await readLedger(folder.ledgerDir)
  const jobs = [...entries.values()].filter(
    (one) =>
      (dataset === undefined || one.dataset === dataset) &&
      (options.job === undefined || one.job.startsWith(options.job)) &&
      one.timeMs >= sinceMs,
  )
  out.result({ file: ledgerFile(folder.ledgerDir), jobs: jobs.map(documentOf) }, () =>
    jobs.length === 0 ? 'nothing' : textOf(jobs),
  )
}

/** Midnight, UTC. Throws `usage`. */
function dayMs(text: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(ms)) return ms
  throw new FlameshError('usage', `--since: "${text}" is not a day`, { hint: 'write 2026-11-30' })
}

/** Without hashes that say nothing to anyone. */
function documentOf({ set: _, asked: __, where, ...entry }: LedgerEntry): object {
  return { ...entry, where: conditions(where) ?? where, contributed: entry.withheld === null }
}

/** Undefined if they were too long for the ledger: the job has them. */
function conditions(where: string): Job['where'] | undefined {
  try {
    return JSON.parse(where) as Job['where']
  } catch {
    return undefined
  }
}

function whereText(where: string): string {
  const all = conditions(where)
  if (all === undefined) return where
  if (all.length === 0) return 'all rows'
  return all.map(conditionText).join(' and ')
}

function becameOf({ withheld, against, status, code, included }: LedgerEntry): string {
  const end =
    status === null ? 'not ended' : code !== null && code !== '' && code !== status ? `${status}: ${code}` : status
  const known = included === false ? `${end}, without this site` : end
  if (withheld === null) return known
  const jobs = against.length === 0 ? '' : ` to ${against.map(shortId).join(' and ')}`
  return `zeros (${withheld}${jobs}); ${known}`
}

function textOf(jobs: readonly LedgerEntry[]): string {
  return renderTable(
    [
      ...['time', 'dataset', 'version', 'job', 'for', 'analysis', 'of', 'where'].map((title) => ({ title })),
      ...['rows', 'rounds'].map((title) => ({ title, align: 'right' as const })),
      { title: 'became' },
    ],
    jobs.map((one) => [
      timeText(one.timeMs),
      one.dataset,
      shortId(one.version),
      shortId(one.job),
      `${one.researcher} (${one.organisation})`,
      one.analysis,
      one.columns.join(', '),
      whereText(one.where),
      String(one.rows),
      String(one.rounds),
      becameOf(one),
    ]),
  )
}
