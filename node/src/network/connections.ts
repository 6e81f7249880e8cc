/** Connections of a host by the peers' keys: opening them, finding them, and telling how they do. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { reasonOf } from '../log.js'
import type { AddressBook } from './address-book.js'
import { type Announcer, GRAYLIST_SCORE } from './announce.js'
import type { Node } from './libp2p.js'
import type { Link } from './link-watch.js'
import type { ConnectionView } from './network.js'
import { bareAddress, dialAddress, keyOf, peerIdOf } from './peer-id.js'

export function connectionTo(node: Node, key: Hex): Connection | undefined {
  return node.getConnections(peerIdOf(key)).find((connection) => connection.status === 'open')
}

/** Opens a connection, or finds the open one. Throws `unreachable`. */
export async function connect(
  node: Node,
  book: Pick<AddressBook, 'addressesOf'>,
  key: Hex,
  signal: AbortSignal,
): Promise<Connection> {
  const open = connectionTo(node, key)
  if (open !== undefined) return open
  const addresses = book.addressesOf(key)
  if (addresses.length === 0) {
    throw new FlameshError('unreachable', 'the peer is not connected and has no known address', { meta: { peer: key } })
  }
  try {
    const where = addresses.map((address) => dialAddress(key, address))
    return await node.dial(where, { signal })
  } catch (cause) {
    const message = `cannot connect to the peer: ${reasonOf(cause)}`
    throw new FlameshError('unreachable', message, { cause, meta: { peer: key } })
  }
}

/** Whoever answers at an address. Throws `bad-address` or `unreachable`. */
export async function dialAddressOf(node: Node, address: string, signal: AbortSignal): Promise<Hex> {
  const bare = bareAddress(address)
  if (bare === undefined)
    throw new FlameshError('bad-address', `${address} is not a TCP multiaddr`, { meta: { address } })
  try {
    const connection = await node.dial(multiaddr(address), { signal })
    return keyOf(connection.remotePeer) as Hex
  } catch (cause) {
    throw new FlameshError('unreachable', `cannot connect to ${address}`, { cause, meta: { address } })
  }
}

export function viewsOf(node: Node): readonly ConnectionView[] {
  return node.getConnections().flatMap((connection) => {
    const key = keyOf(connection.remotePeer)
    if (key === undefined) return []
    const { direction, remoteAddr, timeline } = connection
    return { key, direction, address: remoteAddr.toString(), sinceMs: timeline.open }
  })
}

/** Alive when the peer's subscription stands and there is a stream for our announcements; undefined if there is no link. */
export function linkTo(node: Node, announcer: Announcer, key: Hex, audience: ReadonlySet<string>): Link | undefined {
  const peer = peerIdOf(key)
  const connections = node.getConnections(peer)
  // A peer that we ignore for its score is silent for a reason.
  if (connections.length === 0 || announcer.score(peer) < GRAYLIST_SCORE) return undefined
  const streams = connections.flatMap((connection) => connection.streams)
  const speaks = streams.some((one) => one.direction === 'outbound' && one.protocol.startsWith('/meshsub/'))
  const connectedSinceMs = Math.min(...connections.map((connection) => connection.timeline.open))
  return { key, connectedSinceMs, alive: speaks && audience.has(peer.toString()) }
}
