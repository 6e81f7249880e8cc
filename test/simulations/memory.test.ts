/** What stays in a node's memory and on its disk when a job is over: nothing that was opened, no answer that nobody waits for. */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { JobRoles } from '@flamesh/protocol/engine/roles.js'
import { describeJob, logisticJob, pass, siteName, submit, until, viewAt, type World, world } from './world.js'

const MINUTE_MS = 60_000
const MEMBERS = [0, 1, 2, 3].map(siteName)

/** The machines' states, which no interface shows. */
const rolesOf = ({ federation }: World, name: string, job: Hex): JobRoles =>
  (federation.node(name).peer as unknown as { kernel: { known: Map<Hex, JobRoles> } }).kernel.known.get(job) as JobRoles

function assertForgotten(one: World, job: Hex): void {
  for (const name of MEMBERS) {
    const { progress, attempt, submissions, partials, _held, _sums } = rolesOf(one, name, job).member as NonNullable<
      JobRoles['member']
    >
    assert.notEqual(progress.ended, null)
    assert.deepEqual([attempt.keys, submissions.size, partials.size, _held.size, _sums], [[], 0, 0, 0, undefined], name)
    assert.deepEqual(
      [...one.federation.node(name).disk.entries.keys()].filter((key) => /submissions|partials/.test(key)),
      [],
    )
  }
}

describe('when a job is over', () => {
  it('no member holds what it opened', async () => {
    const one = await world()
    const job = await submit(one.federation, describeJob(one.federation))
    await until(one.federation, 'opened', () => (rolesOf(one, 'site-a', job)?.member?._held.size ?? 0) > 0)
    assert.ok(await one.federation.finish(job, MINUTE_MS))
    await pass(one.federation, 30)
    assertForgotten(one, job)
  })

  it('no member holds what it opened, also if nothing came of it', async () => {
    const one = await world()
    const { federation, watch } = one
    watch.meddle = (_from, _to, message) => (message.type === 'consensus' ? undefined : message)
    const change = { notAfter: federation.clock.now() + 2 * MINUTE_MS }
    const job = await submit(federation, describeJob(federation, change))
    await until(federation, 'opened', () => (rolesOf(one, 'site-a', job)?.member?._held.size ?? 0) > 0)
    await pass(federation, 15 * 60)
    assert.equal(rolesOf(one, 'site-a', job).member?.progress.ended?.status, 'expired')
    assertForgotten(one, job)
  })

  it('a site keeps no answer of a round, however many rounds there were and sites', async () => {
    const one = await world({ sites: 66 })
    const { federation, names } = one
    const job = await submit(federation, logisticJob(federation))
    let most = 0
    await until(federation, 'the end', () => {
      const site = rolesOf(one, 'site-f', job)?.site
      most = Math.max(most, site?.sent.size ?? 0)
      return viewAt(federation, 'researcher', job)?.status === 'released'
    })
    assert.equal(most, MEMBERS.length) // those of the round under way
    await pass(federation, 60)
    for (const name of names) {
      const { sent, rounds, status } = rolesOf(one, name, job).site as NonNullable<JobRoles['site']>
      assert.equal(status.status, 'released', name)
      assert.deepEqual([sent.size, [...rounds.values()].every((round) => round.resolved)], [0, true], name)
    }
  })

  it('a site knows what was certified in a long job of several rounds, also if it came to nothing in the end', async () => {
    const one = await world({ sites: 66 })
    const { federation } = one
    const job = await submit(federation, logisticJob(federation))
    await until(federation, 'round 2', () => (viewAt(federation, 'site-e', job)?.round ?? 0) >= 2)
    federation.node('site-e').failure = 'time-limit'
    assert.ok(await federation.finish(job, MINUTE_MS))
    await pass(federation, 60)
    const { status, code } = rolesOf(one, 'site-f', job).site?.status ?? {}
    assert.deepEqual([status, code], ['failed', 'pinned-site-left'])
    const sets = [...federation.node('site-f').disk.entries.keys()].filter((key) => key.startsWith('desk/history/'))
    assert.equal(sets.length, 1)
  })

  it('a site that was away learns how it ended, long after its time', async () => {
    const one = await world({ sites: 66 })
    const { federation } = one
    const change = { notAfter: federation.clock.now() + 3 * MINUTE_MS, submitWithinMs: 5_000 }
    const job = await submit(federation, describeJob(federation, change))
    const told = (name: string) =>
      rolesOf(one, name, job)?.member?.decisions.has(federation.node('site-f').key) === true
    await until(federation, 'its approval at all members', () => MEMBERS.every(told))
    federation.node('site-f').kill()
    await federation.finish(job, MINUTE_MS)
    await pass(federation, 40 * 60)
    await federation.node('site-f').start()
    await pass(federation, 60)
    assert.equal(viewAt(federation, 'site-f', job)?.status, 'expired')
    await federation.node('site-b').stop()
    await federation.node('site-b').start() // says again what it said
    await pass(federation, 60)
    assert.equal(viewAt(federation, 'site-f', job)?.status, 'released')
  })
})
