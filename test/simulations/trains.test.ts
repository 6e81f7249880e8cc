/** Trains over the simulated network: an incremental model over five stations, and what happens to one that is not taken along. */
import assert from 'node:assert/strict'
import { assertFit, linearTrain, trainWorld } from './trains.js'
import { ending, pass, submit, until, viewAt } from './world.js'

describe('trains', function () {
  this.timeout(120_000)

  it('grow a model over five stations to that of the pooled rows', async () => {
    const { federation, watch, names } = await trainWorld()
    const job = await submit(federation, linearTrain(federation))
    assert.ok(await federation.finish(job, 600_000))
    await assertFit(federation, job, names)
    await pass(federation, 60)
    for (const name of names) assert.equal(viewAt(federation, name, job)?.status, 'released', name)
    watch.check()
  })
})
