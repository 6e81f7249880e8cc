import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AddressBook } from '@flamesh/node/network/address-book.js'
import { MESSAGE_PROTOCOL } from '@flamesh/node/network/message.js'
import type { Mismatch } from '@flamesh/node/network/network.js'
import { PEERS_PROTOCOL } from '@flamesh/node/network/peer-exchange.js'
import { peerIdOf } from '@flamesh/node/network/peer-id.js'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { accept } from '@flamesh/protocol/encoding/verdict.js'
import { openPeerRecord, signPeerRecord } from '@flamesh/protocol/identity/peer-record.js'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import {
  bytes,
  greeted,
  introduce,
  isConnected,
  keyOfSeed,
  LOOPBACK,
  PATIENCE_MS,
  seedOf,
  startHost,
  startRawPeer,
  stopAll,
  type TestHost,
  text,
  until,
} from './hosts.js'

const addressOf = (host: TestHost) => host.host.listenAddresses()[0] as string
const recordOf = (seed: number, addresses: string[], sequence: number) => {
  const key = ed25519Key(seedOf(seed))
  return signPeerRecord(addresses, sequence, { publicKey: keyOfSeed(seed), sign: (message) => key.sign(message) })
}
const scoreOf = (host: TestHost, key: Hex) => host.host.peers().find((peer) => peer.key === key)?.score ?? 0

describe('node/network: who gets in', function () {
  this.timeout(PATIENCE_MS)
  afterEach(stopAll)

  it('a stranger that dials is turned away', async () => {
    const member = await startHost({ seed: 1, members: new Set([keyOfSeed(2)]) })
    const stranger = await startHost({ seed: 3 })
    await stranger.host.dial(addressOf(member)).catch(() => undefined)
    await until(() => member.events.some((event) => event.includes('connection-denied')))
    await until(() => !isConnected(stranger, member.key))
    assert.deepEqual([member.peerEvents, stranger.peerEvents], [[], []])
    await assert.rejects(stranger.host.send(member.key, bytes('let me in')), { code: 'unreachable' })
    assert.deepEqual(member.heard, [])
  })

  it('a stranger is not dialled, not even where a member was expected', async () => {
    const stranger = await startHost({ seed: 3 })
    const member = await startHost({ seed: 1, members: new Set([keyOfSeed(2)]) })
    await assert.rejects(member.host.dial(addressOf(stranger)), { code: 'unreachable' })
    const anonymous = addressOf(stranger).replace(/\/p2p\/.*/, '')
    await assert.rejects(member.host.dial(anonymous), { code: 'unreachable' })
    // The stranger answers at the address the book has for a member.
    member.book.add(keyOfSeed(2), [anonymous])
    await assert.rejects(member.host.send(keyOfSeed(2), bytes('secret')), { code: 'unreachable' })
    assert.deepEqual([member.host.connections(), stranger.heard], [[], []])
  })

  it('a node without a roster lets nobody in', async () => {
    const fresh = await startHost({ seed: 1, members: new Set() })
    const other = await startHost({ seed: 2 })
    await other.host.dial(addressOf(fresh)).catch(() => undefined)
    await until(() => fresh.events.some((event) => event.includes('connection-denied')))
    await assert.rejects(fresh.host.dial(addressOf(other)), { code: 'unreachable' })
    assert.deepEqual(fresh.host.connections(), [])
  })

  it('whoever is revoked is cut off, and stays out', async () => {
    const roster = new Set([keyOfSeed(2), keyOfSeed(3)])
    const node = await startHost({ seed: 1, members: roster })
    const [revoked, other] = [await startHost({ seed: 2 }), await startHost({ seed: 3 })]
    await introduce(revoked, node)
    await introduce(other, node)
    node.host.hangUpRevoked()
    assert.ok(isConnected(node, revoked.key))
    roster.delete(revoked.key)
    node.host.hangUpRevoked()
    await until(() => !greeted(node, revoked.key) && !greeted(revoked, node.key))
    // It learnt where the node listens and comes again of its own accord.
    await until(() => node.events.some((event) => event.includes('connection-denied')))
    await assert.rejects(revoked.host.send(node.key, bytes('again')), { code: 'unreachable' })
    assert.equal((await other.host.send(node.key, bytes('still here'))).verdict, 'accept')
    assert.deepEqual(
      node.heard.map(({ message }) => text(message)),
      ['still here'],
    )
  })

  it('one peer may not hold more than a few connections', async () => {
    const node = await startHost({ seed: 1 })
    const raw = await startRawPeer(2)
    const where = multiaddr(addressOf(node))
    for (let at = 0; at < 12; at++) await raw.dial(where, { force: true }).catch(() => undefined)
    await until(() => node.events.some((event) => event.includes('connection-denied')))
    assert.ok(node.host.connections().length <= 8)
  })
})

