/**
 * Where members were last reachable, on disk, so that a restarted node dials out whether or not the hub is there.
 * Implements docs/spec/transport.md, "Address book". Everything in it is a hint: a lost or unreadable file costs time, not
 * safety, so it is never a reason not to start.
 */
import { readFile, rename } from 'node:fs/promises'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { hexSchema } from '@flamesh/protocol/encoding/signed.js'
import { decodeBase64, encodeBase64 } from '@flamesh/protocol/identity/base.js'
import { openPeerRecord, type PeerRecord } from '@flamesh/protocol/identity/peer-record.js'
import { z } from 'zod'
import { type Log, reasonOf } from '../log.js'
import { hasCode, replaceSynced } from '../store/files.js'
import { MAX_ADDRESSES, MAX_BOOK_PEERS } from './limits.js'
import { bareAddress } from './peer-id.js'

/** Several changes, one write. */
const SAVE_DELAY_MS = 500

interface Known {
  /** typed in by the operator: never dropped for newer ones */
  readonly pinned: boolean
  /** when this node last got through, milliseconds since 1970; 0: never */
  readonly lastSeenMs: number
}

interface Entry {
  readonly addresses: Map<string, Known>
  record: { readonly sequence: number; readonly bytes: Uint8Array } | undefined
}

const fileSchema = z.strictObject({
  version: z.literal(1),
  peers: z.record(
    hexSchema,
    z.strictObject({
      addresses: z.array(z.strictObject({ address: z.string(), pinned: z.boolean(), lastSeenMs: z.int().min(0) })),
      record: z.string().optional(),
    }),
  ),
})

export interface AddressBookOptions {
  /** undefined: kept in memory only */
  readonly path: string | undefined
  readonly log: Log
  readonly now?: () => number
}

export class AddressBook {
  readonly #options: AddressBookOptions
  readonly #entries = new Map<Hex, Entry>()
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #saving: Promise<void> = Promise.resolve()
  #listener: () => void = () => undefined

