import assert from 'node:assert/strict'
import { SUM_BITS, WORD_BITS } from '@flamesh/protocol/analyses/layout.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import fc from 'fast-check'
import {
  assertClose,
  assertSuppressed,
  gbsg,
  known,
  lung,
  type Row,
  RULES,
  reference,
  rotterdam,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'
import { event, sitesOf } from './runs.js'

const R = reference('roc')
const breast: readonly Row[] = [...rotterdam, ...gbsg].map(({ year: _, ...row }) => ({
  ...row,
  risk: ((row['age'] as number) - 20) / 75,
}))
const scored: readonly Row[] = lung.map((row) => ({ ...row, risk: ((row['age'] as number) - 30) / 60 }))
const karno = { score: 'ph.karno', outcome: event, cuts: [80, 90], probability: false }
const nodes = { score: 'nodes', outcome: 'event', cuts: [1, 2, 4, 8, 16], probability: false }
const twentieths = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => String((from + at) / 20))
const risk = { score: 'risk', outcome: 'event', cuts: twentieths(4, 16), probability: true }
const refusal = (rows: readonly Row[], parameters: unknown): FlameshError => {
  try {
    known('roc').contribute(rowsOf(rows), parameters, undefined)
  } catch (error) {
    assert.ok(error instanceof FlameshError)
    return error
  }
  assert.fail('nothing was thrown')
}

describe('roc equals R on the pooled rows', () => {
  it('area, its standard error, sensitivity and specificity of a score', () => {
    const { result, rounds } = runFederated('roc', sitesOf(lung), karno)
    assertClose(result, { ...R.karno, missing: 1, merged: false, threshold: [null, 80, 90] })
    assert.deepEqual([rounds, result.names], [1, ['< 80', '80 to 90', '≥ 90']])
    assert.equal(result.brier, undefined)
    assertClose(runFederated('roc', sitesOf(breast), nodes).result, R.nodes)
  })

  it('calibration and Brier’s score of a predicted probability', () => {
    assertClose(runFederated('roc', sitesOf(breast), risk).result, R.probability)
    const lungs = { ...risk, outcome: event, cuts: ['0.4', '0.5', '0.6', '0.7'] }
    assertClose(runFederated('roc', sitesOf(scored), lungs).result, R.lung_probability)
  })

  it('a score of millions on both sides of 0', () => {
    const far = sitesOf(lung.map((row) => ({ ...row, far: (row['age'] as number) * 1e6 - 6e7 })))
    const cuts = [-10_000_000, '-5000000.0', 0, 5_000_000, 10_000_000]
    assertClose(runFederated('roc', far, { ...karno, score: 'far', cuts }).result, R.age_far)
  })

  it('however the rows are split into 3 to 40 sites, with tiny sites and a site without the score', () => {
    const split = fc.tuple(fc.integer({ min: 3, max: 40 }), fc.integer({ min: 1, max: 1 << 30 }))
    const property = fc.property(split, ([count, seed]) => {
      const site = (index: number) => Math.floor((((index * 7919 + seed) * 104729) % 65537) ** 1.5) % count
      const rows = [...splitBy(breast, (_, index) => site(index)).values()].map((some) => rowsOf(some))
      const without = [
        rowsOf(breast.slice(0, 50), ['risk']),
        rowsOf(breast.slice(0, 2)),
        { count: 0, columns: new Map() },
      ]
      const { result } = runFederated('roc', [...rows, ...without], risk)
      assertClose(result, { ...R.probability, contributors: rows.length, sites_left_out: 3 })
    })
    fc.assert(property, { numRuns: 10 })
  })
})

describe('roc tells no small cell', () => {
  it('bins are merged until no count is small, and everything is that of the merged bins', () => {
    // below 65 there are four negatives
    const { result } = runFederated('roc', sitesOf(lung), { ...karno, cuts: [65, 80, 90] })
    assertClose(result, { ...R.karno, merged: true, threshold: [null, 80, 90] })
  })

  it('whatever the cuts are, also those around a single patient', () => {
    const rules = { minimumCell: 5, minimumContributors: 2 }
    const cuts = fc.uniqueArray(fc.integer({ min: 38, max: 84 }), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(cuts, (some) => {
        const parameters = { ...karno, score: 'age', cuts: some.toSorted((a, b) => a - b) }
        const { result } = runFederated('roc', sitesOf(lung), parameters, rules)
        for (const count of [...result.positives, ...result.negatives]) assert.ok(count === 0 || count >= 5, `${count}`)
        assert.deepEqual([result.n, result.events], [228, 165])
      }),
      { numRuns: 40 },
    )
  })

  it('the area is no equation for what was merged: it is the same wherever a patient is within a merged bin', () => {
    const parameters = { ...karno, score: 'age', cuts: Array.from({ length: 40 }, (_, at) => 40 + at) }
    const { result } = runFederated('roc', sitesOf(lung), parameters)
    // 39 to 47 are one bin
    assert.ok(result.threshold[1] > 42)
    const moved = lung.map((row) => ({ ...row, age: row['age'] === 39 ? 41 : (row['age'] ?? null) }))
    assert.deepEqual(runFederated('roc', sitesOf(moved), parameters).result, result)
  })

  it('a bin that one site alone has is merged as well: it would be that site’s patients', () => {
    const sites = [...splitBy(lung, (_, index) => index % 4)].map(([site, rows]) =>
      rowsOf(rows.map((row) => ({ ...row, score: (row['age'] as number) + (site === 0 ? 100 : 0) }))),
    )
    const parameters = { ...karno, score: 'score', cuts: [60, 70, 130] }
    const { result } = runFederated('roc', sites, parameters)
    assert.deepEqual(result.threshold, [null, 60, 70])
    const all = sitesOf(
      lung.map((row, index) => ({ ...row, score: (row['age'] as number) + (index % 3 === 0 ? 100 : 0) })),
    )
    assert.deepEqual(runFederated('roc', all, parameters).result.threshold, [null, 60, 70, 130])
  })

  it('a rare outcome, or one that one site alone has, refuses', () => {
    const outcome = (happens: (index: number) => boolean) =>
      sitesOf(lung.map((row, index) => ({ ...row, happened: happens(index) ? 1 : 0 })))
    const happened = { ...karno, outcome: 'happened' }
    assertSuppressed(
      runFederated(
        'roc',
        outcome((index) => index < 4),
        happened,
      ),
      'small-cell',
    )
    assertSuppressed(
      runFederated(
        'roc',
        outcome((index) => index >= 4),
        happened,
      ),
      'small-cell',
    )
    assertSuppressed(
      runFederated(
        'roc',
        outcome((index) => index % 4 === 1),
        happened,
      ),
      'too-few-contributors',
    )
    assertSuppressed(
      runFederated(
        'roc',
        outcome(() => false),
        happened,
      ),
      'separation',
    )
    assertSuppressed(
      runFederated('roc', sitesOf(lung), karno, { ...RULES, minimumContributors: 5 }),
      'too-few-contributors',
    )
  })

  it('a site with few rows contributes zeros', () => {
    const vector = (rows: number) => known('roc').contribute(rowsOf(lung.slice(0, rows)), karno, undefined)
    assert.equal(vector(7)[0], 1)
    assert.ok(vector(6).every((value) => Object.is(value, 0)))
  })
})

