/**
 * How announcements reach every member: a plain flood over direct links, or the production gossip router over simulated
 * streams (router.ts). The network tells it who is up and who is connected.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Verdict } from '@flamesh/protocol/encoding/verdict.js'

/** What a broadcast may ask of the network. */
export interface BroadcastPorts {
  /** Members that are up, in the order in which they came. */
  members(): Iterable<Hex>
  isUp(key: Hex): boolean
  /** Bytes on their way from one to the other; `arrived` runs unless they are lost. `inOrder`: none overtakes another. */
  carry(from: Hex, to: Hex, bytes: number, inOrder: boolean, arrived: () => void): void
  /** Hands an announcement to a member's engine; undefined if it is down. */
  hand(author: Hex, to: Hex, message: Uint8Array): Promise<Verdict> | undefined
  /** A member got an announcement that it had. */
  duplicate(to: Hex): void
}

export interface Broadcast {
  /** A member is up; its engine takes announcements. */
  join(key: Hex, identitySeed: Uint8Array): Promise<void>
  leave(key: Hex): void
  /** `dialler` opened a connection. */
  connected(dialler: Hex, other: Hex): void
  disconnected(a: Hex, b: Hex): void
  publish(author: Hex, message: Uint8Array): void
  /** Nothing of it is needed any more. */
  stop(): Promise<void>
}
