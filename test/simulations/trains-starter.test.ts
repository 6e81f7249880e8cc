/** A train that is lost with those who hold it: it is started anew, once, without their rows, and never counted beside the first one. */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { payloadHash, type Signed } from '@flamesh/protocol/encoding/signed.js'
import { encodeWire, type WireOf } from '@flamesh/protocol/wire.js'
import { assertFit, assertOnce, HOP_MS, linearTrain, trainWorld } from './trains.js'
import { audited, ending, pass, submit, until, viewAt, type World } from './world.js'

const skip = { unreachable: 'skip', minimum: 3 } as const

/** Stations that started a train. */
const starters = ({ federation, names }: World): readonly string[] =>
  names.filter((name) =>
    federation.node(name).audit.some(({ event, fields }) => event === 'train-taken' && fields.hops === 0),
  )

/** One end, with the rows of these stations; and of no train anything is left that could be read. */
async function assertArrived(one: World, job: Hex, sites: readonly string[], alive = one.names): Promise<void> {
  const { federation, watch } = one
  assert.ok(await federation.finish(job, 5_000_000), `${viewAt(federation, 'researcher', job)?.status}`)
  await pass(federation, 60)
  await assertFit(federation, job, sites)
  assertOnce(one)
  const ends = watch.seen.flatMap(({ message }) => (message.type === 'delivery' ? [message.hops.at(-1)] : []))
  assert.equal(new Set(ends.map((hop) => payloadHash(hop as Signed))).size, 1)
  for (const name of alive) {
    assert.equal(viewAt(federation, name, job)?.status, 'released', name)
    const secrets = [...federation.node(name).disk.secrets.keys()]
    assert.deepEqual(
      secrets.filter((key) => key.startsWith('train-')),
      [],
      name,
    )
  }
  watch.check()
}

/** What this station hands on gets lost; that it did is heard. */
function lose(one: World, name: string): void {
  const before = one.watch.meddle
  one.watch.meddle = (from, to, message) =>
    from.name === name && message.type === 'train' ? undefined : before(from, to, message)
}

/** Told of the train that this station started, and nobody has it: then it dies. */
async function startAndDie(one: World, name: string): Promise<void> {
  await until(one.federation, `${name} hands on`, () => audited(one.federation, name, 'train-handed-on') > 0)
  await pass(one.federation, 1)
  one.federation.node(name).kill()
}

