/** What each policy under docs/examples/policies/ lets through, asks about and refuses. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readPolicyFile } from '@flamesh/node/config/policy-file.js'
import type { ImageDescription } from '@flamesh/protocol/images/description.js'
import { evaluatePolicy } from '@flamesh/protocol/jobs/evaluate.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import type { Policy } from '@flamesh/protocol/jobs/policy.js'
import type { PolicyContext } from '@flamesh/protocol/jobs/rules.js'
import { description } from '../images/fixtures.js'
import { attesting, COMMITTEE, compile, compileImage, keyOf, LUNG, NOW, roster, withMember } from './support.js'

const FOLDER = fileURLToPath(new URL('../../../docs/examples/policies/', import.meta.url))
const context: PolicyContext = {
  roster,
  nowMs: NOW,
  dataset: LUNG,
  recentJobs: 0,
  committee: COMMITTEE,
  checkpointAgeMs: 3_600_000,
}
const example = async (name: string): Promise<Policy> => (await readPolicyFile(`${FOLDER}${name}.yaml`)).policy

/** `approve`, or the decision and its code. */
function outcome(one: Policy, job: Job, changes: Partial<PolicyContext> = {}): string {
  const { decision, code } = evaluatePolicy(one, job, { ...context, ...changes })
  return decision === 'approve' ? decision : `${decision} ${code}`
}

const COX = {
  analysis: 'cox',
  parameters: { time: 'time', event: { column: 'status', is: 2 }, covariates: ['age', 'sex'] },
}

const REPORT = 'registry.example.org/university/quality-report'
const imageOf = (repository: string, changes: Partial<ImageDescription> = {}): ImageDescription =>
  description({ image: `${repository}@sha256:${'1f'.repeat(32)}`, resources: [], ...changes })

/** What a policy says to a job of an image that the log attests. */
const ofImage = (
  one: Policy,
  image: ImageDescription,
  fields: Record<string, unknown>,
  changes: Partial<PolicyContext> = {},
): string => outcome(one, compileImage(image, fields), { roster: attesting(image), ...changes })

