/** Members of the committee that die: before and after their vote, as proposer, all at once. A round is held open by a site. */
import { SITES } from '../data.js'
import { type Federation, FIRST_PROPOSER, PICKY } from '../federation.js'
import { approvalRecorded, approve, assertEnded, assertReleased, submissionReceived, submit } from '../jobs.js'

/** A job whose round stays open, for everyone has submitted but the one site that is down. */
async function heldOpen(federation: Federation): Promise<string> {
  const job = await submit(federation)
  await approvalRecorded(federation, job, PICKY)
  await federation.node(PICKY).kill()
  await approve(federation, job)
  for (const name of SITES.filter((one) => one !== PICKY)) await submissionReceived(federation, job, name)
  return job
}

export function membersThatDie(federation: () => Federation): void {
  for (const [who, name] of [
    ['a member', 'site-c'],
    ['the proposer', FIRST_PROPOSER],
  ] as const) {
    it(`${who} killed before its vote is not needed, and catches up when it is back`, async () => {
      const job = await heldOpen(federation())
      await federation().node(name).kill()
      await federation().node(PICKY).start()
      await assertReleased(federation(), job)
      await federation().heal()
      await assertEnded(federation(), job, SITES)
    })
  }

  it('a member killed after its vote, and back while the sum is being opened, opens it once', async () => {
    const job = await heldOpen(federation())
    const member = federation().node('site-d')
    await federation().node(PICKY).start()
    await member.until(job, 'partials-sent')
    await member.kill()
    await member.start()
    await assertReleased(federation(), job)
    await assertEnded(federation(), job, SITES)
  })

  it('the whole committee killed while it votes goes on where it was', async () => {
    const job = await heldOpen(federation())
    await federation().node(PICKY).start()
    await Promise.any(federation().members.map((member) => member.until(job, 'round-closed')))
    await Promise.all(federation().members.map((member) => member.kill()))
    await federation().heal()
    await assertReleased(federation(), job)
    await assertEnded(federation(), job, SITES)
  })
}
