/** kill -9 at every write to disk, before and after it: the job ends with the exact sum, and nothing is ever said twice. */
import assert from 'node:assert/strict'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import type { Federation } from '@flamesh/simulations/federation.js'
import { assertExact, describeJob, ending, logisticJob, pass, submit, world } from './world.js'

interface Setting {
  readonly sites: number
  readonly seats: number
  readonly node: string
  readonly job: (federation: Federation) => Job
}

/** The keys that a node writes, in order, in a run without any fault: a batch counts once, by its last. */
async function writesOf({ sites, seats, node, job }: Setting): Promise<readonly string[]> {
  const { federation } = await world({ sites, seats })
  const { disk } = federation.node(node)
  const before = disk.writes
  const keys: string[] = []
  disk.onWrite = (key) => {
    keys[disk.writes - 1 - before] = key
  }
  const id = await submit(federation, job(federation))
  await federation.finish(id)
  await pass(federation, 5)
  return keys
}

/** Kills the node at one of its writes, starts it again after a while, and looks at what became of the job. */
async function crash(setting: Setting, at: number, afterWrite: boolean): Promise<Federation> {
  const { federation, watch, names } = await world({ sites: setting.sites, seats: setting.seats })
  const node = federation.node(setting.node)
  const drop = node.disk.onKill
  node.disk.killAt = node.disk.writes + at
  node.disk.killAfterWrite = afterWrite
  node.disk.onKill = () => {
    drop()
    federation.clock.setTimer(federation.clock.now() + 2_000, () => void node.start())
  }
  // never resolves if the researcher dies over it
  void submit(federation, setting.job(federation))
  const job = () => federation.node('researcher').peer?.jobs()[0]
  const what = `${setting.node} killed ${afterWrite ? 'after' : 'before'} write ${at}`
  const released = await federation.clock.run(federation.clock.now() + 60_000, () => job()?.status === 'released')
  assert.ok(released, `${what}: ${job()?.status} ${job()?.code}`)
  await pass(federation, 5)
  assert.ok(node.lives > 1, `${what}: it never came to that write`)
  const id = job()?.job ?? ''
  watch.check()
  if (job()?.body.analysis.name === 'describe') await assertExact(federation, id, names)
  else assert.deepEqual((await ending(federation, id)).included, [...names])
  return federation
}

function everyWrite(title: string, setting: Setting, step: number, first = 0): void {
  it(`${title}, ${setting.sites} sites and a committee of ${setting.seats}`, async () => {
    const { length: writes } = await writesOf(setting)
    assert.ok(writes > first)
    for (let at = first; at < writes; at += step) await crash(setting, at, Math.floor(at / step) % 2 === 0)
    for (let at = first; at < writes; at += 4 * step) await crash(setting, at, Math.floor(at / step) % 2 !== 0)
  })
}

/** Made and erased once each; a kill beside either leaves nothing that hinders, and nothing that stays. */
function aroundTheStates(title: string, setting: Setting): void {
  it(`${title}, before and after the key of its states is written, and erased`, async () => {
    const found = [...(await writesOf(setting)).entries()].filter(([, key]) => key.startsWith('vault/states-'))
    assert.equal(found.length, 2)
    for (const [at] of found)
      for (const afterWrite of [false, true]) {
        const { disk } = (await crash(setting, at, afterWrite)).node(setting.node)
        assert.deepEqual(
          [...disk.secrets.keys()].filter((name) => name.startsWith('states-')),
          [],
        )
      }
  })
}

describe('a kill at every write', function () {
  this.timeout(180_000)
  const describe4 = { sites: 5, seats: 4, job: describeJob }
  everyWrite('of the proposer', { ...describe4, node: 'site-b' }, 2)
  everyWrite('of another member', { ...describe4, node: 'site-c' }, 4)
  everyWrite('of a site', { ...describe4, node: 'site-e' }, 1)
  // before its first write the researcher has no job to lose
  everyWrite('of the researcher', { ...describe4, node: 'researcher' }, 1, 1)
  everyWrite('of a member of three', { sites: 5, seats: 3, node: 'site-a', job: describeJob }, 5)
  everyWrite('of a member, over several rounds', { sites: 5, seats: 4, node: 'site-b', job: logisticJob }, 67, 30)
  everyWrite('of a site, over several rounds', { sites: 5, seats: 4, node: 'site-e', job: logisticJob }, 9, 4)
  aroundTheStates('of a member', { sites: 5, seats: 4, node: 'site-b', job: logisticJob })
  aroundTheStates('of a site', { sites: 5, seats: 4, node: 'site-e', job: logisticJob })
})
