/** What an operator is told of a job before deciding. */
import assert from 'node:assert/strict'
import type { PolicyFloor } from '@flamesh/protocol/identity/roster.js'
import { descriptionHash } from '@flamesh/protocol/images/description.js'
import { briefOf } from '@flamesh/protocol/jobs/brief.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { signApproval } from '@flamesh/protocol/jobs/operators.js'
import { defaultPolicy, type Policy, policyHash, policySchema } from '@flamesh/protocol/jobs/policy.js'
import type { Context } from '@flamesh/protocol/machine.js'
import { signer } from '../identity/fixtures.js'
import { description } from '../images/fixtures.js'
import { attesting, compile, compileImage, keyOf, LUNG, NOW, roster } from './support.js'

const JOB = 'ab'.repeat(32)
const VERSION = keyOf('version')

/** As much of a node as a brief looks at. */
const contextOf = (policy: Policy, of = roster): Context =>
  ({
    nowMs: NOW,
    self: keyOf('site-e'),
    roster: of,
    log: { size: 13, root: keyOf('root'), checkpointAgeMs: 0 },
    policy,
    policyHash: policyHash(policy),
    datasets: [{ ...LUNG, version: VERSION }],
    history: () => [],
    travelled: () => false,
    approvalsToday: 0,
  }) as unknown as Context

const brief = (job: Job, policy = defaultPolicy, of = roster) => briefOf(JOB, job, contextOf(policy, of), new Map())

