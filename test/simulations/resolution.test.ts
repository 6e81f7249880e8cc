/** Rounds without an outcome: what members say they may have certified settles what was, and nothing else is remembered. */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned, type Signed, signObject } from '@flamesh/protocol/encoding/signed.js'
import { VOTE } from '@flamesh/protocol/secagg/consensus-messages.js'
import { STANDING, type Standing } from '@flamesh/protocol/secagg/standing.js'
import type { WireMessage } from '@flamesh/protocol/wire.js'
import { audited, describeJob, ending, pass, submit, until, viewAt, type World, world } from './world.js'

const MEMBERS = ['site-a', 'site-b', 'site-c', 'site-d']
const MINUTE_MS = 60_000

const hasVote = (message: WireMessage, phase: 'prevote' | 'precommit'): boolean =>
  message.type === 'consensus' && message.message.votes.some((one) => openSigned(one, VOTE).body.phase === phase)

/** The proposal is heard and every member votes for it, but no vote is heard: no quorum anywhere. */
const isVote = (message: WireMessage): boolean => message.type === 'consensus' && message.message.proposal === null

/** A job whose members vote and hear too little of each other, until it is over at everyone. */
async function withoutOutcome(one: World, dropped: (message: WireMessage) => boolean): Promise<Hex> {
  const { federation, watch } = one
  watch.meddle = (_from, _to, message) => (dropped(message) ? undefined : message)
  const notAfter = federation.clock.now() + MINUTE_MS
  const job = await submit(federation, describeJob(federation, { notAfter }))
  await federation.clock.run(notAfter + 11 * MINUTE_MS)
  for (const name of [...MEMBERS, 'site-e', 'site-f']) assert.equal(viewAt(federation, name, job)?.status, 'expired')
  return job
}

/** The same question again, over one site fewer: refused if the larger set may have been certified. */
async function oneSiteFewer(one: World, dropped: (message: WireMessage) => boolean = () => false) {
  const { federation, watch } = one
  watch.meddle = (_from, _to, message) => (dropped(message) ? undefined : message)
  federation.node('site-f').kill()
  const job = await submit(federation, describeJob(federation))
  assert.ok(await federation.finish(job, 600_000), 'the job did not end in time')
  await pass(federation, 2)
  watch.check()
  const { status, code, included } = await ending(federation, job)
  return { status, code, included: included.length }
}