describe('a starter that told of its train and dies with it', function () {
  this.timeout(180_000)

  it('is succeeded by the next station, for ever', async () => {
    const one = await trainWorld()
    lose(one, 'site-a')
    const train = linearTrain(one.federation, skip)
    const approveWithinMs = 1_800_000
    const job = await submit(one.federation, { ...train, cohort: { ...train.cohort, approveWithinMs } })
    await startAndDie(one, 'site-a')
    await assertArrived(one, job, ['site-b', 'site-c', 'site-d', 'site-e'], one.names.slice(1))
    // all had decided: nobody waits until the time for that is over
    assert.ok(one.federation.clock.now() < train.notBefore + approveWithinMs)
    assert.deepEqual(starters(one), ['site-a', 'site-b'])
  })

  it('is succeeded by the one after that if the next dies in the same way', async () => {
    const one = await trainWorld()
    lose(one, 'site-a')
    lose(one, 'site-b')
    const job = await submit(one.federation, linearTrain(one.federation, skip))
    await startAndDie(one, 'site-a')
    await startAndDie(one, 'site-b')
    await assertArrived(one, job, ['site-c', 'site-d', 'site-e'], one.names.slice(2))
    assert.deepEqual(starters(one), ['site-a', 'site-b', 'site-c'])
  })

  it('comes back after another took over: its rows are not in the result, and its train goes nowhere', async () => {
    for (const returns of ['at once', 'when the train is on its way', 'at the end'] as const) {
      const one = await trainWorld()
      const { federation, watch } = one
      lose(one, 'site-a')
      const job = await submit(federation, linearTrain(federation, skip))
      await startAndDie(one, 'site-a')
      watch.meddle = (_from, _to, message) => message
      // site-b takes over, and then waits for site-c
      federation.node('site-c').kill()
      await until(federation, 'site-b took over', () => audited(federation, 'site-b', 'train-handed-on') > 0)
      if (returns === 'when the train is on its way')
        await until(federation, 'it is at site-d', () => audited(federation, 'site-d', 'train-taken') > 0)
      if (returns === 'at the end') assert.ok(await federation.finish(job))
      await federation.node('site-a').start()
      await assertArrived(
        one,
        job,
        ['site-b', 'site-d', 'site-e'],
        one.names.filter((name) => name !== 'site-c'),
      )
      assert.equal(audited(federation, 'site-a', 'submitted'), 1)
      assert.deepEqual(starters(one), ['site-a', 'site-b'])
    }
  })

  it('comes back before anybody took over, and goes on with the train', async () => {
    const one = await trainWorld()
    const { federation, watch } = one
    lose(one, 'site-a')
    const job = await submit(federation, linearTrain(federation, skip))
    await startAndDie(one, 'site-a')
    await pass(federation, (5 * HOP_MS) / 1000)
    watch.meddle = (_from, _to, message) => message
    await federation.node('site-a').start()
    await assertArrived(one, job, one.names)
    assert.deepEqual(starters(one), ['site-a'])
  })

  it('is waited for where the job says so', async () => {
    const one = await trainWorld()
    const { federation, watch } = one
    lose(one, 'site-a')
    const job = await submit(federation, linearTrain(federation))
    await startAndDie(one, 'site-a')
    await pass(federation, 1800)
    assert.deepEqual(starters(one), ['site-a'])
    watch.meddle = (_from, _to, message) => message
    await federation.node('site-a').start()
    await assertArrived(one, job, one.names)
  })

  it('is not waited for once it is revoked, whatever the job says', async () => {
    const one = await trainWorld({ dishonest: ['site-c'] })
    const { federation, watch, names } = one
    lose(one, 'site-a')
    const job = await submit(federation, linearTrain(federation, { minimum: 3 }))
    await startAndDie(one, 'site-a')
    // site-c says that it is on that train as well: nobody leaves it out for that
    const told = watch.seen.find(({ from, message }) => from === 'site-a' && message.type === 'travelling')
    const copy = encodeWire(told?.message as WireOf<'travelling'>)
    await federation.node('site-b').up().receive(federation.node('site-c').key, copy, 'direct')
    federation.append({ type: 'revoke', key: federation.node('site-a').key, reason: 'left' })
    await federation.tell(...names.slice(1), 'researcher')
    await assertArrived(one, job, names.slice(1), names.slice(1))
  })

  it('is succeeded from every write on at which it may die', async () => {
    // site-b is away: what site-a holds nobody else has until it is given up
    const away = async () => {
      const one = await trainWorld()
      one.federation.node('site-b').kill()
      const before = one.federation.node('site-a').disk.writes
      return { one, before, job: await submit(one.federation, linearTrain(one.federation, skip)) }
    }
    const whole = await away()
    await whole.one.federation.finish(whole.job)
    const writes = whole.one.federation.node('site-a').disk.writes - whole.before
    const succeeded = new Set<string>()
    for (let at = 0; at < writes; at++)
      for (const after of [false, true]) {
        const { one, job } = await away()
        const { federation, names } = one
        const { disk } = federation.node('site-a')
        disk.killAt = whole.before + at
        disk.killAfterWrite = after
        assert.ok(await federation.finish(job, 5_000_000), `killed at write ${at}`)
        const { included } = await ending(federation, job)
        const others = names.slice(2)
        if (!included.includes('site-a')) succeeded.add(starters(one).join())
        await assertArrived(one, job, included.includes('site-a') ? ['site-a', ...others] : others, others)
      }
    assert.deepEqual([...succeeded].sort(), ['site-a,site-c', 'site-c'])
  })

  it('is succeeded by one that is killed at any write, and counts once', async () => {
    const begun = async () => {
      const one = await trainWorld()
      lose(one, 'site-a')
      const job = await submit(one.federation, linearTrain(one.federation, skip))
      await startAndDie(one, 'site-a')
      return { one, job, before: one.federation.node('site-b').disk.writes }
    }
    const whole = await begun()
    await whole.one.federation.finish(whole.job, 5_000_000)
    const writes = whole.one.federation.node('site-b').disk.writes - whole.before
    const succeeded = new Set<number>()
    for (let at = 0; at < writes; at++)
      for (const after of [false, true]) {
        const { one, job, before } = await begun()
        const { federation, names } = one
        const node = federation.node('site-b')
        const drop = node.disk.onKill
        node.disk.killAt = before + at
        node.disk.killAfterWrite = after
        node.disk.onKill = () => {
          drop()
          federation.clock.setTimer(federation.clock.now() + 2_000, () => void node.start())
        }
        assert.ok(await federation.finish(job, 5_000_000), `killed at write ${at}`)
        // before it had begun the one after it may be quicker
        const first = (await ending(federation, job)).included.includes('site-b') ? 1 : 2
        succeeded.add(first)
        await assertArrived(one, job, names.slice(first), names.slice(1))
        assert.ok(node.lives > 1, `it never came to write ${at}`)
      }
    assert.deepEqual([...succeeded].sort(), [1, 2])
  })

  it('makes nobody wait for ever by telling of it again and again', async () => {
    const one = await trainWorld({ dishonest: ['site-a'] })
    const { federation, watch, names } = one
    lose(one, 'site-a')
    const job = await submit(federation, linearTrain(federation, skip))
    await startAndDie(one, 'site-a')
    const told = watch.seen.find(({ from, message }) => from === 'site-a' && message.type === 'travelling')
    const again = encodeWire(told?.message as WireOf<'travelling'>)
    const repeat = (): void => {
      for (const name of names.slice(1))
        void federation.node(name).up().receive(federation.node('site-a').key, again, 'direct')
      federation.clock.setTimer(federation.clock.now() + HOP_MS, repeat)
    }
    repeat()
    await assertArrived(one, job, names.slice(1), names.slice(1))
  })
})

