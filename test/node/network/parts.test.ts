import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import '@flamesh/node/shim.js'
import { AddressBook } from '@flamesh/node/network/address-book.js'
import { Budget, type Release } from '@flamesh/node/network/budget.js'
import { Dialer, type DialerOptions } from '@flamesh/node/network/dialer.js'
import { DIAL_TARGETS, MAX_ADDRESSES } from '@flamesh/node/network/limits.js'
import { LinkWatch } from '@flamesh/node/network/link-watch.js'
import { bareAddress, keyOf, parsePeerAddress, peerIdOf } from '@flamesh/node/network/peer-id.js'
import { Penalties } from '@flamesh/node/network/penalties.js'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { keyOfSeed, stopAll, until } from './hosts.js'

const hexKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((key) => Buffer.from(key).toString('hex'))
const silent = () => undefined

describe('node/network: names and addresses', () => {
  it('a key and its peer id are one thing in two forms', () => {
    fc.assert(fc.property(hexKey, (key) => keyOf(peerIdOf(key)) === key))
  })

  it('a peer id of another kind has no key here', async () => {
    assert.equal(keyOf(peerIdFromPrivateKey(await generateKeyPair('secp256k1'))), undefined)
  })

  it('an address is a host and a TCP port, its peer id left out', () => {
    const id = peerIdOf(keyOfSeed(1)).toString()
    const bare = { '/ip4/192.0.2.1/tcp/7946': 1, '/ip6/2001:db8::1/tcp/1': 1, '/dns4/a.example/tcp/1': 1 }
    for (const address of Object.keys(bare)) {
      assert.equal(bareAddress(address), address)
      assert.equal(bareAddress(`${address}/p2p/${id}`), address)
    }
    const wrong = [
      '',
      '/',
      'x',
      '/ip4/192.0.2.1',
      '/tcp/1',
      '/ip4/192.0.2.1/udp/1',
      '/ip4/1.2.3/tcp/1',
      '/unix/a',
      `/p2p/${id}`,
    ]
    for (const address of [...wrong, `/ip4/192.0.2.1/tcp/1/p2p/${id}/p2p-circuit`, `/dns4/${'a'.repeat(300)}/tcp/1`]) {
      assert.equal(bareAddress(address), undefined, address)
    }
    fc.assert(fc.property(fc.string(), (any) => ['string', 'undefined'].includes(typeof bareAddress(any))))
  })

  it('an operator is told what is missing', () => {
    const id = peerIdOf(keyOfSeed(1)).toString()
    assert.deepEqual(parsePeerAddress(`/ip4/192.0.2.1/tcp/1/p2p/${id}`), {
      key: keyOfSeed(1),
      address: '/ip4/192.0.2.1/tcp/1',
    })
    for (const wrong of [
      '192.0.2.1:1',
      '/ip4/192.0.2.1/tcp/1',
      `/p2p/${id}`,
      '/ip4/192.0.2.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    ]) {
      assert.throws(() => parsePeerAddress(wrong), { code: 'bad-address' })
    }
  })
})

describe('node/network: budget', () => {
  const limits = { totalBytes: 100, perPeerBytes: 60, perPeerMessages: 3, maxWaiting: 1000 }
  const never = new AbortController().signal

  it('never exceeds its limits, and serves everybody in the end', async () => {
    const message = fc.record({ peer: fc.constantFrom('a', 'b', 'c'), bytes: fc.integer({ min: 1, max: 60 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 40 }), async (messages) => {
        const budget = new Budget(limits)
        const held: { readonly peer: Hex; readonly bytes: number }[] = []
        const sum = (some: readonly { readonly bytes: number }[]) => some.reduce((total, one) => total + one.bytes, 0)
        await Promise.all(
          messages.map(async (message) => {
            const release = await budget.take(message.peer, message.bytes, never)
            held.push(message)
            const ofPeer = held.filter((one) => one.peer === message.peer)
            assert.ok(sum(held) <= 100 && sum(ofPeer) <= 60 && ofPeer.length <= 3)
            await Promise.resolve()
            held.splice(held.indexOf(message), 1)
            release()
          }),
        )
        assert.equal(budget.usedBytes, 0)
      }),
      { numRuns: 50 },
    )
  })

  it('lets nobody overtake a large message, except when its peer is what it waits for', async () => {
    const budget = new Budget(limits)
    const order: string[] = []
    const hold = await budget.take('a', 60, never)
    const take = (peer: string, bytes: number) =>
      budget.take(peer, bytes, never).then((release) => {
        order.push(peer + bytes)
        return release
      })
    const waiting: Promise<Release>[] = [take('a', 10), take('b', 20), take('c', 50), take('d', 10)]
    await waiting[1]
    assert.deepEqual(order, ['b20'])
    hold()
    await Promise.all(waiting)
    assert.deepEqual(order, ['b20', 'a10', 'c50', 'd10'])
  })

  it('says so when there is no room, and a release counts once', async () => {
    const budget = new Budget({ ...limits, maxWaiting: 1 })
    const first = budget.tryTake('a', 60)
    assert.equal(budget.tryTake('a', 1), undefined)
    first?.()
    first?.()
    assert.equal(budget.usedBytes, 0)
    const release = await budget.take('a', 60, never)
    const patience = new AbortController()
    const waiting = budget.take('a', 60, patience.signal)
    await assert.rejects(budget.take('a', 60, never), { code: 'busy' })
    patience.abort(new Error('out of patience'))
    await assert.rejects(waiting, { message: 'out of patience' })
    release()
    ;(await budget.take('a', 60, never))()
  })
})

describe('node/network: address book', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-book-'))
  })
  afterEach(() => rm(folder, { recursive: true }))
  const open = (events: string[] = []) =>
    AddressBook.open({ path: join(folder, 'peers.json'), log: (_level, event) => events.push(event) })
  const [a, b] = [keyOfSeed(1), keyOfSeed(2)]

  it('survives a restart', async () => {
    const book = await open()
    book.add(a, ['/ip4/192.0.2.1/tcp/1'])
    book.pin(b, '/ip4/192.0.2.2/tcp/2')
    book.seen(b, '/ip4/192.0.2.3/tcp/3')
    await book.flush()
    const again = await open()
    for (const key of [a, b]) assert.deepEqual(again.addressesOf(key), book.addressesOf(key))
    assert.deepEqual(again.addressesOf(b), ['/ip4/192.0.2.3/tcp/3', '/ip4/192.0.2.2/tcp/2'])
  })

  it('starts empty where its file cannot be read, and keeps that file aside', async () => {
    for (const content of ['{', '{"version":1,"peers":{"x":1}}', '']) {
      await writeFile(join(folder, 'peers.json'), content)
      const events: string[] = []
      assert.deepEqual((await open(events)).keys(), [])
      assert.deepEqual(events, ['address-book-unreadable'])
      assert.equal(await readFile(join(folder, 'peers.json.unreadable'), 'utf8'), content)
    }
    assert.deepEqual(await readdir(folder), ['peers.json.unreadable'])
  })

  it('is bounded for each peer, and forgets what is least of use', async () => {
    const book = await open()
    book.pin(a, '/ip4/192.0.2.1/tcp/1')
    book.seen(a, '/ip4/192.0.2.2/tcp/2')
    for (let port = 1; port < 100; port++) book.add(a, [`/ip4/192.0.2.3/tcp/${port}`])
    const kept = book.addressesOf(a)
    assert.equal(kept.length, MAX_ADDRESSES + 1)
    assert.deepEqual(kept.slice(0, 2), ['/ip4/192.0.2.2/tcp/2', '/ip4/192.0.2.1/tcp/1'])
    assert.ok(kept.includes('/ip4/192.0.2.3/tcp/99'))
    await book.flush()
  })

  it('takes the newer record and drops what only the older one said', async () => {
    const book = await open()
    book.pin(a, '/ip4/192.0.2.9/tcp/9')
    const record = (sequence: number, addresses: string[]) =>
      book.learn({ key: a, addresses, sequence }, Uint8Array.of(sequence))
    assert.equal(record(2, ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/2']), true)
    assert.equal(record(1, ['/ip4/192.0.2.3/tcp/3']), false)
    assert.equal(record(2, ['/ip4/192.0.2.3/tcp/3']), false)
    assert.equal(record(3, ['/ip4/192.0.2.2/tcp/2']), true)
    assert.deepEqual(book.addressesOf(a), ['/ip4/192.0.2.9/tcp/9', '/ip4/192.0.2.2/tcp/2'])
    assert.deepEqual(book.recordOf(a), { sequence: 3, bytes: Uint8Array.of(3) })
    await book.flush()
  })
})

