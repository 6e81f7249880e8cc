/** Four eyes and what an approval binds, through the whole protocol. */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { openSigned, type Signed, signObject } from '@flamesh/protocol/encoding/signed.js'
import { DECISION, type Decision } from '@flamesh/protocol/jobs/messages.js'
import { OPERATOR_APPROVAL, type OperatorApproval, signApproval } from '@flamesh/protocol/jobs/operators.js'
import { type Policy, policyHash, policySchema } from '@flamesh/protocol/jobs/policy.js'
import { verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import type { Federation } from '@flamesh/simulations/federation.js'
import { signer } from '../protocol/identity/fixtures.js'
import { assertExact, describeJob, ending, pass, patients, submit, until, viewAt, type World, world } from './world.js'

const SITE = 'site-f'
const OPERATORS = ['ada', 'bo', 'cleo']
const FOUR_EYES = policySchema.parse({
  version: 1,
  approvals: { needed: 2, operators: OPERATORS.map((name) => ({ name, key: signer(name).publicKey })) },
})

async function asked(dishonest: readonly string[] = []): Promise<World & { readonly job: Hex }> {
  const one = await world({ dishonest })
  await setPolicy(one.federation, FOUR_EYES)
  const job = await submit(one.federation, describeJob(one.federation))
  await until(one.federation, 'asked', () => viewAt(one.federation, SITE, job)?.status === 'waiting')
  return { ...one, job }
}

async function setPolicy(federation: Federation, policy: Policy): Promise<void> {
  const site = federation.node(SITE)
  site.policy = policy
  await site.up().setPolicy(policy)
}

/** What this operator would sign now, or something else. */
function approval(federation: Federation, job: Hex, name: string, changes: Partial<OperatorApproval> = {}): Signed {
  const { key, policy, versions } = federation.node(SITE)
  const datasetVersion = versions.at(-1)?.version as Hex
  const body = { job, site: key, policyHash: policyHash(policy), datasetVersion, name, consent: false, ...changes }
  return signApproval(body, signer(name))
}

const approve = (federation: Federation, job: Hex, name: string, changes: Partial<OperatorApproval> = {}) =>
  federation
    .node(SITE)
    .up()
    .approve(job, { approval: approval(federation, job, name, changes) })

const signedBy = (federation: Federation, job: Hex) =>
  (federation.node(SITE).up().brief(job)?.approvals.operators ?? []).filter((one) => one.signed).map((one) => one.name)

const resigned = (federation: Federation, signed: Signed, change: (body: Decision) => Decision): Signed =>
  signObject(DECISION.kind, DECISION.version, change(openSigned(signed, DECISION).body), federation.node(SITE).signer)

describe('four eyes', () => {
  it('let a job wait until two operators have signed, over a restart, and the receipt names them', async () => {
    const { federation, watch, names, job } = await asked()
    await approve(federation, job, 'ada')
    assert.equal(viewAt(federation, SITE, job)?.status, 'waiting')
    await approve(federation, job, 'ada')
    assert.equal(viewAt(federation, SITE, job)?.status, 'waiting', 'one operator twice is one operator')
    federation.node(SITE).kill()
    await federation.node(SITE).start()
    await pass(federation, 1)
    assert.deepEqual(signedBy(federation, job), ['ada'])
    await approve(federation, job, 'cleo')
    assert.equal(viewAt(federation, SITE, job)?.status, 'approved')
    await assert.rejects(approve(federation, job, 'bo'), { code: 'job-decided' })
    assert.ok(await federation.finish(job))
    watch.check()
    await assertExact(federation, job, names)
    const { result } = await ending(federation, job)
    const { summary } = verifyReceipt(result?.receipt as Uint8Array, { hubKey: federation.hubKey })
    const sites = Object.fromEntries((summary?.sites ?? []).map((one) => [one.name, one]))
    assert.deepEqual(
      sites[SITE]?.operators,
      ['ada', 'cleo'].map((name) => ({ name, key: signer(name).publicKey })),
    )
    assert.deepEqual(sites['site-a']?.operators, [])
    assert.equal(sites[SITE]?.policyHash, policyHash(FOUR_EYES))
    assert.equal(sites[SITE]?.datasetVersion, federation.node(SITE).versions[0]?.version)
  })

  it('are asked for what a rule covers if the policy says so, and not otherwise', async () => {
    for (const [always, status] of [
      ['any', 'waiting'],
      [['images'], 'approved'],
    ] as const) {
      const { federation, watch, names } = await world()
      const rules = [{ analyses: 'builtin' }]
      await setPolicy(
        federation,
        policySchema.parse({ ...FOUR_EYES, approve: rules, approvals: { ...FOUR_EYES.approvals, always } }),
      )
      const job = await submit(federation, describeJob(federation))
      const told = () => viewAt(federation, SITE, job)?.status
      await until(federation, 'an answer', () => told() !== undefined && told() !== 'announced')
      assert.equal(told(), status)
      if (status === 'waiting') for (const name of ['ada', 'bo']) await approve(federation, job, name)
      assert.ok(await federation.finish(job))
      watch.check()
      await assertExact(federation, job, names)
    }
  })

  it('take the keys that the policy names, and nobody else’s word', async () => {
    const { federation, job } = await asked()
    const site = federation.node(SITE).up()
    await assert.rejects(site.approve(job), { code: 'operator-key-needed' })
    await assert.rejects(approve(federation, job, 'eve'), { code: 'operator-unknown' })
    const both = approval(federation, job, 'ada')
    const more = { ...both, signatures: [...both.signatures, ...approval(federation, job, 'bo').signatures] }
    await assert.rejects(site.approve(job, { approval: more }), { code: 'signature' })
    assert.deepEqual(signedBy(federation, job), [])
    await site.refuse(job, 'not with us')
    assert.equal(viewAt(federation, SITE, job)?.status, 'refused', 'a refusal needs one')
  })

  it('bind the job, the site, the policy, the rows and the name', async () => {
    const { federation, job } = await asked()
    for (const other of [
      { job: 'ab'.repeat(32) },
      { site: federation.node('site-e').key },
      { policyHash: 'ab'.repeat(32) },
      { datasetVersion: 'ab'.repeat(32) },
      { name: 'bo' },
    ]) {
      const signed = signApproval(
        { ...openSigned(approval(federation, job, 'ada'), OPERATOR_APPROVAL).body, ...other },
        signer('ada'),
      )
      await assert.rejects(federation.node(SITE).up().approve(job, { approval: signed }), { code: 'approval-void' })
    }
    assert.deepEqual(signedBy(federation, job), [])
  })

  it('start again when the policy or the rows change', async () => {
    const { federation, job } = await asked()
    await approve(federation, job, 'ada')
    const early = approval(federation, job, 'bo')
    const stricter = policySchema.parse({ ...FOUR_EYES, minimumCell: 5, jobsPerDay: 7 })
    await setPolicy(federation, stricter)
    assert.deepEqual(signedBy(federation, job), [])
    await assert.rejects(federation.node(SITE).up().approve(job, { approval: early }), { code: 'approval-void' })
    await approve(federation, job, 'bo')
    assert.equal(viewAt(federation, SITE, job)?.status, 'waiting')
    await federation.node(SITE).replaceRows(patients(5, 30))
    assert.deepEqual(signedBy(federation, job), [])
    await approve(federation, job, 'cleo')
    assert.equal(viewAt(federation, SITE, job)?.status, 'waiting')
    await approve(federation, job, 'bo')
    assert.equal(viewAt(federation, SITE, job)?.status, 'approved')
  })

  it('consent only if all who are counted do', async () => {
    for (const [bo, consent] of [
      [true, true],
      [false, false],
    ] as const) {
      const { federation, job } = await asked()
      await approve(federation, job, 'ada', { consent: true })
      await approve(federation, job, 'bo', { consent: bo })
      assert.equal(viewAt(federation, SITE, job)?.consent, consent)
    }
  })

  it('say nothing to what the machine approves by itself', async () => {
    const one = await world()
    await setPolicy(one.federation, policySchema.parse({ ...FOUR_EYES, approve: [{ analyses: 'builtin' }] }))
    const job = await submit(one.federation, describeJob(one.federation))
    assert.ok(await one.federation.finish(job))
    await assertExact(one.federation, job, one.names)
  })

  it('cannot be made up by a site: an approval with a signature that is none is nobody’s', async () => {
    const { federation, watch, names, job } = await asked([SITE])
    watch.meddle = (from, _to, message) => {
      if (from.name !== SITE || message.type !== 'decision') return message
      const forge = (body: Decision): Decision => ({
        ...body,
        operators: body.operators.map((one) => (one.name === 'bo' ? { ...one, name: 'zoe' } : one)),
      })
      return { ...message, decision: resigned(federation, message.decision, forge) }
    }
    await approve(federation, job, 'ada')
    await approve(federation, job, 'bo')
    assert.ok(await federation.finish(job, 900_000))
    const refusals = federation.node('site-a').audit.filter((entry) => entry.fields.code === 'operators')
    assert.ok(refusals.length > 0)
    await assertExact(
      federation,
      job,
      names.filter((name) => name !== SITE),
    )
  })
})
