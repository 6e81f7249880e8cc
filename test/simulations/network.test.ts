/** The simulated network does what it says: partitions, uplinks, processors, sites that only dial out, latencies. */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { accept } from '@flamesh/protocol/encoding/verdict.js'
import type { Peer } from '@flamesh/protocol/peer.js'
import { VirtualClock } from '@flamesh/simulations/kernel/clock.js'
import { seededRandom } from '@flamesh/simulations/kernel/random.js'
import { type Costs, FREE, MEASURED } from '@flamesh/simulations/network/costs.js'
import { Flood } from '@flamesh/simulations/network/flood.js'
import { HOSPITALS } from '@flamesh/simulations/network/hospitals.js'
import { greatCircleKm, hospitalLatency, matrixLatency, randomLatency } from '@flamesh/simulations/network/latency.js'
import { type LinkOptions, Links } from '@flamesh/simulations/network/links.js'
import { SimulatedNetwork } from '@flamesh/simulations/network/network.js'
import { wireType } from '@flamesh/simulations/network/wire-type.js'
import { assertExact, describeJob, pass, submit, world } from './world.js'

const START_MS = 1_000_000

/** Members that take note of what they get and when: the network alone is tested here. */
async function network(keys: readonly Hex[], change: Partial<LinkOptions> = {}, costs: Costs = FREE) {
  const clock = new VirtualClock(START_MS)
  const random = seededRandom(1, 'network')
  const options = { latencyMs: () => 10, jitter: 0, loss: 0, uplinkBytesPerMs: undefined, neighbours: 10, ...change }
  const links = new Links(options, random, seededRandom(1, 'topology'))
  const net = new SimulatedNetwork({
    clock,
    random,
    links,
    costs,
    silenceMs: 500,
    broadcast: (ports) => new Flood(ports),
  })
  const got: { readonly to: Hex; readonly text: string; readonly afterMs: number }[] = []
  const met: string[] = []
  for (const key of keys) links.enrol(key)
  const join = (key: Hex) =>
    net.join(
      {
        key,
        receive: async (_from: Hex, message: Uint8Array) => {
          got.push({ to: key, text: Buffer.from(message).toString(), afterMs: clock.exact() - START_MS })
          return accept
        },
        peerConnected: (peer: Hex) => void met.push(`${key}${peer}`),
      } as unknown as Peer,
      new Uint8Array(32),
    )
  const send = async (from: Hex, to: Hex, text: string): Promise<string> => {
    const sent = net.transportOf(from).send(to, new Uint8Array(Buffer.from(text)))
    return sent.then(
      ({ verdict }) => verdict,
      () => 'failed',
    )
  }
  const run = (ms: number) => clock.run(clock.exact() + ms)
  return { net, links, clock, got, met, join, send, run }
}

