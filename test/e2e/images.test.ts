/**
 * An image of a researcher over real processes, a real engine and a real registry: seven sites, one of which refuses it and one
 * of which is killed on the way, and R's coefficients in the end.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { logisticDescription } from '../../docs/examples/images/local-engine.js'
import { type TestEngine, testEngine, withEngine } from '../node/containers/fixture.js'
import { attest } from './attesting.js'
import { Federation } from './federation.js'
import { outcomeOf } from './jobs.js'
import { eventually } from './processes.js'

const SITES = ['site-a', 'site-b', 'site-c', 'site-d', 'site-e', 'site-f', 'site-g']
/** Has approved nothing that is not built in. */
const REFUSES = 'site-g'
const LARGEST = ['1', '12', '13', '3', '11']
const [head = '', ...lines] = readFileSync(new URL('../reference/lung.csv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
const reference = JSON.parse(readFileSync(new URL('../reference/lung.json', import.meta.url), 'utf8'))
const { names, coef } = reference.logistic_event_on_age_sex_ecog as { names: string[]; coef: number[] }

/** By institution, the smaller ones together; the site that refuses has some of them once more. */
function csvOf(site: string): string {
  const inst = LARGEST[SITES.indexOf(site)]
  const mine = lines.filter((line) => {
    const from = line.split(',')[0] as string
    return inst === undefined ? !LARGEST.includes(from) : from === inst
  })
  return `${[head, ...mine].join('\n')}\n`
}

describe('a job of an image, end to end', function () {
  this.timeout(240_000)
  let federation: Federation
  let engine: TestEngine

  withEngine('comes to the coefficients of R, whoever refuses it or is killed on the way', async () => {
    engine = await testEngine()
    federation = await Federation.create({
      sites: SITES,
      csvOf,
      policyOf: (site) => ({
        version: 1,
        minimumCohort: 5,
        approve: [site === REFUSES ? { analyses: 'builtin' } : { images: 'any' }],
        never: site === REFUSES ? [{ images: 'any' }] : [],
      }),
      settings: { containerSocket: engine.socketPath },
    })
    const image = engine.images.python
    await attest(federation, logisticDescription(image))
    const document = {
      name: 'death by age, sex and performance status',
      purpose: 'research',
      image,
      columns: ['status', 'age', 'sex', 'ph.ecog'],
      parameters: { outcome: 'status', is: '2', covariates: ['age', 'sex', 'ph.ecog'] },
      rounds: 5,
      dataset: 'patients',
      cohort: { sites: 'any', minimum: 5, approveWithin: '2m' },
      expires: '20m',
    }
    const file = await federation.file('job.yaml', JSON.stringify(document))
    const job = await eventually('the researcher hears of the attestation', async () => {
      const { exit, stdout } = await federation.researcher.flamesh('job', 'submit', file)
      return exit === 0 ? (JSON.parse(stdout) as { job: string }).job : undefined
    })
    // in the middle of the job
    const killed = federation.node('site-e')
    await killed.until(job, 'submitted', { round: 1 })
    const { key } = await killed.document<{ key: string }>('status')
    const containersOf = () => engine.docker.listContainers({ filters: { label: [`flamesh.node=${key}`] } })
    await eventually('a container of it runs', async () => (await containersOf()).length > 0 || undefined)
    await killed.kill()
    await killed.start()
    const outcome = await outcomeOf(federation, job)
    assert.equal(outcome.status, 'released', String(outcome.code))
    const included = Object.keys(outcome.sites).filter((name) => outcome.sites[name]?.included === true)
    assert.deepEqual(included.sort(), SITES.slice(0, 6))
    assert.equal(outcome.sites[REFUSES]?.status, 'refused')
    const found = (outcome.result as { outcome: readonly number[] }).outcome
    for (const [at, wanted] of coef.entries())
      assert.ok(
        Math.abs((found[at] as number) - wanted) <= 1e-6 * Math.abs(wanted),
        `${names[at]}: ${found[at]} for ${wanted}`,
      )
    const verified = await federation.researcher.flamesh(
      'receipt',
      'verify',
      outcome.receipt as string,
      '--result',
      outcome.resultFile as string,
    )
    assert.equal(verified.exit, 0, verified.stdout)
    assert.match(verified.stdout, /reviewed by ana, bo/)
    // what an image printed is for the operator of each site alone
    const { runs } = await federation.node('site-a').document<{ runs: { text: string }[] }>('job', 'log', job)
    assert.ok(runs.some(({ text }) => /rows used: \d+/.test(text)))
    const left = await engine.docker.listContainers({ all: true })
    assert.deepEqual(
      left.filter(({ Labels }) => Labels['flamesh.node'] !== undefined),
      [],
    )
    for (const name of SITES.slice(0, 6)) assert.deepEqual(readdirSync(join(federation.node(name).dir, 'runs')), [])
  })

  after(() => federation?.close())
})
