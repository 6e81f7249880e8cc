/** What may be asked again, and over whom: the guard against differencing through the whole protocol. */
import assert from 'node:assert/strict'
import { openSigned } from '@flamesh/protocol/encoding/signed.js'
import { SPECIFICATION } from '@flamesh/protocol/secagg/messages.js'
import {
  assertExact,
  describeJob,
  ending,
  logisticJob,
  pass,
  patients,
  submit,
  viewAt,
  type World,
  world,
} from './world.js'

async function outcomeOf({ federation, watch }: World, job: string) {
  assert.ok(await federation.finish(job, 600_000), 'the job did not end in time')
  await pass(federation, 2)
  watch.check()
  const { status, code, included } = await ending(federation, job)
  return { status, code, included: included.length }
}

describe('the guard', () => {
  it('opens the same question again over the same sites, and not over one site fewer', async () => {
    const one = await world()
    const { federation, watch } = one
    const first = await submit(federation, describeJob(federation))
    assert.deepEqual(await outcomeOf(one, first), { status: 'released', code: 'released', included: 6 })
    const second = await submit(federation, describeJob(federation))
    assert.deepEqual(await outcomeOf(one, second), { status: 'released', code: 'released', included: 6 })
    await assertExact(federation, second, one.names)
    const before = watch.seen.length
    federation.node('site-f').kill()
    const third = await submit(federation, describeJob(federation))
    assert.deepEqual(await outcomeOf(one, third), { status: 'failed', code: 'guard', included: 0 })
    assert.ok(!watch.seen.slice(before).some(({ message }) => message.type === 'partials'))
  })

  it('answers another question over one site fewer', async () => {
    const one = await world()
    const { federation } = one
    await outcomeOf(one, await submit(federation, describeJob(federation)))
    federation.node('site-f').kill()
    const where = [{ column: 'age', operator: 'at-least' as const, values: [45] }]
    const other = await submit(federation, describeJob(federation, { where }))
    assert.deepEqual(await outcomeOf(one, other), { status: 'released', code: 'released', included: 5 })
  })

  it('keeps its memory over restarts of every node', async () => {
    const one = await world()
    const { federation } = one
    await outcomeOf(one, await submit(federation, describeJob(federation)))
    for (const node of federation.nodes.values()) {
      node.kill()
      await node.start()
    }
    await pass(federation, 1)
    federation.node('site-f').kill()
    const again = await submit(federation, describeJob(federation))
    assert.deepEqual(await outcomeOf(one, again), { status: 'failed', code: 'guard', included: 0 })
  })

  it('is helped by the site itself, which does not answer the same question on other rows', async () => {
    const one = await world()
    const { federation } = one
    await outcomeOf(one, await submit(federation, describeJob(federation)))
    await federation.node('site-f').replaceRows(patients(77, 30))
    const again = await submit(federation, describeJob(federation))
    assert.deepEqual(await outcomeOf(one, again), { status: 'failed', code: 'guard', included: 0 })
    const { status, code } = viewAt(federation, 'site-f', again) ?? {}
    assert.equal(code, 'rows-changed')
    assert.equal(status, 'refused')
  })

  it('keeps the rows and the sites of a job of several rounds', async () => {
    const one = await world()
    const { federation, watch } = one
    const job = await submit(federation, logisticJob(federation))
    await federation.clock.run(
      federation.clock.now() + 60_000,
      () => (viewAt(federation, 'site-f', job)?.round ?? 0) >= 2,
    )
    await federation.node('site-f').replaceRows(patients(78, 30))
    assert.deepEqual(await outcomeOf(one, job), { status: 'released', code: 'released', included: 6 })
    const pinned = watch.seen.flatMap(({ message }) => {
      if (message.type !== 'round') return []
      const { body } = openSigned(message.specification, SPECIFICATION)
      return body.round > 1 ? [body.pinned?.length] : []
    })
    assert.ok(pinned.length > 0 && pinned.every((count) => count === 6))
  })
})
