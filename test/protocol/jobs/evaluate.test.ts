import assert from 'node:assert/strict'
import { evaluatePolicy } from '@flamesh/protocol/jobs/evaluate.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { defaultPolicy, type Policy, policySchema } from '@flamesh/protocol/jobs/policy.js'
import type { PolicyContext } from '@flamesh/protocol/jobs/rules.js'
import fc from 'fast-check'
import { description } from '../images/fixtures.js'
import { attesting, COMMITTEE, compile, compileImage, keyOf, LUNG, NOW, roster, withMember } from './support.js'

const HOUR = 3_600_000
const context: PolicyContext = {
  roster,
  nowMs: NOW,
  dataset: LUNG,
  recentJobs: 0,
  committee: COMMITTEE,
  checkpointAgeMs: HOUR,
}
const policy = (fields: Record<string, unknown>): Policy => policySchema.parse({ version: 1, ...fields })

/** `approve`, or the decision and its code. */
function outcome(one: Policy, job: Job, changes: Partial<PolicyContext> = {}): string {
  const { decision, code } = evaluatePolicy(one, job, { ...context, ...changes })
  return decision === 'approve' ? decision : `${decision} ${code}`
}

const openPolicy = policy({ approve: [{}] })
const COX = {
  analysis: 'cox',
  parameters: { time: 'time', event: { column: 'status', is: 2 }, covariates: ['age', 'sex'] },
}

