/** From one committee to the next: nothing certified is lost, nothing is certified twice, and the memory of sums goes along. */
import assert from 'node:assert/strict'
import { openSigned, type Signed, signObject } from '@flamesh/protocol/encoding/signed.js'
import { committeeFor } from '@flamesh/protocol/identity/roster.js'
import { VOTE } from '@flamesh/protocol/secagg/consensus-messages.js'
import { RETIREMENT, type Retirement } from '@flamesh/protocol/secagg/messages.js'
import type { Federation } from '@flamesh/simulations/federation.js'
import {
  assertExact,
  audited,
  describeJob,
  ending,
  logisticJob,
  pass,
  submit,
  until,
  viewAt,
  type World,
  world,
} from './world.js'

const NEXT = ['site-e', 'site-f', 'site-g', 'site-h']
const FIRST = ['site-a', 'site-b', 'site-c', 'site-d']
const RELEASED = { status: 'released', code: 'released' }

/** The hub names the next committee, and tells some nodes (all, unless said otherwise). */
async function succeed(
  federation: Federation,
  members: readonly string[] = NEXT,
  told: readonly string[] = [...federation.nodes.keys()],
): Promise<void> {
  const roster = federation.node('researcher').up().roster()
  federation.append({
    type: 'name-committee',
    name: `next-${federation.statements.length}`,
    members: members.map((name) => federation.node(name).key),
    datasets: [federation.options.dataset],
    succeeds: [committeeFor(roster, federation.options.dataset)?.index ?? -1],
  })
  await federation.tell(...told)
}

async function outcomeOf({ federation, watch }: World, job: string) {
  assert.ok(await federation.finish(job, 3_600_000), 'the job did not end in time')
  await pass(federation, 2)
  watch.check()
  const { status, code, included } = await ending(federation, job)
  return { status, code, included: included.length }
}

const run = async (one: World) => outcomeOf(one, await submit(one.federation, describeJob(one.federation)))

const resigned = (
  federation: Federation,
  name: string,
  signed: Signed,
  change: (body: Retirement) => Retirement,
): Signed =>
  signObject(
    RETIREMENT.kind,
    RETIREMENT.version,
    change(openSigned(signed, RETIREMENT).body),
    federation.node(name).signer,
  )

/** No member of a committee voted in a job, or signed anything for it, from here on. */
function votesSince({ watch }: World, from: number, names: readonly string[]): number {
  return watch.seen.slice(from).filter(({ from: name, message }) => {
    if (!names.includes(name) || message.type !== 'consensus') return false
    return message.message.votes.some((vote) => openSigned(vote, VOTE).body.value !== null)
  }).length
}