describe('node/network: staying connected', function () {
  this.timeout(PATIENCE_MS)
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-network-'))
  })
  afterEach(async () => {
    await stopAll()
    await rm(folder, { recursive: true })
  })
  const bookAt = (name: string) => AddressBook.open({ path: join(folder, name), log: () => undefined })

  it('a restarted host is dialled again, and announcements reach it again', async () => {
    const first = await startHost({ seed: 2 })
    const where = addressOf(first).replace(/\/p2p\/.*/, '')
    const a = await startHost({ seed: 1 })
    a.book.add(first.key, [where])
    await until(() => greeted(a, first.key))
    await first.host.stop()
    await until(() => !greeted(a, first.key))
    a.host.publish(bytes('while it was away'))
    // It knows nobody: only being dialled brings it back.
    const second = await startHost({ seed: 2, listen: [where] })
    await until(() => second.heard.length > 0)
    assert.deepEqual(
      second.heard.map(({ message }) => text(message)),
      ['while it was away'],
    )
    assert.equal((await a.host.send(second.key, bytes('x'))).verdict, 'accept')
  })

  it('a restarted host dials out from its own book', async () => {
    const other = await startHost({ seed: 2 })
    const before = await startHost({ seed: 1, addressBook: await bookAt('a'), listen: [] })
    await introduce(before, other)
    await before.host.stop()
    const after = await startHost({ seed: 1, addressBook: await bookAt('a'), listen: [] })
    await until(() => greeted(after, other.key) && greeted(other, after.key))
  })

  it('members tell each other where members listen', async () => {
    const [a, b, c] = (await Promise.all([1, 2, 3].map((seed) => startHost({ seed })))) as [
      TestHost,
      TestHost,
      TestHost,
    ]
    await introduce(a, b)
    await introduce(c, b)
    // b introduced them: a and c find each other, whoever came first.
    await until(() => greeted(a, c.key) && greeted(c, a.key) && a.book.recordOf(c.key) !== undefined)
    assert.deepEqual(openPeerRecord(a.book.recordOf(c.key)!.bytes).addresses, [addressOf(c).replace(/\/p2p\/.*/, '')])
  })

  it('a record is taken from anywhere, when it is of a member and well signed', async () => {
    const members = new Set([keyOfSeed(2), keyOfSeed(3)])
    const a = await startHost({ seed: 1, members })
    const forged = recordOf(2, ['/ip4/127.0.0.1/tcp/9'], 5)
    forged[forged.length - 1]! ^= 1
    const stranger = recordOf(4, ['/ip4/127.0.0.1/tcp/9'], 5)
    assert.equal(a.host.learn([forged, stranger, bytes('nonsense')]), 0)
    assert.equal(
      a.host.learn([recordOf(2, ['/ip4/127.0.0.1/tcp/8', '/unix/x'], 5), recordOf(2, ['/ip4/127.0.0.1/tcp/7'], 4)]),
      1,
    )
    assert.deepEqual(a.book.addressesOf(keyOfSeed(2)), ['/ip4/127.0.0.1/tcp/8'])
    assert.deepEqual(a.book.addressesOf(keyOfSeed(4)), [])
  })

  it('a forged record costs whoever passes it on its score', async () => {
    const a = await startHost({ seed: 1 })
    const raw = await startRawPeer(2)
    const forged = recordOf(3, ['/ip4/127.0.0.1/tcp/9'], 5)
    forged[forged.length - 1]! ^= 1
    const stream = await raw.dialProtocol(multiaddr(addressOf(a)), PEERS_PROTOCOL)
    await lpStream(stream).write(encode({ records: [recordOf(4, ['/ip4/127.0.0.1/tcp/9'], 5), forged] }))
    await until(() => a.events.some((event) => event.includes('peer-at-fault')))
    await until(() => scoreOf(a, keyOfSeed(2)) < 0)
    assert.deepEqual(a.book.addressesOf(keyOfSeed(3)), [])
  })

  it('its own record grows from start to start', async () => {
    const sequences: number[] = []
    for (let at = 0; at < 2; at++) {
      const book = await bookAt('a')
      const { host } = await startHost({ seed: 1, addressBook: book })
      sequences.push(openPeerRecord(host.peerRecord()!).sequence)
      await host.stop()
    }
    assert.ok(sequences[1]! > sequences[0]!)
    assert.equal((await startHost({ seed: 2, listen: [] })).host.peerRecord(), undefined)
  })
})

