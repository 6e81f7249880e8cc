/**
 * The ledger as lines of a chained log, and as entries: one for each job that this site computed for, with what it was about and what
 * became of it. Implements docs/spec/jobs.md, "The ledger". No field holds a value of the data but what a `where` compares with.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { AuditEntry } from '@flamesh/protocol/peer.js'
import { type AuditLine, type AuditVerification, verifyAudit } from '../store/audit-log.js'

/** Why a site contributed zeros. */
export type Withheld = 'too-few-rows' | 'too-similar' | 'ledger-full'

/** What a job is about, as its site knows it. */
export interface LedgerJob {
  readonly job: Hex
  readonly name: string
  readonly purpose: string
  readonly researcher: string
  readonly organisation: string
  readonly analysis: string
  readonly dataset: string
  readonly version: Hex
  /** conditions in canonical form, as JSON */
  readonly where: string
  readonly columns: readonly string[]
  /** hash of the analysis and its parameters: what is asked of the rows, whichever they are */
  readonly asked: Hex
}

export interface LedgerEntry extends LedgerJob {
  /** milliseconds since 1970: before anything left */
  readonly timeMs: number
  /** that the conditions kept here */
  readonly rows: number
  /** name of the set of these rows */
  readonly set: Hex
  /** name of what its sums are about besides; empty if that is nothing */
  readonly parts: Hex
  /** null: the rows went into the job's sums */
  readonly withheld: Withheld | null
  /** jobs whose rows these are too similar to */
  readonly against: readonly Hex[]
  /** the last round that this site computed for */
  readonly rounds: number
  /** how the job ended, as far as this site knows; null while it does not */
  readonly status: string | null
  readonly code: string | null
  /** whether this site is in the sum; null if it does not know */
  readonly included: boolean | null
}

export const ledgerFile = (folder: string): string => join(folder, 'ledger.log')

/** A field of a line is a sentence or a list, not a page: the rest of it stands in the job. */
const MAX_FIELD_CHARACTERS = 1000
/** What others wrote must not make a line longer than a line may be, nor be read as two. */
const plain = (text: string): string => text.replace(/\p{C}/gu, '\ufffd')
const short = (text: string): string =>
  text.length <= MAX_FIELD_CHARACTERS ? text : `${text.slice(0, MAX_FIELD_CHARACTERS)}…`

const SEPARATOR = '\n'

export function entered(entry: LedgerEntry): AuditEntry {
  const { job, name, purpose, researcher, organisation, analysis, dataset, version, asked } = entry
  const { where, columns, rows, set, parts, withheld, against, rounds } = entry
  const who = { researcher: short(plain(researcher)), organisation: short(plain(organisation)) }
  const about = { job, name: plain(name), purpose: short(plain(purpose)), ...who, analysis, asked, dataset, version }
  const read = short(columns.map(plain).join(SEPARATOR))
  const what = {
    where: short(plain(where)),
    columns: read,
    rows,
    set,
    ...(parts === '' ? {} : { parts }),
    round: rounds,
  }
  return withheld === null
    ? { event: 'contributed', fields: { ...about, ...what } }
    : { event: 'withheld', fields: { ...about, ...what, code: withheld, against: against.join(SEPARATOR) } }
}

const list = (text: unknown): readonly string[] =>
  text === undefined || text === '' ? [] : String(text).split(SEPARATOR)

/** What the ledger holds after one more line. */
export function apply(
  entries: Map<Hex, LedgerEntry>,
  { event, fields, time }: Omit<AuditLine, 'hash' | 'previous' | 'sequence'>,
): void {
  const text = (name: string): string => String(fields[name] ?? '')
  const job = text('job')
  const known = entries.get(job)
  switch (event) {
    case 'contributed':
    case 'withheld':
      entries.set(job, {
        job,
        name: text('name'),
        purpose: text('purpose'),
        researcher: text('researcher'),
        organisation: text('organisation'),
        analysis: text('analysis'),
        dataset: text('dataset'),
        version: text('version'),
        asked: text('asked'),
        where: text('where'),
        columns: list(fields['columns']),
        timeMs: time,
        rows: Number(fields['rows']),
        set: text('set'),
        parts: text('parts'),
        withheld: event === 'withheld' ? (text('code') as Withheld) : null,
        against: list(fields['against']),
        rounds: Number(fields['round']),
        status: null,
        code: null,
        included: null,
      })
      return
    case 'round':
      if (known !== undefined) entries.set(job, { ...known, rounds: Number(fields['round']) })
      return
    case 'ended':
      if (known === undefined) return
      entries.set(job, {
        ...known,
        status: text('status'),
        code: text('code'),
        included: typeof fields['included'] === 'boolean' ? fields['included'] : known.included,
      })
      return
    case 'nothing-sent':
      entries.delete(job)
      return
  }
}

/** The whole ledger in a folder, in order. Throws `audit-broken`. */
export async function readLedger(
  folder: string,
): Promise<{ readonly entries: Map<Hex, LedgerEntry>; readonly verified: AuditVerification | undefined }> {
  const entries = new Map<Hex, LedgerEntry>()
  const file = ledgerFile(folder)
  const verified = existsSync(file) ? await verifyAudit(file, (line) => apply(entries, line)) : undefined
  return { entries, verified }
}
