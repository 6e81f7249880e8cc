/**
 * The network of a node: a libp2p host behind the protocol's `Transport` port. Implements docs/spec/transport.md. Members
 * of the verified roster get in and nobody else; a message is handed over with a verdict, or an error says why not. It
 * promises no delivery: whoever needs one asks again.
 */
import '../shim.js'
import { setMaxListeners } from 'node:events'
import { bytesToHex, type Hex } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import type { Signer } from '@flamesh/protocol/encoding/signed.js'
import { later, type Verdict } from '@flamesh/protocol/encoding/verdict.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { signPeerRecord } from '@flamesh/protocol/identity/peer-record.js'
import type { Connection, IdentifyResult, Stream } from '@libp2p/interface'
import { reasonOf } from '../log.js'
import { Announcer } from './announce.js'
import { connect, connectionTo, dialAddressOf, linkTo, viewsOf } from './connections.js'
import { Dialer } from './dialer.js'
import { createNode, type Node } from './libp2p.js'
import { MAX_ADDRESSES, MAX_STREAMS } from './limits.js'
import { LinkWatch } from './link-watch.js'
import { MESSAGE_PROTOCOL } from './message.js'
import { Messenger } from './messenger.js'
import type { ConnectionView, Host, HostOptions, HostTiming, PeerView } from './network.js'
import { PEERS_PROTOCOL, PeerExchange } from './peer-exchange.js'
import { bareAddress, keyOf, peerIdOf, requireAddress } from './peer-id.js'
import { Penalties } from './penalties.js'

const DEFAULT_TIMING: HostTiming = {
  redialFastestMs: 1000,
  redialSlowestMs: 30_000,
  watchMs: 2000,
  linkGraceMs: 20_000,
}

/** Throws `bad-address`. */
export async function createHost(options: HostOptions): Promise<Host> {
  for (const address of [...options.listen, ...(options.announce ?? [])]) requireAddress(address)
  const penalties = new Penalties()
  const node: Node = await createNode({
    identitySeed: options.identitySeed,
    listen: options.listen,
    announce: options.announce ?? [],
    isMember: options.isMember,
    connectionsOf: (peer) => node.getConnections(peer).length,
    penalties,
    onDenied: (peer, direction) =>
      options.log('info', 'connection-denied', { peer: keyOf(peer) ?? peer.toString(), direction }),
  })
  return new Libp2pHost(node, penalties, options)
}

class Libp2pHost implements Host {
  readonly key: Hex
  readonly #node: Node
  readonly #options: HostOptions
  readonly #timing: HostTiming
  readonly #signer: Signer
  readonly #announcer: Announcer
  readonly #exchange: PeerExchange
  readonly #dialer: Dialer
  readonly #links: LinkWatch
  readonly #messenger: Messenger
  /** connected, identified, and speaking our protocol */
  readonly #ready = new Set<Hex>()
  readonly #mismatches = new Map<Hex, readonly string[]>()
  readonly #stopping = new AbortController()
  #watch: NodeJS.Timeout | undefined

