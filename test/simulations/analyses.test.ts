/** Every analysis through the whole protocol on the `lung` data by institution: R's numbers, a receipt, and the same run for the same seed. */
import assert from 'node:assert/strict'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import { Federation } from '@flamesh/simulations/federation.js'
import { assertClose, reference as referenceFile } from '../protocol/analyses/federation.js'
import { lungColumns, lungSites, reference } from './lung.js'
import { Watch } from './watch.js'

async function run(analysis: string, written: unknown, seed: number) {
  const federation = new Federation({
    seed,
    dataset: 'lung',
    columns: lungColumns,
    sites: lungSites(),
    committee: ['site-a', 'site-b', 'site-c', 'site-d'],
  })
  const watch = new Watch(federation)
  await federation.startAll()
  const parameters = findAnalysis(analysis)?.complete(written, () => ['1', '2']) as Job['parameters']
  const researcher = federation.node('researcher').up()
  const job = await researcher.submit(federation.job(analysis, parameters))
  assert.ok(await federation.finish(job, 60_000))
  watch.check()
  const found = await researcher.result(job)
  assert.ok(found !== undefined)
  const report = verifyReceipt(found.receipt, {
    hubKey: federation.hubKey,
    result: JSON.parse(JSON.stringify(found.result)),
  })
  assert.ok(report.ok)
  return {
    status: found.status,
    result: found.result as Record<string, Record<string, unknown>>,
    hash: federation.network.hash(),
  }
}

type Result = Record<string, Record<string, unknown>>

const medianOfAge = { columns: [{ column: 'age', from: 0, to: 128, step: 1 }], probabilities: ['0.5'] }
const summaries = referenceFile('summaries')

describe('the lung data through the whole protocol', () => {
  const { n, mean, variance } = reference.describe.age
  const covariates = ['age', 'sex', 'ph.ecog']
  const sex = { column: 'sex', levels: ['1', '2'] }
  const event = { column: 'status', is: 2 }
  for (const [analysis, written, pick, expected] of [
    ['describe', { columns: ['age'] }, (result: Result) => result['describe']?.['age'], { n, mean, variance }],
    ['feasibility', {}, (result: Result) => ({ n: result['n'] }), { n: 228 }],
    ['moments', { columns: ['age'] }, (result: Result) => result['describe']?.['age'], summaries.moments.age],
    ['quantiles', medianOfAge, (result: Result) => result['quantiles']?.['age'], { '0.5': { value: 63 } }],
    [
      'compare-means',
      { columns: ['age'], by: sex },
      (result: Result) => result['tests'],
      { age: summaries.compare.age_by_sex },
    ],
    ['table', { rows: sex, columns: { column: 'status', is: '2' } }, undefined, reference.table_sex_event],
    ['linear', { outcome: 'meal.cal', covariates: ['age', 'sex'] }, undefined, reference['linear_meal.cal_on_age_sex']],
    ['logistic', { outcome: event, covariates }, undefined, reference.logistic_event_on_age_sex_ecog],
    ['cox', { time: 'time', event, covariates, strata: 'site' }, undefined, reference.cox_breslow_by_site],
    ['glm', { outcome: event, exposure: 'time', covariates: ['age', 'sex'] }, undefined, referenceFile('glm').rate],
    [
      'ridge',
      { outcome: 'meal.cal', covariates: ['age', 'sex'], penalty: 1e6 },
      undefined,
      referenceFile('ridge').strong,
    ],
    ['roc', { score: 'ph.karno', outcome: event, cuts: [80, 90] }, undefined, referenceFile('roc').karno],
  ] as const) {
    it(`${analysis} equals R`, async () => {
      const { status, result } = await run(analysis, written, 1)
      assert.equal(status, 'released')
      assertClose(pick === undefined ? result : pick(result), expected)
    })
  }

  it('runs alike from the same seed, and otherwise from another', async () => {
    const written = { columns: ['age'] }
    const [first, again, other] = [
      await run('describe', written, 3),
      await run('describe', written, 3),
      await run('describe', written, 4),
    ]
    assert.equal(first.hash, again.hash)
    assert.notEqual(first.hash, other.hash)
  })
})