describe('simulated links', () => {
  it('connect members once, with a handshake, and deliver after the latency', async () => {
    const { join, send, run, got, met, clock } = await network(['a', 'b'])
    await join('a')
    await join('b')
    await run(59)
    assert.deepEqual(met, [])
    await run(1)
    assert.deepEqual(met.sort(), ['ab', 'ba'])
    const startMs = clock.exact()
    const answer = send('a', 'b', 'hello')
    await run(100)
    assert.equal(await answer, 'accept')
    assert.deepEqual(
      got.map((one) => [one.to, one.afterMs + START_MS - startMs]),
      [['b', 10]],
    )
  })

  it('lets nothing pass between the groups of a partition, and meets again after it', async () => {
    const { join, send, run, links, got, met } = await network(['a', 'b', 'c'])
    for (const key of ['a', 'b', 'c']) await join(key)
    await run(100)
    links.partition([['a', 'b'], ['c']])
    const answers = [send('a', 'b', 'near'), send('a', 'c', 'far')]
    await run(1000)
    assert.deepEqual(await Promise.all(answers), ['accept', 'failed'])
    assert.deepEqual(
      got.map((one) => one.text),
      ['near'],
    )
    assert.equal(links.isOpen('a', 'c'), false)
    assert.equal(links.isOpen('a', 'b'), true)
    links.heal()
    await run(31_000)
    assert.equal(links.isOpen('a', 'c'), true)
    assert.equal(met.filter((one) => one === 'ca').length, 2)
  })

  it('block one way alone: the message gets through and its answer does not', async () => {
    const { join, send, run, links, got } = await network(['a', 'b'])
    await join('a')
    await join('b')
    await run(100)
    links.block('b', 'a')
    const forth = send('a', 'b', 'forth')
    const back = send('b', 'a', 'back')
    await run(600)
    assert.deepEqual([await forth, await back], ['failed', 'failed'])
    assert.deepEqual(
      got.map((one) => one.text),
      ['forth'],
    )
  })

  it('send what waits for an uplink one after the other', async () => {
    const { join, send, run, got, clock } = await network(['a', 'b', 'c'], { uplinkBytesPerMs: 2 })
    for (const key of ['a', 'b', 'c']) await join(key)
    await run(100)
    const startMs = clock.exact() - START_MS
    const answers = [send('a', 'b', 'x'.repeat(100)), send('a', 'c', 'y'.repeat(40)), send('b', 'c', 'z'.repeat(20))]
    await run(500)
    await Promise.all(answers)
    // 100 bytes leave after 50 ms, the next 40 after 20 more; another sender's do not wait for them
    assert.deepEqual(
      got.map((one) => [one.text[0], one.afterMs - startMs]),
      [
        ['z', 20],
        ['x', 60],
        ['y', 80],
      ],
    )
  })

  it('dial from a site that only dials out, and use the connection both ways', async () => {
    const { join, send, run, links } = await network(['a', 'b', 'c'])
    links.outboundOnly.add('b')
    links.outboundOnly.add('c')
    for (const key of ['b', 'c', 'a']) await join(key)
    await run(100)
    assert.deepEqual([links.isOpen('a', 'b'), links.isOpen('b', 'c')], [true, false])
    const answers = [send('a', 'b', 'in'), send('b', 'a', 'out'), send('b', 'c', 'never')]
    await run(1000)
    assert.deepEqual(await Promise.all(answers), ['accept', 'accept', 'failed'])
  })

  it('give a large federation few connections, and dial the others on demand', async () => {
    const keys = Array.from({ length: 200 }, (_, at) => `m${at}`)
    const { join, send, run, links } = await network(keys)
    for (const key of keys) await join(key)
    await run(100)
    const degrees = keys.map((key) => links.peersOf(key).size)
    assert.ok(
      Math.min(...degrees) >= 8 && Math.max(...degrees) <= 10,
      `${Math.min(...degrees)}…${Math.max(...degrees)}`,
    )
    const stranger = keys.find((key) => key !== 'm0' && !links.isOpen('m0', key)) as string
    const answer = send('m0', stranger, 'hello')
    await run(79)
    assert.equal(links.isOpen('m0', stranger), true)
    await run(1)
    assert.equal(await answer, 'accept')
  })

  it('deliver late, not never, over a line that loses', async () => {
    const { join, send, run, got, clock } = await network(['a', 'b'], { loss: 0.5 })
    await join('a')
    await join('b')
    await run(60_000)
    const startMs = clock.exact() - START_MS
    const answers = Array.from({ length: 20 }, (_, at) => send('a', 'b', String(at)))
    await run(60_000)
    assert.ok((await Promise.all(answers)).every((one) => one === 'accept'))
    assert.ok(got.some((one) => one.afterMs - startMs > 200))
    assert.ok(got.some((one) => one.afterMs - startMs === 10))
  })
})

describe('simulated processors', () => {
  it('make what arrives together wait for its turn', async () => {
    const costs = { ...FREE, receive: () => 7 }
    const { net, join, send, run, got, clock } = await network(['a', 'b'], {}, costs)
    await join('a')
    await join('b')
    await run(100)
    const startMs = clock.exact() - START_MS
    const answers = ['1', '2', '3'].map((text) => send('a', 'b', text))
    await run(500)
    await Promise.all(answers)
    assert.deepEqual(
      got.map((one) => one.afterMs - startMs),
      [17, 24, 31],
    )
    assert.equal(net.cpu.totalMs('b'), 21)
  })
})

