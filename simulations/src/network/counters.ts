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

  add(line: string, bytes?: Uint8Array): void {
    this.digest.update(line)
    if (bytes !== undefined) this.digest.update(bytes)
  }

  hash(): string {
    return this.digest.copy().digest('hex')
  }
}
