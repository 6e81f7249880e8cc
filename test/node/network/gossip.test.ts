import assert from 'node:assert/strict'
import { ANNOUNCE_TOPIC } from '@flamesh/node/network/announce.js'
import { MESSAGE_PROTOCOL } from '@flamesh/node/network/message.js'
import { peerIdOf } from '@flamesh/node/network/peer-id.js'
import { accept, ignore, reject, type Verdict } from '@flamesh/protocol/encoding/verdict.js'
import { MAX_GOSSIP_BYTES } from '@flamesh/protocol/limits.js'
import { multiaddr } from '@multiformats/multiaddr'
import {
  bytes,
  greeted,
  introduce,
  keyOfSeed,
  PATIENCE_MS,
  QUICK,
  startHost,
  startRawPeer,
  stopAll,
  type TestHost,
  text,
  until,
} from './hosts.js'

const announcements = (host: TestHost) =>
  host.heard.filter(({ via }) => via === 'gossip').map(({ message }) => text(message))
const scoreOf = (host: TestHost, key: string) => host.host.peers().find((peer) => peer.key === key)?.score ?? 0
const meshOf = (host: TestHost) => host.host.peers().filter(({ inMesh }) => inMesh).length

describe('node/network: announcements', function () {
  this.timeout(PATIENCE_MS)
  afterEach(stopAll)

  it('arrive at all of eight hosts connected in a ring, with the author as sender', async () => {
    const hosts = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => startHost({ seed })))
    await Promise.all(hosts.map((host, at) => introduce(host, hosts[(at + 1) % hosts.length]!)))
    await until(() => hosts.every((host) => meshOf(host) > 1))
    hosts[0]!.host.publish(bytes('job'))
    await until(() => hosts.slice(1).every((host) => announcements(host).includes('job')))
    for (const host of hosts.slice(1)) assert.equal(host.heard.find(({ via }) => via === 'gossip')?.from, hosts[0]!.key)
    assert.deepEqual(announcements(hosts[0]!), [])
  })

  it('reach all of sixteen peers that share an address and only have the one in the middle in common', async () => {
    const hub = await startHost({ seed: 100 })
    const spokes = await Promise.all(Array.from({ length: 16 }, (_, at) => startHost({ seed: at + 1, listen: [] })))
    await Promise.all(spokes.map((spoke) => introduce(spoke, hub)))
    await until(() => meshOf(hub) === spokes.length)
    for (const [at, spoke] of spokes.entries()) spoke.host.publish(bytes(`from ${at}`))
    await until(() => spokes.every((spoke) => new Set(announcements(spoke)).size === spokes.length - 1))
  })

  it('that are too large are refused before they leave, and the link lives on', async () => {
    const [a, b] = [await startHost({ seed: 1 }), await startHost({ seed: 2 })]
    await introduce(a, b)
    assert.throws(() => a.host.publish(new Uint8Array(MAX_GOSSIP_BYTES + 1)), { code: 'message-too-large' })
    a.host.publish(new Uint8Array(MAX_GOSSIP_BYTES))
    a.host.publish(bytes('after'))
    await until(() => announcements(b).length === 2)
    assert.deepEqual(
      b.heard.map(({ message }) => message.length),
      [MAX_GOSSIP_BYTES, 5],
    )
  })

  it('published while nobody is there arrive once somebody comes', async () => {
    const a = await startHost({ seed: 1 })
    a.host.publish(bytes('early'))
    a.host.publish(bytes('bird'))
    const b = await startHost({ seed: 2 })
    await introduce(a, b)
    await until(() => announcements(b).length === 2)
    assert.deepEqual(announcements(b), ['early', 'bird'])
  })

  it('are passed on when accepted, and neither ignored nor rejected ones are', async () => {
    const verdicts = new Map<string, Verdict>([
      ['ignored', ignore('seen')],
      ['rejected', reject('bad', 'no')],
    ])
    // Neither end listens: what one hears of the other went through the one in between.
    const a = await startHost({ seed: 1, listen: [] })
    const between = await startHost({ seed: 2, verdict: ({ message }) => verdicts.get(text(message)) ?? accept })
    const b = await startHost({ seed: 3, listen: [] })
    await introduce(a, between)
    await introduce(b, between)
    await until(() => meshOf(between) === 2)
    for (const message of ['ignored', 'rejected', 'accepted']) a.host.publish(bytes(message))
    await until(() => announcements(between).length === 3 && announcements(b).length > 0)
    assert.deepEqual(announcements(b), ['accepted'])
  })

  it('cost whoever passed them on its score when they are rejected, not when they are ignored', async () => {
    const a = await startHost({ seed: 1 })
    const b = await startHost({
      seed: 2,
      verdict: ({ message }) => (text(message) === 'bad' ? reject('bad', 'no') : ignore('seen')),
    })
    await introduce(a, b)
    a.host.publish(bytes('seen'))
    await until(() => announcements(b).length === 1)
    assert.ok(scoreOf(b, a.key) >= 0)
    a.host.publish(bytes('bad'))
    await until(() => scoreOf(b, a.key) < 0)
  })

  it('of an author who is no member are not handed on', async () => {
    const b = await startHost({ seed: 2 })
    const stranger = await startHost({ seed: 9, listen: [] })
    const c = await startHost({ seed: 3, members: new Set([b.key]), listen: [] })
    await introduce(stranger, b)
    await introduce(c, b)
    await until(() => meshOf(b) === 2)
    stranger.host.publish(bytes('from a stranger'))
    await until(() => announcements(b).length === 1)
    b.host.publish(bytes('from a member'))
    await until(() => announcements(c).length > 0)
    assert.deepEqual(announcements(c), ['from a member'])
  })

  it('that exceed the limit on receipt are rejected unseen, and cost the sender its score', async () => {
    const a = await startHost({ seed: 1 })
    const raw = await startRawPeer(2)
    const key = keyOfSeed(2)
    // It speaks the gossip and not the rest, so it is no peer to greet.
    raw.services.pubsub.subscribe(ANNOUNCE_TOPIC)
    await raw.dial(addressOf(a))
    await until(() => raw.services.pubsub.getSubscribers(ANNOUNCE_TOPIC).length === 1)
    await raw.services.pubsub.publish(ANNOUNCE_TOPIC, new Uint8Array(MAX_GOSSIP_BYTES + 1))
    await until(() => scoreOf(a, key) < 0)
    assert.deepEqual(a.heard, [])
  })

  it('flow again after a gossip link died under an open connection', async () => {
    const a = await startHost({ seed: 1, timing: { ...QUICK, linkGraceMs: 1500 } })
    const raw = await startRawPeer(2)
    const got: string[] = []
    raw.services.pubsub.addEventListener('message', ({ detail }) => got.push(text(detail.data)))
    raw.services.pubsub.subscribe(ANNOUNCE_TOPIC)
    await raw.handle(MESSAGE_PROTOCOL, () => undefined)
    a.book.add(keyOfSeed(2), raw.getMultiaddrs().map(String))
    await until(() => greeted(a, keyOfSeed(2)))
    a.host.publish(bytes('before'))
    await until(() => got.includes('before'))

    const gossip = await raw.dialProtocol(peerIdOf(a.key), '/meshsub/1.2.0')
    gossip.send(Uint8Array.of(0xff, 0xff, 0xff, 0x7f)) // a frame of 256 MiB begins
    await until(() => a.events.some((event) => event.includes('gossip-link-dead')))
    await until(() => a.peerEvents.filter(({ connected }) => connected).length > 1)
    a.host.publish(bytes('after'))
    await until(() => got.includes('after'))
  })
})

function addressOf(host: TestHost) {
  return multiaddr(host.host.listenAddresses()[0] as string)
}
