/** What a site says when it cannot take part: a signed reason, never silence. */
import assert from 'node:assert/strict'
import { signObject } from '@flamesh/protocol/encoding/signed.js'
import { JOB } from '@flamesh/protocol/jobs/job.js'
import { encodeWire } from '@flamesh/protocol/wire.js'
import { assertExact, audited, describeJob, submit, world } from './world.js'

describe('refusals', () => {
  it('refuses aloud a job whose analysis is another one here', async () => {
    const { federation } = await world()
    const researcher = federation.node('researcher')
    const job = describeJob(federation)
    const foreign = { ...job, analysis: { ...job.analysis, hash: 'f'.repeat(64) } }
    const signed = signObject(JOB.kind, JOB.version, foreign, researcher.signer)
    const site = federation.node('site-e').up()
    const verdict = await site.receive(researcher.key, encodeWire({ type: 'job', job: signed }), 'gossip')
    assert.equal(verdict.verdict, 'accept')
    const [view] = site.jobs()
    assert.deepEqual([view?.status, view?.code], ['refused', 'analysis-differs'])
  })

  it('says nothing against a member whose release is sealed to somebody else, and takes another copy', async () => {
    const { federation, watch, names } = await world()
    const other = federation.node('site-e').key
    watch.meddle = (from, _to, message) => {
      if (message.type !== 'release' || message.box === null || from.name === 'site-d') return message
      return {
        ...message,
        box: { ...message.box, keys: message.box.keys.map((one) => ({ ...one, recipient: other })) },
      }
    }
    const job = await submit(federation, describeJob(federation))
    assert.ok(await federation.finish(job))
    await assertExact(federation, job, names)
    assert.equal(audited(federation, 'researcher', 'message-rejected'), 0)
  })

  it('takes no more than so many open jobs of one researcher, and none that is too large', async () => {
    const { federation } = await world()
    const researcher = federation.node('researcher')
    const site = federation.node('site-e').up()
    const send = (change: object) => {
      const job = { ...describeJob(federation), ...change }
      const signed = signObject(JOB.kind, JOB.version, job, researcher.signer)
      return site.receive(researcher.key, encodeWire({ type: 'job', job: signed }), 'gossip')
    }
    const large = await send({
      where: [{ column: 'age', operator: 'in', values: Array(40).fill('x'.repeat(256)) }],
      nonce: 'a'.repeat(64),
      recipients: Array(32).fill('b'.repeat(64)),
      cohort: { sites: Array(900).fill('c'.repeat(64)), minimum: 5, approveWithinMs: 1000 },
    })
    assert.deepEqual(large, { verdict: 'reject', code: 'job-too-large', message: 'a job larger than the limit' })
    for (let at = 0; at < 100; at++) assert.equal((await send({})).verdict, 'accept')
    assert.deepEqual(await send({}), { verdict: 'later', code: 'too-many-jobs' })
  })
})
