/** Sites that die: before they submit, after it, and while the others wait for them. */
import assert from 'node:assert/strict'
import { SITES } from '../data.js'
import { BY_HAND, type Federation, PICKY } from '../federation.js'
import { approvalRecorded, approve, assertEnded, assertReleased, submissionReceived, submit } from '../jobs.js'

const submissions = (federation: Federation, name: string, job: string): number =>
  federation.node(name).auditOf(job, 'submitted').length

export function sitesThatDie(federation: () => Federation): void {
  it('a site killed before its submission is left out; one killed after it is in the sum', async () => {
    const job = await submit(federation(), { submitWithin: '8s' })
    await approvalRecorded(federation(), job, PICKY)
    await federation().node(PICKY).kill()
    await approve(federation(), job)
    await submissionReceived(federation(), job, BY_HAND)
    await federation().node(BY_HAND).kill()
    await assertReleased(
      federation(),
      job,
      SITES.filter((name) => name !== PICKY),
    )
    await federation().heal()
    await assertEnded(federation(), job, SITES)
    assert.equal(submissions(federation(), BY_HAND, job), 1)
    assert.equal(submissions(federation(), PICKY, job), 0)
  })

  it('sites killed before and right after their submission and started again submit once and are in the sum', async () => {
    const job = await submit(federation())
    await approvalRecorded(federation(), job, PICKY)
    await federation().node(PICKY).kill()
    await approve(federation(), job)
    await federation().node(BY_HAND).until(job, 'submitted')
    await federation().node(BY_HAND).kill()
    await federation().heal()
    await assertReleased(federation(), job)
    await assertEnded(federation(), job, SITES)
    assert.equal(submissions(federation(), PICKY, job), 1)
    assert.equal(submissions(federation(), BY_HAND, job), 1)
  })
}
