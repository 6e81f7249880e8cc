/** What becomes of a job when a site changes its rows after it approved them. */
import assert from 'node:assert/strict'
import { policySchema } from '@flamesh/protocol/jobs/policy.js'
import { assertExact, describeJob, pass, patients, submit, viewAt, world } from './world.js'

const BY_HAND = policySchema.parse({ version: 1 })

describe('the version of an approval', () => {
  it('is computed on after the dataset was updated or retired, also where the question was answered before', async () => {
    const { federation, names } = await world()
    const first = await submit(federation, describeJob(federation))
    assert.ok(await federation.finish(first, 600_000))
    await assertExact(federation, first, names)

    const [updated, retired, waiting] = ['site-a', 'site-b', 'site-f'].map((name) => federation.node(name))
    assert.ok(updated !== undefined && retired !== undefined && waiting !== undefined)
    await waiting.up().setPolicy(BY_HAND)
    const job = await submit(federation, describeJob(federation))
    await pass(federation, 5)
    assert.equal(viewAt(federation, 'site-b', job)?.status, 'approved')
    await updated.replaceRows(patients(77, 30))
    await retired.up().setDatasets([])
    for (const { up, key, name } of [updated, retired].map((node) => ({
      up: node.up(),
      key: node.key,
      name: node.name,
    }))) {
      const brief = up.brief(job)
      assert.deepEqual([brief?.dataset.version, brief?.dataset.rows], [key, null], name)
      assert.equal(brief?.policy?.decision, 'approve', name)
    }
    const shown = await retired.up().preview(job)
    assert.equal(shown.find(({ slot }) => slot === 'rows')?.value, retired.rows?.count)
    await waiting.up().approve(job)
    assert.ok(await federation.finish(job, 600_000))
    await assertExact(federation, job, names)

    const late = await submit(federation, describeJob(federation))
    await pass(federation, 5)
    assert.equal(viewAt(federation, 'site-a', late)?.code, 'rows-changed')
    assert.equal(viewAt(federation, 'site-b', late)?.code, 'no-dataset')
  })
})
