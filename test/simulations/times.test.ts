/** What must not be done twice or too late: a second specification, a shortened history, an opening after openBy. */
import assert from 'node:assert/strict'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import {
  decodeSigned,
  mergeSignatures,
  openSigned,
  type Signed,
  signObject,
} from '@flamesh/protocol/encoding/signed.js'
import { policySchema } from '@flamesh/protocol/jobs/policy.js'
import { PREKEY, SPECIFICATION, type Specification } from '@flamesh/protocol/secagg/messages.js'
import type { Federation } from '@flamesh/simulations/federation.js'
import { assertExact, audited, describeJob, pass, submit, until, world } from './world.js'

/** The same specification with one thing changed, signed by a quorum: more colluders than the committee withstands. */
function signedByQuorum(
  { nodes }: Federation,
  specification: Signed,
  change: (body: Specification) => Specification,
): Signed {
  const body = change(openSigned(specification, SPECIFICATION).body)
  const [first, ...more] = ['site-a', 'site-b', 'site-c'].flatMap((name) => {
    const signer = nodes.get(name)?.signer
    return signer === undefined ? [] : [signObject(SPECIFICATION.kind, SPECIFICATION.version, body, signer)]
  })
  return mergeSignatures(
    first as Signed,
    more.flatMap((one) => one.signatures),
  )
}

