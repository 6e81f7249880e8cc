/** A site changes its data while a job that it approved runs. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { stateFolder } from '@flamesh/node/config/state-folder.js'
import { openControl } from '@flamesh/node/control/call.js'
import { csvOf, SITES } from '../data.js'
import { type Federation, PICKY } from '../federation.js'
import { approvalRecorded, approve, assertEnded, assertReleased, submit } from '../jobs.js'
import { eventually } from '../processes.js'

export function versions(federation: () => Federation): void {
  it('a job in flight keeps the rows its approval names, and they go once no job is open', async () => {
    const site = federation().node(PICKY)
    const folder = stateFolder(site.dir)
    const job = await submit(federation())
    await approvalRecorded(federation(), job, PICKY)
    const { version } = await site.document<{ version: string }>('dataset', 'show', 'patients')
    const rows = join(folder.datasetsDir, 'patients', version)
    // as if it had been added last week: nothing but the open job keeps it
    const lastWeek = new Date(Date.now() - 7 * 24 * 3_600_000)
    await utimes(rows, lastWeek, lastWeek)
    for (const age of [7, 8]) {
      const file = await federation().file(`other-${age}.csv`, `age,sex\n${`${age},1\n`.repeat(30)}`)
      await site.document('dataset', 'update', 'patients', file, '--yes')
    }
    await approve(federation(), job)
    await assertReleased(federation(), job)
    await assertEnded(federation(), job, SITES)
    await eventually('the rows that no job needs are deleted', async () => {
      await openControl(folder).post('/reload')
      return !existsSync(rows) || undefined
    })
    const again = await federation().file('again.csv', csvOf(PICKY))
    const back = await site.document<{ version: string }>('dataset', 'update', 'patients', again, '--yes')
    assert.equal(back.version, version, 'the same rows are the same version')
  })
}
