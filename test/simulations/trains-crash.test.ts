/** kill -9 at every write of every station of a train: it arrives, with the rows of each counted once, and nothing is said twice. */
import assert from 'node:assert/strict'
import { payloadHash, type Signed } from '@flamesh/protocol/encoding/signed.js'
import { assertFit, assertOnce, linearTrain, trainWorld } from './trains.js'
import { audited, ending, pass, submit, until } from './world.js'

async function countWrites(name: string): Promise<number> {
  const { federation } = await trainWorld()
  const { disk } = federation.node(name)
  const before = disk.writes
  const job = await submit(federation, linearTrain(federation))
  await federation.finish(job)
  await pass(federation, 5)
  return disk.writes - before
}

async function crash(name: string, at: number, afterWrite: boolean): Promise<void> {
  const one = await trainWorld()
  const { federation, watch, names } = one
  const node = federation.node(name)
  const drop = node.disk.onKill
  node.disk.killAt = node.disk.writes + at
  node.disk.killAfterWrite = afterWrite
  node.disk.onKill = () => {
    drop()
    federation.clock.setTimer(federation.clock.now() + 2_000, () => void node.start())
  }
  const job = await submit(federation, linearTrain(federation))
  const what = `${name} killed ${afterWrite ? 'after' : 'before'} write ${at}`
  const status = () => federation.node('researcher').peer?.job(job)
  const released = await federation.clock.run(federation.clock.now() + 120_000, () => status()?.status === 'released')
  assert.ok(released, `${what}: ${status()?.status} ${status()?.code}`)
  await pass(federation, 10)
  assert.ok(node.lives > 1, `${what}: it never came to that write`)
  await assertFit(federation, job, names)
  assertOnce(one)
  watch.check()
  const { secrets } = node.disk
  assert.deepEqual(
    [...secrets.keys()].filter((key) => key.startsWith('train-')),
    [],
    what,
  )
}

describe('a station put back to a copy of its disk', () => {
  it('finds out, signs no second hop, and the train arrives without it', async () => {
    const one = await trainWorld()
    const { federation, watch, names } = one
    const node = federation.node('site-c')
    const job = await submit(federation, linearTrain(federation))
    await until(federation, 'it approved', () => audited(federation, 'site-c', 'job-approved') > 0)
    const [entries, secrets] = [new Map(node.disk.entries), new Map(node.disk.secrets)]
    await until(federation, 'site-d has the train', () => audited(federation, 'site-d', 'train-taken') > 0)
    node.kill()
    node.disk.replace(entries, secrets)
    await node.start()
    assert.ok(await federation.finish(job))
    await pass(federation, 60)
    assert.ok(audited(federation, 'site-c', 'restored-from-backup') > 0)
    await assertFit(federation, job, names)
    assertOnce(one)
    watch.check()
  })
})

describe('a kill at every write of a station', function () {
  this.timeout(180_000)
  for (const name of ['site-a', 'site-b', 'site-c', 'site-d', 'site-e'])
    it(`leaves the train to arrive: ${name}`, async () => {
      const writes = await countWrites(name)
      assert.ok(writes > 8)
      for (let at = 0; at < writes; at++) for (const after of [false, true]) await crash(name, at, after)
    })
})

describe('a station that is killed for longer than it is waited for', function () {
  this.timeout(180_000)
  for (const name of ['site-a', 'site-c', 'site-e'])
    it(`is left out or not, and the rows that arrive are those that the receipt names: ${name}`, async () => {
      const writes = await countWrites(name)
      let without = 0
      for (let at = 0; at < writes; at++) {
        const one = await trainWorld()
        const { federation, watch } = one
        const node = federation.node(name)
        const drop = node.disk.onKill
        node.disk.killAt = node.disk.writes + at
        node.disk.killAfterWrite = at % 2 === 0
        node.disk.onKill = () => {
          drop()
          federation.clock.setTimer(federation.clock.now() + 200_000, () => void node.start())
        }
        const job = await submit(federation, linearTrain(federation, { unreachable: 'skip', minimum: 3 }))
        await federation.finish(job, 5_000_000)
        await pass(federation, 400)
        const { included } = await ending(federation, job)
        await assertFit(federation, job, included)
        if (!included.includes(name)) without++
        assertOnce(one)
        watch.check()
        const ends = watch.seen.flatMap(({ message }) => (message.type === 'delivery' ? [message.hops.at(-1)] : []))
        assert.equal(new Set(ends.map((hop) => payloadHash(hop as Signed))).size, 1)
      }
      assert.ok(without > 0)
    })
})
