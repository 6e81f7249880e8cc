import assert from 'node:assert/strict'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { absentSeats, canonicalWhere, checkJob, guardKey } from '@flamesh/protocol/jobs/check.js'
import { type Job, jobSchema } from '@flamesh/protocol/jobs/job.js'
import { type Condition, conditionSchema } from '@flamesh/protocol/jobs/where.js'
import fc from 'fast-check'
import { COMMITTEE, compile, keyOf, NOW, roster, withMember } from './support.js'

const job = compile()
const COX = {
  analysis: 'cox',
  parameters: { time: 'time', event: { column: 'status', is: 2 }, covariates: ['age', 'sex'] },
}

function code(changes: Partial<Job>, inRoster = roster, nowMs = NOW): string {
  const check = checkJob({ ...job, ...changes }, inRoster, nowMs)
  return check.ok ? 'ok' : check.code
}

describe('job checks', () => {
  it('passes what was compiled, after a trip over the wire too', () => {
    const received = jobSchema.parse(decode(encode(job)))
    assert.deepEqual(received, job)
    assert.deepEqual(checkJob(received, roster, NOW + 1000), { ok: true })
  })

  it('waits for what the researcher has seen of the log', () => {
    assert.equal(code({ checkpoint: { ...job.checkpoint, size: 14 } }), 'checkpoint-ahead')
    assert.equal(code({ checkpoint: { ...job.checkpoint, size: 1 } }), 'ok')
  })

  it('bounds the times', () => {
    assert.equal(code({ notAfter: job.notBefore }), 'lifetime')
    assert.equal(code({ notAfter: job.notBefore + 30 * 86_400_000 }), 'ok')
    assert.equal(code({ notAfter: job.notBefore + 30 * 86_400_000 + 1 }), 'lifetime')
    assert.equal(code({ cohort: { ...job.cohort, approveWithinMs: 7_200_000 } }), 'lifetime')
    assert.equal(code({}, roster, job.notAfter), 'expired')
    assert.equal(code({}, roster, job.notAfter - 1), 'ok')
    assert.equal(code({}, roster, NOW - 120_000), 'ok')
    assert.equal(code({}, roster, NOW - 120_001), 'not-yet')
  })

  it('wants researchers in good standing', () => {
    assert.equal(code({ researcher: keyOf('nobody') }), 'researcher-unknown')
    assert.equal(code({ researcher: keyOf('site-e') }), 'researcher-unknown')
    assert.equal(code({}, withMember('ruth', { revokedAt: 12 })), 'researcher-unknown')
    assert.equal(code({}, withMember('ruth', { notAfter: NOW })), 'researcher-unknown')
    assert.equal(code({ recipients: [keyOf('site-e')] }), 'recipient-unknown')
    assert.equal(code({ recipients: [keyOf('ruth'), keyOf('site-e')].sort() }), 'recipient-unknown')
    assert.equal(code({ recipients: [keyOf('bea'), keyOf('ruth')].sort().reverse() }), 'recipients')
    assert.equal(code({ recipients: [keyOf('ruth'), keyOf('ruth')] }), 'recipients')
  })

  it('bounds the cohort', () => {
    const sites = ['a', 'b', 'c', 'd', 'e'].map((letter) => keyOf(`site-${letter}`)).sort()
    const cohort = { ...job.cohort, sites }
    assert.equal(code({ cohort }), 'ok')
    assert.equal(code({ cohort: { ...cohort, minimum: 6 } }), 'minimum-cohort')
    assert.equal(code({ maxColluding: 4 }), 'minimum-cohort')
    assert.equal(code({ maxColluding: 3 }), 'ok')
    assert.equal(code({ minimumCell: 4 }), 'minimum-cell')
    assert.equal(code({ cohort: { ...cohort, sites: [...sites].reverse() } }), 'cohort')
    assert.equal(code({ cohort: { ...cohort, sites: [...sites, keyOf('site-a2')].sort() } }), 'cohort')
    assert.equal(code({ cohort: { ...cohort, sites: [...sites, keyOf('ruth')].sort() } }), 'site-unknown')
    assert.equal(code({ cohort: { ...cohort, sites: [...sites, keyOf('nobody')].sort() } }), 'site-unknown')
  })

  it("wants the dataset's committee, with enough seats that have no interest in the result", () => {
    assert.equal(code({ committee: 11 }), 'committee-unknown')
    assert.equal(code({ dataset: 'breast' }), 'committee-superseded')
    const successor = { ...COMMITTEE, index: 13, name: 'next' }
    assert.equal(
      code({}, { ...roster, committees: new Map([...roster.committees, [13, successor]]) }),
      'committee-superseded',
    )
    assert.equal(code({ recipients: [keyOf('adam')] }), 'ok')
    assert.equal(code({ recipients: [keyOf('adam'), keyOf('bea')].sort() }), 'committee-absent')
    const three = { ...roster, committees: new Map([[12, { ...COMMITTEE, members: COMMITTEE.members.slice(0, 3) }]]) }
    assert.equal(code({}, three), 'ok')
    assert.equal(code({ recipients: [keyOf('adam')] }, three), 'committee-absent')
    const five = { ...roster, committees: new Map([[12, { ...COMMITTEE, members: COMMITTEE.members.slice(0, 2) }]]) }
    assert.equal(code({}, five), 'committee-unknown')
  })

  it('marks the seats of interested organisations absent, the researcher and the recipients alike', () => {
    assert.deepEqual(absentSeats(job, COMMITTEE, roster), [])
    assert.deepEqual(absentSeats({ ...job, researcher: keyOf('adam') }, COMMITTEE, roster), [0])
    assert.deepEqual(absentSeats({ ...job, recipients: [keyOf('bea'), keyOf('adam')] }, COMMITTEE, roster), [0, 1])
    assert.deepEqual(
      absentSeats(job, { ...COMMITTEE, members: [keyOf('nobody'), ...COMMITTEE.members.slice(1)] }, roster),
      [0],
    )
  })

  it('wants the question written out, for an analysis that both ends have', () => {
    assert.equal(code({ analysis: { ...job.analysis, name: 'guess' } }), 'analysis-unknown')
    assert.equal(code({ analysis: { ...job.analysis, version: 99 } }), 'analysis-unknown')
    assert.equal(code({ analysis: { ...job.analysis, hash: keyOf('other') } }), 'analysis-differs')
    for (const parameters of [null, 7, 'x', [], {}, { columns: 'age' }, { ...(job.parameters as object), extra: 1 }]) {
      assert.equal(code({ parameters }), 'parameters', JSON.stringify(parameters))
    }
    assert.equal(code({ where: [{ column: 'age', operator: 'at-least', values: [] }] }), 'where')
    assert.equal(code({ where: [{ column: 'age', operator: 'at-least', values: ['18.0'] }] }), 'where')
    assert.equal(code({ where: [{ column: 'age', operator: 'at-least', values: [18] }] }), 'ok')
    assert.equal(code({ opening: 'recipients' }), 'opening-not-offered')
  })

  it('lets jobs of several rounds pause and others go on', () => {
    assert.equal(code({ dropout: 'pause' }), 'dropout')
    assert.equal(code({ maxRounds: 2 }), 'rounds')
    assert.equal(code({ maxAttempts: 2 }), 'ok')
    const seven = {
      ...COMMITTEE,
      members: COMMITTEE.members.concat(['e', 'f', 'g'].map((letter) => keyOf(`site-${letter}`))),
    }
    assert.equal(code({ maxAttempts: 2 }, { ...roster, committees: new Map([[12, seven]]) }), 'attempts')
    const cox = compile(COX)
    assert.equal(cox.dropout, 'pause')
    assert.deepEqual(checkJob({ ...cox, dropout: 'drop' }, roster, NOW).ok, false)
  })

  it('is total: any object of the schema gets an answer', () => {
    const changed = fc.record(
      {
        notAfter: fc.nat(),
        parameters: fc
          .jsonValue({ maxDepth: 2 })
          .map((value) => JSON.parse(JSON.stringify(value, (_, x) => (typeof x === 'number' ? 1 : x)))),
        committee: fc.nat(20),
        researcher: fc.constantFrom(keyOf('ruth'), keyOf('x')),
        maxColluding: fc.nat(10),
        where: fc.array(
          fc.constantFrom<Condition>(
            { column: 'a', operator: 'in', values: [] },
            { column: 'a', operator: 'is', values: ['', 3] },
          ),
        ),
      },
      { requiredKeys: [] },
    )
    fc.assert(fc.property(changed, (changes) => assert.match(code(changes), /^[a-z-]+$/)))
  })
})

