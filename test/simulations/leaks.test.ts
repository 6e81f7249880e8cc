/** Ways to more than one sum, or to one without being asked, that were found on paper or by probes: each stays closed. */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { openSigned } from '@flamesh/protocol/encoding/signed.js'
import { decodeBase64 } from '@flamesh/protocol/identity/hub-api.js'
import { VOTE } from '@flamesh/protocol/secagg/consensus-messages.js'
import { encodeWire } from '@flamesh/protocol/wire.js'
import { assertExact, describeJob, ending, LOW_FLOOR, pass, submit, type World, world } from './world.js'

const HOUR_MS = 3_600_000

async function outcomeOf({ federation }: World, job: Hex) {
  assert.ok(await federation.finish(job, HOUR_MS), 'the job did not end in time')
  const { status, code } = await ending(federation, job)
  return { status, code }
}

const contains = (all: Uint8Array, part: Uint8Array): boolean => Buffer.from(all).includes(Buffer.from(part))

describe('leaks', () => {
  it('keeps released numbers readable on no disk but the recipient’s', async () => {
    const one = await world()
    const { federation } = one
    const job = await submit(federation, describeJob(federation))
    assert.deepEqual(await outcomeOf(one, job), { status: 'released', code: 'released' })
    await pass(federation, 30)
    const { result } = await ending(federation, job)
    assert.ok(result?.result !== undefined)
    const { proof } = result.result as { proof: { released: string } }
    const released = decodeBase64(proof.released)
    const holders = [...federation.nodes.values()].filter((node) =>
      [...node.disk.entries.values()].some((value) => contains(value, released)),
    )
    assert.deepEqual(
      holders.map((node) => node.name),
      ['researcher'],
    )
  })

  it('takes a submission from its site alone, so that nobody can spoil it on the way', async () => {
    const one = await world({ dishonest: ['site-a'] })
    const { federation, watch } = one
    const verdicts: Promise<{ verdict: string; code?: string }>[] = []
    watch.meddle = (from, to, message) => {
      if (message.type === 'submit' && from.name === 'site-e' && to.name === 'site-b') {
        const spoilt = encodeWire({ ...message, envelope: new Uint8Array(message.envelope.length) })
        verdicts.push(to.up().receive(federation.node('site-a').key, spoilt, 'direct'))
      }
      return message
    }
    const job = await submit(federation, describeJob(federation))
    assert.deepEqual(await outcomeOf(one, job), { status: 'released', code: 'released' })
    await assertExact(federation, job, one.names)
    const [verdict] = await Promise.all(verdicts)
    assert.deepEqual([verdict?.verdict, verdict?.code], ['reject', 'not-the-site'])
  })

  it('holds a later sum to the floor of an earlier one', async () => {
    const one = await world({ sites: 8, policy: LOW_FLOOR })
    const { federation } = one
    const first = await submit(federation, describeJob(federation))
    assert.deepEqual(await outcomeOf(one, first), { status: 'released', code: 'released' })
    await pass(federation, 2)
    const sites = one.names
      .slice(0, 5)
      .map((name) => federation.node(name).key)
      .sort()
    const cohort = { sites, minimum: 3, approveWithinMs: 10_000 }
    const second = await submit(federation, describeJob(federation, { cohort }))
    assert.deepEqual(await outcomeOf(one, second), { status: 'failed', code: 'guard' })
  })

  it('counts a set that members voted for though none of them saw it certified', async () => {
    const one = await world({ sites: 7 })
    const { federation, watch } = one
    watch.meddle = (from, to, message) => {
      if (message.type !== 'consensus' || from === to) return message
      const commits = message.message.votes.some((vote) => openSigned(vote, VOTE).body.phase === 'precommit')
      return commits ? undefined : message
    }
    const notAfter = federation.clock.now() + 60_000
    const first = await submit(federation, describeJob(federation, { notAfter }))
    await federation.clock.run(notAfter + 700_000)
    assert.equal(federation.node('site-a').up().job(first)?.status, 'expired')
    watch.meddle = (_from, _to, message) => message
    federation.node('site-g').kill()
    const second = await submit(federation, describeJob(federation))
    assert.deepEqual(await outcomeOf(one, second), { status: 'failed', code: 'guard' })
  })
})
