/**
 * A member's Ed25519 key and its libp2p peer id are the same thing in two forms, and an address is "where" apart from
 * "who". Implements docs/spec/transport.md, "Names and addresses". Peer ids of any other kind have no key here.
 */
import { bytesToHex, type Hex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { MAX_ADDRESS_CHARS } from './limits.js'

export function peerIdOf(key: Hex): PeerId {
  return peerIdFromPublicKey(publicKeyFromRaw(hexToBytes(key)))
}

/** undefined unless the peer id stands for an Ed25519 key. */
export function keyOf(peerId: PeerId): Hex | undefined {
  return peerId.type === 'Ed25519' ? bytesToHex(peerId.publicKey.raw) : undefined
}

const HOSTS = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])

/** The address in normal form and without a peer id, or undefined unless it is a host and a TCP port. */
export function bareAddress(text: string): string | undefined {
  if (text.length > MAX_ADDRESS_CHARS) return undefined
  try {
    const parts = multiaddr(text).getComponents()
    if (parts.at(-1)?.code === CODE_P2P) parts.pop()
    const [host, port] = parts
    const plain = parts.length === 2 && HOSTS.has(host?.name ?? '') && port?.name === 'tcp'
    return plain ? multiaddr(parts).toString() : undefined
  } catch {
    return undefined
  }
}

/** An address to dial at which nobody but the owner of `key` is accepted. */
export function dialAddress(key: Hex, address: string): Multiaddr {
  return multiaddr(address).encapsulate(`/p2p/${peerIdOf(key).toString()}`)
}

/** As bareAddress, for what a person wrote. Throws `bad-address`. */
export function requireAddress(text: string): string {
  const address = bareAddress(text)
  if (address !== undefined) return address
  throw new FlameshError('bad-address', `"${text}" is not a TCP address`, {
    meta: { address: text },
    hint: 'write a multiaddr: /ip4/ADDRESS/tcp/PORT or /dns4/NAME/tcp/PORT',
  })
}

/** What an operator writes for `--peer`: `/ip4/192.0.2.1/tcp/7946/p2p/12D3Koo…`. Throws `bad-address`. */
export function parsePeerAddress(text: string): { readonly key: Hex; readonly address: string } {
  const address = requireAddress(text)
  const id = multiaddr(text).getComponents().at(-1)
  const key = id?.code === CODE_P2P && id.value !== undefined ? keyOf(peerIdFromString(id.value)) : undefined
  if (key !== undefined) return { key, address }
  throw new FlameshError('bad-address', `${text} does not say whose address it is`, {
    meta: { address: text },
    hint: 'write it as the other node prints it: /ip4/ADDRESS/tcp/PORT/p2p/PEER-ID',
  })
}
