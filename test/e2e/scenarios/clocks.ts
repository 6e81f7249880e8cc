/** A site whose clock is wrong by more than the rules allow: left out, aloud, and nobody else is held up for long. */
import assert from 'node:assert/strict'
import { SITES } from '../data.js'
import { type Federation, PICKY } from '../federation.js'
import { approve, assertReleased, submit } from '../jobs.js'

const FIVE_MINUTES_MS = 300_000

export function clocks(federation: () => Federation): void {
  for (const [which, offMs] of [
    ['ahead', FIVE_MINUTES_MS],
    ['behind', -FIVE_MINUTES_MS],
  ] as const) {
    it(`a site whose clock is five minutes ${which} is left out, and is right again with its clock`, async () => {
      const site = federation().node(PICKY)
      await site.stop()
      // five minutes ago nobody was enrolled: the site that lives then has not even met the others
      await site.start(offMs)
      const job = await submit(federation(), {
        cohort: { sites: 'any', minimum: 5, approveWithin: '12s' },
        submitWithin: '6s',
      })
      await approve(federation(), job)
      const others = SITES.filter((name) => name !== PICKY)
      await assertReleased(federation(), job, others)
      assert.deepEqual(site.auditOf(job, 'submitted'), [])
      await site.stop()
      await site.start()
      await federation().untilWhole()
      const next = await submit(federation())
      await approve(federation(), next)
      await assertReleased(federation(), next)
    })
  }
}
