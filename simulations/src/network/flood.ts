/**
 * The simplest broadcast: the author sends to every member there is, each over a link of its own and in no order. Cheaper
 * than the gossip router and harsher: two members may see announcements in any two orders.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Broadcast, BroadcastPorts } from './broadcast.js'

export class Flood implements Broadcast {
  constructor(private readonly ports: BroadcastPorts) {}

  async join(): Promise<void> {}
  leave(): void {}
  connected(): void {}
  disconnected(): void {}
  async stop(): Promise<void> {}

  publish(author: Hex, message: Uint8Array): void {
    for (const to of [...this.ports.members()]) {
      if (to === author) continue
      this.ports.carry(author, to, message.length, false, () => void this.ports.hand(author, to, message))
    }
  }
}
