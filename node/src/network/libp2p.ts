/**
 * How libp2p is put together here: TCP, Noise, yamux, gossipsub, and a gate that only members pass. Implements
 * docs/spec/transport.md, "Stack" and "Who gets in". The gate is asked when a connection is made, never again: closing the
 * connections of those who cease to be members is the host's work.
 */
import '../shim.js'
import type { GossipSub } from '@chainsafe/libp2p-gossipsub'
import { noise } from '@chainsafe/libp2p-noise'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { ConnectionGater, Libp2p, PeerId } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { router } from './announce.js'
import {
  DIAL_TIMEOUT_MS,
  INBOUND_CONNECTIONS_PER_SECOND,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_PEER,
  MAX_PARALLEL_DIALS,
  MAX_PENDING_INBOUND,
} from './limits.js'
import { keyOf } from './peer-id.js'
import type { Penalties } from './penalties.js'

/** A connection that does not answer a ping for this long is dead. Computing is done elsewhere, so the loop is never busy that long. */
const PING_TIMEOUT_MS = 20_000
/** What peers are told of our software: nothing that helps to choose an attack. */
const USER_AGENT = 'flamesh'

export type Node = Libp2p<{ pubsub: GossipSub }>

export interface NodeOptions {
  readonly identitySeed: Uint8Array
  readonly listen: readonly string[]
  readonly announce: readonly string[]
  readonly isMember: (key: Hex) => boolean
  readonly connectionsOf: (peer: PeerId) => number
  readonly penalties: Penalties
  readonly onDenied: (peer: PeerId, direction: 'inbound' | 'outbound') => void
}

export async function createNode(options: NodeOptions): Promise<Node> {
  const node = await createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', options.identitySeed),
    nodeInfo: { name: 'flamesh', userAgent: USER_AGENT },
    addresses: { listen: [...options.listen], announce: [...options.announce] },
    transports: [tcp({ maxConnections: MAX_CONNECTIONS })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: gate(options),
    connectionManager: {
      maxConnections: MAX_CONNECTIONS,
      maxParallelDials: MAX_PARALLEL_DIALS,
      dialTimeout: DIAL_TIMEOUT_MS,
      inboundConnectionThreshold: INBOUND_CONNECTIONS_PER_SECOND,
      maxIncomingPendingConnections: MAX_PENDING_INBOUND,
    },
    connectionMonitor: { pingTimeout: { minTimeout: PING_TIMEOUT_MS } },
    services: { identify: identify(), ping: ping(), pubsub: router(options.penalties) },
  })
  return node
}

/** Noise has proved who the peer is when the gate is asked about an encrypted connection. */
function gate({ isMember, connectionsOf, onDenied }: NodeOptions): ConnectionGater {
  const member = (peer: PeerId) => {
    const key = keyOf(peer)
    return key !== undefined && isMember(key)
  }
  const deny = (peer: PeerId, direction: 'inbound' | 'outbound') => {
    const denied = !member(peer) || connectionsOf(peer) >= MAX_CONNECTIONS_PER_PEER
    if (denied) onDenied(peer, direction)
    return denied
  }
  return {
    denyDialPeer: (peer) => !member(peer),
    denyInboundEncryptedConnection: (peer) => deny(peer, 'inbound'),
    denyOutboundEncryptedConnection: (peer) => deny(peer, 'outbound'),
  }
}