  private constructor(options: AddressBookOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  static async open(options: AddressBookOptions): Promise<AddressBook> {
    const book = new AddressBook(options)
    await book.#load()
    return book
  }

  /** Called whenever an address is new. One listener: the dialer. */
  onNewAddress(listener: () => void): void {
    this.#listener = listener
  }

  /** Hints from anywhere. What is no TCP multiaddr is left out. */
  add(key: Hex, addresses: readonly string[]): void {
    this.#put(key, addresses, false)
  }

  /** An operator's `--peer`: kept until taken back. */
  pin(key: Hex, address: string): void {
    this.#put(key, [address], true)
  }

  /** This address answered just now. */
  seen(key: Hex, address: string): void {
    const bare = bareAddress(address)
    if (bare === undefined) return
    const entry = this.#entry(key)
    entry.addresses.set(bare, { pinned: entry.addresses.get(bare)?.pinned ?? false, lastSeenMs: this.#now() })
    trim(entry)
    this.#changed()
  }

  /**
   * Takes in an opened peer record, and the bytes it came in, if it is newer than the one held, replacing what the older
   * one said. True if it was news.
   */
  learn(record: PeerRecord, bytes: Uint8Array): boolean {
    const entry = this.#entry(record.key)
    if (entry.record !== undefined && entry.record.sequence >= record.sequence) return false
    const said = new Set(record.addresses.map(bareAddress))
    for (const [address, known] of entry.addresses) {
      if (!known.pinned && !said.has(address)) entry.addresses.delete(address)
    }
    entry.record = { sequence: record.sequence, bytes }
    this.#put(record.key, record.addresses, false)
    this.#changed()
    return true
  }

  /** The newest record of a member, as it was signed. */
  recordOf(key: Hex): { readonly sequence: number; readonly bytes: Uint8Array } | undefined {
    return this.#entries.get(key)?.record
  }

  /** Best first: where this node got through last, then the pinned, then the rest. */
  addressesOf(key: Hex): readonly string[] {
    return [...(this.#entries.get(key)?.addresses ?? [])]
      .sort((a, b) => compare(a[1], b[1]))
      .map(([address]) => address)
  }

  keys(): readonly Hex[] {
    return [...this.#entries.keys()]
  }

  /** Resolves when everything known is on disk (or could not be written, which is logged). */
  async flush(): Promise<void> {
    if (this.#timer !== undefined) this.#save()
    await this.#saving
  }

  #entry(key: Hex): Entry {
    const found = this.#entries.get(key)
    if (found !== undefined) return found
    if (this.#entries.size >= MAX_BOOK_PEERS) this.#forgetOne()
    const made: Entry = { addresses: new Map(), record: undefined }
    this.#entries.set(key, made)
    return made
  }

  /** The peer added longest ago that no operator typed in. */
  #forgetOne(): void {
    for (const [key, entry] of this.#entries) {
      if (![...entry.addresses.values()].some((known) => known.pinned)) {
        this.#entries.delete(key)
        return
      }
    }
  }

  #put(key: Hex, addresses: readonly string[], pinned: boolean): void {
    const entry = this.#entry(key)
    let news = false
    for (const address of addresses) {
      const bare = bareAddress(address)
      if (bare === undefined) continue
      const known = entry.addresses.get(bare)
      if (known !== undefined && (known.pinned || !pinned)) continue
      entry.addresses.set(bare, { pinned, lastSeenMs: known?.lastSeenMs ?? 0 })
      news = true
    }
    if (!news) return
    trim(entry)
    this.#changed()
    this.#listener()
  }

  #changed(): void {
    if (this.#options.path !== undefined) this.#timer ??= setTimeout(() => this.#save(), SAVE_DELAY_MS)
  }

  #save(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const path = this.#options.path
    if (path === undefined) return
    const content = `${JSON.stringify(this.#toFile(), null, 1)}\n`
    this.#saving = this.#saving
      .then(() => replaceSynced(path, content))
      .catch((error) => this.#options.log('warn', 'address-book-not-saved', { path, reason: reasonOf(error) }))
  }

  #toFile(): z.infer<typeof fileSchema> {
    const peers = [...this.#entries].map(([key, entry]) => {
      const addresses = [...entry.addresses].map(([address, known]) => ({ address, ...known }))
      return [key, entry.record ? { addresses, record: encodeBase64(entry.record.bytes) } : { addresses }] as const
    })
    return { version: 1, peers: Object.fromEntries(peers) }
  }

  async #load(): Promise<void> {
    const { path, log } = this.#options
    if (path === undefined) return
    try {
      const { peers } = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')))
      for (const [key, { addresses, record }] of Object.entries(peers)) {
        const entry = this.#entry(key)
        if (record !== undefined) this.#restoreRecord(entry, key, decodeBase64(record))
        for (const { address, pinned, lastSeenMs } of addresses) entry.addresses.set(address, { pinned, lastSeenMs })
      }
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return
      this.#entries.clear()
      const aside = `${path}.unreadable`
      log('error', 'address-book-unreadable', { path, aside, reason: reasonOf(error) })
      await rename(path, aside).catch(() => undefined)
    }
  }

  #restoreRecord(entry: Entry, key: Hex, bytes: Uint8Array): void {
    const record = openPeerRecord(bytes)
    if (record.key === key) entry.record = { sequence: record.sequence, bytes }
  }
}

function compare(a: Known, b: Known): number {
  return b.lastSeenMs - a.lastSeenMs || Number(b.pinned) - Number(a.pinned)
}

/** Drops the addresses that were least recently of use. */
function trim(entry: Entry): void {
  const loose = [...entry.addresses].filter(([, known]) => !known.pinned)
  if (loose.length <= MAX_ADDRESSES) return
  // Newly added ones come last and were never seen: they are worth more than old ones that were never seen either.
  const worst = loose
    .reverse()
    .sort((a, b) => compare(a[1], b[1]))
    .slice(MAX_ADDRESSES)
  for (const [address] of worst) entry.addresses.delete(address)
}