describe('what an operator sees', () => {
  it('of a built-in analysis: who, what for, which columns, what leaves, who sees what, and the policy', () => {
    const job = compile({ recipients: ['ruth', 'adam'], where: [{ column: 'sex', is: 1 }] })
    const seen = brief(job)
    assert.deepEqual(seen.researcher, { name: 'ruth', organisation: 'university-hospital' })
    assert.deepEqual(seen.recipients.map(({ name }) => name).sort(), ['adam', 'ruth'])
    assert.deepEqual(seen.columns, ['age', 'sex', 'wt.loss'])
    assert.deepEqual(seen.where, job.where)
    assert.deepEqual(seen.dataset, { name: 'lung', version: VERSION, rows: 30 })
    assert.deepEqual([seen.image, seen.floor, seen.analysis.builtin, seen.analysis.reviewers], [null, null, true, null])
    assert.ok(seen.analysis.definition.some((line) => line.startsWith('released:')))
    assert.deepEqual(seen.floors, { minimumCohort: 5, minimumCell: 5, maxColluding: 1 })
    const { leaves, opening } = seen
    assert.ok(leaves)
    assert.deepEqual([leaves.rounds, leaves.iterative], [1, false])
    assert.deepEqual(leaves.slots[0], { name: 'contributors', kind: 'count', length: 1, lower: '0', upper: '1' })
    const words = leaves.slots.reduce((sum, { kind }) => sum + (kind === 'sum' ? 2 : 1), 0)
    assert.equal(leaves.words, words)
    assert.ok(leaves.slots.every(({ name }) => !name.includes('rest')))
    assert.deepEqual(
      opening.members.map(({ name, absent }) => [name, absent]),
      [
        ['site-a', true],
        ['site-b', false],
        ['site-c', false],
        ['site-d', false],
      ],
      'the seat of a recipient’s organisation is absent',
    )
    assert.deepEqual([opening.quorum, opening.statesToSites], [3, false])
    assert.equal(seen.policy?.hash, policyHash(defaultPolicy))
    assert.deepEqual([seen.policy?.decision, seen.policy?.code], ['ask', 'outside-policy'])
    assert.ok((seen.policy?.rules.length ?? 0) > 8)
  })

  it('of an image: digest, source, SBOM, reviewers and the floor, resources, and its slots with their bounds', () => {
    const image = description()
    const seen = brief(compileImage(image, { rounds: 4 }), defaultPolicy, attesting(image))
    assert.deepEqual(seen.image, {
      reference: image.image,
      repository: 'registry.example.org/cohorts/tree',
      digest: `sha256:${'1f'.repeat(32)}`,
      source: image.source.location,
      commit: image.source.commit,
      sbom: image.sbom,
      combine: 'weighted-mean',
      resources: ['gpu', 'memory-8g'],
    })
    assert.equal(seen.analysis.hash, descriptionHash(image))
    assert.deepEqual(seen.analysis.reviewers, ['ana', 'bo'])
    assert.deepEqual(seen.floor, { needed: 2, reviewers: ['ana', 'bo', 'cy'] })
    assert.deepEqual(seen.columns, ['age', 'sex'])
    assert.deepEqual(seen.leaves?.slots.slice(1), image.output)
    assert.equal(seen.leaves?.words, 1 + 2 * (1 + 3) + 2 * 2)
    assert.equal(seen.leaves?.rounds, 4)
    assert.ok(seen.opening.statesToSites)
    assert.equal(seen.policy?.code, 'resource-not-granted')
  })

  it('names the floor that a review was made under, and the one in force if that is another', () => {
    const image = description()
    const attested = attesting(image)
    const floorsWith = (change: Partial<PolicyFloor>) => {
      const policyFloor = { ...(attested.policyFloor as PolicyFloor), index: 20, ...change }
      const { floor, floorNow } = brief(compileImage(image), defaultPolicy, { ...attested, policyFloor })
      assert.deepEqual(floor, { needed: 2, reviewers: ['ana', 'bo', 'cy'] })
      return floorNow
    }
    assert.equal(brief(compileImage(image), defaultPolicy, attested).floorNow, null)
    assert.deepEqual(floorsWith({ threshold: 3 }), { needed: 3, reviewers: ['ana', 'bo', 'cy'], met: false })
    assert.deepEqual(floorsWith({ threshold: 1 }), { needed: 1, reviewers: ['ana', 'bo', 'cy'], met: true })
    const keys = ['ana', 'mallory', 'cy'].map(keyOf)
    assert.equal(floorsWith({ keys })?.met, false, 'the name of a reviewer with another key')
    const builtin = brief(compile(), defaultPolicy, attested)
    assert.deepEqual([builtin.floor, builtin.floorNow?.met], [null, false], 'nobody reviewed it')
    const { hash, name } = compile().analysis
    const made = { index: 13, analysis: name, analysisHash: hash, reviewers: ['cy', 'bo'], withdrawn: false }
    const before = { ...attested, attestations: [made] }
    assert.equal(brief(compile(), defaultPolicy, before).floorNow?.met, true)
  })

  it('changes nothing with the rows, and says what is missing at this node', () => {
    const job = compile()
    const here = contextOf(defaultPolicy)
    const elsewhere = briefOf(JOB, job, { ...here, datasets: [] } as Context, new Map())
    assert.deepEqual(elsewhere.dataset, { name: 'lung', version: null, rows: null })
    assert.equal(elsewhere.policy?.code, 'no-dataset')
    const outside = briefOf(JOB, job, contextOf(defaultPolicy), undefined)
    assert.deepEqual([outside.policy, outside.approvals.needed], [null, 0], 'a node that is no site of the job')
    const strange = { ...job, analysis: { ...job.analysis, name: 'other' } }
    assert.deepEqual([brief(strange).leaves, brief(strange).policy], [null, null])
    const odd = { ...job, parameters: { columns: 7 } }
    assert.deepEqual([brief(odd).leaves, brief(odd).policy], [null, null])
  })

  it('names who has signed, and who has not', () => {
    const policy = policySchema.parse({
      version: 1,
      approvals: { needed: 2, operators: ['ada', 'bo'].map((name) => ({ name, key: signer(name).publicKey })) },
    })
    const about = { job: JOB, site: keyOf('site-e'), datasetVersion: VERSION, name: 'bo', consent: false }
    const signed = (hash: string) =>
      new Map([[signer('bo').publicKey, signApproval({ ...about, policyHash: hash }, signer('bo'))]])
    const given = (hash: string) => briefOf(JOB, compile(), contextOf(policy), signed(hash)).approvals
    assert.deepEqual(
      given(policyHash(policy)).operators.map((one) => [one.name, one.signed]),
      [
        ['ada', false],
        ['bo', true],
      ],
    )
    assert.equal(given(policyHash(policy)).needed, 2)
    assert.ok(
      given(policyHash(defaultPolicy)).operators.every((one) => !one.signed),
      'of another policy',
    )
  })
})
