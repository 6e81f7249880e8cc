/** The hub is off, the researcher is away, or two jobs come at once. */
import { SITES } from '../data.js'
import type { Federation } from '../federation.js'
import { approvalRecorded, approve, assertEnded, assertReleased, submit } from '../jobs.js'

export function absences(federation: () => Federation): void {
  it('with the hub off, jobs run and a node that was stopped finds the others', async () => {
    await federation().stopHub()
    await federation().node('site-a').stop()
    await federation().node('site-a').start()
    await federation().untilWhole()
    const job = await submit(federation())
    await approve(federation(), job)
    await assertReleased(federation(), job)
  })

  it('a researcher who goes away after submitting fetches the result later', async () => {
    const job = await submit(federation())
    await approvalRecorded(federation(), job, 'site-a')
    await federation().researcher.kill()
    await approve(federation(), job)
    await assertEnded(federation(), job, SITES)
    await federation().researcher.start()
    await assertReleased(federation(), job)
  })

  it('two jobs at once are both released', async () => {
    const jobs = await Promise.all([submit(federation()), submit(federation())])
    await Promise.all(jobs.map((job) => approve(federation(), job)))
    for (const job of jobs) await assertReleased(federation(), job)
  })
}
