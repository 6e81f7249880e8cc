/** A member whose machine was put back to an older copy of its disk, while a job runs. */
import assert from 'node:assert/strict'
import { cp, rm } from 'node:fs/promises'
import { SITES } from '../data.js'
import { type Federation, PICKY } from '../federation.js'
import { approvalRecorded, approve, assertEnded, assertReleased, submissionReceived, submit } from '../jobs.js'

const RESTORED = 'site-d'

export function backups(federation: () => Federation): void {
  it('a member restored from a backup in mid-job says nothing twice, and takes part in the next job', async () => {
    const member = federation().node(RESTORED)
    const copy = `${member.dir}.backup`
    await member.stop()
    await cp(member.dir, copy, { recursive: true })
    await member.start()
    await federation().untilWhole()
    const job = await submit(federation())
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
    const accusations = federation().nodes.flatMap((node) =>
      node.auditOf(job, 'evidence').map(({ fields }) => [node.name, fields['kind'], fields['against']]),
    )
    assert.deepEqual(accusations, [])
    const next = await submit(federation())
    await approve(federation(), next)
    await assertReleased(federation(), next)
  })
}
