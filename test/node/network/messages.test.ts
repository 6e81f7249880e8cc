import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { CHUNK_BYTES, INBOUND_BYTES_PER_PEER } from '@flamesh/node/network/limits.js'
import { Line, MESSAGE_PROTOCOL } from '@flamesh/node/network/message.js'
import { peerIdOf } from '@flamesh/node/network/peer-id.js'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { accept, ignore, later, reject, type Verdict } from '@flamesh/protocol/encoding/verdict.js'
import { MAX_MESSAGE_BYTES } from '@flamesh/protocol/limits.js'
import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import {
  bytes,
  introduce,
  keyOfSeed,
  PATIENCE_MS,
  startHost,
  startRawPeer,
  stopAll,
  type TestHost,
  until,
} from './hosts.js'

const sha256 = (message: Uint8Array) => createHash('sha256').update(message).digest()
const scoreOf = (host: TestHost, key: string) => host.host.peers().find((peer) => peer.key === key)?.score ?? 0

async function pair(verdict: (message: Uint8Array) => Verdict | Promise<Verdict> = () => accept) {
  const a = await startHost({ seed: 1 })
  const b = await startHost({ seed: 2, verdict: ({ message }) => verdict(message) })
  await introduce(a, b)
  return { a, b }
}

describe('node/network: messages', function () {
  this.timeout(PATIENCE_MS)
  afterEach(stopAll)

  it('are answered with the verdict, whichever it is', async () => {
    const verdicts: Verdict[] = [accept, ignore('known'), later('no-roster'), reject('schema', 'not a job')]
    const { a, b } = await pair((message) => verdicts[message[0]!]!)
    for (const [at, verdict] of verdicts.entries()) {
      assert.deepEqual(await a.host.send(b.key, Uint8Array.of(at)), verdict)
    }
    assert.deepEqual(
      b.heard.map(({ from, via }) => [from, via]),
      verdicts.map(() => [a.key, 'direct']),
    )
  })

  it('of any size arrive whole', async () => {
    const { a, b } = await pair()
    for (const size of [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 32 * 1024 * 1024]) {
      const message = new Uint8Array(randomBytes(size))
      assert.deepEqual(await a.host.send(b.key, message), accept)
      const got = b.heard.at(-1)!.message
      assert.equal(got.length, size)
      assert.deepEqual(sha256(got), sha256(message))
    }
  })

  it('are refused when empty or too large, before anything leaves', async () => {
    const { a, b } = await pair()
    for (const size of [0, MAX_MESSAGE_BYTES + 1]) {
      await assert.rejects(a.host.send(b.key, new Uint8Array(size)), { code: 'message-too-large' })
    }
    assert.deepEqual(b.heard, [])
  })

  it('many at once are all answered, more than may be under way at a time', async () => {
    const { a, b } = await pair((message) => ignore(String(message[0])))
    const verdicts = await Promise.all(Array.from({ length: 100 }, (_, at) => a.host.send(b.key, Uint8Array.of(at))))
    assert.deepEqual(
      verdicts,
      verdicts.map((_, at) => ignore(String(at))),
    )
  })

  it('to somebody who is not there, or no member, are rejected', async () => {
    const gone = await startHost({ seed: 3 })
    const { a } = await pair()
    a.book.add(gone.key, gone.host.listenAddresses())
    await gone.host.stop()
    await assert.rejects(a.host.send(gone.key, bytes('x')), { code: 'unreachable' })
    await assert.rejects(a.host.send(keyOfSeed(4), bytes('x')), { code: 'unreachable' })
    const choosy = await startHost({ seed: 5, members: new Set([a.key]) })
    await assert.rejects(choosy.host.send(gone.key, bytes('x')), { code: 'not-a-member' })
  })

  it('whose receiver goes away before its verdict are rejected', async () => {
    const { promise: never } = Promise.withResolvers<Verdict>()
    const { a, b } = await pair(() => never)
    const sent = a.host.send(b.key, bytes('x'))
    const rejected = assert.rejects(sent, { code: 'unreachable' })
    await until(() => b.heard.length === 1)
    await b.host.stop()
    await rejected
  })

  it('under way when the node stops are rejected as such', async () => {
    const { promise: never } = Promise.withResolvers<Verdict>()
    const { a, b } = await pair(() => never)
    const rejected = assert.rejects(a.host.send(b.key, bytes('x')), { code: 'stopped' })
    await until(() => b.heard.length === 1)
    await a.host.stop()
    await rejected
    await assert.rejects(a.host.send(b.key, bytes('y')), { code: 'stopped' })
  })

  it('ask the sender to come again when the receiver fails', async () => {
    const { a, b } = await pair(() => {
      throw new Error('disk full')
    })
    assert.deepEqual(await a.host.send(b.key, bytes('x')), later('internal'))
  })

  it('that are rejected cost the sender its score', async () => {
    const { a, b } = await pair(() => reject('schema', 'no'))
    assert.ok(scoreOf(b, a.key) >= 0)
    await a.host.send(b.key, bytes('x'))
    await until(() => scoreOf(b, a.key) < 0)
  })
})

