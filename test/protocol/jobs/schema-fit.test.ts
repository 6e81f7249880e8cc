import assert from 'node:assert/strict'
import type { DatasetAnnouncement } from '@flamesh/protocol/jobs/dataset.js'
import { evaluatePolicy } from '@flamesh/protocol/jobs/evaluate.js'
import { policySchema } from '@flamesh/protocol/jobs/policy.js'
import { fitsOf, isUnusable, misfitsOf } from '@flamesh/protocol/jobs/schema-fit.js'
import { COMMITTEE, catalogue, compile, LUNG, NOW, roster, SITES, thrown } from './support.js'

/** The announcement with other columns, of the names given. */
function changed(columns: Readonly<Record<string, object | undefined>>): DatasetAnnouncement {
  return {
    ...LUNG,
    columns: LUNG.columns.flatMap((one) => {
      if (!(one.name in columns)) return [one]
      const change = columns[one.name]
      return change === undefined ? [] : [{ name: one.name, ...change } as typeof one]
    }),
  }
}

const withSite = (name: string, one: DatasetAnnouncement) => ({ catalogue: new Map([...catalogue, [name, [one]]]) })

const MODEL = {
  analysis: 'linear',
  parameters: { outcome: 'age', covariates: ['wt.loss', { column: 'ph.ecog' }] },
  where: [{ column: 'time', above: 10 }],
}

describe('a job held against the schemas of the sites', () => {
  it('is refused where a site holds levels or text for numbers, by the site’s name', () => {
    const levels = thrown(() => compile(MODEL, withSite('site-c', changed({ 'wt.loss': { type: 'level' } }))))
    assert.match(levels.message, /parameters: site-c holds wt.loss as levels/)
    assert.match(levels.hint ?? '', /\{column: wt.loss\}/)
    const text = thrown(() => compile(MODEL, withSite('site-d', changed({ 'ph.ecog': { type: 'text' } }))))
    assert.match(text.message, /site-d keeps no values of ph.ecog/)
    const order = thrown(() => compile(MODEL, withSite('site-c', changed({ time: { type: 'level' } }))))
    assert.match(order.message, /where: site-c holds time as levels/)
  })

  it('does not mind what a site has that is not asked', () => {
    const others = { sites: SITES.filter((name) => name !== 'site-c') }
    compile({ ...MODEL, cohort: others }, withSite('site-c', changed({ 'wt.loss': { type: 'level' } })))
    const none = thrown(() => compile({ ...MODEL, cohort: others }, { catalogue: new Map([['site-c', [LUNG]]]) }))
    assert.match(none.message, /none of the sites that are asked/)
  })

  it('takes numbers for levels, and levels for a condition without an order', () => {
    compile(
      { ...MODEL, where: [{ column: 'sex', is: 'female' }] },
      withSite('site-c', changed({ sex: { type: 'level', levels: ['female', 'male'] } })),
    )
  })

  it('is refused where sites count days from different days, if it uses them as numbers', () => {
    const days = (epoch: string) => changed({ time: { type: 'integer', epoch } })
    const [first, ...rest] = SITES
    const all = new Map(rest.map((name) => [name, [days('1970-01-01')]]))
    all.set(first as string, [days('1960-01-01')])
    const error = thrown(() => compile(MODEL, { catalogue: all }))
    assert.match(error.message, /sites count time differently: site-. from 19.0-01-01, site-. from 19.0-01-01/)
    compile({ ...MODEL, where: [{ column: 'time', present: true }] }, { catalogue: all })
  })

  it('agrees on the levels that the asked sites announced', () => {
    const more = withSite('site-c', changed({ 'ph.ecog': { type: 'integer', levels: ['0', '3'] } }))
    const covariates = (job: ReturnType<typeof compile>) =>
      (job.parameters as { covariates: { levels?: string[] }[] }).covariates[1]?.levels
    assert.deepEqual(covariates(compile(MODEL, more)), ['0', '1', '2', '3'])
    const others = { sites: SITES.filter((name) => name !== 'site-c') }
    assert.deepEqual(covariates(compile({ ...MODEL, cohort: others }, more)), ['0', '1', '2'])
  })

  it('says of each site which columns it lacks and which levels it has besides', () => {
    const announced = new Map(catalogue)
    announced.set('site-b', [changed({ 'wt.loss': undefined })])
    announced.set('site-c', [changed({ 'ph.ecog': { type: 'integer', levels: ['0', '3'] } })])
    const listed = { column: 'ph.ecog', levels: ['0', '1', '2'] }
    const job = compile(
      { ...MODEL, parameters: { outcome: 'age', covariates: ['wt.loss', listed] } },
      { catalogue: announced },
    )
    const fits = new Map(fitsOf(job, roster, announced).map((one) => [one.site, one]))
    assert.deepEqual([...fits.keys()], SITES)
    assert.deepEqual(fits.get('site-a')?.misfits, [])
    assert.deepEqual(
      fits.get('site-b')?.misfits.map(({ column, kind }) => [column, kind]),
      [['wt.loss', 'absent']],
    )
    assert.match(fits.get('site-c')?.misfits[0]?.message ?? '', /"3" in ph.ecog/)
    assert.ok([...fits.values()].every(({ misfits }) => !misfits.some(isUnusable)))
  })

  it('is refused by a site whose own schema does not fit, before any round', () => {
    const policy = policySchema.parse({ version: 1, approve: [{ analyses: 'builtin' }] })
    const judge = (dataset: DatasetAnnouncement) =>
      evaluatePolicy(policy, compile(MODEL), {
        roster,
        nowMs: NOW,
        dataset,
        recentJobs: 0,
        committee: COMMITTEE,
        checkpointAgeMs: 0,
      })
    assert.equal(judge(LUNG).decision, 'approve')
    const refused = judge(changed({ 'wt.loss': { type: 'level' } }))
    assert.deepEqual([refused.decision, refused.code], ['refuse', 'columns-unfit'])
    assert.equal(judge(changed({ 'wt.loss': undefined })).decision, 'approve')
  })

  it('names a column once for each thing that is wrong with it', () => {
    assert.equal(misfitsOf(['a', 'a', { column: 'a' }], { name: 'x', columns: [], roundedRows: 10 }).length, 1)
  })
})
