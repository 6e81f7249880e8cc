import assert from 'node:assert/strict'
import { checkJob } from '@flamesh/protocol/jobs/check.js'
import { evaluatePolicy } from '@flamesh/protocol/jobs/evaluate.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { policySchema } from '@flamesh/protocol/jobs/policy.js'
import { description } from '../images/fixtures.js'
import {
  attesting,
  COMMITTEE,
  compile,
  compileImage,
  keyOf,
  LUNG,
  NOW,
  roster,
  SITES,
  thrown,
} from '../jobs/support.js'

const STATIONS = ['site-c', 'site-a', 'site-b', 'site-d', 'site-e']
const route = (change = {}) => ({ route: { stations: STATIONS, unreachable: 'skip', ...change } })
const travels = (document: Record<string, unknown> = {}): Job => compile({ ...route(), ...document })

/** Where the mistake is, by path, and which rule it breaks. */
function mistake(document: Record<string, unknown>): unknown {
  const { code, meta } = thrown(() => compile(document))
  assert.equal(code, 'job-invalid')
  return meta['rule'] ?? meta['path']
}

function code(change: Partial<Job>): string {
  const check = checkJob({ ...travels(), ...change }, roster, NOW)
  return check.ok ? 'ok' : check.code
}

describe('a route', () => {
  it('keeps its order, and is the cohort', () => {
    const job = travels()
    assert.deepEqual(job.route, { stations: STATIONS.map(keyOf), unreachable: 'skip', hopWithinMs: 300_000 })
    assert.deepEqual(job.cohort.sites, STATIONS.map(keyOf).sort())
    assert.equal(travels(route({ hopWithin: '30s' })).route?.hopWithinMs, 30_000)
    assert.equal(compile().route, null)
  })

  it('says what becomes of a station that cannot be reached', () => {
    assert.equal(mistake({ route: { stations: STATIONS } }), 'route.unreachable')
    assert.equal(mistake(route({ unreachable: 'retry' })), 'route.unreachable')
    assert.equal(mistake(route({ hopWithn: '1m' })), 'route.hopWithn')
  })

  it('has at least three stations, each once, of organisations of their own, all of them sites', () => {
    assert.equal(mistake(route({ stations: ['site-a', 'site-b'] })), 'route.stations')
    assert.equal(mistake(route({ stations: [...STATIONS, 'site-a'] })), 'route.stations[5]')
    assert.equal(mistake(route({ stations: [...STATIONS, 'ruth'] })), 'route.stations[5]')
    assert.equal(mistake(route({ stations: [...STATIONS, 'site-a2'] })), 'cohort')
    assert.equal(mistake({ ...route(), cohort: { sites: ['site-a'] } }), 'cohort.sites')
  })

  it('takes along more than half of its stations', () => {
    const minimum = (least: number) => ({ ...route({ stations: SITES }), cohort: { minimum: least } })
    assert.equal(mistake(minimum(4)), 'minimum-cohort')
    assert.equal(compile(minimum(5)).cohort.minimum, 5)
  })

  it('is checked by whoever gets the job', () => {
    const { route: good, cohort } = travels()
    assert.ok(good !== null)
    const [first, ...rest] = good.stations as [string, ...string[]]
    assert.equal(code({}), 'ok')
    assert.equal(code({ route: { ...good, stations: rest } }), 'route')
    assert.equal(code({ route: { ...good, stations: [first, first, ...rest.slice(1)] } }), 'route')
    assert.equal(code({ cohort: { ...cohort, sites: [] } }), 'route')
    assert.equal(code({ cohort: { ...cohort, minimum: 6 } }), 'minimum-cohort')
  })

  it('takes no analysis of several rounds', () => {
    const parameters = { outcome: { column: 'status', is: 2 }, covariates: ['age'] }
    assert.equal(mistake({ ...route(), analysis: 'logistic', parameters }), 'iterative-on-route')
  })

  it('takes no image, whoever signs the job', () => {
    const image = description()
    assert.equal(thrown(() => compileImage(image, route())).meta['rule'], 'image-on-route')
    const { route: way, cohort } = travels()
    const check = checkJob({ ...compileImage(image), route: way, cohort }, attesting(image), NOW)
    assert.equal(check.ok ? 'ok' : check.code, 'image-on-route')
  })
})

describe('a policy about trains', () => {
  const context = {
    roster,
    nowMs: NOW,
    dataset: LUNG,
    recentJobs: 0,
    committee: COMMITTEE,
    checkpointAgeMs: 0,
  }
  const outcome = (fields: object, job: Job, answeredOtherwise = false): string => {
    const policy = policySchema.parse({ version: 1, approve: [{}], ...fields })
    return evaluatePolicy(policy, job, { ...context, answeredOtherwise }).code
  }

  it('refuses them unless it says otherwise, and then says what a train is', () => {
    assert.equal(outcome({}, travels()), 'train-not-allowed')
    assert.equal(outcome({ trains: true }, travels()), 'policy')
    assert.equal(outcome({}, compile()), 'policy')
    const policy = policySchema.parse({ version: 1, trains: true })
    const { rules } = evaluatePolicy(policy, travels(), context)
    assert.match(rules.find(({ rule }) => rule === 'train-not-allowed')?.message ?? '', /sees the state in the clear/)
  })

  it('lets no question be answered both ways', () => {
    assert.equal(outcome({ trains: true }, travels(), true), 'answered-otherwise')
    assert.equal(outcome({ trains: true }, compile(), true), 'answered-otherwise')
  })
})
