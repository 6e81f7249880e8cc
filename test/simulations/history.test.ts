/** The guard's memory between nodes: what one missed it is told with proof, whoever it asks, and believes nothing else. */
import assert from 'node:assert/strict'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned, signObject } from '@flamesh/protocol/encoding/signed.js'
import { JOB } from '@flamesh/protocol/jobs/job.js'
import type { SetProof, WireMessage } from '@flamesh/protocol/wire.js'
import type { Federation } from '@flamesh/simulations/federation.js'
import { describeJob, ending, pass, submit, type World, world } from './world.js'

const PROPOSER = 'site-b'

async function outcomeOf({ federation, watch }: World, job: string) {
  assert.ok(await federation.finish(job, 600_000), 'the job did not end in time')
  await pass(federation, 2)
  watch.check()
  const { status, code, included } = await ending(federation, job)
  return { status, code, included: included.length }
}

/** Survivor sets in a node's memory, each with the number of sites that had rows. */
function remembered(federation: Federation, name: string): readonly (number | null)[] {
  return [...federation.node(name).disk.entries].flatMap(([entry, bytes]) =>
    entry.startsWith('desk/history/') ? [(decode(bytes) as { contributors: number | null }).contributors] : [],
  )
}

/** A job that this node misses altogether: it is down until the job has expired. */
async function missed(one: World, name: string): Promise<void> {
  const { federation } = one
  federation.node(name).kill()
  const notAfter = federation.clock.now() + 120_000
  const job = await submit(federation, describeJob(federation, { notAfter }))
  assert.deepEqual(await outcomeOf(one, job), { status: 'released', code: 'released', included: one.names.length - 1 })
  await pass(federation, 720)
  await federation.node(name).start()
}

const proofsOf = (federation: Federation, name: string): readonly SetProof[] =>
  [...federation.node(name).disk.entries].flatMap(([entry, bytes]) =>
    entry.startsWith('desk/proofs/') ? (decode(bytes) as { proof: SetProof }[]).map((one) => one.proof) : [],
  )

describe('the memory of the guard', () => {
  it('reaches a member that was away for the whole job, as soon as it meets another', async () => {
    const one = await world({ sites: 7 })
    await missed(one, PROPOSER)
    await pass(one.federation, 2)
    assert.deepEqual(remembered(one.federation, PROPOSER), [6])
    assert.equal(proofsOf(one.federation, PROPOSER).length, 1)
    one.watch.check()
  })

  it('reaches a proposer by those that refuse to sign without it', async () => {
    const one = await world({ sites: 7 })
    const { federation, watch } = one
    watch.meddle = (_from, _to, message) => (message.type === 'history-offer' ? undefined : message)
    await missed(one, PROPOSER)
    await pass(federation, 70)
    assert.deepEqual(remembered(federation, PROPOSER), [])
    watch.meddle = (_from, _to, message) => message
    const again = await submit(federation, describeJob(federation))
    assert.deepEqual(await outcomeOf(one, again), { status: 'failed', code: 'guard', included: 0 })
    assert.deepEqual(remembered(federation, PROPOSER), [6])
  })

  it('reaches a committee that forgot from a site that did not', async () => {
    const one = await world({ sites: 7 })
    const { federation } = one
    const job = await submit(federation, describeJob(federation))
    assert.deepEqual(await outcomeOf(one, job), { status: 'released', code: 'released', included: 7 })
    await pass(federation, 7200)
    for (const name of ['site-a', 'site-b', 'site-c', 'site-d']) {
      const node = federation.node(name)
      node.kill()
      for (const entry of node.disk.entries.keys())
        if (/^(desk\/(history|proofs)|job)\//.test(entry)) node.disk.entries.delete(entry)
    }
    for (const name of ['site-a', 'site-b', 'site-c', 'site-d']) await federation.node(name).start()
    await pass(federation, 2)
    for (const name of ['site-a', 'site-b', 'site-c', 'site-d']) assert.deepEqual(remembered(federation, name), [7])
  })

  it('takes an outcome of a job it does not know for a reason to ask', async () => {
    const one = await world({ sites: 7 })
    const { federation, watch } = one
    let outcome: WireMessage | undefined
    watch.meddle = (_from, _to, message) => {
      if (message.type === 'outcome' && message.record.opened !== null) outcome ??= message
      return message.type === 'history-offer' ? undefined : message
    }
    await missed(one, 'site-g')
    await pass(federation, 70)
    assert.deepEqual(remembered(federation, 'site-g'), [])
    assert.ok(outcome !== undefined)
    const told = federation.node('site-g').up().receive(federation.node('site-a').key, encode(outcome), 'direct')
    await pass(federation, 2)
    assert.deepEqual(await told, { verdict: 'later', code: 'job-unknown' })
    assert.deepEqual(remembered(federation, 'site-g'), [6])
  })

  it('believes no proof that does not hold', async () => {
    const one = await world({ sites: 7 })
    const { federation, watch } = one
    watch.meddle = (_from, _to, message) => (message.type === 'history-offer' ? undefined : message)
    await missed(one, 'site-g')
    const [proof] = proofsOf(federation, 'site-a') as [SetProof]
    const few = { ...proof.votes, signatures: proof.votes.signatures.slice(1) }
    const value = { ...proof.value, survivors: [1, 2, 3, 4, 5], submissions: Array(5).fill('00'.repeat(32)) }
    const researcher = federation.node('researcher')
    const other = signObject(
      JOB.kind,
      JOB.version,
      { ...openSigned(proof.job, JOB).body, nonce: '00'.repeat(32) },
      researcher.signer,
    )
    const liar = signObject(JOB.kind, JOB.version, openSigned(proof.job, JOB).body, federation.node('site-a').signer)
    const tell = async (told: SetProof) => {
      const bytes = encode({ type: 'history', proofs: [told], consents: [] })
      const verdict = await federation.node('site-g').up().receive(federation.node('site-a').key, bytes, 'direct')
      return verdict.verdict === 'accept' ? 'accept' : verdict.code
    }
    assert.equal(await tell({ ...proof, votes: few }), 'certificate')
    assert.equal(await tell({ ...proof, value: value as SetProof['value'] }), 'certificate')
    assert.equal(await tell({ ...proof, job: other }), 'set-proof')
    assert.equal(await tell({ ...proof, job: liar }), 'set-proof')
    const opened = proof.opened && { ...proof.opened, signatures: proof.opened.signatures.slice(0, 2) }
    assert.equal(await tell({ ...proof, opened }), 'quorum')
    const half = { ...proof.specification, signatures: proof.specification.signatures.slice(0, 1) }
    assert.equal(await tell({ ...proof, specification: half }), 'quorum')
    assert.deepEqual(remembered(federation, 'site-g'), [])
    assert.equal(await tell(proof), 'accept')
    assert.equal(await tell(proof), 'known')
  })
})