describe('a round without an outcome', () => {
  it('leaves nothing behind when a quorum of members never precommitted a set', async () => {
    const one = await world()
    await withoutOutcome(one, isVote)
    for (const name of [...MEMBERS, 'site-e', 'site-f'])
      assert.ok(audited(one.federation, name, 'attempt-resolved') > 0)
    assert.deepEqual(await oneSiteFewer(one), { status: 'released', code: 'released', included: 5 })
  })

  it('counts as certified, for ever, where a member had precommitted the set', async () => {
    const one = await world()
    await withoutOutcome(one, (message) => hasVote(message, 'precommit'))
    for (const name of MEMBERS) assert.equal(audited(one.federation, name, 'standing-signed'), 1)
    for (const name of [...MEMBERS, 'site-e', 'site-f'])
      assert.ok(audited(one.federation, name, 'attempt-resolved') > 0)
    const named = one.watch.seen.flatMap(({ message }) => (message.type === 'standing' ? [message] : []))
    assert.ok(named.length > 0 && named.every(({ standing }) => openSigned(standing, STANDING).body.value !== null))
    assert.deepEqual(await oneSiteFewer(one), { status: 'failed', code: 'guard', included: 0 })
  })

  it('is not settled by a member that names what it cannot prove, or by who is none', async () => {
    const one = await world()
    const { federation, watch } = one
    await withoutOutcome(one, (message) => hasVote(message, 'precommit'))
    const said = watch.seen.map(({ message }) => message).find((message) => message.type === 'standing')
    assert.ok(said?.type === 'standing' && said.proof !== null)
    const { proof, standing } = said
    const { body } = openSigned(standing, STANDING)
    const signedBy = (name: string, change: Partial<Standing>): Signed =>
      signObject(STANDING.kind, STANDING.version, { ...body, ...change }, federation.node(name).signer)
    const answer = async (message: Partial<typeof said>) => {
      const bytes = encode({ ...said, ...message })
      const verdict = await federation.node('site-e').up().receive(federation.node('site-a').key, bytes, 'direct')
      return verdict.verdict === 'accept' ? 'accept' : verdict.code
    }
    assert.equal(await answer({}), 'known')
    assert.equal(await answer({ proof: null }), 'standing')
    assert.equal(await answer({ standing: signedBy('site-a', { value: null, view: -1 }) }), 'standing')
    assert.equal(await answer({ standing: signedBy('site-a', { view: body.view + 1 }) }), 'standing')
    assert.equal(await answer({ standing: signedBy('site-a', { attempt: body.attempt + 1 }) }), 'wrong-instance')
    assert.equal(await answer({ standing: signedBy('site-e', {}) }), 'not-a-member')
    const fewer = { ...proof.votes, signatures: proof.votes.signatures.slice(1) }
    assert.equal(await answer({ proof: { ...proof, votes: fewer } }), 'certificate')
    assert.equal(await answer({ proof: { ...proof, specification: null } }), 'standing')
    assert.equal(await answer({ proof: { ...proof, value: { kind: 'abandon', code: 'expired' } } }), 'standing')
  })

  it('stays as it was voted while fewer than a quorum have said where they stand', async () => {
    const one = await world()
    const quiet = (message: WireMessage) => isVote(message) || message.type === 'standing'
    await withoutOutcome(one, quiet)
    for (const name of MEMBERS) assert.equal(audited(one.federation, name, 'attempt-resolved'), 0)
    const unsaid = await oneSiteFewer(one, (message) => message.type === 'standing')
    assert.deepEqual(unsaid, { status: 'failed', code: 'unresolved-sum', included: 0 })
  })

  it('is resolved when members that were parted meet again, after a restart of all', async () => {
    const one = await world()
    const { federation } = one
    const quiet = (message: WireMessage) => isVote(message) || message.type === 'standing'
    await withoutOutcome(one, quiet)
    await pass(federation, 3600)
    one.watch.meddle = (_from, _to, message) => message
    for (const node of federation.nodes.values()) {
      node.kill()
      await node.start()
    }
    await pass(federation, 5)
    for (const name of [...MEMBERS, 'site-e', 'site-f'])
      assert.ok(audited(one.federation, name, 'attempt-resolved') > 0)
    assert.deepEqual(await oneSiteFewer(one), { status: 'released', code: 'released', included: 5 })
  })

  it('is no such round for a site or a member that hears of its outcome when it is back', async () => {
    const one = await world()
    const { federation, watch } = one
    const notAfter = federation.clock.now() + MINUTE_MS
    const job = await submit(federation, describeJob(federation, { notAfter }))
    const closed = () => MEMBERS.every((name) => audited(federation, name, 'round-closed') > 0)
    await until(federation, 'closed', closed)
    const away = ['site-c', 'site-e'].map((name) => federation.node(name))
    for (const node of away) node.kill()
    await federation.clock.run(notAfter + 11 * MINUTE_MS)
    assert.equal(viewAt(federation, 'site-a', job)?.status, 'released')
    for (const node of away) await node.start()
    await pass(federation, 5)
    watch.check()
    for (const { name, disk } of away) {
      assert.equal(audited(federation, name, 'attempt-resolved'), 0)
      assert.ok([...disk.entries.keys()].some((key) => key.startsWith('desk/history/')))
      assert.ok(![...disk.entries.keys()].some((key) => key.startsWith('desk/tentative/')))
    }
  })
})
