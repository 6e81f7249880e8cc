/**
 * The ledger of a site: of which rows of its datasets sums may have left, for whom, and what became of them. Implements
 * docs/spec/jobs.md, "The ledger". A line is on disk before the vector that it is about is handed on, so that nothing leaves
 * without it; what left counts, however its job ends. Beside the log lie the sets of rows, each once:
 *
 *     ledger.log            one line an event, chained
 *     DATASET/SET.rows      a set of rows, named by its hash (uint32le*; see row-set.ts)
 *     DATASET/PARTS.rows    what sums over it are about besides, likewise (job-sets.ts)
 *     DATASET/…             which row is which (row-numbers.ts)
 *
 * Whoever owns the machine can move it aside and begin anew.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { AuditEntry } from '@flamesh/protocol/peer.js'
import { AuditLog } from '../store/audit-log.js'
import { hasCode, makePrivateFolder, replaceSynced } from '../store/files.js'
import { apply, entered, type LedgerEntry, type LedgerJob, ledgerFile, readLedger, type Withheld } from './entries.js'

/** What the sets of rows of one dataset may take: their number, since every pair is looked at for a new one, and bytes on disk. */
export const ROW_SET_LIMITS = { sets: 4096, bytes: 256 * 2 ** 20 } as const
export type RowSetLimits = { readonly [name in keyof typeof ROW_SET_LIMITS]: number }

/** What a sum may have left of, and whether it was of this version of the rows. */
export interface NamedSet {
  readonly set: Hex
  /** empty if there is nothing besides */
  readonly parts: Hex
  readonly sameVersion: boolean
}

export interface Kept {
  readonly rows: number
  readonly bytes: Uint8Array
  /** what sums are about besides (job-sets.ts); may be empty */
  readonly parts: Uint8Array
}

export const setFile = (folder: string, dataset: string, set: Hex): string => join(folder, dataset, `${set}.rows`)
export const setName = (bytes: Uint8Array): Hex => createHash('sha256').update(bytes).digest('hex')

/** Throws `ledger-damaged` if it is not what it was. */
export async function readSet(folder: string, dataset: string, set: Hex): Promise<Uint32Array> {
  const bytes = await readFile(setFile(folder, dataset, set)).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return Buffer.alloc(0)
    throw error
  })
  if (setName(bytes) !== set)
    throw new FlameshError('ledger-damaged', 'a set of rows in the ledger is not as it was written', {
      meta: { dataset },
      hint: 'check the disk; see docs/guide/node-operator.md, "The ledger"',
    })
  return new Uint32Array(new Uint8Array(bytes).buffer)
}

export class Ledger {
  private constructor(
    readonly folder: string,
    private readonly log: AuditLog,
    private readonly entries: Map<Hex, LedgerEntry>,
    /** size of each set's file, by dataset */
    private readonly sizes: Map<string, SetSizes>,
    private readonly limits: RowSetLimits,
  ) {}

  /** Throws `audit-broken`. */
  static async open(folder: string, limits: RowSetLimits = ROW_SET_LIMITS): Promise<Ledger> {
    await makePrivateFolder(folder)
    // cuts off what a crash left unfinished
    const log = await AuditLog.open(ledgerFile(folder))
    try {
      const { entries } = await readLedger(folder)
      return new Ledger(folder, log, entries, await sizesOf(folder, entries.values()), limits)
    } catch (error) {
      await log.close()
      throw error
    }
  }

  close(): Promise<void> {
    return this.log.close()
  }

  entry(job: Hex): LedgerEntry | undefined {
    return this.entries.get(job)
  }

  /** Jobs whose end is not known here. */
  open(): readonly Hex[] {
    return [...this.entries.values()].flatMap(({ job, status }) => (status === null ? [job] : []))
  }

  /** What was answered, in whichever job, to the very same: the same asked of the same rows. */
  answer(dataset: string, asked: Hex, kept: Kept): LedgerEntry | undefined {
    const set = setName(kept.bytes)
    return [...this.entries.values()].find((one) => one.dataset === dataset && one.asked === asked && one.set === set)
  }

  /** What a new set of rows of this version is held against. */
  sets(dataset: string, version: Hex): readonly NamedSet[] {
    const found = new Map<string, NamedSet>()
    for (const { set, parts, ...one } of this.entries.values()) {
      if (one.dataset !== dataset || one.withheld !== null) continue
      const sameVersion = (found.get(set + parts)?.sameVersion ?? false) || one.version === version
      found.set(set + parts, { set, parts, sameVersion })
    }
    return [...found.values()]
  }

  /** Jobs that had these rows. */
  jobsOf(dataset: string, sets: readonly Hex[]): readonly Hex[] {
    return [...this.entries.values()].flatMap((one) =>
      one.dataset === dataset && one.withheld === null && sets.includes(one.set) ? [one.job] : [],
    )
  }