describe('guard key', () => {
  const condition = (column: string, operator: Condition['operator'], ...values: (string | number)[]): Condition => ({
    column,
    operator,
    values,
  })
  const keyFor = (where: readonly Condition[]) => guardKey({ ...job, where: [...where] })

  it('is the same for the same question, whoever asks and however it is written', () => {
    const other = compile(
      { name: 'x', purpose: 'y', cohort: { minimum: 6 }, expires: '1h' },
      { researcher: keyOf('adam'), nonce: keyOf('n2') },
    )
    assert.equal(guardKey(other), guardKey(job))
    const one = keyFor([condition('age', 'at-least', 18), condition('sex', 'in', 'f', 'm')])
    assert.equal(keyFor([condition('sex', 'in', 'm', 'f', 'm'), condition('age', 'at-least', '18.0')]), one)
    assert.equal(
      keyFor([condition('sex', 'in', 'f', 'm'), condition('age', 'at-least', '018'), condition('age', 'at-least', 18)]),
      one,
    )
    assert.equal(keyFor([condition('sex', 'in', 1)]), keyFor([condition('sex', 'is', '1')]))
    assert.equal(keyFor([condition('age', 'above', '-0.0')]), keyFor([condition('age', 'above', 0)]))
  })

  it('differs for another question', () => {
    const keys = [
      keyFor([]),
      keyFor([condition('age', 'at-least', 18)]),
      keyFor([condition('age', 'above', 18)]),
      keyFor([condition('age', 'above', '18.5')]),
      keyFor([condition('age', 'above', '-18.5')]),
      keyFor([condition('sex', 'is', '03')]),
      keyFor([condition('sex', 'is', 3)]),
      keyFor([condition('sex', 'is', '3.0')]),
      keyFor([condition('sex', 'is-not', 3)]),
      guardKey({ ...job, dataset: 'breast' }),
      guardKey(compile({ parameters: { columns: ['age'] } })),
      guardKey(compile(COX)),
    ]
    assert.equal(new Set(keys).size, keys.length)
  })

  it('has one form that canonical form leaves alone and the schema accepts', () => {
    const value = fc.oneof(
      fc.integer(),
      fc.constantFrom('', '1', '01', '1.50', '-0', '-0.0', '1e3', 'f', '12345678901234567890.10', '0.5'),
    )
    const any = fc.record({
      column: fc.constantFrom('a', 'b'),
      operator: fc.constantFrom<Condition['operator']>('is', 'is-not', 'in', 'at-least', 'present'),
      values: fc.array(value, { minLength: 1, maxLength: 4 }),
    })
    fc.assert(
      fc.property(fc.array(any, { maxLength: 4 }), (where) => {
        const once = canonicalWhere(where)
        assert.deepEqual(canonicalWhere(once), once)
        assert.deepEqual(canonicalWhere([...where].reverse()), once)
        for (const condition of once) assert.ok(conditionSchema.safeParse(condition).success)
      }),
    )
  })
})
