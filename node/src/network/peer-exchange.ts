/**
 * Members tell each other where members listen: on every new connection, and when something new was learnt. Implements
 * docs/spec/transport.md, "Peer records". What arrives are signed hints about members; nothing else is taken in.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { bytesSchema } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { MAX_PEER_RECORD_BYTES, openPeerRecord } from '@flamesh/protocol/identity/peer-record.js'
import type { Connection, Stream } from '@libp2p/interface'
import { messageStreamToDuplex } from '@libp2p/utils'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { z } from 'zod'
import { type Log, reasonOf } from '../log.js'
import type { AddressBook } from './address-book.js'
import { ANSWER_TIMEOUT_MS, EXCHANGES_PER_MINUTE, MAX_EXCHANGE_BYTES, MAX_RECORDS } from './limits.js'

export const PEERS_PROTOCOL = '/flamesh/peers/1'

const exchangeSchema = z.strictObject({
  records: z.array(bytesSchema.refine((bytes) => bytes.length <= MAX_PEER_RECORD_BYTES)).max(MAX_RECORDS),
})

export interface PeerExchangeOptions {
  readonly self: Hex
  readonly book: AddressBook
  readonly isMember: (key: Hex) => boolean
  /** a peer sent what no honest peer sends */
  readonly penalise: (peer: Hex, why: string) => void
  readonly log: Log
}

export class PeerExchange {
  readonly #options: PeerExchangeOptions
  /** learnt since the last `takeNews` */
  readonly #news = new Set<Hex>()
  readonly #started = new Map<Hex, { minute: number; count: number }>()

  constructor(options: PeerExchangeOptions) {
    this.#options = options
  }

  /** Sends what this node knows to a peer: its own record, and those of other members. */
  async tellAll(connection: Connection, to: Hex): Promise<void> {
    const { self, book } = this.#options
    await this.#tell(connection, [self, ...book.keys().filter((key) => key !== self && key !== to)])
  }

  /** Keys whose records are new since the last call. */
  takeNews(): readonly Hex[] {
    const news = [...this.#news]
    this.#news.clear()
    return news
  }

  async tellNews(connection: Connection, to: Hex, news: readonly Hex[]): Promise<void> {
    await this.#tell(
      connection,
      news.filter((key) => key !== to),
    )
  }

  async #tell(connection: Connection, keys: readonly Hex[]): Promise<void> {
    const { book, isMember, self } = this.#options
    const records = keys
      .filter((key) => key === self || isMember(key))
      .flatMap((key) => book.recordOf(key)?.bytes ?? [])
      .slice(0, MAX_RECORDS)
    if (records.length === 0) return
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
    const stream = await connection.newStream(PEERS_PROTOCOL, { signal })
    stream.send(lengthPrefixed.encode.single(encode({ records })))
    await stream.close({ signal })
  }

  /** Reads one exchange that a peer started. */
  async hear(stream: Stream, from: Hex): Promise<void> {
    const timer = setTimeout(() => stream.abort(new Error('the exchange took too long')), ANSWER_TIMEOUT_MS)
    try {
      const bytes = await pipe(
        messageStreamToDuplex(stream),
        (source) => lengthPrefixed.decode(source, { maxDataLength: MAX_EXCHANGE_BYTES }),
        async (frames) => {
          for await (const frame of frames) return frame.subarray()
          throw new FlameshError('bad-frame', 'the exchange ended early')
        },
      )
      await stream.close()
      if (this.#mayExchange(from)) this.#takeIn(bytes, from)
    } finally {
      clearTimeout(timer)
    }
  }

  #takeIn(bytes: Uint8Array, from: Hex): void {
    let records: readonly Uint8Array[]
    try {
      records = exchangeSchema.parse(decode(bytes)).records
    } catch (error) {
      this.#options.penalise(from, reasonOf(error))
      return
    }
    for (const record of records) {
      try {
        this.learn(record)
      } catch (error) {
        // Whoever passes on a record has checked it: one bad record is one fault, the rest is not worth the time.
        this.#options.penalise(from, reasonOf(error))
        return
      }
    }
  }

  /** Takes in a member's record from anywhere. True if it was news. Throws as openPeerRecord does. */
  learn(bytes: Uint8Array): boolean {
    const { self, book, isMember } = this.#options
    const record = openPeerRecord(bytes)
    // The roster may lag behind the sender's: no fault, only no use yet.
    if (record.key === self || !isMember(record.key) || !book.learn(record, bytes)) return false
    this.#news.add(record.key)
    return true
  }

  #mayExchange(from: Hex): boolean {
    const minute = Math.floor(Date.now() / 60_000)
    const started = this.#started.get(from)
    const count = started?.minute === minute ? started.count + 1 : 1
    this.#started.set(from, { minute, count })
    return count <= EXCHANGES_PER_MINUTE
  }
}
