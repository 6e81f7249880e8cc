/** A site that the hub revokes while a job runs. The last scenario: the site does not come back. */
import assert from 'node:assert/strict'
import { SITES } from '../data.js'
import { BY_HAND, type Federation, PICKY } from '../federation.js'
import { approvalRecorded, approve, assertReleased, submissionReceived, submit } from '../jobs.js'
import { eventually } from '../processes.js'

export function revocations(federation: () => Federation): void {
  it('a site revoked after its submission and before the vote is not in the sum', async () => {
    const job = await submit(federation(), { submitWithin: '15s' })
    await approvalRecorded(federation(), job, PICKY)
    await federation().node(PICKY).kill()
    await approve(federation(), job)
    await submissionReceived(federation(), job, BY_HAND)
    await federation().hubCommand('revoke', '--name', BY_HAND, '--reason', 'left the federation')
    federation().revoked.add(BY_HAND)
    for (const member of federation().members)
      await eventually(`${member.name} hears of it`, async () => {
        const { peers } = await member.document<{ peers: readonly { name: string; state: string }[] }>('peers')
        return peers.find(({ name }) => name === BY_HAND)?.state !== 'connected' || undefined
      })
    await federation().node(PICKY).start()
    await assertReleased(
      federation(),
      job,
      SITES.filter((name) => name !== BY_HAND),
    )
    assert.ok(federation().node(BY_HAND).alive)
  })
}