describe('node/network: broken messages', function () {
  this.timeout(PATIENCE_MS)
  let receiver: TestHost
  let opened: () => Promise<Stream>

  beforeEach(async () => {
    receiver = await startHost({ seed: 1 })
    const raw = await startRawPeer(2)
    await raw.dial(multiaddr(receiver.host.listenAddresses()[0] as string))
    opened = () => raw.dialProtocol(peerIdOf(receiver.key), MESSAGE_PROTOCOL)
  })
  afterEach(stopAll)

  /** What the receiver answers to these frames: a verdict's name, or that it answered nothing. */
  async function answerTo(frames: readonly Uint8Array[]): Promise<string> {
    const stream = await opened()
    const framed = lpStream(stream)
    try {
      for (const frame of frames) await framed.write(frame)
      await stream.close()
      return (decode((await framed.read()).subarray()) as Verdict).verdict
    } catch {
      return 'nothing'
    }
  }

  const message = new Uint8Array(randomBytes(CHUNK_BYTES + 5))
  const chunks = [message.subarray(0, CHUNK_BYTES), message.subarray(CHUNK_BYTES)]
  const header = encode({ length: message.length })
  const digest = new Uint8Array(sha256(message))

  it('the frames of an honest sender are accepted', async () => {
    assert.equal(await answerTo([header, ...chunks, digest]), 'accept')
    assert.deepEqual(sha256(receiver.heard[0]!.message), Buffer.from(digest))
  })

  it('messages go over one stream one after the other, each answered before the next', async () => {
    const framed = lpStream(await opened())
    for (let at = 1; at <= 3; at++) {
      for (const frame of [header, ...chunks, digest]) await framed.write(frame)
      assert.deepEqual(decode((await framed.read()).subarray()), accept)
      assert.equal(receiver.heard.length, at)
    }
  })

  it('nothing is read after a message that was refused', async () => {
    const framed = lpStream(await opened())
    await framed.write(bytes('nonsense'))
    assert.equal((decode((await framed.read()).subarray()) as Verdict).verdict, 'reject')
    for (const frame of [header, ...chunks, digest]) await framed.write(frame).catch(() => undefined)
    await assert.rejects(framed.read())
    assert.deepEqual(receiver.heard, [])
  })

  it('a message cut short is not handed on, wherever it is cut', async () => {
    const frames = [header, ...chunks, digest]
    for (let kept = 0; kept < frames.length; kept++) {
      assert.equal(await answerTo(frames.slice(0, kept)), 'nothing')
    }
    assert.deepEqual(receiver.heard, [])
  })

  it('a message cut short by a reset is not handed on', async () => {
    const stream = await opened()
    const framed = lpStream(stream)
    await framed.write(header)
    await framed.write(chunks[0]!)
    stream.abort(new Error('gone'))
    assert.equal(await answerTo([header, ...chunks, digest]), 'accept')
    assert.equal(receiver.heard.length, 1)
  })

  it('a message that is not what its header or digest says is rejected', async () => {
    const wrong = [
      [encode({ length: message.length + 1 }), ...chunks, digest],
      [encode({ length: message.length - 1 }), ...chunks, digest],
      [header, ...chunks, new Uint8Array(32)],
      [header, ...chunks, digest.subarray(0, 31)],
      [header, chunks[1]!, chunks[0]!, digest],
      [header, message.subarray(0, 5), message.subarray(5), digest],
      [encode({ length: 0 }), digest],
      [encode({ length: MAX_MESSAGE_BYTES + 1 })],
      [encode({ length: -1 })],
      [encode({ length: 5, more: 1 })],
      [encode([5])],
      [new Uint8Array(1000)],
      [bytes('nonsense')],
    ]
    for (const frames of wrong) assert.equal(await answerTo(frames), 'reject')
    assert.deepEqual(receiver.heard, [])
    await until(() => scoreOf(receiver, keyOfSeed(2)) < 0)
  })

  it('a frame larger than a chunk ends the stream', async () => {
    assert.equal(await answerTo([header, new Uint8Array(CHUNK_BYTES + 1)]), 'nothing')
  })

  it('a peer that claims more than its share is asked to come again', async () => {
    const first = await opened()
    await lpStream(first).write(encode({ length: INBOUND_BYTES_PER_PEER }))
    let answered = await answerTo([header, ...chunks, digest])
    while (answered === 'accept') answered = await answerTo([header, ...chunks, digest])
    assert.equal(answered, 'later')
    first.abort(new Error('enough'))
    while (answered !== 'accept') answered = await answerTo([header, ...chunks, digest])
  })
})