describe('node/network: dialer', () => {
  // Ends what waits in vain.
  afterEach(stopAll)
  const self = keyOfSeed(1)
  const others = Array.from({ length: 3 * DIAL_TARGETS }, (_, at) => at.toString(16).padStart(64, '0'))

  async function dialled(
    options: Partial<DialerOptions>,
    enough: (keys: readonly Hex[]) => boolean,
  ): Promise<readonly Hex[]> {
    const keys: Hex[] = []
    const dialer = new Dialer({
      self,
      candidates: () => [self, ...others.slice(0, 5)],
      isMember: () => true,
      isConnected: (key) => keys.includes(key),
      dial: async (key) => keys.push(key),
      log: silent,
      random: () => 0,
      fastestMs: 1,
      slowestMs: 4,
      ...options,
    })
    dialer.start()
    await until(() => enough(keys))
    dialer.stop()
    return keys
  }

  it('dials every member it can, and not itself', async () => {
    const keys = await dialled({ isMember: (key) => key !== others[2] }, (seen) => seen.length === 4)
    assert.deepEqual(new Set(keys), new Set([0, 1, 3, 4].map((at) => others[at])))
  })

  it('never gives up', async () => {
    let attempts = 0
    const dial = async () => {
      attempts += 1
      throw new Error('nobody there')
    }
    await dialled({ dial, candidates: () => [others[0]!] }, () => attempts > 20)
  })

  it('keeps to its own share of a large federation, another for every node', async () => {
    const share = async (key: Hex) =>
      new Set(await dialled({ self: key, candidates: () => others }, (seen) => seen.length >= DIAL_TARGETS))
    const [mine, again, theirs] = [await share(self), await share(self), await share(keyOfSeed(2))]
    assert.equal(mine.size, DIAL_TARGETS)
    assert.deepEqual(mine, again)
    assert.notDeepEqual(mine, theirs)
  })
})

describe('node/network: dead links', () => {
  it('are cut after a grace, more and more patiently, until they are alive again', () => {
    const cuts: number[] = []
    let now = 0
    const watch = new LinkWatch({ graceMs: 10, cut: () => cuts.push(now) })
    const look = (until: number, alive: boolean) => {
      for (; now < until; now++) watch.check([{ key: 'a', connectedSinceMs: cuts.at(-1) ?? 0, alive }], now)
    }
    look(50, true)
    assert.deepEqual(cuts, [])
    look(200, false)
    assert.deepEqual(cuts, [60, 81, 122])
    look(250, true)
    look(300, false)
    assert.equal(cuts[3], 260)
  })
})

describe('node/network: penalties', () => {
  it('add up and are forgiven', () => {
    let now = 0
    const penalties = new Penalties(() => now)
    assert.equal(penalties.of('a'), 0)
    penalties.add('a')
    penalties.add('a')
    assert.equal(penalties.of('a'), 2)
    now += 90_000
    assert.equal(penalties.of('a'), 1)
    assert.equal(penalties.of('b'), 0)
    now += 3_600_000
    assert.ok(penalties.of('a') < 0.001)
  })
})
