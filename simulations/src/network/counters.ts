/** What each site sent and received, and one hash over everything that happened. */
import { createHash } from 'node:crypto'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'

export interface Traffic {
  sentMessages: number
  sentBytes: number
  receivedMessages: number
  receivedBytes: number
  /** announcements this site was handed once more by the broadcast */
  duplicates: number
}

export class Counters {
  private readonly sites = new Map<Hex, Traffic>()

  of(key: Hex): Traffic {
    const found = this.sites.get(key)
    if (found !== undefined) return found
    const made = { sentMessages: 0, sentBytes: 0, receivedMessages: 0, receivedBytes: 0, duplicates: 0 }
    this.sites.set(key, made)
    return made
  }

  sent(from: Hex, bytes: number): void {
    const traffic = this.of(from)
    traffic.sentMessages++
    traffic.sentBytes += bytes
  }

  received(to: Hex, bytes: number): void {
    const traffic = this.of(to)
    traffic.receivedMessages++
    traffic.receivedBytes += bytes
  }
}

/** A running SHA-256 over deliveries and writes: equal for equal seeds, here and on another machine. */
export class Trace {
  private readonly digest = createHash('sha256').update('flamesh-sim/2')
  /** what comes in small pieces is gathered: a call of the digest costs more than hashing them */
  private readonly gathered = Buffer.alloc(GATHERED_BYTES)
  private length = 0

  /** `line` is ASCII and says how many bytes follow. */
  add(line: string, bytes?: Uint8Array): void {
    const long = bytes !== undefined && bytes.length > LONG_BYTES
    if (this.length + line.length + (long ? 0 : (bytes?.length ?? 0)) > GATHERED_BYTES) this.flush()
    this.length += this.gathered.write(line, this.length, 'latin1')
    if (bytes === undefined) return
    if (long) {
      this.flush()
      this.digest.update(bytes)
    } else {
      this.gathered.set(bytes, this.length)
      this.length += bytes.length
    }
  }

  private flush(): void {
    this.digest.update(this.gathered.subarray(0, this.length))
    this.length = 0
  }

  hash(): string {
    this.flush()
    return this.digest.copy().digest('hex')
  }
}

const GATHERED_BYTES = 64 * 1024
const LONG_BYTES = 8 * 1024