describe('a train that is lost on its way', function () {
  this.timeout(180_000)

  /** site-b took the train from site-a, and both die before anybody else has it. */
  async function lost(minimum: number): Promise<{ one: World; job: Hex }> {
    const one = await trainWorld()
    const { federation } = one
    lose(one, 'site-b')
    const job = await submit(federation, linearTrain(federation, { ...skip, minimum }))
    await startAndDie(one, 'site-b')
    federation.node('site-a').kill()
    one.watch.meddle = (_from, _to, message) => message
    return { one, job }
  }

  it('is started anew by those who were not on it, if they are enough', async () => {
    const { one, job } = await lost(3)
    await until(one.federation, 'site-c took over', () => starters(one).includes('site-c'))
    await one.federation.node('site-b').start()
    await assertArrived(one, job, ['site-c', 'site-d', 'site-e'], one.names.slice(1))
  })

  it('is started anew by one that it left out, without those who passed it on', async () => {
    const one = await trainWorld({ sites: 9 })
    const { federation, names } = one
    lose(one, 'site-e')
    const job = await submit(federation, linearTrain(federation, { ...skip, stations: names, minimum: 5 }))
    await until(federation, 'it starts', () => audited(federation, 'site-a', 'train-handed-on') > 0)
    federation.node('site-b').kill()
    await until(federation, 'site-c has it', () => audited(federation, 'site-c', 'train-taken') > 0)
    await federation.node('site-b').start()
    await startAndDie(one, 'site-e')
    federation.node('site-d').kill()
    const there = names.filter((name) => !['site-d', 'site-e'].includes(name))
    await assertArrived(one, job, ['site-b', 'site-f', 'site-g', 'site-h', 'site-i'], there)
    assert.deepEqual(starters(one), ['site-a', 'site-b'])
  })

  it('is left to those who hold it if the others are too few', async () => {
    const { one, job } = await lost(4)
    await pass(one.federation, 1800)
    assert.deepEqual(starters(one), ['site-a'])
    await one.federation.node('site-b').start()
    await assertArrived(one, job, one.names.slice(0, 5), one.names.slice(1))
  })
})

describe('a train that is only slow', function () {
  this.timeout(60_000)

  it('stays the only one while its starter gives up one station after the other', async () => {
    const one = await trainWorld({ sites: 7 })
    const { federation, names } = one
    for (const name of ['site-b', 'site-c', 'site-d']) federation.node(name).kill()
    const job = await submit(federation, linearTrain(federation, { ...skip, stations: names, minimum: 4 }))
    const there = ['site-a', 'site-e', 'site-f', 'site-g']
    await assertArrived(one, job, there, there)
    assert.deepEqual(starters(one), ['site-a'])
  })

  it('is taken by a station that comes back, and that others reach before the train does', async () => {
    const one = await trainWorld({ sites: 7 })
    const { federation, watch, names } = one
    const stations = ['site-e', 'site-f', 'site-g', 'site-c', 'site-d', 'site-a', 'site-b']
    const job = await submit(federation, linearTrain(federation, { ...skip, stations, minimum: 4 }))
    const node = federation.node('site-c')
    await until(federation, 'all approved', () => audited(federation, 'site-e', 'train-taken') > 0)
    node.kill()
    // so that site-c, had it been there, would have started a train itself by now
    await until(federation, 'site-f has it', () => audited(federation, 'site-f', 'train-taken') > 0)
    federation.node('site-f').kill()
    await until(federation, 'site-g waits for it', () => audited(federation, 'site-g', 'train-handed-on') > 0)
    await pass(federation, 5)
    const reachedAtMs = federation.clock.now() + 10_000
    watch.meddle = (from, to, message) =>
      to.name === 'site-c' && stations.indexOf(from.name) < 3 && federation.clock.now() < reachedAtMs
        ? undefined
        : message
    await node.start()
    const there = names.filter((name) => name !== 'site-f')
    await assertArrived(one, job, there, there)
    assert.deepEqual(starters(one), ['site-e'])
  })
})
