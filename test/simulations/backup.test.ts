/**
 * A disk put back to an older copy, in every phase of an attempt: the node that forgot what it said finds out, says so, and
 * contradicts itself nowhere. No honest node is accused, and nothing is certified twice.
 */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'

import { assertExact, audited, describeJob, ending, pass, submit, type World, world } from './world.js'

const MINUTE_MS = 60_000

interface Copy {
  readonly entries: ReadonlyMap<string, Uint8Array>
  readonly secrets: ReadonlyMap<string, Uint8Array>
}

function copyDisk({ federation }: World, name: string): Copy {
  const { disk } = federation.node(name)
  return { entries: new Map(disk.entries), secrets: new Map(disk.secrets) }
}

/** The machine is replaced: what it had on disk is what the copy holds. */
function putBack({ federation }: World, name: string, copy: Copy): void {
  const node = federation.node(name)
  node.kill()
  const { entries, secrets } = node.disk
  entries.clear()
  secrets.clear()
  for (const [key, value] of copy.entries) entries.set(key, value)
  for (const [key, value] of copy.secrets) secrets.set(key, value)
}

interface Setting {
  readonly seats: number
  readonly node: string
  /** a member that is down when the copy is put back, and comes back later */
  readonly away?: string
}

async function countWrites({ seats, node }: Setting): Promise<number> {
  const { federation } = await world({ seats })
  const { disk } = federation.node(node)
  const before = disk.writes
  await federation.finish(await submit(federation, describeJob(federation)))
  return disk.writes - before
}

/** Copies the disk at one write, goes on for so many more, and puts the copy back. */
async function restoreAt(setting: Setting, at: number, more: number): Promise<World & { readonly job: Hex }> {
  const one = await world({ seats: setting.seats })
  const { federation } = one
  const { disk } = federation.node(setting.node)
  const first = disk.writes
  const job = await submit(federation, describeJob(federation, { notAfter: federation.clock.now() + 5 * MINUTE_MS }))
  const reached = (writes: number) => federation.clock.run(federation.clock.now() + 20_000, () => disk.writes >= writes)
  await reached(first + at)
  const copy = copyDisk(one, setting.node)
  await reached(first + at + more)
  // what is under way arrives: a message that nobody received was never said
  one.watch.cutOff.add(setting.node)
  await pass(federation, 0.05)
  putBack(one, setting.node, copy)
  one.watch.cutOff.delete(setting.node)
  if (setting.away !== undefined) federation.node(setting.away).kill()
  await pass(federation, 1)
  await federation.node(setting.node).start()
  await pass(federation, 20)
  if (setting.away !== undefined) await federation.node(setting.away).start()
  return { ...one, job }
}

function everyPhase(title: string, setting: Setting, step: number): void {
  it(`${title}, a committee of ${setting.seats}`, async () => {
    const writes = await countWrites(setting)
    let found = 0
    for (let at = 0; at < writes; at += step) {
      for (const more of [2, 9]) {
        const one = await restoreAt(setting, at, more)
        const { federation, watch, job } = one
        const what = `copied at write ${at}, put back ${more} later`
        await federation.finish(job, 20 * MINUTE_MS)
        await pass(federation, 20)
        assert.doesNotThrow(() => watch.check(), what)
        const { status, code } = await ending(federation, job)
        // with four seats the others do without it; with three it takes all, and the job comes to its end without a result
        if (setting.seats === 4) assert.equal(status, 'released', `${what}: ${status} ${code}`)
        // what it sits out ends at it as well
        const view = federation.node(setting.node).up().job(job)
        assert.equal(view?.status, status, `${what}: ${view?.status} ${view?.code} at ${setting.node}`)
        found += audited(federation, setting.node, 'restored-from-backup')
      }
    }
    assert.ok(found > 0, 'it never noticed')
  })
}

