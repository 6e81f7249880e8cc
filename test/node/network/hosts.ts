/** Hosts on loopback for the tests of the network, and plain libp2p peers that break its rules. */
import '@flamesh/node/shim.js'
import { type GossipSub, gossipsub } from '@chainsafe/libp2p-gossipsub'
import { noise } from '@chainsafe/libp2p-noise'
import { AddressBook } from '@flamesh/node/network/address-book.js'
import { createHost } from '@flamesh/node/network/host.js'
import type { Host, HostOptions } from '@flamesh/node/network/network.js'
import { bytesToHex, type Hex } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import { accept, type Verdict } from '@flamesh/protocol/encoding/verdict.js'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

export const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

/** For a machine that does much else at the same time: nothing here waits for as long as this unless it waits in vain. */
export const PATIENCE_MS = 60_000

/** Quick, so that a test of a loss does not wait for the pace of a hospital's network. */
export const QUICK = { redialFastestMs: 50, redialSlowestMs: 400, watchMs: 100 }

export const seedOf = (n: number): Uint8Array => new Uint8Array(32).fill(n)
export const keyOfSeed = (n: number): Hex => bytesToHex(ed25519Key(seedOf(n)).publicKey)
export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
export const bytes = (from: string): Uint8Array => new Uint8Array(Buffer.from(from))

export interface Heard {
  readonly from: Hex
  readonly message: Uint8Array
  readonly via: 'direct' | 'gossip'
}

export interface TestHost {
  readonly host: Host
  readonly key: Hex
  readonly book: AddressBook
  readonly heard: Heard[]
  readonly peerEvents: { readonly key: Hex; readonly connected: boolean }[]
  readonly events: string[]
}

const running: { stop(): Promise<void> }[] = []
let round = 0

/** To be called after each test: whatever was started is stopped, so that the process can end. */
export async function stopAll(): Promise<void> {
  round += 1
  await Promise.all(running.splice(0).map((one) => one.stop()))
}

export interface HostSetUp extends Partial<Omit<HostOptions, 'isMember' | 'identitySeed'>> {
  readonly seed: number
  /** the roster: everybody unless given; may change during the test */
  readonly members?: ReadonlySet<Hex>
  readonly verdict?: (heard: Heard) => Verdict | Promise<Verdict>
}

export async function startHost(setUp: HostSetUp): Promise<TestHost> {
  const { seed, members, verdict, ...options } = setUp
  const heard: Heard[] = []
  const peerEvents: { key: Hex; connected: boolean }[] = []
  const events: string[] = []
  const book = options.addressBook ?? (await AddressBook.open({ path: undefined, log: () => undefined }))
  const host = await createHost({
    listen: [LOOPBACK],
    onPeer: (key, connected) => peerEvents.push({ key, connected }),
    timing: QUICK,
    ...options,
    log: (level, event, fields) => events.push(`${level} ${event} ${JSON.stringify(fields ?? {})}`),
    addressBook: book,
    identitySeed: seedOf(seed),
    isMember: (key) => members === undefined || members.has(key),
    onMessage: async (from, message, via) => {
      const one = { from, message, via }
      heard.push(one)
      return verdict === undefined ? accept : verdict(one)
    },
  })
  running.push(host)
  await host.start()
  return { host, key: host.key, book, heard, peerEvents, events }
}

/** A peer with the stack of a host and none of its manners. */
export async function startRawPeer(seed: number): Promise<Libp2p<{ pubsub: GossipSub }>> {
  const peer = await createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', seedOf(seed)),
    addresses: { listen: [LOOPBACK] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: ping(),
      pubsub: gossipsub({ allowPublishToZeroTopicPeers: true, scoreParams: { IPColocationFactorWeight: 0 } }),
    },
  })
  running.push({ stop: async () => peer.stop() })
  return peer
}

/** Resolves once it holds. The test's own time limit is what says that it never did. */
export async function until(what: () => boolean): Promise<void> {
  const mine = round
  while (!what()) {
    if (round !== mine) throw new Error('the test is over')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export function isConnected(from: TestHost, to: Hex): boolean {
  return from.host.connections().some((connection) => connection.key === to)
}

/** Both ends have identified each other. */
export async function introduce(a: TestHost, b: TestHost): Promise<void> {
  await a.host.dial(b.host.listenAddresses()[0]!)
  await until(() => greeted(a, b.key) && greeted(b, a.key))
}

export function greeted(host: TestHost, key: Hex): boolean {
  return host.peerEvents.findLast((event) => event.key === key)?.connected === true
}