  constructor(node: Node, penalties: Penalties, options: HostOptions) {
    const { addressBook: book, isMember, log } = options
    const identity = ed25519Key(options.identitySeed)
    // Everything under way listens for the end.
    setMaxListeners(Number.POSITIVE_INFINITY, this.#stopping.signal)
    this.key = bytesToHex(identity.publicKey)
    this.#signer = { publicKey: this.key, sign: (message) => identity.sign(message) }
    this.#node = node
    this.#options = options
    this.#timing = { ...DEFAULT_TIMING, ...options.timing }
    this.#announcer = new Announcer(node.services.pubsub, {
      isMember,
      log,
      receive: (author, message) => this.#receive(author, message, 'gossip'),
    })
    const penalise = (peer: Hex, why: string) => {
      penalties.add(peerIdOf(peer).toString())
      log('warn', 'peer-at-fault', { peer, why })
    }
    this.#messenger = new Messenger({
      isMember,
      penalise,
      log,
      connect: (key) => connect(node, book, key, this.#stopping.signal),
      receive: (from, message) => this.#receive(from, message, 'direct'),
      stopping: this.#stopping.signal,
    })
    this.#exchange = new PeerExchange({ self: this.key, book, isMember, penalise, log })
    this.#dialer = new Dialer({
      self: this.key,
      candidates: () => book.keys(),
      isMember,
      isConnected: (key) => connectionTo(node, key) !== undefined,
      dial: (key) => connect(node, book, key, this.#stopping.signal),
      log,
      random: options.random ?? Math.random,
      fastestMs: this.#timing.redialFastestMs,
      slowestMs: this.#timing.redialSlowestMs,
    })
    this.#links = new LinkWatch({
      graceMs: this.#timing.linkGraceMs,
      cut: (key) => {
        log('warn', 'gossip-link-dead', { peer: key })
        void this.hangUp(key)
      },
    })
    book.onNewAddress(() => this.#dialer.wake())
  }

  async start(): Promise<void> {
    const node = this.#node
    node.addEventListener('connection:open', ({ detail }) => this.#onConnection(detail))
    node.addEventListener('peer:identify', ({ detail }) => this.#onIdentify(detail))
    node.addEventListener('peer:disconnect', ({ detail }) => this.#onGone(keyOf(detail)))
    const streams = { maxInboundStreams: MAX_STREAMS, maxOutboundStreams: MAX_STREAMS }
    await node.handle(MESSAGE_PROTOCOL, (stream, connection) => this.#onMessageStream(stream, connection), streams)
    await node.handle(PEERS_PROTOCOL, (stream, connection) => this.#onPeersStream(stream, connection), streams)
    try {
      await node.start()
    } catch (cause) {
      await node.stop()
      throw new FlameshError('listen-failed', `cannot listen on ${this.#options.listen.join(', ')}`, {
        cause,
        hint: 'another program may use the port, or the address is none of this machine: choose another with --listen',
      })
    }
    this.#announcer.open()
    this.#signRecord()
    this.#dialer.start()
    this.#watch = setInterval(() => this.#lookAfterLinks(), this.#timing.watchMs)
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new FlameshError('stopped', 'the node is stopping'))
    clearInterval(this.#watch)
    this.#dialer.stop()
    this.#announcer.close()
    await this.#node.stop()
    await this.#options.addressBook.flush()
  }

  send(to: Hex, message: Uint8Array): Promise<Verdict> {
    return this.#messenger.send(to, message)
  }

  publish(message: Uint8Array): void {
    this.#announcer.publish(message)
  }

  dial(address: string): Promise<Hex> {
    return dialAddressOf(this.#node, address, this.#stopping.signal)
  }

  async hangUp(key: Hex): Promise<void> {
    await this.#node.hangUp(peerIdOf(key)).catch((error) => {
      this.#options.log('debug', 'hang-up-failed', { peer: key, reason: reasonOf(error) })
    })
  }

  hangUpRevoked(): void {
    for (const connection of this.#node.getConnections()) this.#onConnection(connection)
    this.#dialer.wake()
  }

  connections(): readonly ConnectionView[] {
    return viewsOf(this.#node)
  }

  peers(): readonly PeerView[] {
    const { addressBook, isMember } = this.#options
    const since = new Map<Hex, number>()
    for (const { key, sinceMs } of this.connections()) since.set(key, Math.min(sinceMs, since.get(key) ?? sinceMs))
    const keys = new Set([...addressBook.keys().filter((key) => key !== this.key && isMember(key)), ...since.keys()])
    return [...keys].map((key) => {
      const peer = peerIdOf(key)
      return {
        key,
        addresses: addressBook.addressesOf(key),
        connectedSinceMs: since.get(key),
        inMesh: this.#announcer.inMesh(peer),
        score: this.#announcer.score(peer),
        mismatch: this.#mismatches.get(key),
      }
    })
  }

  listenAddresses(): readonly string[] {
    return this.#node.getMultiaddrs().map((address) => address.toString())
  }

  peerRecord(): Uint8Array | undefined {
    return this.#options.addressBook.recordOf(this.key)?.bytes
  }

  learn(records: readonly Uint8Array[]): number {
    let news = 0
    for (const record of records) {
      try {
        if (this.#exchange.learn(record)) news += 1
      } catch (error) {
        this.#options.log('warn', 'bad-peer-record', { reason: reasonOf(error) })
      }
    }
    return news
  }

  /** Also for connections that are open already: the gate was asked before the roster changed. */
  #onConnection(connection: Connection): void {
    const key = keyOf(connection.remotePeer)
    if (key !== undefined && this.#options.isMember(key)) return
    this.#options.log('info', 'connection-cut', { peer: key ?? connection.remotePeer.toString() })
    connection.abort(new Error('the peer is not in the roster'))
  }

  #onIdentify({ peerId, protocols, connection }: IdentifyResult): void {
    const key = keyOf(peerId)
    if (key === undefined || connection.status !== 'open') return
    this.#dialer.established(key)
    if (connection.direction === 'outbound') this.#options.addressBook.seen(key, connection.remoteAddr.toString())
    if (!protocols.includes(MESSAGE_PROTOCOL)) {
      this.#onMismatch(key, protocols)
      return
    }
    this.#mismatches.delete(key)
    this.#ready.add(key)
    this.#options.log('info', 'peer-connected', { peer: key, direction: connection.direction })
    this.#options.onPeer(key, true)
    this.#exchange.tellAll(connection, key).catch((error) => {
      this.#options.log('debug', 'peers-not-told', { peer: key, reason: reasonOf(error) })
    })
  }

  #onMismatch(key: Hex, protocols: readonly string[]): void {
    const theirs = protocols.filter((protocol) => protocol.startsWith('/flamesh/'))
    const ours = [MESSAGE_PROTOCOL, PEERS_PROTOCOL]
    this.#mismatches.set(key, theirs)
    this.#options.log('warn', 'version-mismatch', { peer: key, theirs: theirs.join(' '), ours: ours.join(' ') })
    this.#options.onMismatch?.({ key, theirs, ours })
  }

  #onGone(key: Hex | undefined): void {
    if (key === undefined) return
    this.#mismatches.delete(key)
    if (this.#ready.delete(key)) {
      this.#options.log('info', 'peer-gone', { peer: key })
      this.#options.onPeer(key, false)
    }
    this.#dialer.wake()
  }

  async #onMessageStream(stream: Stream, connection: Connection): Promise<void> {
    const from = keyOf(connection.remotePeer)
    if (from === undefined || !this.#options.isMember(from)) return stream.abort(new Error('not a member'))
    await this.#messenger.serve(stream, from)
  }

  async #onPeersStream(stream: Stream, connection: Connection): Promise<void> {
    const from = keyOf(connection.remotePeer)
    if (from === undefined || !this.#options.isMember(from)) return stream.abort(new Error('not a member'))
    await this.#exchange.hear(stream, from)
  }

  /** A failure of our own shall not cost the peer its message. */
  async #receive(from: Hex, message: Uint8Array, via: 'direct' | 'gossip'): Promise<Verdict> {
    try {
      return await this.#options.onMessage(from, message, via)
    } catch (error) {
      this.#options.log('error', 'message-not-handled', { peer: from, via, reason: reasonOf(error) })
      return later('internal')
    }
  }

  #signRecord(): void {
    const { addressBook } = this.#options
    const addresses = this.#node.getMultiaddrs().flatMap((address) => bareAddress(address.toString()) ?? [])
    if (addresses.length === 0) return
    const sequence = Math.max(Date.now(), (addressBook.recordOf(this.key)?.sequence ?? 0) + 1)
    const said = addresses.slice(0, MAX_ADDRESSES)
    addressBook.learn({ key: this.key, addresses: said, sequence }, signPeerRecord(said, sequence, this.#signer))
  }

  #lookAfterLinks(): void {
    const audience = this.#announcer.audience()
    const links = [...this.#ready].flatMap((key) => linkTo(this.#node, this.#announcer, key, audience) ?? [])
    this.#links.check(links, Date.now())
    const news = this.#exchange.takeNews()
    if (news.length === 0) return
    for (const key of this.#ready) {
      const connection = connectionTo(this.#node, key)
      if (connection !== undefined) this.#exchange.tellNews(connection, key, news).catch(() => undefined)
    }
  }
}
