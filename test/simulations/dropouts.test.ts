/** Nodes that go away, come back, refuse or fail, and a network that loses things: the exact sum, or the refusal by name. */
import assert from 'node:assert/strict'
import { APPROVE_ALL } from '@flamesh/simulations/federation.js'
import { wireType } from '@flamesh/simulations/network/wire-type.js'
import {
  assertExact,
  audited,
  describeJob,
  ending,
  logisticJob,
  pass,
  siteName,
  submit,
  until,
  viewAt,
  type World,
  world,
} from './world.js'

const MINUTE_MS = 60_000

/** Kills a node once something was audited on it. */
function killAfter({ federation }: World, name: string, event: string): void {
  const node = federation.node(name)
  const push = node.audit.push.bind(node.audit)
  node.audit.push = (...entries) => {
    const length = push(...entries)
    if (node.peer !== undefined && entries.some((one) => one.event === event)) node.kill()
    return length
  }
}

async function finished(one: World, job: string, withinMs = MINUTE_MS) {
  assert.ok(await one.federation.finish(job, withinMs), 'the job did not end in time')
  await pass(one.federation, 2)
  one.watch.check()
  const { status, code, included } = await ending(one.federation, job)
  return { status, code, included: included.length }
}

describe('a federation with dropouts', () => {
  it('leaves out a site that vanished after its approval', async () => {
    const one = await world()
    killAfter(one, 'site-e', 'job-approved')
    const job = await submit(one.federation, describeJob(one.federation, { submitWithinMs: 5_000 }))
    await until(one.federation, 'gone', () => one.federation.node('site-e').peer === undefined)
    await pass(one.federation, 1)
    const outcome = await finished(one, job)
    assert.deepEqual(outcome, { status: 'released', code: 'released', included: 5 })
    await assertExact(
      one.federation,
      job,
      one.names.filter((name) => name !== 'site-e'),
    )
  })

  it('opens a sum once at a member that hears of its outcome before a quorum opened it there', async () => {
    const one = await world()
    const { federation, watch } = one
    let heard = false
    const late = (from: string, to: string, type: string): boolean =>
      (to === 'site-a' && (type === 'opened' || (type === 'partials' && from === 'site-d' && !heard))) ||
      (from === 'site-a' && type === 'opened')
    watch.meddle = (from, to, message) => {
      if (to.name === 'site-a' && message.type === 'outcome') heard = true
      return late(from.name, to.name, message.type) ? undefined : message
    }
    const job = await submit(federation, describeJob(federation))
    assert.deepEqual(await finished(one, job), { status: 'released', code: 'released', included: 6 })
    await pass(federation, 30)
    assert.ok(heard)
    assert.equal(audited(federation, 'site-a', 'opened'), 1)
  })

  it('ends at every site though the announcement of its outcome is lost', async () => {
    const one = await world()
    const { federation, names } = one
    federation.network.tamperGossip = (_from, bytes) => (wireType(bytes) === 'outcome' ? undefined : bytes)
    const job = await submit(federation, describeJob(federation))
    assert.ok(await federation.finish(job, MINUTE_MS))
    const statusAt = (name: string) => federation.node(name).up().job(job)?.status
    assert.ok(names.some((name) => statusAt(name) === 'submitted'))
    await pass(federation, 30)
    assert.deepEqual(new Set(names.map(statusAt)), new Set(['released']))
  })

  for (const down of [undefined, 'site-b']) {
    it(`tells a long record to whoever asks for it${down === undefined ? '' : `, with ${down} down in the end`}`, async () => {
      const one = await world({ sites: 70 })
      const { federation, names, watch } = one
      const gossiped = new Set<string | undefined>()
      federation.network.tamperGossip = (_from, bytes) => {
        gossiped.add(wireType(bytes))
        return bytes
      }
      if (down !== undefined) killAfter(one, down, 'job-ended')
      const job = await submit(federation, describeJob(federation))
      assert.ok(await federation.finish(job, MINUTE_MS))
      await pass(federation, 30)
      watch.check()
      const up = names.filter((name) => name !== down)
      assert.deepEqual(new Set(up.map((name) => viewAt(federation, name, job)?.status)), new Set(['released']))
      assert.ok(gossiped.has('job') && !gossiped.has('outcome'))
      // those of its share ask a second time, nobody else does
      const asked = watch.seen.filter(({ message }) => message.type === 'behind').length
      assert.ok(asked < 2 * names.length, `${asked} times`)
    })
  }

  it('loses an attempt, and no more, to approvals that come after all', async () => {
    const one = await world()
    const { federation, watch } = one
    const abandoned: unknown[] = []
    const { audit } = federation.node('site-a')
    const push = audit.push.bind(audit)
    audit.push = (...entries) => {
      abandoned.push(...entries.flatMap(({ event, fields }) => (event === 'attempt-abandoned' ? [fields['code']] : [])))
      return push(...entries)
    }
    let overloaded = true
    watch.meddle = (_from, _to, message) =>
      overloaded && (message.type === 'decision' || message.type === 'consensus') ? undefined : message
    const job = await submit(federation, describeJob(federation))
    await pass(federation, 12)
    overloaded = false
    assert.deepEqual(await finished(one, job, 25_000), { status: 'released', code: 'released', included: 6 })
    assert.deepEqual(abandoned, ['no-specification'])
  })

  it('drops a site that is in the cohort and does not submit in time', async () => {
    const one = await world()
    one.watch.meddle = (from, _to, message) =>
      from.name === 'site-e' && message.type === 'submit' ? undefined : message
    const job = await submit(one.federation, describeJob(one.federation))
    assert.deepEqual(await finished(one, job), { status: 'released', code: 'released', included: 5 })
    await assertExact(
      one.federation,
      job,
      one.names.filter((name) => name !== 'site-e'),
    )
    assert.equal(viewAt(one.federation, 'researcher', job)?.sites['site-e']?.included, false)
    assert.equal(viewAt(one.federation, 'site-e', job)?.status, 'released')
  })

  it('waits for a site of a job of several rounds, and resumes with all of them', async () => {
    const one = await world()
    const { federation } = one
    const job = await submit(federation, logisticJob(federation))
    await until(federation, 'round 2', () => (viewAt(federation, 'site-e', job)?.round ?? 0) >= 2)
    federation.node('site-e').kill()
    await pass(federation, 600)
    assert.equal(viewAt(federation, 'researcher', job)?.status, 'submitted')
    await federation.node('site-e').start()
    assert.deepEqual(await finished(one, job), { status: 'released', code: 'released', included: 6 })
    assert.equal(audited(federation, 'site-a', 'attempt-abandoned'), 0)
  })

  it('pauses without using up attempts while a site has reached some members only', async () => {
    const one = await world()
    const { federation, watch } = one
    let parted = true
    watch.meddle = (from, to, message) => {
      const late = parted && from.name === 'site-e' && (to.name === 'site-c' || to.name === 'site-d')
      return late && message.type === 'submit' && message.round === 2 ? undefined : message
    }
    const job = await submit(federation, logisticJob(federation))
    await pass(federation, 900)
    assert.equal(viewAt(federation, 'researcher', job)?.round, 2)
    parted = false
    assert.deepEqual(await finished(one, job), { status: 'released', code: 'released', included: 6 })
    assert.equal(audited(federation, 'site-a', 'attempt-abandoned'), 0)
  })

  it('says at once that a cohort is below its minimum', async () => {
    const one = await world({ sites: 5 })
    const { federation } = one
    const never = { ...APPROVE_ALL, approve: [], never: [{}] } as unknown as typeof APPROVE_ALL
    await federation.node('site-e').up().setPolicy(never)
    const job = await submit(federation, describeJob(federation))
    assert.deepEqual(await finished(one, job, 15_000), { status: 'failed', code: 'cohort-below-minimum', included: 0 })
    assert.equal(viewAt(federation, 'researcher', job)?.sites['site-e']?.status, 'refused')
  })

  it('ends a job that nobody approves when the time to do so is over', async () => {
    const one = await world({ sites: 5, policy: { ...APPROVE_ALL, approve: [] } })
    const job = await submit(one.federation, describeJob(one.federation))
    assert.deepEqual(await finished(one, job), { status: 'failed', code: 'cohort-below-minimum', included: 0 })
    assert.equal(viewAt(one.federation, 'site-e', job)?.status, 'failed')
  })

  it('goes on without a site whose analysis fails', async () => {
    const one = await world()
    one.federation.node('site-e').failure = 'column-type'
    const job = await submit(one.federation, describeJob(one.federation))
    assert.deepEqual(await finished(one, job, 5_000), { status: 'released', code: 'released', included: 5 })
    const { status, code } = viewAt(one.federation, 'site-e', job) ?? {}
    assert.deepEqual({ status, code }, { status: 'failed', code: 'column-type' })
  })

  it('ends a job of several rounds when a pinned site withdraws', async () => {
    const one = await world()
    const { federation } = one
    const job = await submit(federation, logisticJob(federation))
    await until(federation, 'round 2', () => (viewAt(federation, 'site-e', job)?.round ?? 0) >= 2)
    federation.node('site-e').failure = 'time-limit'
    assert.deepEqual(await finished(one, job), { status: 'failed', code: 'pinned-site-left', included: 0 })
  })

  for (const absent of ['site-b', 'site-c']) {
    it(`does without a member of the committee (${absent}) that is down all the time`, async () => {
      const one = await world({ sites: 7 })
      one.federation.node(absent).kill()
      const job = await submit(one.federation, describeJob(one.federation))
      assert.deepEqual(await finished(one, job), { status: 'released', code: 'released', included: 6 })
      await assertExact(
        one.federation,
        job,
        one.names.filter((name) => name !== absent),
      )
    })
  }

  it('opens nothing with two of four members down, and says that the job expired', async () => {
    const one = await world({ sites: 7 })
    const { federation, watch } = one
    for (const name of ['site-c', 'site-d']) federation.node(name).kill()
    const job = await submit(federation, describeJob(federation, { notAfter: federation.clock.now() + 20 * MINUTE_MS }))
    assert.deepEqual(await finished(one, job, 40 * MINUTE_MS), { status: 'expired', code: 'expired', included: 0 })
    assert.ok(!watch.seen.some(({ message }) => message.type === 'partials' || message.type === 'opened'))
    for (const name of ['site-a', 'site-b', 'site-e']) assert.equal(viewAt(federation, name, job)?.status, 'expired')
  })

  it('keeps the release for a researcher that was away for days', async () => {
    const one = await world()
    const { federation } = one
    const job = await submit(federation, describeJob(federation))
    await pass(federation, 0.02)
    federation.node('researcher').kill()
    await pass(federation, 3 * 24 * 3600)
    await federation.node('researcher').start()
    assert.deepEqual(await finished(one, job), { status: 'released', code: 'released', included: 6 })
    await assertExact(federation, job, one.names)
  })

  it('cancels a job before it is opened', async () => {
    const one = await world()
    const { federation, watch } = one
    watch.meddle = (_from, _to, message) => (message.type === 'submit' ? undefined : message)
    const job = await submit(federation, describeJob(federation))
    await pass(federation, 1)
    await federation.node('researcher').up().cancel(job)
    watch.meddle = (_from, _to, message) => message
    assert.deepEqual(await finished(one, job), { status: 'cancelled', code: 'cancelled', included: 0 })
    assert.equal(viewAt(federation, 'site-e', job)?.status, 'cancelled')
    assert.ok(!watch.seen.some(({ message }) => message.type === 'partials'))
  })

  it('runs two jobs at once, and the same question one after the other', async () => {
    const one = await world()
    const { federation } = one
    const jobs = [
      describeJob(federation),
      describeJob(federation),
      describeJob(federation, { where: [{ column: 'age', operator: 'at-least', values: [50] }] }),
    ]
    const ids = []
    for (const job of jobs) ids.push(await submit(federation, job))
    for (const id of ids) {
      assert.deepEqual(await finished(one, id, 2 * MINUTE_MS), { status: 'released', code: 'released', included: 6 })
    }
    await assertExact(federation, ids[0] as string, one.names)
    await assertExact(federation, ids[1] as string, one.names)
  })

  it('does nothing for a replayed job', async () => {
    const one = await world()
    const { federation } = one
    const job = await submit(federation, describeJob(federation))
    await finished(one, job)
    const signed = federation.node('site-e').disk.entries.get(`job/${job}/signed`) as Uint8Array
    const { decode, encode } = await import('@flamesh/protocol/encoding/canonical.js')
    const before = federation.node('site-e').disk.writes
    const again = encode({ type: 'job', job: decode(signed) })
    const verdict = await federation.node('site-e').up().receive(federation.node('site-f').key, again, 'gossip')
    assert.equal(verdict.verdict, 'ignore')
    assert.equal(federation.node('site-e').disk.writes, before)
    const altered = again.slice()
    const at = Buffer.from(altered).indexOf('simulation')
    altered[at] = (altered[at] as number) ^ 1
    const refused = await federation.node('site-e').up().receive(federation.node('site-f').key, altered, 'gossip')
    assert.deepEqual({ ...refused, message: '' }, { verdict: 'reject', code: 'signature', message: '' })
    assert.equal(federation.node('site-e').up().jobs().length, 1)
  })

  it('withholds a result that rests on too few contributors', async () => {
    const one = await world()
    const { federation } = one
    const where = [{ column: 'age', operator: 'at-least' as const, values: [79] }]
    const job = await submit(federation, describeJob(federation, { where }))
    const { status } = await finished(one, job)
    assert.equal(status, 'suppressed')
    assert.equal((await ending(federation, job)).result?.result, undefined)
  })

  it('lets a node that comes late take part', async () => {
    const one = await world()
    const { federation } = one
    federation.node('site-e').kill()
    const job = await submit(federation, describeJob(federation))
    await pass(federation, 3)
    await federation.node('site-e').start()
    assert.deepEqual(await finished(one, job), { status: 'released', code: 'released', included: 6 })
    await assertExact(federation, job, one.names)
  })

  it('takes a member that missed rounds to where the others are', async () => {
    const one = await world({ sites: 7 })
    const { federation, watch } = one
    const job = await submit(federation, logisticJob(federation))
    await until(federation, 'round 2', () => (viewAt(federation, 'site-f', job)?.round ?? 0) >= 2)
    // site-c sits on the committee: it is cut off as a member, not as a site
    const committee = new Set(['site-a', 'site-b', 'site-d'])
    watch.meddle = (from, to, message) => {
      const cut = from.name === 'site-c' ? committee.has(to.name) : to.name === 'site-c' && committee.has(from.name)
      return cut && message.type !== 'submit' && message.type !== 'round' ? undefined : message
    }
    await until(federation, 'round 4', () => (viewAt(federation, 'site-f', job)?.round ?? 0) >= 4)
    watch.meddle = (_from, _to, message) => message
    assert.deepEqual(await finished(one, job, 5 * MINUTE_MS), { status: 'released', code: 'released', included: 7 })
    await pass(federation, 60)
    assert.ok(audited(federation, 'site-c', 'caught-up') > 0)
    assert.equal(audited(federation, 'site-c', 'job-ended'), 2)
  })

  for (let seed = 1; seed <= 4; seed++) {
    it(`is exact over a network that loses and doubles messages, seed ${seed}`, async () => {
      const one = await world({ seed })
      one.federation.network.faults = { dropRequest: 0.15, dropResponse: 0.15, duplicate: 0.2 }
      const job = await submit(one.federation, describeJob(one.federation, { submitWithinMs: 60_000 }))
      assert.deepEqual(await finished(one, job, 10 * MINUTE_MS), { status: 'released', code: 'released', included: 6 })
      await assertExact(one.federation, job, one.names)
    })
  }

  it('gives a member what a site failed to send it', async () => {
    const one = await world()
    const { federation, watch } = one
    watch.meddle = (from, to, message) =>
      from.name === siteName(4) && to.name === 'site-a' && message.type === 'submit' ? undefined : message
    const job = await submit(federation, describeJob(federation))
    assert.deepEqual(await finished(one, job), { status: 'released', code: 'released', included: 6 })
    await assertExact(federation, job, one.names)
    assert.ok(watch.seen.some(({ from, message }) => from === 'site-a' && message.type === 'fetch'))
    assert.ok(watch.seen.some(({ to, message }) => to === 'site-a' && message.type === 'supply'))
  })
})
