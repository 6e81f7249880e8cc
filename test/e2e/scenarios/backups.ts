/** A member whose machine was put back to an older copy of its disk, while a job runs. */
import assert from 'node:assert/strict'
import { cp, rm } from 'node:fs/promises'
import { SITES } from '../data.js'
import { type Federation, PICKY } from '../federation.js'
import { approvalRecorded, approve, assertEnded, assertReleased, submissionReceived, submit } from '../jobs.js'

const RESTORED = 'site-d'
/** What a member or site says in a job on its own authority; that it withdraws is no contradiction. */
const SAID = ['submitted', 'round-closed', 'partials-sent', 'opened', 'standing-signed']

export function backups(federation: () => Federation): void {
  it('a member put back to a backup in mid-job says nothing twice, and learns how the job ended', async () => {
    const member = federation().node(RESTORED)
    const copy = `${member.dir}.backup`
    const job = await submit(federation())
    await approvalRecorded(federation(), job, RESTORED)
    await member.stop()
    await cp(member.dir, copy, { recursive: true })
    await member.start()
    await federation().untilWhole()
    assert.equal((await member.document('status'))['restoredMs'], null)
    // it submits and lists what it holds, which the copy knows nothing of
    await approvalRecorded(federation(), job, PICKY)
    await federation().node(PICKY).kill()
    await approve(federation(), job)
    for (const name of SITES.filter((one) => one !== PICKY)) await submissionReceived(federation(), job, name)
    await federation().node(PICKY).start()
    await member.until(job, 'round-closed')
    await member.kill()
    await rm(member.dir, { recursive: true })
    await cp(copy, member.dir, { recursive: true })
    await member.start()
    await assertReleased(federation(), job)
    await assertEnded(federation(), job, SITES)
    assert.equal((await member.view(job))?.message, 'included in the sum')
    assert.equal(typeof (await member.document('status'))['restoredMs'], 'number')
    const repeated = SAID.filter((event) => member.auditOf(job, event).length > 0)
    assert.deepEqual(repeated, [])
    const accusations = federation().nodes.flatMap((node) =>
      node.auditOf(job, 'evidence').map(({ fields }) => [node.name, fields['kind'], fields['against']]),
    )
    assert.deepEqual(accusations, [])
  })

  it('it takes part in the next job', async () => {
    await federation().untilWhole()
    const next = await submit(federation())
    await approve(federation(), next)
    await assertReleased(federation(), next)
    assert.equal(federation().node(RESTORED).auditOf(next, 'submitted').length, 1)
    assert.equal(federation().node(RESTORED).auditOf(next, 'round-closed').length, 1)
  })
}
