/** Consents: what a site lets become derivable, and nobody else can, through the whole protocol. */
import assert from 'node:assert/strict'
import { openSigned, payloadHash, type Signed, signObject } from '@flamesh/protocol/encoding/signed.js'
import { guardKey } from '@flamesh/protocol/jobs/check.js'
import { DECISION, type Decision } from '@flamesh/protocol/jobs/messages.js'
import { type Policy, policySchema } from '@flamesh/protocol/jobs/policy.js'
import { verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import { MAX_COHORT } from '@flamesh/protocol/limits.js'
import { SPECIFICATION, type Specification } from '@flamesh/protocol/secagg/messages.js'
import { encodeWire } from '@flamesh/protocol/wire.js'
import { APPROVE_ALL, type Federation, type SimulatedNode } from '@flamesh/simulations/federation.js'
import { signer } from '../protocol/identity/fixtures.js'
import { assertExact, describeJob, ending, pass, submit, until, viewAt, type World, world } from './world.js'

/** Proposes the first attempt of a first round with four seats. */
const PROPOSER = 'site-b'
const CONSENTING = policySchema.parse({
  version: 1,
  approve: [{ analyses: 'builtin' }],
  consents: [{ datasets: ['ages'], analyses: ['describe'] }],
})
const ASKING: Policy = policySchema.parse({ version: 1 })

async function outcomeOf({ federation, watch }: World, job: string) {
  assert.ok(await federation.finish(job, 600_000), 'the job did not end in time')
  await pass(federation, 2)
  watch.check()
  const { status, code, included } = await ending(federation, job)
  return { status, code, included: included.length }
}

const RELEASED = { status: 'released', code: 'released' }
const REFUSED = { status: 'failed', code: 'guard', included: 0 }
const run = async (one: World, change = {}) =>
  outcomeOf(one, await submit(one.federation, describeJob(one.federation, change)))
const key = (federation: Federation): string => guardKey(describeJob(federation))

/** The same question over all six, and then without site-f, which is gone. */
async function withoutTheLast(one: World): Promise<string> {
  assert.deepEqual(await run(one), { ...RELEASED, included: 6 })
  one.federation.node('site-f').kill()
  return submit(one.federation, describeJob(one.federation))
}

const resigned = (node: SimulatedNode, signed: Signed, change: (body: Decision) => Decision): Signed =>
  signObject(DECISION.kind, DECISION.version, change(openSigned(signed, DECISION).body), node.signer)

describe('a consent', () => {
  it('by policy lets the site’s own aggregate become derivable, and the receipt names it', async () => {
    const one = await world()
    const { federation } = one
    await federation.node('site-f').up().setPolicy(CONSENTING)
    const job = await withoutTheLast(one)
    assert.deepEqual(await outcomeOf(one, job), { ...RELEASED, included: 5 })
    await assertExact(federation, job, one.names.slice(0, 5))
    const { result } = await ending(federation, job)
    const report = verifyReceipt(result?.receipt as Uint8Array, { hubKey: federation.hubKey })
    assert.deepEqual(report.summary?.consents, ['site-f'])
    const without = JSON.parse(Buffer.from(result?.receipt as Uint8Array).toString())
    const bare = verifyReceipt(Buffer.from(JSON.stringify({ ...without, consents: [] })), { hubKey: federation.hubKey })
    assert.ok(!bare.ok, 'a receipt without the consent it relied on')
  })

  it('by the operator does the same, and lasts over restarts and a later refusal', async () => {
    const one = await world()
    const { federation } = one
    const site = federation.node('site-f')
    site.policy = ASKING
    await site.up().setPolicy(ASKING)
    const job = await submit(federation, describeJob(federation))
    await until(federation, 'asked', () => viewAt(federation, 'site-f', job)?.status === 'waiting')
    assert.equal(viewAt(federation, 'site-f', job)?.consent, false)
    await site.up().approve(job, { consent: true })
    assert.equal(viewAt(federation, 'site-f', job)?.consent, true)
    assert.deepEqual(await outcomeOf(one, job), { ...RELEASED, included: 6 })
    for (const node of federation.nodes.values()) {
      node.kill()
      await node.start()
    }
    await pass(federation, 1)
    const again = await submit(federation, describeJob(federation))
    await until(federation, 'asked again', () => viewAt(federation, 'site-f', again)?.status === 'waiting')
    await site.up().refuse(again, 'not any more')
    assert.deepEqual(await outcomeOf(one, again), { ...RELEASED, included: 5 })
  })

  it('of one site does nothing for another, and the researcher is told whose would', async () => {
    const one = await world()
    const { federation } = one
    for (const name of one.names.slice(0, 5)) await federation.node(name).up().setPolicy(CONSENTING)
    const job = await withoutTheLast(one)
    assert.deepEqual(await outcomeOf(one, job), REFUSED)
    const { message = '' } = viewAt(federation, 'researcher', job) ?? {}
    assert.match(message, /site-a, site-b, site-c, site-d, site-e beside the sum over .*site-f \(job /)
    assert.match(message, /apart: site-f\. .*consented/)
  })

  it('to one question does nothing for another', async () => {
    const one = await world()
    const { federation } = one
    const where = [{ column: 'age', operator: 'at-least' as const, values: [45] }]
    await federation.node('site-f').up().setPolicy(CONSENTING)
    assert.deepEqual(await run(one, { where }), { ...RELEASED, included: 6 })
    await federation.node('site-f').up().setPolicy(APPROVE_ALL)
    assert.deepEqual(await outcomeOf(one, await withoutTheLast(one)), REFUSED)
  })

  it('of keys that are no sites’ is remembered by nobody, however many a member passes on', async () => {
    const one = await world({ dishonest: ['researcher'] })
    const { federation } = one
    const { key: from } = federation.node('researcher')
    const { size, root } = describeJob(federation).checkpoint
    const consents = Array.from({ length: MAX_COHORT + 1 }, (_, at) => {
      const stranger = signer(`stranger ${at}`)
      const body: Decision = {
        job: 'ab'.repeat(32),
        site: stranger.publicKey,
        decision: 'approve',
        code: 'policy',
        message: '',
        policyHash: 'ab'.repeat(32),
        datasetVersion: 'ab'.repeat(32),
        checkpoint: { size, root },
        consents: [{ site: stranger.publicKey, key: key(federation) }],
        decidedAt: federation.clock.now(),
        by: 'policy',
        operators: [],
      }
      return signObject(DECISION.kind, DECISION.version, body, stranger)
    })
    for (const some of [consents.slice(1), consents.slice(0, 1)]) {
      const bytes = encodeWire({ type: 'history', proofs: [], consents: some })
      for (const name of one.names) await federation.node(name).up().receive(from, bytes, 'direct')
    }
    assert.deepEqual(await run(one), { ...RELEASED, included: 6 })
    const kept = one.names.flatMap((name) => [...federation.node(name).disk.entries.keys()])
    assert.ok(!kept.some((entry) => entry.startsWith('desk/consents/')))
  })

  it('in another’s name, or to a question that was not asked, is refused with the approval that holds it', async () => {
    for (const foreign of ['site', 'key']) {
      const one = await world({ sites: 7, dishonest: ['site-g'] })
      const { federation, watch } = one
      watch.meddle = (from, _to, message) => {
        if (from.name !== 'site-g' || message.type !== 'decision') return message
        const consent = { site: from.key, key: key(federation), [foreign]: federation.node('site-f').key }
        return { ...message, decision: resigned(from, message.decision, (body) => ({ ...body, consents: [consent] })) }
      }
      assert.deepEqual(await run(one), { ...RELEASED, included: 6 })
      const refusals = federation.node('site-a').audit.filter((entry) => entry.fields.code === 'consent')
      assert.ok(refusals.length > 0)
    }
  })
})

describe('a malicious proposer', () => {
  const proposing =
    (
      change: (body: Specification, node: SimulatedNode) => Specification,
      decisions: () => readonly Signed[] = () => [],
    ) =>
    (one: World): void => {
      one.watch.meddle = (from, _to, message) => {
        if (from.name !== PROPOSER || message.type !== 'specification') return message
        if (message.specification.signatures.length > 1) return message
        const { body } = openSigned(message.specification, SPECIFICATION)
        if (body.attempt > 0) return message
        const specification = signObject(SPECIFICATION.kind, SPECIFICATION.version, change(body, from), from.signer)
        return { ...message, specification, decisions: [...message.decisions, ...decisions()] }
      }
    }

  it('that names a consent nobody gave convinces nobody', async () => {
    const one = await world({ dishonest: [PROPOSER] })
    const { federation } = one
    const site = federation.node('site-f')
    const approvals: Signed[] = []
    one.watch.meddle = (from, _to, message) => {
      if (from.name === 'site-f' && message.type === 'decision') approvals.push(message.decision)
      return message
    }
    assert.deepEqual(await run(one), { ...RELEASED, included: 6 })
    site.kill()
    const consents = [{ site: site.key, key: key(federation) }]
    const forged = approvals.map((signed) =>
      resigned(federation.node(PROPOSER), signed, (body) => ({ ...body, consents })),
    )
    const candidates = [...approvals, ...forged]
    proposing(
      (body) => ({ ...body, consents: [{ site: site.key, decision: payloadHash(candidates.at(-1) as Signed) }] }),
      () => candidates,
    )(one)
    assert.deepEqual(await run(one), REFUSED)
    proposing(
      (body) => ({ ...body, consents: [{ site: site.key, decision: payloadHash(approvals[0] as Signed) }] }),
      () => candidates,
    )(one)
    assert.deepEqual(await run(one), REFUSED)
  })

  it('that leaves a consent out, or a set, or what is known of a set, loses an attempt', async () => {
    for (const change of [
      (body: Specification) => ({ ...body, consents: [] }),
      (body: Specification) => ({ ...body, history: [] }),
      (body: Specification) => ({ ...body, history: body.history.map((set) => ({ ...set, minimum: 3 })) }),
      (body: Specification) => ({ ...body, history: body.history.map((set) => ({ ...set, contributors: null })) }),
    ]) {
      const one = await world({ dishonest: [PROPOSER] })
      await one.federation.node('site-f').up().setPolicy(CONSENTING)
      assert.deepEqual(await run(one), { ...RELEASED, included: 6 })
      await one.federation.node('site-f').up().setPolicy(APPROVE_ALL)
      one.federation.node('site-f').kill()
      proposing(change)(one)
      const job = await submit(one.federation, describeJob(one.federation))
      assert.deepEqual(await outcomeOf(one, job), { ...RELEASED, included: 5 })
      const lost = one.federation.node('site-a').audit.filter((entry) => entry.event === 'attempt-abandoned')
      assert.equal(lost.length, 1)
    }
  })

  it('that names another approval of its own for its consent takes from nobody what a receipt needs', async () => {
    const one = await world({ dishonest: [PROPOSER] })
    const { federation, watch } = one
    const liar = federation.node(PROPOSER)
    await liar.up().setPolicy(CONSENTING)
    let other: Signed | undefined
    watch.meddle = (from, to, message) => {
      if (from !== liar) return message
      if (message.type === 'decision')
        other = resigned(liar, message.decision, (body) => ({ ...body, message: 'once more' }))
      // it keeps to itself what a receipt needs
      if (to.name === 'researcher') return undefined
      if (message.type !== 'specification' || message.specification.signatures.length > 1) return message
      const { body } = openSigned(message.specification, SPECIFICATION)
      const consents = [{ site: liar.key, decision: payloadHash(other as Signed) }]
      const specification = signObject(SPECIFICATION.kind, SPECIFICATION.version, { ...body, consents }, liar.signer)
      return { ...message, specification, decisions: [...message.decisions, other as Signed] }
    }
    // its own site answers no round that names another consent than the one it gave
    assert.deepEqual(await run(one), { ...RELEASED, included: 5 })
  })

  it('that claims more of a set than can be proven loses an attempt', async () => {
    for (const change of [
      (body: Specification) => ({ ...body, history: body.history.map((set) => ({ ...set, minimum: 7 })) }),
      (body: Specification) => ({ ...body, history: body.history.map((set) => ({ ...set, contributors: 1 })) }),
      (body: Specification) => ({
        ...body,
        history: [...body.history, { set: 'ff'.repeat(32), minimum: 5, contributors: 5 }],
      }),
    ]) {
      const one = await world({ dishonest: [PROPOSER] })
      assert.deepEqual(await run(one), { ...RELEASED, included: 6 })
      proposing(change)(one)
      assert.deepEqual(await run(one), { ...RELEASED, included: 6 })
    }
  })
})