describe('example policies', () => {
  it('are all tested here', () => {
    assert.deepEqual(readdirSync(FOLDER).sort(), [
      'approve-builtin.yaml',
      'cautious.yaml',
      'feasibility.yaml',
      'liberal.yaml',
    ])
  })

  it('approve-builtin approves every built-in analysis of enrolled researchers', async () => {
    const builtin = await example('approve-builtin')
    assert.equal(outcome(builtin, compile()), 'approve')
    assert.equal(outcome(builtin, compile(COX)), 'approve')
    assert.equal(outcome(builtin, compile({}, { researcher: keyOf('adam') })), 'approve')
    assert.equal(outcome(builtin, compile({ cohort: { minimum: 4 } })), 'refuse minimum-cohort')
    assert.equal(outcome(builtin, compile(), { roster: withMember('ruth', { revokedAt: 12 }) }), 'refuse not-a-member')
    assert.equal(ofImage(builtin, imageOf(REPORT), {}), 'ask outside-policy')
  })

  it('cautious approves summaries for its partner, asks about models, and refuses what must never happen', async () => {
    const cautious = await example('cautious')
    const fits = { parameters: { columns: ['age'] }, minimumCell: 10, maxColluding: 2, cohort: { minimum: 8 } }
    assert.equal(outcome(cautious, compile(fits)), 'approve')
    assert.equal(outcome(cautious, compile({ ...fits, ...COX })), 'ask outside-policy')
    assert.equal(outcome(cautious, compile({ ...fits, parameters: { columns: ['wt.loss'] } })), 'ask outside-policy')
    assert.equal(outcome(cautious, compile({ ...fits, recipients: ['ruth', 'bea'] })), 'ask outside-policy')
    assert.equal(outcome(cautious, compile(fits, { researcher: keyOf('bea') })), 'ask outside-policy')
    assert.equal(outcome(cautious, compile({ ...fits, expires: '3d' })), 'ask open-too-long')
    assert.equal(outcome(cautious, compile(fits), { recentJobs: 20 }), 'ask rate')
    assert.equal(outcome(cautious, compile({ ...fits, purpose: 'Insurance premiums' })), 'refuse policy-never')
    const postcode = { ...compile(fits), where: [{ column: 'postcode', operator: 'present' as const, values: [] }] }
    assert.equal(outcome(cautious, postcode), 'refuse policy-never')
    assert.equal(outcome(cautious, compile({ ...fits, minimumCell: 5 })), 'refuse minimum-cell')
    assert.equal(outcome(cautious, compile({ ...fits, cohort: { minimum: 5 } })), 'refuse minimum-cohort')
    assert.equal(outcome(cautious, compile({ ...fits, maxColluding: 1 })), 'refuse maximum-colluding')
    assert.equal(
      outcome(cautious, compile(fits), { committee: { ...COMMITTEE, name: 'other' } }),
      'refuse committee-not-accepted',
    )
  })
  it('cautious leaves every image to two of its operators, and tells them which is the one of its partner', async () => {
    const cautious = await example('cautious')
    const strict = { minimumCell: 10, maxColluding: 2, cohort: { minimum: 8 } }
    const report = imageOf(REPORT)
    assert.equal(ofImage(cautious, report, strict), 'ask four-eyes')
    assert.equal(ofImage({ ...cautious, approvals: { ...cautious.approvals, always: [] } }, report, strict), 'approve')
    assert.equal(ofImage(cautious, imageOf('registry.example.org/other/report'), strict), 'ask outside-policy')
    assert.equal(ofImage(cautious, report, { ...strict, columns: ['age', 'time'] }), 'ask outside-policy')
    assert.equal(ofImage(cautious, report, { ...strict, recipients: ['ruth', 'bea'] }), 'ask outside-policy')
    assert.equal(ofImage(cautious, report, strict, { recentJobs: 20 }), 'ask rate')
    assert.equal(
      ofImage(cautious, imageOf(REPORT, { resources: ['gpu'] }), strict),
      'refuse resource-not-granted',
      'nothing beside the contract is granted, whoever approves',
    )
    const withdrawn = { roster: attesting(report, true) }
    assert.equal(ofImage(cautious, report, strict, withdrawn), 'refuse image-not-attested')
    assert.equal(ofImage(cautious, report, { ...strict, purpose: 'for marketing' }), 'refuse policy-never')
    assert.equal(ofImage(cautious, report, {}), 'refuse minimum-cohort')
    const { needed, operators } = cautious.approvals
    assert.deepEqual([needed, operators.length], [2, 3])
  })

  it('feasibility approves counts, and asks about everything else', async () => {
    const counts = await example('feasibility')
    const where = [{ column: 'age', 'at-least': 60 }]
    const count = { analysis: 'feasibility', parameters: {}, where }
    assert.equal(outcome(counts, compile(count)), 'approve')
    assert.equal(outcome(counts, compile({ ...count, parameters: { by: 'sex' } })), 'approve')
    assert.equal(
      outcome(counts, compile({ ...count, parameters: { by: { column: 'time', levels: [1, 2] } } })),
      'ask outside-policy',
    )
    assert.equal(
      outcome(counts, compile({ ...count, where: [{ column: 'wt.loss', above: 20 }] })),
      'ask outside-policy',
    )
    assert.equal(outcome(counts, compile()), 'ask outside-policy')
    assert.equal(outcome(counts, compile(COX)), 'ask outside-policy')
    assert.equal(outcome(counts, compile(count), { recentJobs: 20 }), 'ask rate')
  })

  it('liberal approves whatever is built in or reviewed, and refuses what must never happen', async () => {
    const liberal = await example('liberal')
    assert.equal(outcome(liberal, compile()), 'approve')
    assert.equal(outcome(liberal, compile(COX)), 'approve')
    assert.equal(outcome(liberal, compile({ recipients: ['ruth', 'bea'], expires: '30d' })), 'approve')
    assert.equal(outcome(liberal, compile({ cohort: { minimum: 3 } })), 'approve')
    assert.equal(outcome(liberal, compile(), { changedRows: 1 }), 'approve')
    assert.equal(outcome(liberal, compile(), { recentJobs: 999 }), 'approve')
    assert.equal(outcome(liberal, compile(), { recentJobs: 1000 }), 'ask rate')
    assert.equal(outcome(liberal, compile({ purpose: 'Marketing' })), 'refuse policy-never')
    const born = { ...compile(), where: [{ column: 'date-of-birth', operator: 'present' as const, values: [] }] }
    assert.equal(outcome(liberal, born), 'refuse policy-never')
    assert.equal(outcome(liberal, compile(), { dataset: undefined }), 'refuse no-dataset')
    assert.equal(outcome(liberal, compile(), { roster: withMember('ruth', { revokedAt: 12 }) }), 'refuse not-a-member')
    assert.equal(liberal.approvals.needed, 0)
  })

  it('liberal approves every image that reviewers signed, with a GPU if it needs one', async () => {
    const liberal = await example('liberal')
    const image = imageOf('registry.example.org/anyone/tree', { resources: ['gpu', 'memory-8g'] })
    assert.equal(ofImage(liberal, image, {}), 'approve')
    assert.equal(ofImage(liberal, imageOf('elsewhere.example.org/tree', { combine: 'reduce' }), {}), 'approve')
    assert.equal(ofImage(liberal, image, {}, { roster: attesting(image, true) }), 'refuse image-not-attested')
    assert.equal(ofImage(liberal, image, {}, { roster }), 'refuse image-not-attested')
    assert.equal(
      ofImage(liberal, imageOf('registry.example.org/anyone/tree', { resources: ['memory-64g'] }), {}),
      'refuse resource-not-granted',
    )
    assert.equal(ofImage(liberal, image, { purpose: 'insurance' }), 'refuse policy-never')
  })
})