  /** Whether these rows can be remembered, or are. */
  hasRoom(dataset: string, kept: Kept): boolean {
    const sizes = this.sizes.get(dataset) ?? new Map<Hex, number>()
    const files = filesOf(kept)
    if (files.every(([set]) => sizes.has(set))) return true
    return (
      shareUsed([new Map([...sizes, ...files.map(([set, { length }]) => [set, length] as const)])], this.limits) <= 1
    )
  }

  /** Before its rows go into a sum. On disk when it resolves. Throws `ledger-failed`, or what the disk says. */
  async contribute(job: LedgerJob, kept: Kept, round: number): Promise<LedgerEntry> {
    await makePrivateFolder(join(this.folder, job.dataset))
    const sizes = this.sizes.get(job.dataset) ?? new Map<Hex, number>()
    for (const [set, bytes] of filesOf(kept)) {
      const file = setFile(this.folder, job.dataset, set)
      if (!existsSync(file)) await replaceSynced(file, bytes)
      this.sizes.set(job.dataset, sizes.set(set, bytes.length))
    }
    return this.#enter({ ...job, ...NEW, ...namesOf(kept), withheld: null, against: [], rounds: round })
  }

  /** Before its zeros do. */
  async withhold(
    job: LedgerJob,
    kept: Kept,
    withheld: Withheld,
    against: readonly Hex[],
    round: number,
  ): Promise<LedgerEntry> {
    return this.#enter({
      ...job,
      ...NEW,
      ...namesOf(kept),
      withheld,
      against: against.slice(0, 2),
      rounds: round,
    })
  }

  async round(job: Hex, round: number): Promise<void> {
    if (round > (this.entries.get(job)?.rounds ?? round)) await this.#append({ event: 'round', fields: { job, round } })
  }

  async ended(job: Hex, status: string, code: string, included?: boolean): Promise<void> {
    const known = this.entries.get(job)
    if (known === undefined) return
    if (known.status === status && known.code === code && (included ?? known.included) === known.included) return
    const fields = { job, status, code, ...(included === undefined ? {} : { included }) }
    await this.#append({ event: 'ended', fields })
  }

  /** The first run of the job failed: nothing was handed on, and its rows count for nothing. */
  async nothingSent(job: Hex): Promise<void> {
    await this.#append({ event: 'nothing-sent', fields: { job } })
  }

  async #enter(entry: LedgerEntry): Promise<LedgerEntry> {
    await this.#append(entered(entry))
    return this.entries.get(entry.job) as LedgerEntry
  }

  async #append(entry: AuditEntry): Promise<void> {
    await this.log.append(entry).catch((cause: unknown) => {
      throw new FlameshError('ledger-failed', 'the ledger of this site cannot be written', {
        hint: 'check the space and the rights on the disk, then restart the node',
        cause,
      })
    })
    apply(this.entries, { ...entry, fields: { ...entry.fields }, time: Date.now() })
  }
}

/** What is written of it, by name. */
const filesOf = ({ bytes, parts }: Kept): readonly (readonly [Hex, Uint8Array])[] =>
  [bytes, ...(parts.length === 0 ? [] : [parts])].map((one) => [setName(one), one] as const)

function namesOf(kept: Kept): Pick<LedgerEntry, 'rows' | 'set' | 'parts'> {
  const [set = '', parts = ''] = filesOf(kept).map(([name]) => name)
  return { rows: kept.rows, set, parts }
}

type SetSizes = Map<Hex, number>

/** Bytes of every set of rows that is remembered, by dataset. */
export async function sizesOf(folder: string, entries: Iterable<LedgerEntry>): Promise<Map<string, SetSizes>> {
  const all = new Map<string, SetSizes>()
  for (const { dataset, set, parts, withheld } of entries) {
    const sizes = all.get(dataset) ?? new Map<Hex, number>()
    for (const name of [set, parts]) {
      if (withheld !== null || name === '' || sizes.has(name)) continue
      // one that is gone is found missing by whoever is held against it
      const size = await stat(setFile(folder, dataset, name)).then(
        (found) => found.size,
        () => 0,
      )
      all.set(dataset, sizes.set(name, size))
    }
  }
  return all
}

/** Of the room that each dataset has for its sets, as much as the fullest one takes: 1 is all. */
export function shareUsed(datasets: Iterable<SetSizes>, limits: RowSetLimits = ROW_SET_LIMITS): number {
  const shares = [...datasets].map((sizes) => {
    const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0)
    return Math.max(sizes.size / limits.sets, bytes / limits.bytes)
  })
  return Math.max(0, ...shares)
}

/** Of an entry whose job goes on. */
const NEW = { timeMs: 0, status: null, code: null, included: null } as const