describe('roc of zeros and ones that are no probabilities', () => {
  it('is refused where the sums would be the table of them by the outcome, with a small cell', () => {
    const flagged = (count: number) => [
      ...splitBy(
        lung.map((row, i) => ({ ...row, flag: i % 76 < count ? 1 : 0 })),
        (_, i) => i % 4,
      ).values(),
    ]
    const parameters = { score: 'flag', outcome: { column: 'status', is: '2' }, cuts: [2], probability: true }
    const of = (count: number) =>
      runFederated(
        'roc',
        flagged(count).map((rows) => rowsOf(rows)),
        parameters,
      )
    // the attack: ones, and rows that are apart, from the sums that were opened
    const sums = (of(3).sums[0] as bigint[]).slice(-6)
    const number = (at: number) =>
      Number(((sums[at] as bigint) << BigInt(WORD_BITS)) + (sums[at + 1] as bigint)) / 2 ** SUM_BITS
    const died = lung.filter(({ status }) => status === 2).length
    assert.equal(
      (number(0) + number(2) + died - number(4)) / 2,
      flagged(3)
        .flat()
        .filter(({ flag, status }) => flag === 1 && status === 2).length,
    )
    assertSuppressed(of(3), 'small-cell')
    assert.equal(of(60).outcome.kind, 'result')
  })
})

describe('roc, parameters and sums', () => {
  it('a probability is within 0 and 1, or the site says so', () => {
    const error = refusal(lung, { ...karno, score: 'age', probability: true })
    assert.deepEqual([error.code, error.meta['column'], typeof error.hint], ['column-values', 'age', 'string'])
    assert.equal(refusal(lung, { ...karno, outcome: 'status' }).code, 'column-values')
  })

  it('cuts are filled in, ascend, and are as many as the policy is asked for', () => {
    const written = { score: 'risk', outcome: { column: 'status', is: 2 } }
    const complete = known('roc').complete(written, () => [])
    assert.deepEqual(complete, { ...written, outcome: event, cuts: twentieths(1, 19), probability: false })
    assert.equal(known('roc').intervals?.(complete), 20)
    const accepts = (more: object) => known('roc').parameters.safeParse({ ...karno, ...more }).success
    assert.ok(accepts({}) && accepts({ cuts: ['-1.5', 0, '0.25'] }))
    for (const bad of [
      { cuts: [] },
      { cuts: [1, 1] },
      { cuts: ['1.0', 1] },
      { cuts: [2, 1] },
      { cuts: [0.5] },
      { cuts: ['1e3'] },
      { cuts: ['--1'] },
      { score: 'status' },
      { probability: 'yes' },
    ])
      assert.ok(!accepts(bad), JSON.stringify(bad))
  })

  it('combine returns for every sum, with nothing that has no encoding', () => {
    for (const parameters of [karno, { ...risk, cuts: ['0.2', '0.5', '0.7'] }]) {
      const { slots } = known('roc').plan(parameters, undefined)
      const word = fc.bigInt({ min: -(1n << 127n), max: (1n << 127n) - 1n })
      const few = fc.nat(20).map((count) => BigInt(count) << 60n)
      const sums = fc.tuple(
        ...slots.map(({ kind }, at) => (at === 0 ? fc.constant(4n << 60n) : kind === 'count' ? few : word)),
      )
      const context = { parameters, rules: RULES, survivors: 8 }
      fc.assert(
        fc.property(sums, (sum) => {
          const outcome = known('roc').combine(sum, context, undefined)
          if (outcome.kind === 'result') known('roc').released.parse(outcome.released)
          encode(outcome)
        }),
        { numRuns: 100 },
      )
      const forged = slots.map((_, at) => (at === 4 ? -1n << 60n : at === 0 ? 4n << 60n : 50n << 60n))
      const outcome = known('roc').combine(forged, context, undefined)
      assert.equal(outcome.kind === 'suppressed' && outcome.code, 'implausible-sum')
    }
  })
})
