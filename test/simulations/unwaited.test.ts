/** Runs of an analysis that nobody waits for any more: each is cancelled at its node, and nothing of it leaves. */
import assert from 'node:assert/strict'
import { policySchema } from '@flamesh/protocol/jobs/policy.js'
import { type Costs, FREE } from '@flamesh/simulations/network/costs.js'
import { describeTrain, trainWorld } from './trains.js'
import {
  assertExact,
  audited,
  describeJob,
  logisticJob,
  pass,
  submit,
  until,
  viewAt,
  type World,
  world,
} from './world.js'

/** An analysis takes two seconds, unless a site is slower. */
const SLOW: Costs = { ...FREE, analysis: () => 2_000 }

const cancelled = ({ federation, names }: World): readonly number[] =>
  names.map((name) => federation.node(name).cancelled)

const none = ({ names }: World): readonly number[] => names.map(() => 0)
const atOne = ({ names }: World, site: string): readonly number[] => names.map((name) => (name === site ? 1 : 0))

describe('runs that nobody waits for', () => {
  async function atWork(jobOf: typeof describeJob = describeJob, slow?: string) {
    const one = await world({ costs: SLOW })
    const { federation, names } = one
    if (slow !== undefined) federation.node(slow).slowdown = 10_000
    const job = await submit(federation, jobOf(federation))
    await until(federation, 'all at work', () => names.every((name) => viewAt(federation, name, job)?.round === 1))
    assert.deepEqual(cancelled(one), none(one))
    return { ...one, job }
  }

  it('are those of a cancelled job: none of them answers', async () => {
    const one = await atWork()
    const { federation, names, job } = one
    await federation.node('researcher').up().cancel(job)
    await pass(federation, 5)
    assert.deepEqual(
      cancelled(one),
      names.map(() => 1),
    )
    await pass(federation, 120)
    for (const name of names) {
      assert.equal(viewAt(federation, name, job)?.status, 'cancelled')
      assert.equal(audited(federation, name, 'submitted'), 0, name)
    }
  })

  it('are those of a job whose time is over', async () => {
    const one = await atWork(logisticJob, 'site-f')
    const { federation, job } = one
    const leftMs = (viewAt(federation, 'site-f', job)?.body.notAfter ?? 0) - federation.clock.now()
    await pass(federation, leftMs / 1000 - 5)
    assert.equal(federation.node('site-f').cancelled, 0)
    await pass(federation, 10)
    assert.equal(federation.node('site-f').cancelled, 1)
  })

  it('are those of a round that went on without them', async () => {
    const one = await atWork(describeJob, 'site-f')
    const { federation, names, job } = one
    await federation.finish(job)
    await assertExact(federation, job, names.slice(0, 5))
    await pass(federation, 60)
    assert.deepEqual(cancelled(one), atOne(one, 'site-f'))
  })

  it('are those of a site whose policy refuses the job by now: the others do not wait for it', async () => {
    const one = await atWork(describeJob, 'site-f')
    const { federation, names, job } = one
    const refusing = policySchema.parse({ version: 1, never: [{ analyses: 'any' }] })
    await federation.node('site-f').up().setPolicy(refusing)
    assert.deepEqual(cancelled(one), atOne(one, 'site-f'))
    const { status, code } = viewAt(federation, 'site-f', job) ?? {}
    assert.deepEqual([status, code], ['failed', 'policy'])
    await federation.finish(job)
    await assertExact(federation, job, names.slice(0, 5))
  })

  it('are those of a node that stops; it begins anew when it is back', async () => {
    const one = await atWork()
    const { federation, names, job } = one
    await federation.node('site-f').stop()
    assert.deepEqual(cancelled(one), atOne(one, 'site-f'))
    await federation.node('site-f').start()
    await federation.finish(job)
    await assertExact(federation, job, names)
    assert.deepEqual(cancelled(one), atOne(one, 'site-f'))
  })

  it('are those of a train that the researcher stops, and of a station whose policy refuses it by now', async () => {
    for (const end of ['cancel', 'policy'] as const) {
      const one = await trainWorld({ costs: SLOW })
      const { federation } = one
      const job = await submit(federation, describeTrain(federation, { minimum: 4 }))
      await until(federation, 'site-b at work', () => viewAt(federation, 'site-b', job)?.status === 'preparing')
      const policy = policySchema.parse({ version: 1, minimumCohort: 3, approve: [{ analyses: 'builtin' }] })
      if (end === 'cancel') await federation.node('researcher').up().cancel(job)
      else await federation.node('site-b').up().setPolicy(policy)
      await pass(federation, 5)
      assert.deepEqual(cancelled(one), atOne(one, 'site-b'), end)
      await pass(federation, 120)
      assert.equal(audited(federation, 'site-b', 'submitted'), 0)
      assert.equal(audited(federation, 'site-b', 'withdrew'), end === 'policy' ? 1 : 0)
      assert.equal(audited(federation, 'site-c', 'train-taken'), end === 'policy' ? 1 : 0)
    }
  })
})
