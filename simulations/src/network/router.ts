/**
 * The broadcast of production: one unmodified gossipsub router a member, over simulated streams and in virtual time, judged by
 * the member's own engine. The router and what it stands on are imported once time is virtual.
 */
import type { GossipSub, Message } from '@chainsafe/libp2p-gossipsub'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { bytesToHex, concatBytes, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import type { PeerId, PublicKey } from '@libp2p/interface'
import type { Broadcast, BroadcastPorts } from './broadcast.js'
import { ANNOUNCE_TOPIC, ROUTER_PARAMETERS } from './router-parameters.js'
import { type End, SimulatedConnection, type StreamHandler } from './streams.js'

/** As a production node keeps while nobody is there to hear. */
const MAX_QUEUED = 256
/** Signatures of announcements that were verified; the older half is forgotten when there are more. */
const MAX_VERIFIED = 8192

interface Topology {
  onConnect(peer: unknown, connection: SimulatedConnection): void
  onDisconnect(peer: unknown): void
}

/** What the router has beside the interface it declares. */
interface Router extends GossipSub {
  start(): Promise<void>
  stop(): Promise<void>
  readonly mesh: ReadonlyMap<string, ReadonlySet<string>>
  readonly score: { duplicateMessage(...parameters: unknown[]): void }
}

interface Modules {
  readonly gossip: typeof import('@chainsafe/libp2p-gossipsub')
  readonly keys: typeof import('@libp2p/crypto/keys')
  readonly peerId: typeof import('@libp2p/peer-id')
  readonly address: typeof import('@multiformats/multiaddr')
}

/** One member's router while it is up. */
interface Station extends End {
  readonly peerId: PeerId
  readonly router: Router
  readonly topologies: Topology[]
  readonly connections: Map<Hex, SimulatedConnection>
  readonly queue: Uint8Array[]
  flushing: boolean
}

const noLog = Object.assign(() => undefined, {
  error: () => undefined,
  trace: () => undefined,
  enabled: false,
  newScope: (): unknown => noLog,
})

export class RouterBroadcast implements Broadcast {
  private readonly stations = new Map<Hex, Station>()
  /** an address of its own for every member: the router scores members that share one */
  private readonly addresses = new Map<Hex, number>()
  private modules: Modules | undefined
  private restoreVerify: () => void = () => undefined

  constructor(
    private readonly ports: BroadcastPorts,
    private readonly restoreGlobals: () => void,
  ) {}

  private async load(): Promise<Modules> {
    if (this.modules !== undefined) return this.modules
    const [gossip, keys, peerId, address] = await Promise.all([
      import('@chainsafe/libp2p-gossipsub'),
      import('@libp2p/crypto/keys'),
      import('@libp2p/peer-id'),
      import('@multiformats/multiaddr'),
    ])
    this.modules = { gossip, keys, peerId, address }
    return this.modules
  }

  async join(key: Hex, identitySeed: Uint8Array): Promise<void> {
    const { gossip, keys, peerId: ids, address } = await this.load()
    // seed and public key, as libp2p stores them: it would derive the second in JavaScript
    const privateKey = keys.privateKeyFromRaw(concatBytes(identitySeed, hexToBytes(key)))
    if (this.stations.size === 0 && this.addresses.size === 0)
      this.restoreVerify = rememberVerified(privateKey.publicKey)
    const peerId = ids.peerIdFromPrivateKey(privateKey)
    const handlers = new Map<string, StreamHandler>()
    const topologies: Topology[] = []
    const registrar = {
      handle: async (protocol: string, handler: StreamHandler) => void handlers.set(protocol, handler),
      unhandle: async (protocol: string) => void handlers.delete(protocol),
      // the router registers the same topology for each of its protocols
      register: async (_protocol: string, topology: Topology) => {
        if (topologies.length === 0) topologies.push(topology)
        return ''
      },
      unregister: () => undefined,
      getTopologies: () => topologies,
    }
    const components = {
      privateKey,
      peerId,
      registrar,
      logger: { forComponent: () => noLog },
      peerStore: { merge: async () => undefined, get: async () => ({ addresses: [] }) },
      connectionManager: { openConnection: () => Promise.reject(new Error('the dialler opens connections')) },
    }
    const router = gossip.gossipsub({ ...ROUTER_PARAMETERS, allowedTopics: [ANNOUNCE_TOPIC] })(
      components as never,
    ) as unknown as Router
    const index = this.addresses.get(key) ?? this.addresses.size + 1
    this.addresses.set(key, index)
    const station: Station = {
      key,
      peerId,
      address: address.multiaddr(`/ip4/10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/tcp/7946`),
      handlers,
      topologies,
      router,
      connections: new Map(),
      queue: [],
      flushing: false,
    }
    this.stations.set(key, station)
    this.observeDuplicates(station)
    await router.start()
    router.topicValidators.set(ANNOUNCE_TOPIC, (_relay, message) => this.judge(station, message))
    const flush = (): void => this.flush(station)
    router.addEventListener('subscription-change', flush)
    router.addEventListener('gossipsub:heartbeat', flush)
    router.subscribe(ANNOUNCE_TOPIC)
  }

  leave(key: Hex): void {
    const station = this.stations.get(key)
    if (station === undefined) return
    this.stations.delete(key)
    for (const other of [...station.connections.keys()]) this.part(station, other)
    station.router.stop().catch(() => undefined)
  }

  connected(dialler: Hex, other: Hex): void {
    const from = this.stations.get(dialler)
    const to = this.stations.get(other)
    if (from === undefined || to === undefined) return
    const [near, far] = SimulatedConnection.pair(this.ports, from, to)
    from.connections.set(other, near)
    to.connections.set(dialler, far)
    from.topologies[0]?.onConnect(to.peerId, near)
    to.topologies[0]?.onConnect(from.peerId, far)
  }

  disconnected(a: Hex, b: Hex): void {
    const station = this.stations.get(a) ?? this.stations.get(b)
    if (station !== undefined) this.part(station, station.key === a ? b : a)
  }

  private part(station: Station, other: Hex): void {
    const connection = station.connections.get(other)
    if (connection === undefined) return
    connection.close()
    station.connections.delete(other)
    station.topologies[0]?.onDisconnect(connection.remotePeer)
    const far = this.stations.get(other)
    if (far?.connections.delete(station.key)) far.topologies[0]?.onDisconnect(station.peerId)
  }

  publish(author: Hex, message: Uint8Array): void {
    const station = this.stations.get(author)
    if (station === undefined) return
    station.queue.push(message)
    if (station.queue.length > MAX_QUEUED) station.queue.shift()
    this.flush(station)
  }

  /** One at a time, so that order is kept; as long as somebody listens. */
  private flush(station: Station): void {
    if (station.flushing || station.queue.length === 0) return
    station.flushing = true
    this.drain(station).finally(() => {
      station.flushing = false
    })
  }

  private async drain({ key, router, queue }: Station): Promise<void> {
    const up = (): boolean => this.stations.get(key)?.router === router
    for (let message = queue[0]; message !== undefined && up(); message = queue[0]) {
      if (router.getSubscribers(ANNOUNCE_TOPIC).length === 0) return
      const { recipients } = await router.publish(ANNOUNCE_TOPIC, message)
      if (recipients.length === 0) return
      if (queue[0] === message) queue.shift()
    }
  }

  private async judge(station: Station, message: Message) {
    const { TopicValidatorResult } = (this.modules as Modules).gossip
    if (message.type !== 'signed' || message.from.type !== 'Ed25519') return TopicValidatorResult.Reject
    const author = bytesToHex(message.from.publicKey.raw)
    const current = this.stations.get(station.key) === station
    const verdict = current
      ? await this.ports.hand(author, station.key, message.data)?.catch(() => undefined)
      : undefined
    if (verdict?.verdict === 'accept') return TopicValidatorResult.Accept
    return verdict?.verdict === 'reject' ? TopicValidatorResult.Reject : TopicValidatorResult.Ignore
  }

  private observeDuplicates({ key, router }: Station): void {
    const { score } = router
    const counted = score.duplicateMessage.bind(score)
    score.duplicateMessage = (...parameters) => {
      this.ports.duplicate(key)
      counted(...parameters)
    }
  }

  /** How many others each member's router passes announcements on to. */
  meshDegrees(): ReadonlyMap<Hex, number> {
    return new Map([...this.stations].map(([key, { router }]) => [key, router.mesh.get(ANNOUNCE_TOPIC)?.size ?? 0]))
  }

  /** Nobody is left to be told who leaves. */
  async stop(): Promise<void> {
    const stations = [...this.stations.values()]
    this.stations.clear()
    for (const { router } of stations) router.stop().catch(() => undefined)
    this.restoreVerify()
    this.restoreGlobals()
  }
}

/**
 * Every member of a process checks the same signature of the same announcement: the first check is done, the others are looked
 * up by key, signature and bytes. The simulated processors are charged for each all the same.
 */
function rememberVerified(sample: PublicKey): () => void {
  const prototype = Object.getPrototypeOf(sample) as { verify(data: Uint8Array, signature: Uint8Array): boolean }
  const { verify } = prototype
  const verified = new Map<string, { readonly key: Uint8Array; readonly data: Uint8Array }>()
  prototype.verify = function (this: { readonly raw: Uint8Array }, data, signature) {
    const name = Buffer.from(signature.buffer, signature.byteOffset, signature.byteLength).toString('latin1')
    const known = verified.get(name)
    if (known !== undefined && Buffer.compare(known.key, this.raw) === 0 && Buffer.compare(known.data, data) === 0)
      return true
    const valid = verify.call(this, data, signature)
    if (valid) {
      if (verified.size >= MAX_VERIFIED)
        for (const old of [...verified.keys()].slice(0, MAX_VERIFIED / 2)) verified.delete(old)
      verified.set(name, { key: this.raw, data })
    }
    return valid
  }
  return () => {
    prototype.verify = verify
  }
}