describe('a node put back to a copy of its disk', function () {
  this.timeout(300_000)
  everyPhase('the proposer', { seats: 4, node: 'site-b' }, 5)
  everyPhase('another member', { seats: 4, node: 'site-c' }, 7)
  everyPhase('a member, while another is away', { seats: 4, node: 'site-c', away: 'site-a' }, 9)
  everyPhase('a member of three', { seats: 3, node: 'site-b' }, 9)
  everyPhase('a site', { seats: 4, node: 'site-e' }, 1)

  it('says nothing in the job of that time, and takes part in the next one with fresh one-time keys', async () => {
    const one = await world({ seats: 3 })
    const { federation, watch, names } = one
    await federation.finish(await submit(federation, describeJob(federation)))
    const copy = copyDisk(one, 'site-b')
    for (let i = 0; i < 12; i++) await federation.finish(await submit(federation, describeJob(federation)))
    const job = await submit(federation, describeJob(federation, { notAfter: federation.clock.now() + MINUTE_MS }))
    await federation.clock.run(
      federation.clock.now() + MINUTE_MS,
      () => audited(federation, 'site-b', 'round-closed') > 13,
    )
    putBack(one, 'site-b', copy)
    await pass(federation, 1)
    const before = watch.seen.length
    const secrets = [...copy.secrets.keys()]
    await federation.node('site-b').start()
    await pass(federation, 2)
    const offered = [...federation.node('site-b').disk.secrets.keys()]
    assert.ok(offered.length > 0 && !offered.some((name) => secrets.includes(name)))
    const next = await submit(federation, describeJob(federation))
    assert.ok(await federation.finish(next))
    await assertExact(federation, next, names)
    await pass(federation, 11 * 60)
    watch.check()
    assert.equal(audited(federation, 'site-b', 'restored-from-backup'), 1)
    assert.equal(federation.node('site-b').up().restoredAt() !== undefined, true)
    assert.equal((await ending(federation, job)).status, 'expired')
    const said = watch.seen
      .slice(before)
      .filter(({ from, message }) => from === 'site-b' && 'job' in message && message.job === job)
    // it asks how that ended, and that is all
    assert.deepEqual([...new Set(said.map(({ message }) => message.type))], ['behind'])
  })

  it('learns of a job that was over before it came back how it ended', async () => {
    const one = await world()
    const { federation, names } = one
    const submitting = await submit(
      federation,
      describeJob(federation, { notAfter: federation.clock.now() + MINUTE_MS }),
    )
    const site = federation.node('site-e')
    await federation.clock.run(
      federation.clock.now() + MINUTE_MS,
      () => site.up().job(submitting)?.status === 'approved',
    )
    const copy = copyDisk(one, 'site-e')
    await federation.finish(submitting)
    await assertExact(federation, submitting, names)
    site.kill()
    // an hour after the end nobody tells it of its own accord
    await pass(federation, 3_600)
    putBack(one, 'site-e', copy)
    await site.start()
    await pass(federation, 20)
    const view = site.up().job(submitting)
    assert.deepEqual([view?.status, view?.message], ['released', 'included in the sum'])
  })

  it('gets the result again that it had taken as the researcher', async () => {
    const one = await world()
    const { federation, names } = one
    const job = await submit(federation, describeJob(federation))
    const copy = copyDisk(one, 'researcher')
    await federation.finish(job)
    await pass(federation, 3_600)
    putBack(one, 'researcher', copy)
    await federation.node('researcher').start()
    await pass(federation, 20)
    await assertExact(federation, job, names)
  })

  it('is not one that was merely restarted', async () => {
    const one = await world()
    const { federation } = one
    for (let i = 0; i < 3; i++) {
      await federation.finish(await submit(federation, describeJob(federation)))
      for (const node of federation.nodes.values()) {
        node.kill()
        await node.start()
      }
      await pass(federation, 1)
    }
    for (const name of one.names) {
      assert.equal(audited(federation, name, 'restored-from-backup'), 0)
      assert.equal(federation.node(name).up().restoredAt(), undefined)
    }
    const job = await submit(federation, describeJob(federation))
    assert.ok(await federation.finish(job))
    await assertExact(federation, job, one.names)
  })
})