describe('measured costs', () => {
  it('are those of the type of a message and of its size', () => {
    const message = (type: string, bytes: number) =>
      encode({ job: { payload: encode({ type: 'round' }), list: [1, [2], 'x'] }, type, zeros: new Uint8Array(bytes) })
    assert.equal(wireType(message('hello', 300)), 'hello')
    assert.equal(wireType(encode(['type'])), undefined)
    assert.equal(wireType(encode({ type: 5 })), undefined)
    assert.ok(MEASURED.receive(message('round', 10)) > MEASURED.receive(message('hello', 10)))
    assert.ok(MEASURED.receive(message('hello', 9000)) > MEASURED.receive(message('hello', 10)))
  })

  it('make a job take longer than on machines that cost nothing', async () => {
    const took = async (costs: Costs) => {
      const { federation } = await world({ sites: 5, costs })
      const startMs = federation.clock.now()
      const job = await submit(federation, describeJob(federation))
      assert.ok(await federation.finish(job))
      return federation.clock.now() - startMs
    }
    assert.ok((await took(MEASURED)) > (await took(FREE)))
  })
})

describe('a job over a partition', () => {
  it('ends with the exact sum once the network is whole again', async () => {
    const { federation, watch, names } = await world({ sites: 6 })
    const keys = names.map((name) => federation.node(name).key)
    const job = await submit(federation, describeJob(federation))
    federation.network.links.partition([keys.slice(0, 2), keys.slice(2, 4)])
    await pass(federation, 4)
    federation.network.links.heal()
    assert.ok(await federation.finish(job))
    await assertExact(federation, job, names)
    watch.check()
  })
})

describe('latencies', () => {
  it('follow great circles between university hospitals', () => {
    const at = (name: string) => HOSPITALS.find((one) => one.name === name) as (typeof HOSPITALS)[number]
    assert.equal(Math.round(greatCircleKm(at('hamburg'), at('munich')) / 10), 62)
    const latency = hospitalLatency(['hamburg', 'munich', 'site-1'])
    assert.ok(Math.abs(latency('hamburg', 'munich') - (0.5 + (1.6 * 619) / 200)) < 0.05)
    assert.equal(latency('munich', 'munich'), 0.5)
    assert.equal(HOSPITALS.length, 36)
  })

  it('come from the seed for random places', () => {
    const names = ['a', 'b', 'c']
    assert.equal(randomLatency(names, 1, 800)('a', 'b'), randomLatency(names, 1, 800)('b', 'a'))
    assert.notEqual(randomLatency(names, 1, 800)('a', 'b'), randomLatency(names, 2, 800)('a', 'b'))
    assert.ok(randomLatency(names, 1, 800)('a', 'b') <= 0.5 + (1.6 * 800 * Math.SQRT2) / 200)
  })

  it('come from a matrix, whose errors name the line', () => {
    const latency = matrixLatency(',a,b\na,0,12.5\nb,7,0\n')
    assert.deepEqual([latency('a', 'b'), latency('b', 'a')], [12.5, 7])
    const line = (csv: string) => {
      try {
        matrixLatency(csv)
      } catch (error) {
        return /^line (\d+) /.exec((error as Error).message)?.[1]
      }
      return undefined
    }
    assert.equal(line('a,b\n'), '1')
    assert.equal(line(',a,b\na,0,x\nb,0,0'), '2')
    assert.equal(line(',a,b\na,0,1\nb,0'), '3')
    assert.equal(line(',a,b\na,0,1\nc,0,1'), '3')
    assert.equal(line(',a,b\na,0,1\n\na,0,1'), '4')
    assert.equal(line(',a,b\na,0,-1\nb,0,0'), '2')
    assert.throws(() => latency('a', 'c'), /nothing from "a" to "c"/)
  })
})