describe('a committee that succeeds another', () => {
  it('answers with the memory of its predecessor: the same sites again, and not one fewer', async () => {
    const one = await world({ sites: 9 })
    const { federation, watch } = one
    assert.deepEqual(await run(one), { ...RELEASED, included: 9 })
    await succeed(federation)
    await pass(federation, 5)
    const before = watch.seen.length
    const again = await submit(federation, describeJob(federation))
    assert.deepEqual(await outcomeOf(one, again), { ...RELEASED, included: 9 })
    await assertExact(federation, again, one.names)
    assert.equal(votesSince(one, before, FIRST), 0)
    federation.node('site-i').kill()
    assert.deepEqual(await run(one), { status: 'failed', code: 'guard', included: 0 })
  })

  it('does so after two handovers, and with seats that stay', async () => {
    const one = await world({ sites: 9 })
    const { federation } = one
    assert.deepEqual(await run(one), { ...RELEASED, included: 9 })
    await succeed(federation)
    await succeed(federation, ['site-a', 'site-e', 'site-i'])
    await pass(federation, 5)
    federation.node('site-d').kill()
    assert.deepEqual(await run(one), { status: 'failed', code: 'guard', included: 0 })
  })

  it('waits for a quorum of its predecessors, however many jobs are asked meanwhile', async () => {
    const one = await world({ sites: 9 })
    const { federation, watch } = one
    assert.deepEqual(await run(one), { ...RELEASED, included: 9 })
    let silent = true
    watch.meddle = (from, _to, message) =>
      silent && message.type === 'retirement' && ['site-a', 'site-b'].includes(from.name) ? undefined : message
    await succeed(federation)
    const job = await submit(federation, describeJob(federation))
    await pass(federation, 120)
    assert.ok(!watch.seen.some(({ from, message }) => NEXT.includes(from) && message.type === 'specification'))
    silent = false
    for (const name of ['site-a', 'site-b']) {
      federation.node(name).kill()
      await federation.node(name).start()
    }
    assert.deepEqual(await outcomeOf(one, job), { ...RELEASED, included: 9 })
  })

  it('is signed no specification by honest members that lack the handover', async () => {
    const one = await world({ sites: 9, dishonest: ['site-f'] })
    const { federation, watch } = one
    assert.deepEqual(await run(one), { ...RELEASED, included: 9 })
    // site-f alone has the handover, and proposes
    watch.meddle = (_from, to, message) =>
      message.type === 'retirement' && to.name !== 'site-f' && NEXT.includes(to.name) ? undefined : message
    await succeed(federation)
    const job = await submit(federation, describeJob(federation))
    await pass(federation, 60)
    assert.ok(watch.seen.some(({ from, message }) => from === 'site-f' && message.type === 'specification'))
    assert.ok(
      !watch.seen.some(
        ({ message }) =>
          message.type === 'round' &&
          message.specification.signatures.length > 0 &&
          viewAt(federation, 'site-i', job)?.round !== 0 &&
          message.specification.signatures.some((by) => by.signer === federation.node('site-e').key),
      ),
    )
    assert.equal(audited(federation, 'site-i', 'submitted'), 1)
  })

  it('is not held up by a predecessor that lists sets nobody can prove, nor misled by one that lists none', async () => {
    for (const sets of [[{ key: '00'.repeat(32), set: 'ff'.repeat(32), minimum: 5, contributors: null }], []]) {
      const one = await world({ sites: 9, dishonest: ['site-a'] })
      const { federation, watch } = one
      assert.deepEqual(await run(one), { ...RELEASED, included: 9 })
      watch.meddle = (from, _to, message) =>
        from.name === 'site-a' && message.type === 'retirement'
          ? {
              ...message,
              retirement: resigned(federation, 'site-a', message.retirement, (body) => ({ ...body, sets })),
            }
          : message
      await succeed(federation)
      await pass(federation, 5)
      federation.node('site-i').kill()
      assert.deepEqual(await run(one), { status: 'failed', code: 'guard', included: 0 })
    }
  })

  it('takes a retirement from its predecessor’s members alone, for the datasets that the log says', async () => {
    const one = await world({ sites: 9 })
    const { federation, watch } = one
    let seen: Signed | undefined
    watch.meddle = (_from, _to, message) => {
      if (message.type === 'retirement') seen = message.retirement
      return message
    }
    await succeed(federation)
    await pass(federation, 5)
    const tell = async (retirement: Signed) => {
      const { encodeWire } = await import('@flamesh/protocol/wire.js')
      const bytes = encodeWire({ type: 'retirement', retirement })
      const verdict = await federation.node('site-e').up().receive(federation.node('site-a').key, bytes, 'direct')
      return verdict.verdict === 'accept' ? 'accept' : verdict.code
    }
    assert.ok(seen !== undefined)
    assert.equal(await tell(resigned(federation, 'site-i', seen, (body) => body)), 'not-a-member')
    assert.equal(
      await tell(resigned(federation, 'site-a', seen, (body) => ({ ...body, datasets: ['other'] }))),
      'retirement',
    )
    assert.equal(
      await tell(resigned(federation, 'site-a', seen, (body) => ({ ...body, successor: 1 }))),
      'committee-unknown',
    )
    const bogus = [{ key: '00'.repeat(32), set: 'ff'.repeat(32), minimum: 5, contributors: null }]
    assert.equal(
      await tell(resigned(federation, 'site-a', seen, (body) => ({ ...body, sets: bogus }))),
      'second-retirement',
    )
  })
})