describe('policy evaluation', () => {
  it('asks the operator by default', () => {
    assert.equal(outcome(defaultPolicy, compile()), 'ask outside-policy')
  })

  it('approves what one rule covers', () => {
    assert.equal(outcome(openPolicy, compile()), 'approve')
    assert.equal(outcome(policy({ approve: [{ analyses: ['cox'] }, { datasets: ['lung'] }] }), compile()), 'approve')
    assert.equal(
      outcome(policy({ approve: [{ analyses: ['cox'], datasets: ['lung'] }] }), compile()),
      'ask outside-policy',
    )
  })

  it('lets a grid be fine where the policy says so, and leaves analyses without one alone', () => {
    const survival = (intervals: number) =>
      compile({
        analysis: 'survival',
        parameters: { time: 'time', event: { column: 'status', is: 2 }, grid: { width: 1, intervals } },
      })
    assert.equal(outcome(openPolicy, survival(120)), 'approve')
    assert.equal(outcome(openPolicy, survival(121)), 'refuse too-many-intervals')
    assert.equal(outcome(defaultPolicy, survival(121)), 'refuse too-many-intervals')
    assert.equal(outcome(policy({ approve: [{}], maxIntervals: 1000 }), survival(1000)), 'approve')
    assert.equal(outcome(policy({ approve: [{}], maxIntervals: 1 }), compile(COX)), 'approve')
  })

  it('consents where a rule says so for this dataset and analysis, and decides nothing by it', () => {
    const lung = { datasets: ['lung'], analyses: ['cox'] }
    const given = (one: Policy) => evaluatePolicy(one, compile(COX), context)
    const { consents, decision, message, rules } = given(policy({ approve: [{}], consents: [lung] }))
    assert.deepEqual([consents, decision], [true, 'approve'])
    assert.match(message, /^"approve" rule 1/)
    assert.ok(rules.some(({ rule, outcome: of }) => rule === 'consents' && of === 'pass'))
    assert.equal(given(openPolicy).consents, false)
    assert.equal(given(policy({ consents: [lung] })).decision, 'ask')
    for (const other of [{ datasets: ['heart'] }, { analyses: ['table'] }, { researchers: ['nobody'] }])
      assert.equal(given(policy({ consents: [{ ...lung, ...other }] })).consents, false)
  })

  const job = compile({ purpose: 'Quality of Care', where: [{ column: 'sex', is: 1 }], recipients: ['ruth', 'bea'] })
  const selectors: readonly [string, Record<string, unknown>, boolean, boolean][] = [
    // selector, value, whether an approve rule covers the job, whether a never rule applies
    ['researchers any', { researchers: 'any' }, true, true],
    ['every researcher', { researchers: ['bea', 'ruth', 'adam'] }, true, true],
    ['only one of the recipients', { researchers: ['ruth'] }, false, true],
    ['another researcher', { researchers: ['adam'] }, false, false],
    ['every organisation', { organisations: ['university-hospital', 'org-b'] }, true, true],
    ['one of the organisations', { organisations: ['org-b'] }, false, true],
    ['every column', { columns: ['age', 'wt.loss', 'sex'] }, true, true],
    ['the columns of the parameters, not of where', { columns: ['age', 'wt.loss'] }, false, true],
    ['a column of where', { columns: ['sex'] }, false, true],
    ['another column', { columns: ['time'] }, false, false],
    ['built in', { analyses: 'builtin' }, true, true],
    ['the analysis', { analyses: ['describe'] }, true, true],
    ['another analysis', { analyses: ['table'] }, false, false],
    ['its hash', { hashes: [job.analysis.hash] }, true, true],
    ['another hash', { hashes: [keyOf('other')] }, false, false],
    ['attested', { attested: true }, false, false],
    ['not attested', { attested: false }, true, true],
    ['the dataset', { datasets: ['breast', 'lung'] }, true, true],
    ['another dataset', { datasets: ['breast'] }, false, false],
    ['a phrase of the purpose', { purposes: ['audit', 'quality of care'] }, true, true],
    ['another purpose', { purposes: ['marketing'] }, false, false],
    ['all selectors', { datasets: ['lung'], analyses: ['describe'] }, true, true],
    ['one selector that misses', { datasets: ['lung'], analyses: ['cox'] }, false, false],
  ]
  for (const [what, rule, covers, applies] of selectors) {
    it(`reads a rule on ${what}`, () => {
      assert.equal(outcome(policy({ approve: [rule] }), job), covers ? 'approve' : 'ask outside-policy')
      assert.equal(outcome(policy({ approve: [{}], never: [rule] }), job), applies ? 'refuse policy-never' : 'approve')
    })
  }

  it('counts attestations that were not withdrawn', () => {
    const attested = {
      index: 13,
      analysis: 'describe',
      analysisHash: job.analysis.hash,
      reviewers: ['r'],
      withdrawn: false,
    }
    const requires = policy({ approve: [{ attested: true }] })
    const withdrawn = { ...attested, withdrawn: true }
    assert.equal(outcome(requires, job, { roster: { ...roster, attestations: [attested] } }), 'approve')
    assert.equal(outcome(requires, job, { roster: { ...roster, attestations: [withdrawn, attested] } }), 'approve')
    assert.equal(
      outcome(openPolicy, job, { roster: { ...roster, attestations: [withdrawn] } }),
      'ask analysis-withdrawn',
    )
    const floor = { index: 13, threshold: 1, reviewers: ['r'] }
    const image = { index: 14, hash: job.analysis.hash, description: description(), reviewers: ['r'], floor }
    const images = (withdrawn: boolean) => ({
      roster: { ...roster, images: new Map([[image.hash, { ...image, withdrawn }]]) },
    })
    assert.equal(outcome(requires, job, images(false)), 'approve')
    assert.equal(outcome(openPolicy, job, images(true)), 'ask analysis-withdrawn')
  })

  it('says who has to sign, and leaves to them what they always sign', () => {
    const operators = ['ada', 'bo', 'cleo'].map((name) => ({ name, key: keyOf(name) }))
    const eyes = (always: unknown, approve: unknown[] = [{ analyses: 'builtin' }, { images: 'any' }]) =>
      policy({ approve, trains: true, approvals: { needed: 2, operators, always } })
    const image = description({ resources: [] })
    const ofImage = { roster: attesting(image) }
    const decided = (one: Policy, job: Job, changes = {}) => {
      const { decision, code, signatures, rules } = evaluatePolicy(one, job, { ...context, ...changes })
      return [decision, code, signatures, rules.find(({ rule }) => rule === 'four-eyes')?.outcome]
    }
    const covered = ['approve', 'policy', 0, 'pass']
    const signed = ['ask', 'four-eyes', 2, 'ask']
    const train = { ...compile(), route: { stations: [], unreachable: 'wait' as const, hopWithinMs: 1 } }
    assert.deepEqual(decided(eyes([]), compile()), covered)
    assert.deepEqual(decided(eyes([]), compileImage(image), ofImage), covered)
    assert.deepEqual(decided(eyes(['images']), compile()), covered)
    assert.deepEqual(decided(eyes(['images']), compileImage(image), ofImage), signed)
    assert.deepEqual(decided(eyes(['images']), train), covered)
    assert.deepEqual(decided(eyes(['images', 'trains']), train), signed)
    assert.deepEqual(decided(eyes('any'), compile()), signed)
    assert.deepEqual(decided(eyes('any', []), compile()), ['ask', 'outside-policy', 2, 'ask'])
    assert.deepEqual(decided(eyes([], []), compile()), ['ask', 'outside-policy', 2, 'pass'])
    assert.deepEqual(decided(policy({}), compile()), ['ask', 'outside-policy', 0, undefined])
    assert.deepEqual(decided(eyes('any'), compile({ cohort: { minimum: 4 } })).slice(0, 3), [
      'refuse',
      'minimum-cohort',
      0,
    ])
    const { message = '' } =
      evaluatePolicy(eyes(['images']), compile(), context).rules.find(({ rule }) => rule === 'four-eyes') ?? {}
    assert.match(message, /2 of 3 operators \(ada; bo; cleo\) sign whatever the machine does not approve/)
  })

  it('holds its floors whatever the rules say', () => {
    assert.equal(outcome(openPolicy, compile(), { dataset: undefined }), 'refuse no-dataset')
    assert.equal(outcome(policy({ approve: [{}], minimumCohort: 6 }), compile()), 'refuse minimum-cohort')
    assert.equal(outcome(policy({ approve: [{}], minimumCohort: 6 }), compile({ cohort: { minimum: 6 } })), 'approve')
    assert.equal(outcome(policy({ approve: [{}], minimumCohort: 3 }), compile({ cohort: { minimum: 3 } })), 'approve')
    assert.equal(
      outcome(policy({ approve: [{}], minimumCohort: 3, maxColluding: 2 }), compile({ cohort: { minimum: 3 } })),
      'refuse minimum-cohort',
    )
    assert.equal(outcome(policy({ approve: [{}], maxColluding: 2 }), compile()), 'refuse maximum-colluding')
    assert.equal(outcome(policy({ approve: [{}], maxColluding: 2 }), compile({ maxColluding: 2 })), 'approve')
    assert.equal(outcome(policy({ approve: [{}], minimumCell: 10 }), compile()), 'refuse minimum-cell')
    assert.equal(outcome(policy({ approve: [{}], minimumCell: 10 }), compile({ minimumCell: 10 })), 'approve')
    assert.equal(outcome(policy({ approve: [{}], committees: ['other'] }), compile()), 'refuse committee-not-accepted')
    assert.equal(outcome(policy({ approve: [{}], committees: ['default'] }), compile()), 'approve')
    assert.equal(outcome(openPolicy, compile(), { committee: undefined }), 'refuse committee-not-accepted')
    assert.equal(
      outcome(openPolicy, compile(), { roster: withMember('ruth', { revokedAt: 12 }) }),
      'refuse not-a-member',
    )
  })

  it('never computes the same again on a few changed rows', () => {
    assert.equal(outcome(openPolicy, compile(), { changedRows: 0 }), 'approve')
    assert.equal(outcome(openPolicy, compile(), { changedRows: 1000 }), 'refuse rows-changed')
    const relaxed = policy({ approve: [{}], recomputeChangedRows: 20 })
    assert.equal(outcome(relaxed, compile(), { changedRows: 19 }), 'refuse rows-changed')
    assert.equal(outcome(relaxed, compile(), { changedRows: 20 }), 'approve')
  })

  it('leaves to the operator what the machine may not approve by itself', () => {
    assert.equal(outcome(openPolicy, compile(), { checkpointAgeMs: 168 * HOUR }), 'approve')
    assert.equal(outcome(openPolicy, compile(), { checkpointAgeMs: 168 * HOUR + 1 }), 'ask checkpoint-stale')
    assert.equal(outcome(openPolicy, compile(), { checkpointAgeMs: Number.POSITIVE_INFINITY }), 'ask checkpoint-stale')
    assert.equal(outcome(openPolicy, compile({ expires: '8d' })), 'ask open-too-long')
    assert.equal(outcome(openPolicy, compile({ expires: '7d' })), 'approve')
    assert.equal(outcome(openPolicy, compile(), { recentJobs: 200 }), 'ask rate')
    assert.equal(outcome(policy({ approve: [{}], jobsPerDay: 0 }), compile()), 'ask rate')
  })

  it('lets refusals win over questions and never over approvals only', () => {
    const both = policy({ never: [{ datasets: ['lung'] }] })
    assert.equal(outcome(both, compile(), { checkpointAgeMs: 1e12 }), 'refuse policy-never')
    assert.equal(outcome(both, compile(), { dataset: undefined }), 'refuse no-dataset')
  })

  it('explains every rule it looked at, and decides by one of them', () => {
    const strict = policy({
      approve: [{ datasets: ['breast'] }],
      never: [{ columns: ['postcode'] }, { datasets: ['lung'] }],
    })
    const explained = evaluatePolicy(strict, compile(), context)
    const nevers = explained.rules.filter((one) => one.rule === 'policy-never')
    assert.deepEqual(
      nevers.map((one) => one.outcome),
      ['pass', 'refuse'],
    )
    assert.equal(explained.message, nevers[1]?.message)
    assert.match(explained.message, /rule 2 \(datasets\)/)
    assert.equal(explained.rules.at(-1)?.outcome, 'ask')
  })

  it('says nothing about the data: what the site holds changes neither code nor message', () => {
    for (const one of [openPolicy, defaultPolicy, policy({ minimumCohort: 9 }), policy({ never: [{}] })]) {
      const richer = { ...LUNG, roundedRows: 9000, columns: LUNG.columns.map(({ name, type }) => ({ name, type })) }
      assert.deepEqual(
        evaluatePolicy(one, compile(), context),
        evaluatePolicy(one, compile(), { ...context, dataset: richer }),
      )
    }
  })

  it('never lets another never rule or a higher floor turn a refusal into more', () => {
    const order = { approve: 2, ask: 1, refuse: 0 }
    const rules = fc.array(fc.constantFrom(...selectors.map(([, rule]) => rule)), { maxLength: 3 })
    fc.assert(
      fc.property(rules, rules, rules, fc.integer({ min: 3, max: 6 }), (approve, never, more, minimumCohort) => {
        const before = evaluatePolicy(policy({ approve, never, minimumCohort: 3 }), job, context)
        const after = evaluatePolicy(policy({ approve, never: [...never, ...more], minimumCohort }), job, context)
        assert.ok(order[after.decision] <= order[before.decision])
      }),
      { numRuns: 50 },
    )
  })
})