describe('node/network: what a host says', function () {
  this.timeout(PATIENCE_MS)
  afterEach(stopAll)

  it('of a peer of another version: which one it speaks', async () => {
    const mismatches: Mismatch[] = []
    const a = await startHost({ seed: 1, onMismatch: (mismatch) => mismatches.push(mismatch) })
    const future = await startRawPeer(2)
    await future.handle('/flamesh/message/2', () => undefined)
    await future.dial(multiaddr(addressOf(a)))
    await until(() => mismatches.length > 0)
    assert.deepEqual(mismatches, [
      { key: keyOfSeed(2), theirs: ['/flamesh/message/2'], ours: [MESSAGE_PROTOCOL, PEERS_PROTOCOL] },
    ])
    await assert.rejects(a.host.send(keyOfSeed(2), bytes('x')), { code: 'version-mismatch' })
    assert.deepEqual(a.peerEvents, [])
    assert.deepEqual(
      a.host.peers().map(({ mismatch }) => mismatch),
      [['/flamesh/message/2']],
    )
  })

  it('of its peers: addresses, connection, mesh', async () => {
    const [a, b] = [await startHost({ seed: 1 }), await startHost({ seed: 2 })]
    a.book.add(keyOfSeed(3), ['/ip4/127.0.0.1/tcp/1'])
    await introduce(a, b)
    await until(() => a.host.peers().find(({ key }) => key === b.key)?.inMesh === true)
    const view = new Map(a.host.peers().map((peer) => [peer.key, peer]))
    assert.deepEqual(new Set(view.keys()), new Set([b.key, keyOfSeed(3)]))
    assert.deepEqual(view.get(b.key)?.addresses, [addressOf(b).replace(/\/p2p\/.*/, '')])
    assert.equal(typeof view.get(b.key)?.connectedSinceMs, 'number')
    assert.equal(view.get(keyOfSeed(3))?.connectedSinceMs, undefined)
    assert.deepEqual(view.get(keyOfSeed(3))?.addresses, ['/ip4/127.0.0.1/tcp/1'])
    assert.ok(addressOf(b).endsWith(`/p2p/${peerIdOf(b.key).toString()}`))
  })

  it('of an address it cannot listen on, or cannot read', async () => {
    const taken: Server = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as { port: number }
    await assert.rejects(startHost({ seed: 1, listen: [`/ip4/127.0.0.1/tcp/${port}`] }), { code: 'listen-failed' })
    await new Promise((resolve) => taken.close(resolve))
    await assert.rejects(startHost({ seed: 1, listen: ['127.0.0.1:7946'] }), { code: 'bad-address' })
    const a = await startHost({ seed: 1 })
    for (const nonsense of ['', '127.0.0.1:7946', '/ip4/127.0.0.1/udp/1', '/ip4/300.0.0.1/tcp/1']) {
      await assert.rejects(a.host.dial(nonsense), { code: 'bad-address' })
    }
  })

  it('where others reach it, when told so', async () => {
    const a = await startHost({ seed: 1, listen: [LOOPBACK], announce: ['/dns4/mesh.example/tcp/7946'] })
    assert.deepEqual(openPeerRecord(a.host.peerRecord()!).addresses, ['/dns4/mesh.example/tcp/7946'])
  })

  it('that it is alone, and stops all the same', async () => {
    const a = await startHost({ seed: 1, verdict: () => accept })
    a.host.publish(bytes('to nobody'))
    await a.host.stop()
    assert.deepEqual(a.host.connections(), [])
  })
})