describe('node/network: broken answers', function () {
  this.timeout(PATIENCE_MS)
  afterEach(stopAll)

  it('are no verdict', async () => {
    const a = await startHost({ seed: 1 })
    const answers: readonly (readonly Uint8Array[])[] = [
      [],
      [bytes('nonsense')],
      [encode({ verdict: 'perhaps' })],
      [encode({ verdict: 'reject', code: 'x'.repeat(65), message: '' })],
      [new Uint8Array(100_000)],
    ]
    let given = 0
    // a peer for each: opening another stream to one whose last was reset takes seconds
    const asked = answers.map(async (answer, at) => {
      const seed = 2 + at
      const raw = await startRawPeer(seed)
      await raw.handle(MESSAGE_PROTOCOL, async (stream) => {
        given += 1
        const framed = lpStream(stream)
        for (const frame of answer) await framed.write(frame)
        await stream.close()
      })
      await a.host.dial(raw.getMultiaddrs()[0]!.toString())
      await assert.rejects(a.host.send(keyOfSeed(seed), bytes('x')), { code: 'unreachable' })
    })
    await Promise.all(asked)
    assert.equal(given, answers.length)
  })

  it('are waited for on a stream that lives: one that the peer has closed is not used again', async () => {
    const a = await startHost({ seed: 1 })
    const raw = await startRawPeer(2)
    let streams = 0
    const perStream = 3
    await raw.handle(MESSAGE_PROTOCOL, async (stream) => {
      streams += 1
      const framed = lpStream(stream)
      for (let message = 0; message < perStream; message++) {
        for (let frame = 0; frame < 3; frame++) await framed.read()
        await framed.write(encode(accept))
      }
      await stream.close()
    })
    await a.host.dial(raw.getMultiaddrs()[0]!.toString())
    for (let message = 0; message < 3 * perStream; message++) {
      // the peer's end of the stream may be under way still
      while (!(await a.host.send(keyOfSeed(2), bytes('x')).catch(() => undefined)));
    }
    assert.equal(streams, 3)
  })

  it('that never come end with the patience of the sender', async () => {
    const raw = await startRawPeer(1)
    const other = await startRawPeer(2)
    await other.handle(MESSAGE_PROTOCOL, () => undefined)
    const stream = await raw.dialProtocol(other.getMultiaddrs(), MESSAGE_PROTOCOL)
    const patience = new AbortController()
    const asked = new Line(stream).ask(bytes('x'), patience.signal)
    patience.abort(new Error('out of patience'))
    await assert.rejects(asked, { message: 'out of patience' })
    assert.notEqual(stream.status, 'open')
  })
})
