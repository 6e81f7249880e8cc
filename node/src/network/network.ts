/**
 * The network as the rest of the node sees it: what a host is given, what it does, what it shows. Types only, so that a
 * command can name them without loading libp2p. Part of docs/spec/transport.md.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Verdict } from '@flamesh/protocol/encoding/verdict.js'
import type { Transport } from '@flamesh/protocol/ports.js'
import type { Log } from '../log.js'
import type { AddressBook } from './address-book.js'

/** A member that is connected and does not speak this version of the protocol. */
export interface Mismatch {
  readonly key: Hex
  /** the flamesh protocols it does speak */
  readonly theirs: readonly string[]
  readonly ours: readonly string[]
}

export interface HostTiming {
  /** first wait after a failed dial; it doubles up to the slowest, for ever */
  readonly redialFastestMs: number
  readonly redialSlowestMs: number
  /** how often links are looked at */
  readonly watchMs: number
  /** how long announcements may fail to flow over an open connection before it is cut */
  readonly linkGraceMs: number
}

export interface HostOptions {
  /** Ed25519 seed, 32 bytes */
  readonly identitySeed: Uint8Array
  /** TCP multiaddrs; none for a node that only dials out */
  readonly listen: readonly string[]
  /** where others reach this node, when that is not where it listens */
  readonly announce?: readonly string[]
  /** by the verified roster, now */
  readonly isMember: (key: Hex) => boolean
  /** `from` is the connected peer, or for gossip the author, whoever passed it on */
  readonly onMessage: (from: Hex, message: Uint8Array, via: 'direct' | 'gossip') => Promise<Verdict>
  /** A member came (again, perhaps: it may have restarted) and speaks our protocol, or the last connection to it is gone. */
  readonly onPeer: (key: Hex, connected: boolean) => void
  readonly onMismatch?: (mismatch: Mismatch) => void
  readonly addressBook: AddressBook
  readonly log: Log
  readonly timing?: Partial<HostTiming>
  /** in [0, 1), for jitter */
  readonly random?: () => number
}

export interface ConnectionView {
  readonly key: Hex
  readonly direction: 'inbound' | 'outbound'
  readonly address: string
  readonly sinceMs: number
}

export interface PeerView {
  readonly key: Hex
  readonly addresses: readonly string[]
  /** milliseconds since 1970; undefined: not connected */
  readonly connectedSinceMs: number | undefined
  /** announcements flow to us directly */
  readonly inMesh: boolean
  /** by what it sent: 0 is neutral, below -80 its announcements are ignored */
  readonly score: number
  /** the flamesh protocols it speaks, when ours is not among them */
  readonly mismatch: readonly string[] | undefined
}

export interface Host extends Transport {
  readonly key: Hex
  /** Throws `listen-failed`. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Throws `unreachable`, `not-a-member`, `message-too-large`, `version-mismatch`, `busy` or `stopped`. */
  send(to: Hex, message: Uint8Array): Promise<Verdict>
  /** Throws `message-too-large`. */
  publish(message: Uint8Array): void
  /** Connects to a multiaddr, with or without a peer id, and resolves with whose it is. Throws `bad-address`, `unreachable`. */
  dial(address: string): Promise<Hex>
  hangUp(key: Hex): Promise<void>
  /** To be called whenever the roster changed: cuts whoever is no member any more, and dials whoever became one. */
  hangUpRevoked(): void
  connections(): readonly ConnectionView[]
  peers(): readonly PeerView[]
  /** with this node's peer id, as `--peer` takes them */
  listenAddresses(): readonly string[]
  /** This node's signed peer record, for the hub; undefined when it listens nowhere. */
  peerRecord(): Uint8Array | undefined
  /** Takes in members' peer records from anywhere (the hub); what is malformed is left out. Returns how many were news. */
  learn(records: readonly Uint8Array[]): number
}