describe('a round', () => {
  it('is answered by a site once, even if a quorum asks again with another specification', async () => {
    const { federation, watch } = await world()
    const job = await submit(federation, describeJob(federation))
    await until(federation, 'submitted', () => audited(federation, 'site-e', 'submitted') > 0)
    const round = watch.seen.find(({ to, message }) => to === 'site-e' && message.type === 'round')?.message
    assert.ok(round?.type === 'round')
    const other = signedByQuorum(federation, round.specification, (body) => ({
      ...body,
      closesAt: body.closesAt - 1,
      openBy: body.openBy - 1,
    }))
    const { key } = federation.node('site-a')
    const verdict = await federation
      .node('site-e')
      .up()
      .receive(key, encode({ ...round, specification: other }), 'direct')
    assert.ok(verdict.verdict === 'reject' && verdict.code === 'second-specification')
    assert.equal(audited(federation, 'site-e', 'evidence'), 1)
    await federation.finish(job)
    await pass(federation, 2)
    watch.check()
    assert.equal(audited(federation, 'site-e', 'submitted'), 1)
  })

  it('is not answered by a site below its floor, or behind a history that lacks a sum it knows', async () => {
    const { federation, watch } = await world()
    await federation.finish(await submit(federation, describeJob(federation)))
    await pass(federation, 2)
    watch.meddle = (_from, to, message) => (message.type === 'round' && to.name === 'site-e' ? undefined : message)
    const job = await submit(federation, describeJob(federation))
    await pass(federation, 2)
    const round = watch.seen.findLast(({ to, message }) => to === 'site-e' && message.type === 'round')?.message
    assert.ok(round?.type === 'round')
    const answer = async (change: (body: Specification) => Specification) => {
      const specification = signedByQuorum(federation, round.specification, change)
      const bytes = encode({ ...round, specification })
      const verdict = await federation.node('site-e').up().receive(federation.node('site-a').key, bytes, 'direct')
      return verdict.verdict === 'accept' ? 'accept' : `${verdict.verdict} ${verdict.code}`
    }
    assert.equal(await answer((body) => ({ ...body, history: [] })), 'ignore shortened-history')
    assert.equal(await answer((body) => ({ ...body, minCohort: 4 })), 'reject not-the-job')
    assert.equal(await answer((body) => ({ ...body, cohort: body.cohort.slice(0, 4) })), 'reject minimum-cohort')
    assert.equal(await answer((body) => ({ ...body, openBy: body.openBy + 1 })), 'reject times')
    // the log here may lack a statement, this site may have forgotten: whoever asks need not be a liar
    const [first] = openSigned(round.specification, SPECIFICATION).body.cohort
    assert.ok(first)
    const enrolledLately = { ...first, site: 'ff'.repeat(32) }
    assert.equal(await answer((body) => ({ ...body, cohort: [...body.cohort, enrolledLately] })), 'later site-unknown')
    const consent = { site: federation.node('site-e').key, decision: first.decision }
    assert.equal(await answer((body) => ({ ...body, consents: [consent] })), 'ignore consent')
    watch.meddle = (_from, _to, message) => message
    assert.ok(await federation.finish(job))
    watch.check()
  })

  it('is withdrawn from by a site whose floor rose after it approved the job', async () => {
    const { federation, watch } = await world()
    watch.meddle = (_from, to, message) => (message.type === 'round' && to.name === 'site-e' ? undefined : message)
    const job = await submit(federation, describeJob(federation))
    await pass(federation, 2)
    const strict = policySchema.parse({ version: 1, minimumCohort: 50, approve: [{ analyses: 'builtin' }] })
    await federation.node('site-e').up().setPolicy(strict)
    watch.meddle = (_from, _to, message) => message
    assert.ok(await federation.finish(job))
    assert.equal(audited(federation, 'site-e', 'withdrew'), 1)
    assert.equal(audited(federation, 'site-e', 'message-rejected'), 0)
    watch.check()
  })

  it('of which a member hears after its closing is nobody’s fault', async () => {
    const { federation, watch } = await world()
    const away = federation.node('site-d')
    watch.meddle = (_from, to, message) =>
      to === away && ['specification', 'round'].includes(message.type) ? undefined : message
    const job = await submit(federation, describeJob(federation, { notAfter: federation.clock.now() + 60 * 60_000 }))
    await until(federation, 'specified', () => audited(federation, 'site-b', 'specification-signed') > 0)
    federation.network.links.partition([[away.key]])
    await federation.finish(job)
    await pass(federation, 10 * 60)
    const told = watch.seen.find(({ from, message }) => from === 'site-b' && message.type === 'specification')?.message
    assert.ok(told !== undefined)
    const verdict = await away.up().receive(federation.node('site-b').key, encode(told), 'direct')
    assert.ok(verdict.verdict === 'ignore' && verdict.code === 'times', JSON.stringify(verdict))
    watch.check()
  })

  it('waits for a node whose clock says that nobody’s certificate is valid yet', async () => {
    const { federation, watch, names } = await world()
    const late = federation.node('site-e')
    const job = await submit(federation, describeJob(federation))
    await until(federation, 'approved', () => audited(federation, 'site-e', 'job-approved') > 0)
    late.skewMs = -2 * 24 * 3_600_000
    // for longer than others take to repeat what a site missed
    await pass(federation, 8)
    assert.equal(audited(federation, 'site-e', 'submitted'), 0)
    late.skewMs = 0
    assert.ok(await federation.finish(job))
    await assertExact(federation, job, names)
    watch.check()
  })

  it('is not opened after openBy, but tried again for the same sites', async () => {
    const { federation, watch, names } = await world()
    watch.meddle = (_from, _to, message) => (message.type === 'partials' ? undefined : message)
    const job = await submit(federation, describeJob(federation))
    await until(federation, 'missed', () => audited(federation, 'site-a', 'open-by-missed') > 0)
    // nothing takes the place of what waits to be sent again, and still it is not sent
    watch.meddle = (_from, _to, message) =>
      message.type === 'partials' || message.type === 'specification' ? undefined : message
    await pass(federation, 5)
    watch.meddle = (_from, _to, message) => message
    assert.ok(await federation.finish(job))
    await pass(federation, 5)
    watch.check()
    await assertExact(federation, job, names)
    const pinned = watch.seen.flatMap(({ message }) =>
      message.type === 'round' && openSigned(message.specification, SPECIFICATION).body.attempt === 1
        ? [openSigned(message.specification, SPECIFICATION).body.pinned?.length]
        : [],
    )
    assert.ok(pinned.length > 0 && pinned.every((count) => count === names.length))
  })

  it('leaves no one-time key behind', async () => {
    const { federation } = await world()
    const job = await submit(federation, describeJob(federation))
    await federation.finish(job)
    await pass(federation, 5)
    for (const name of ['site-a', 'site-b', 'site-c', 'site-d']) {
      const { disk, key } = federation.node(name)
      const offered = [...disk.entries]
        .filter(([entry]) => entry.startsWith('desk/prekeys/'))
        .map(([, bytes]) => openSigned(decodeSigned(bytes), PREKEY).body)
        .filter((body) => body.member === key)
      assert.deepEqual([...disk.secrets.keys()].sort(), offered.map((body) => `prekey-${body.key}`).sort())
      assert.ok(offered.length > 0)
    }
  })
})