describe('a committee that is succeeded', () => {
  it('ends a round that is not certified, and the researcher may submit again', async () => {
    const one = await world({ sites: 9 })
    const { federation, watch } = one
    watch.meddle = (from, _to, message) => (from.name === 'site-i' && message.type === 'submit' ? undefined : message)
    const job = await submit(federation, logisticJob(federation))
    await until(federation, 'submitted', () => audited(federation, 'site-h', 'submitted') > 0)
    await succeed(federation)
    const before = watch.seen.length
    assert.ok(await federation.finish(job, 60_000))
    assert.deepEqual(await outcomeOf(one, job), { status: 'failed', code: 'committee-retired', included: 0 })
    watch.meddle = (_from, _to, message) => message
    const again = await submit(federation, logisticJob(federation))
    assert.deepEqual(await outcomeOf(one, again), { ...RELEASED, included: 9 })
    assert.equal(votesSince(one, before, FIRST), 0)
  })

  it('opens what it has certified', async () => {
    const one = await world({ sites: 9 })
    const { federation, watch } = one
    let held = true
    watch.meddle = (_from, _to, message) => (held && message.type === 'partials' ? undefined : message)
    const job = await submit(federation, describeJob(federation))
    await until(federation, 'certified', () => FIRST.every((name) => audited(federation, name, 'partials-sent') > 0))
    await succeed(federation)
    await pass(federation, 5)
    assert.ok(!watch.seen.some(({ message }) => message.type === 'retirement'))
    held = false
    assert.deepEqual(await outcomeOf(one, job), { ...RELEASED, included: 9 })
    federation.node('site-i').kill()
    assert.deepEqual(await run(one), { status: 'failed', code: 'guard', included: 0 })
  })

  it('hands over a set that it certified and could not open, and one that it may have certified', async () => {
    for (const stop of ['partials', 'precommits']) {
      const one = await world({ sites: 9 })
      const { federation, watch } = one
      watch.meddle = (_from, _to, message) => {
        if (stop === 'partials') return message.type === stop ? undefined : message
        if (message.type !== 'consensus') return message
        const commits = message.message.votes.some((vote) => openSigned(vote, VOTE).body.phase === 'precommit')
        return commits ? undefined : message
      }
      const job = await submit(federation, describeJob(federation))
      await until(federation, 'voted', () =>
        watch.seen.some(({ message }) =>
          stop === 'partials'
            ? message.type === 'partials'
            : message.type === 'consensus' &&
              message.message.votes.some((vote) => openSigned(vote, VOTE).body.phase === 'precommit'),
        ),
      )
      await pass(federation, 1)
      await succeed(federation)
      assert.ok(await federation.finish(job, 1_300_000))
      assert.deepEqual(await outcomeOf(one, job), { status: 'failed', code: 'committee-retired', included: 0 })
      watch.meddle = (_from, _to, message) => message
      federation.node('site-i').kill()
      assert.deepEqual(await run(one), { status: 'failed', code: 'guard', included: 0 }, stop)
    }
  })

  it('certifies nothing more though one member hears of it late', async () => {
    const one = await world({ sites: 9 })
    const { federation, watch } = one
    watch.meddle = (from, _to, message) => (from.name === 'site-i' && message.type === 'submit' ? undefined : message)
    const job = await submit(federation, logisticJob(federation))
    await until(federation, 'submitted', () => audited(federation, 'site-h', 'submitted') > 0)
    const late = ['site-a']
    // it is kept from the log, and every other one hears of it
    watch.meddle = (_from, to, message) =>
      late.includes(to.name) && (message.type === 'log' || message.type === 'hello' || message.type === 'checkpoint')
        ? undefined
        : message
    await succeed(
      federation,
      NEXT,
      [...federation.nodes.keys()].filter((name) => !late.includes(name)),
    )
    await pass(federation, 60)
    assert.ok(!watch.seen.some(({ message }) => message.type === 'partials'))
    assert.deepEqual(await outcomeOf(one, job), { status: 'failed', code: 'committee-retired', included: 0 })
    watch.meddle = (_from, _to, message) => message
    federation.node('site-a').kill()
    await federation.node('site-a').start()
    await pass(federation, 2)
    assert.deepEqual(await run(one), { ...RELEASED, included: 9 })
  })
})

describe('a kill during the handover', () => {
  for (const name of ['site-b', 'site-f']) {
    for (const afterWrite of [false, true]) {
      it(`at every write of ${name}, ${afterWrite ? 'after' : 'before'} it, loses nothing`, async () => {
        for (let at = 0; at < 6; at++) {
          const one = await world({ sites: 9 })
          const { federation } = one
          assert.deepEqual(await run(one), { ...RELEASED, included: 9 })
          const node = federation.node(name)
          node.disk.killAfterWrite = afterWrite
          node.disk.killAt = node.disk.writes + at
          await Promise.race([succeed(federation), pass(federation, 5)])
          await pass(federation, 5)
          node.kill()
          await node.start()
          await pass(federation, 5)
          federation.node('site-i').kill()
          assert.deepEqual(await run(one), { status: 'failed', code: 'guard', included: 0 }, `write ${at}`)
        }
      }).timeout(120_000)
    }
  }
})
