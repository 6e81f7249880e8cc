/** A train over real processes: an incremental model over five stations, one of which is killed on the way and comes back. */
import assert from 'node:assert/strict'
import { csvOf, SITES } from './data.js'
import { Federation } from './federation.js'
import { outcomeOf } from './jobs.js'
import { eventually } from './processes.js'

const STATIONS = SITES.slice(0, 5)
/** In the middle of the route. */
const DIES = 'site-c'

/** age = intercept + slope · sex over the rows of all stations: with two values of sex, a difference of two means. */
function pooled(): readonly [intercept: number, slope: number] {
  const rows = STATIONS.flatMap((site) => csvOf(site).trim().split('\n').slice(1)).map((line) =>
    line.split(',').map(Number),
  )
  const mean = (sex: number): number => {
    const ages = rows.filter((row) => row[1] === sex).map((row) => row[0] as number)
    return ages.reduce((sum, age) => sum + age, 0) / ages.length
  }
  const slope = mean(2) - mean(1)
  return [mean(1) - slope, slope]
}

describe('a train, end to end', function () {
  this.timeout(240_000)
  let federation: Federation | undefined
  after(() => federation?.close())

  it('waits for a station that is killed on the way, and comes to the model of all rows', async () => {
    federation = await Federation.create({
      sites: SITES,
      csvOf,
      policyOf: () => ({ version: 1, trains: true, approve: [{ analyses: 'builtin' }] }),
      settings: {},
    })
    const document = {
      name: 'age by sex, station by station',
      purpose: 'research',
      analysis: 'linear',
      dataset: 'patients',
      parameters: { outcome: 'age', covariates: ['sex'] },
      route: { stations: STATIONS, unreachable: 'wait', hopWithin: '2m' },
      cohort: { minimum: 5, approveWithin: '1m' },
      expires: '10m',
    }
    const file = await federation.file('train.yaml', JSON.stringify(document))
    const { job } = await federation.researcher.document<{ job: string }>('job', 'submit', file)
    const dying = federation.node(DIES)
    await dying.until(job, 'job-approved')
    await dying.kill()
    const first = federation.node(STATIONS[0] as string)
    await eventually('the first station has approved', () => first.auditOf(job, 'job-approved').length > 0 || undefined)
    await dying.start()
    const outcome = await outcomeOf(federation, job)
    assert.equal(outcome.status, 'released', String(outcome.code))
    const { names, coef } = outcome.result as { names: readonly string[]; coef: readonly number[] }
    for (const [at, wanted] of pooled().entries())
      assert.ok(
        Math.abs((coef[at] as number) - wanted) < 1e-9 * Math.abs(wanted),
        `${names[at]}: ${coef[at]} for ${wanted}`,
      )
    const files = [outcome.receipt as string, '--result', outcome.resultFile as string]
    const verified = await federation.researcher.flamesh('receipt', 'verify', ...files)
    assert.equal(verified.exit, 0, verified.stdout)
  })
})
