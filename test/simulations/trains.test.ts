/** Trains over the simulated network: an incremental model over five stations, and what happens to one that is not taken along. */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { openSealed } from '@flamesh/protocol/crypto/sealing.js'
import { openSigned } from '@flamesh/protocol/encoding/signed.js'
import { verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import { releaseContext } from '@flamesh/protocol/secagg/member/opening.js'
import { HOP } from '@flamesh/protocol/trains/messages.js'
import type { WireOf } from '@flamesh/protocol/wire.js'
import { SimulatedNode } from '@flamesh/simulations/federation.js'
import { assertFit, describeTrain, linearTrain, TRAINS, trainWorld } from './trains.js'
import { Watch } from './watch.js'
import {
  assertExact,
  audited,
  describeJob,
  ending,
  LOW_FLOOR,
  pass,
  submit,
  until,
  viewAt,
  type World,
  world,
} from './world.js'

async function outcomeOf({ federation }: World, job: Hex) {
  assert.ok(await federation.finish(job), 'the job did not end')
  const { status, code } = await ending(federation, job)
  return { status, code }
}

/** What the receipt says of each station, in the order of the route. */
async function stationsIn({ federation }: World, job: Hex): Promise<readonly string[]> {
  const { result } = await ending(federation, job)
  assert.ok(result !== undefined)
  const report = verifyReceipt(result.receipt, { hubKey: federation.hubKey })
  assert.ok(report.ok, JSON.stringify(report.findings))
  return report.summary?.stations.map(({ code }) => code) ?? []
}

const skip = { unreachable: 'skip', minimum: 3 } as const

describe('trains', function () {
  this.timeout(120_000)

  it('grow a model over five stations to that of the pooled rows', async () => {
    const { federation, watch, names } = await trainWorld()
    const job = await submit(federation, linearTrain(federation))
    assert.ok(await federation.finish(job))
    await assertFit(federation, job, names)
    await pass(federation, 60)
    for (const name of names) assert.equal(viewAt(federation, name, job)?.status, 'released', name)
    watch.check()
  })

  it('visit the stations in the order of the route, each once', async () => {
    const one = await trainWorld()
    const stations = ['site-d', 'site-b', 'site-e', 'site-a', 'site-c']
    const job = await submit(one.federation, describeTrain(one.federation, { stations }))
    assert.ok(await one.federation.finish(job))
    await assertExact(one.federation, job, one.names)
    const trains = one.watch.seen.flatMap(({ from, to, message }) =>
      message.type === 'train' ? [`${from} ${to}`] : [],
    )
    assert.deepEqual([...new Set(trains)], ['site-d site-b', 'site-b site-e', 'site-e site-a', 'site-a site-c'])
    assert.deepEqual(await stationsIn(one, job), Array(5).fill('added'))
  })

  it('wait for a station that dies with the train and comes back', async () => {
    const one = await trainWorld()
    const { federation, names, watch } = one
    const job = await submit(federation, linearTrain(federation))
    const node = federation.node('site-c')
    await until(federation, 'the train is at site-c', () => node.audit.some(({ event }) => event === 'train-taken'))
    node.kill()
    await pass(federation, 600)
    assert.equal(viewAt(federation, 'researcher', job)?.status, 'submitted')
    await node.start()
    assert.ok(await federation.finish(job))
    await assertFit(federation, job, names)
    watch.check()
  })

  it('wait for a station that was away from the start', async () => {
    const { federation, names } = await trainWorld()
    federation.node('site-b').kill()
    const job = await submit(federation, linearTrain(federation))
    await pass(federation, 300)
    await federation.node('site-b').start()
    assert.ok(await federation.finish(job))
    await assertFit(federation, job, names)
  })

  it('skip a dead station, and say so in the receipt', async () => {
    const one = await trainWorld()
    const { federation, watch } = one
    federation.node('site-c').kill()
    const job = await submit(federation, linearTrain(federation, skip))
    assert.ok(await federation.finish(job))
    await assertFit(federation, job, ['site-a', 'site-b', 'site-d', 'site-e'])
    assert.deepEqual(await stationsIn(one, job), ['added', 'added', 'unreachable', 'added', 'added'])
    watch.check()
  })

  it('skip a station that dies with the train, a first one and a last one too', async () => {
    for (const name of ['site-c', 'site-e']) {
      const one = await trainWorld()
      const { federation, names } = one
      const node = federation.node(name)
      const job = await submit(federation, linearTrain(federation, skip))
      await until(federation, 'it has the train', () => node.audit.some(({ event }) => event === 'train-taken'))
      node.kill()
      assert.ok(await federation.finish(job))
      await assertFit(
        federation,
        job,
        names.filter((other) => other !== name),
      )
    }
    const one = await trainWorld()
    one.federation.node('site-a').kill()
    const job = await submit(one.federation, linearTrain(one.federation, skip))
    assert.ok(await one.federation.finish(job))
    await assertFit(one.federation, job, ['site-b', 'site-c', 'site-d', 'site-e'])
  })

  it('come to one end where a station that was given up has taken the train all the same', async () => {
    for (const slow of ['site-b', 'site-c', 'site-d', 'site-e']) {
      const one = await trainWorld()
      const { federation, watch, names } = one
      const job = await submit(federation, linearTrain(federation, skip))
      // it hears everything, and nobody hears it before it was given up
      watch.cutOff.add(slow)
      const before = names[names.indexOf(slow) - 1] as string
      await until(federation, 'it was given up', () => {
        const hops = watch.seen.flatMap(({ from, message }) =>
          from === before && message.type === 'train' ? [message] : [],
        )
        return (
          new Set(hops.map(({ hops: all }) => openSigned(all.at(-1) as never, HOP).body.next)).size > 1 ||
          audited(federation, before, 'train-ended-here') > 0
        )
      })
      watch.cutOff.delete(slow)
      assert.ok(await federation.finish(job))
      await pass(federation, 300)
      const { included } = await ending(federation, job)
      await assertFit(federation, job, included)
      assert.ok(included.length >= 4, included.join())
      const delivered = watch.seen.flatMap(({ message }) => (message.type === 'delivery' ? [message] : []))
      const ends = new Set(delivered.map(({ hops }) => openSigned(hops.at(-1) as never, HOP).hash))
      assert.equal(ends.size, 1)
      watch.check()
    }
  })

  it('go on without a station whose analysis fails, and carry nothing of it', async () => {
    const one = await trainWorld()
    const { federation } = one
    federation.node('site-b').failure = 'out-of-memory'
    const job = await submit(federation, linearTrain(federation, { minimum: 3 }))
    assert.ok(await federation.finish(job))
    await assertFit(federation, job, ['site-a', 'site-c', 'site-d', 'site-e'])
    assert.deepEqual(await stationsIn(one, job), ['added', 'out-of-memory', 'added', 'added', 'added'])
  })

  it('go on without a station that refuses, wherever it is on the route', async () => {
    for (const name of ['site-a', 'site-c', 'site-e']) {
      const one = await trainWorld()
      const { federation, names } = one
      await federation.node(name).up().setPolicy(LOW_FLOOR)
      const job = await submit(federation, linearTrain(federation, { minimum: 3 }))
      assert.ok(await federation.finish(job))
      await assertFit(
        federation,
        job,
        names.filter((other) => other !== name),
      )
      const view = viewAt(federation, name, job)
      assert.deepEqual([view?.status, view?.code], ['refused', 'train-not-allowed'])
    }
  })

  it('skip a station that is revoked, and end where one that took part is', async () => {
    for (const [gone, status, codes] of [
      ['site-d', 'released', ['added', 'added', 'added', 'revoked', 'added']],
      ['site-b', 'failed', ['added', 'added', 'added', 'not-reached', 'not-reached']],
    ] as const) {
      const one = await trainWorld()
      const { federation, names } = one
      federation.node('site-d').kill()
      const job = await submit(federation, linearTrain(federation, { minimum: 3 }))
      await until(federation, 'site-c has added its rows', () => audited(federation, 'site-c', 'submitted') > 0)
      federation.append({ type: 'revoke', key: federation.node(gone).key, reason: 'left' })
      await federation.tell(...names, 'researcher')
      assert.deepEqual((await outcomeOf(one, job)).status, status)
      assert.deepEqual(await stationsIn(one, job), codes)
    }
  })

  it('end without a result where too few stations are left', async () => {
    const one = await trainWorld()
    const { federation } = one
    for (const name of ['site-b', 'site-d']) federation.node(name).failure = 'out-of-memory'
    const job = await submit(federation, linearTrain(federation, { minimum: 4 }))
    assert.deepEqual(await outcomeOf(one, job), { status: 'failed', code: 'cohort-below-minimum' })
    await pass(federation, 60)
    assert.equal((await ending(federation, job)).result?.result, undefined)
    assert.equal(viewAt(federation, 'site-e', job)?.status, 'failed')
  })

  it('never leave where sites did not opt in', async () => {
    const one = await trainWorld({ policy: LOW_FLOOR })
    const job = await submit(one.federation, linearTrain(one.federation))
    assert.deepEqual(await outcomeOf(one, job), { status: 'failed', code: 'cohort-below-minimum' })
    const sites = Object.values(viewAt(one.federation, 'researcher', job)?.sites ?? {})
    assert.ok(sites.some(({ code }) => code === 'train-not-allowed'))
    assert.ok(!one.watch.seen.some(({ message }) => message.type === 'train'))
    assert.equal((await ending(one.federation, job)).result, undefined)
  })

  it('pass the release gate: small cells are withheld as from any sum', async () => {
    const one = await trainWorld()
    const where = [{ column: 'age', operator: 'above' as const, values: [200] }]
    const job = await submit(one.federation, describeTrain(one.federation, { change: { where } }))
    assert.deepEqual(await outcomeOf(one, job), { status: 'suppressed', code: 'too-few-contributors' })
  })

  it('stop where they are when the researcher cancels', async () => {
    const one = await trainWorld()
    const { federation, names } = one
    federation.node('site-d').kill()
    const job = await submit(federation, linearTrain(federation))
    await until(federation, 'site-c has added its rows', () => audited(federation, 'site-c', 'submitted') > 0)
    await federation.node('researcher').up().cancel(job)
    await pass(federation, 60)
    await federation.node('site-d').start()
    await pass(federation, 4000)
    for (const name of names) {
      assert.ok(['cancelled', 'expired'].includes(viewAt(federation, name, job)?.status ?? ''), name)
      assert.deepEqual(
        [...federation.node(name).disk.secrets.keys()].filter((key) => key.startsWith('train-')),
        [],
      )
    }
    assert.equal((await ending(federation, job)).result, undefined)
  })

  it('expire at every station when nobody comes back', async () => {
    const { federation, names } = await trainWorld()
    federation.node('site-d').kill()
    const job = await submit(federation, linearTrain(federation))
    await pass(federation, 5000)
    for (const name of names.filter((other) => other !== 'site-d')) {
      assert.equal(viewAt(federation, name, job)?.status, 'expired', name)
      assert.deepEqual(
        [...federation.node(name).disk.secrets.keys()].filter((key) => key.startsWith('train-')),
        [],
      )
    }
    assert.equal(viewAt(federation, 'researcher', job)?.status, 'expired')
  })

  it('hold the result for a researcher that is away', async () => {
    const { federation, names } = await trainWorld()
    const job = await submit(federation, linearTrain(federation))
    await until(federation, 'site-b has added its rows', () => audited(federation, 'site-b', 'submitted') > 0)
    federation.node('researcher').kill()
    await pass(federation, 2 * 3600)
    await federation.node('researcher').start()
    await pass(federation, 60)
    await assertFit(federation, job, names)
  })
})

describe('what a train gives away', function () {
  this.timeout(120_000)

  const contains = (all: Uint8Array, part: Uint8Array): boolean => Buffer.from(all).includes(Buffer.from(part))

  it('is on no disk in the clear, and nowhere at all once it has gone on', async () => {
    const one = await trainWorld()
    const { federation, names } = one
    const written = new Map<string, Uint8Array[]>()
    for (const name of names) {
      const all: Uint8Array[] = []
      const { disk } = federation.node(name)
      const before = disk.onWrite
      disk.onWrite = (key, value) => {
        before(key, value)
        if (value !== null && !key.startsWith('vault/')) all.push(value)
      }
      written.set(name, all)
    }
    const job = await submit(federation, describeTrain(federation))
    assert.ok(await federation.finish(job))
    await pass(federation, 60)
    // the count of patients so far is a word of every state: 16 bytes, with 60 of its bits after the point
    let sum = 0
    for (const name of names) {
      sum += federation.node(name).rows?.count ?? 0
      const word = new Uint8Array(16)
      new DataView(word.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(sum) << 60n), true)
      new DataView(word.buffer).setBigUint64(8, BigInt(sum) >> 4n, true)
      for (const [other, all] of written) assert.ok(!all.some((value) => contains(value, word)), `${sum} at ${other}`)
    }
    for (const name of names) {
      const { disk } = federation.node(name)
      assert.deepEqual(
        [...disk.secrets.keys()].filter((key) => key.startsWith('train-')),
        [],
        name,
      )
      assert.ok(!disk.entries.has(`job/${job}/station/held`), name)
    }
  })

  it('is erased at a station as soon as the one after the next has it', async () => {
    const { federation, names } = await trainWorld()
    federation.node('site-e').kill()
    const job = await submit(federation, describeTrain(federation))
    await until(federation, 'site-d waits', () => audited(federation, 'site-d', 'train-handed-on') > 0)
    await pass(federation, 30)
    const holders = names.filter((name) => federation.node(name).disk.secrets.has(`train-${job}`))
    assert.deepEqual(holders, ['site-c', 'site-d'])
    const held = names.filter((name) => federation.node(name).disk.entries.has(`job/${job}/station/held`))
    assert.deepEqual(held, ['site-c', 'site-d'])
  })

  it('goes to recipients in good standing alone', async () => {
    const { federation, names } = await trainWorld()
    const second = new SimulatedNode('second', ['researcher'], federation, undefined)
    federation['enrol'](second)
    const watch = new Watch(federation)
    const { key, sealingSecret } = second
    await federation.tell(...names, 'researcher')
    const recipients = [federation.node('researcher').key, key].sort()
    const boxOf = async (revoked: boolean): Promise<Uint8Array | undefined> => {
      watch.seen.length = 0
      const job = await submit(federation, describeTrain(federation, { minimum: 3, change: { recipients } }))
      if (revoked) {
        await until(federation, 'site-d has added its rows', () => audited(federation, 'site-d', 'submitted') > 1)
        federation.append({ type: 'revoke', key, reason: 'left' })
        await federation.tell('site-e')
      }
      assert.ok(await federation.finish(job))
      const sent = watch.seen.flatMap(({ message }) =>
        message.type === 'delivery' && message.box ? [message.box] : [],
      )
      assert.ok(sent.length > 0)
      return openSealed(sent[0] as NonNullable<WireOf<'delivery'>['box']>, key, sealingSecret, releaseContext(job))
    }
    assert.notEqual(await boxOf(false), undefined)
    assert.equal(await boxOf(true), undefined)
  })

  it('is never told from a masked sum of the same question: a site answers one way', async () => {
    const one = await world({ sites: 6, policy: TRAINS })
    const { federation } = one
    const first = await submit(federation, describeTrain(federation))
    assert.ok(await federation.finish(first))
    const masked = await submit(federation, describeJob(federation))
    assert.equal((await outcomeOf(one, masked)).status, 'failed')
    assert.equal(viewAt(federation, 'site-b', masked)?.code, 'answered-otherwise')

    const other = await world({ sites: 6, policy: TRAINS })
    const sum = await submit(other.federation, describeJob(other.federation))
    assert.ok(await other.federation.finish(sum))
    const train = await submit(other.federation, describeTrain(other.federation))
    assert.equal((await outcomeOf(other, train)).status, 'failed')
    assert.equal(viewAt(other.federation, 'site-b', train)?.code, 'answered-otherwise')
  })
})
