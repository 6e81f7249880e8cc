import assert from 'node:assert/strict'
import { defaultPolicy, policyHash, policySchema } from '@flamesh/protocol/jobs/policy.js'

const ADA = { name: 'ada', key: 'ad'.repeat(32) }
const BO = { name: 'bo', key: 'b0'.repeat(32) }

describe('policy', () => {
  it('asks about everything unless told otherwise, with the floors of the protocol', () => {
    assert.deepEqual(defaultPolicy, {
      version: 1,
      approve: [],
      never: [],
      consents: [],
      minimumCohort: 5,
      minimumCell: 5,
      maxColluding: 1,
      committees: 'any',
      approvals: { needed: 0, operators: [], always: [] },
      grants: [],
      ledger: { minimumDifference: 5, eachSide: false },
      maxOpenHours: 168,
      jobsPerDay: 200,
      maxCheckpointHours: 168,
      recomputeChangedRows: 'never',
      trains: false,
      maxIntervals: 120,
    })
  })

  it('cannot be laxer than the protocol', () => {
    for (const laxer of [
      { minimumCohort: 2 },
      { minimumCell: 4 },
      { maxColluding: -1 },
      { maxCheckpointHours: 169 },
      { maxOpenHours: 721 },
      { maxIntervals: 0 },
      { ledger: { minimumDifference: 4 } },
      { recomputeChangedRows: 0 },
      { committees: [] },
      { approve: [{ researchers: [] }] },
      { approve: [{ everything: true }] },
      { approve: [{ hashes: ['abc'] }] },
      { consents: [{}] },
      { consents: [{ analyses: ['table'] }] },
      { consents: [{ datasets: 'any', analyses: 'any' }] },
      { approved: [] },
      { version: 2 },
      { approvals: { needed: 1, operators: [] } },
      { approvals: { needed: 0, operators: [ADA] } },
      { approvals: { needed: 2, operators: [ADA, { ...BO, name: 'ada' }] } },
      { approvals: { needed: 2, operators: [ADA, { ...BO, key: ADA.key }] } },
      { approvals: { needed: 1, operators: [{ ...ADA, key: 'abc' }] } },
      { approvals: { needed: 1, operators: [{ ...ADA, name: ' ada' }] } },
      { approvals: { needed: 1 } },
      { approvals: { needed: 0, operators: [], always: 'any' } },
      { approvals: { needed: 1, operators: [ADA], always: ['builtin'] } },
    ]) {
      assert.equal(policySchema.safeParse({ version: 1, ...laxer }).success, false, JSON.stringify(laxer))
    }
    assert.equal(policySchema.safeParse({}).success, false)
    assert.equal(policySchema.safeParse({ version: 1, minimumCohort: 3 }).success, true)
    assert.equal(policySchema.safeParse({ version: 1, approvals: { needed: 2, operators: [ADA, BO] } }).success, true)
  })

  it('is known by what it says, not by how it is written', () => {
    const short = policySchema.parse({ version: 1, approve: [{ analyses: 'builtin' }] })
    const long = policySchema.parse({
      minimumCell: 5,
      approve: [{ analyses: 'builtin' }],
      version: 1,
      committees: 'any',
    })
    assert.equal(policyHash(short), policyHash(long))
    assert.match(policyHash(short), /^[0-9a-f]{64}$/)
    assert.notEqual(policyHash(short), policyHash(defaultPolicy))
    assert.notEqual(policyHash(short), policyHash({ ...short, minimumCell: 6 }))
  })
})
