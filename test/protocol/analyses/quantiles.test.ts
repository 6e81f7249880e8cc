import assert from 'node:assert/strict'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import fc from 'fast-check'
import {
  assertSuppressed,
  breastSites,
  gbsg,
  known,
  type Loose,
  lung,
  lungSites,
  type Row,
  RULES,
  reference,
  rotterdam,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'
import { extended, sitesOf } from './runs.js'

const R = reference('summaries').quantiles
const probabilities = ['0.1', '0.25', '0.5', '0.75', '0.9']
const age = { column: 'age', from: 30, to: 94, step: 1 }
const loss = { column: 'wt.loss', from: -64, to: 128, step: 1 }
const nodes = { column: 'nodes', from: 0, to: 64, step: 1 }
const pgr = { column: 'pgr', from: 0, to: 8192, step: 1 }

/** Nothing is small: every interval ends as one step. */
const ALL = { minimumCell: 1, minimumContributors: 1 }

type Found = Readonly<Record<string, { value: number | null; lower: number | null; upper: number | null }>>
const found = (sites: Parameters<typeof runFederated>[1], grid: Loose, rules = RULES, p = probabilities): Found =>
  runFederated('quantiles', sites, { columns: [grid], probabilities: p }, rules).result.quantiles[grid.column]

const inside = (rows: readonly Row[], column: string, { lower, upper }: Found[string]): readonly Row[] =>
  rows.filter((row) => {
    const value = row[column]
    return typeof value === 'number' && value >= (lower ?? -Infinity) && value < (upper ?? Infinity)
  })

describe('quantiles equal R', () => {
  it('type 1, where nothing is small', () => {
    const parameters = { columns: [age, loss], probabilities }
    const { result, rounds } = runFederated('quantiles', sitesOf(lung), parameters, ALL)
    for (const name of ['age', 'wt.loss'])
      for (const p of probabilities) assert.equal(result.quantiles[name][p].value, R[name][p], `${name} ${p}`)
    assert.ok(rounds <= 8)
    assert.deepEqual(result.describe['wt.loss'], { sites: 4, n: 214, missing: 14 })
    for (const [grid, expected] of [
      [nodes, R.nodes],
      [pgr, R.pgr],
    ]) {
      for (const [p, { value }] of Object.entries(found(breastSites, grid, ALL))) assert.equal(value, expected[p])
    }
  })

  it('on a grid of decimals', () => {
    const sites = extended((row) => ({ tenth: (row['age'] as number) / 10 }))
    const grid = { column: 'tenth', from: '3.5', to: '9.5', step: '0.1' }
    for (const [p, { value }] of Object.entries(found(sites, grid, ALL))) assert.equal(value, R.tenth[p], p)
  })

  it('values outside the grid are below and above it', () => {
    const grid = { column: 'age', from: 60, to: 66, step: 1 }
    const { '0.1': low, '0.5': middle, '0.9': high } = found(sitesOf(lung), grid)
    assert.deepEqual(
      [low, high],
      [
        { value: null, lower: null, upper: 60 },
        { value: null, lower: 66, upper: null },
      ],
    )
    assert.deepEqual(middle, { value: 63, lower: 63, upper: 64 })
  })

  it('or lie in the interval, which holds five values and more, however the rows are split', () => {
    const all = [...rotterdam, ...gbsg]
    const draws = fc.array(fc.nat(), { minLength: 300, maxLength: 300 })
    const rules = { minimumCell: 5, minimumContributors: 3 }
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), draws, (count, keys) => {
        const site = (at: number): number => (at < 3 * count ? at : (keys[at % 300] as number)) % count
        const sites = [...splitBy(all, (_, at) => site(at)).values()].map((rows) => rowsOf(rows))
        const extra = [rowsOf([]), rowsOf(all.slice(0, 2)), rowsOf(all.slice(0, 50), ['pgr'])]
        for (const [p, interval] of Object.entries(found([...sites, ...extra], pgr, rules))) {
          const { lower, upper, value } = interval
          assert.ok((lower ?? -1) <= R.pgr[p] && R.pgr[p] < (upper ?? Infinity), p)
          assert.ok(value === null || value === R.pgr[p])
          assert.ok(inside(all, 'pgr', interval).length >= 5)
        }
      }),
      { numRuns: 8 },
    )
  })
})

describe('quantiles name no patient', () => {
  it('since no interval gets smaller than five values at three sites', () => {
    // the attack: probabilities at the end, where single patients are
    const ends = ['0.001', '0.004', '0.999']
    const sharp = found(sitesOf(lung), age, ALL, ends)
    assert.deepEqual([sharp['0.001']?.value, sharp['0.999']?.value], [39, 82])
    assert.equal(inside(lung, 'age', sharp['0.999'] as Found[string]).length, 1)
    const rules = { minimumCell: 5, minimumContributors: 3 }
    const dull = found(sitesOf(lung), age, rules, ends)
    for (const interval of Object.values(dull)) assert.ok(inside(lung, 'age', interval).length >= 5)
    assert.deepEqual(dull['0.001'], dull['0.004'])
    // a value that one hospital alone has, if often
    const sites = [...splitBy(lung, (_, index) => index % 4)].map(([site, rows]) =>
      rowsOf(rows.map((_, index) => ({ x: site === 0 ? 7 : (index % 50) + 20 }))),
    )
    const { '0.1': own } = found(sites, { column: 'x', from: 0, to: 128, step: 1 }, rules)
    assert.equal(own?.value, null)
    assert.ok((own?.upper ?? Infinity) > 20)
  })

  it('nor in a state: it has intervals and no count', () => {
    const parameters = { columns: [age], probabilities: ['0.5'] }
    const context = { parameters, rules: RULES, survivors: 4 }
    const { sums } = runFederated('quantiles', sitesOf(lung), parameters)
    const outcome = known('quantiles').combine(sums[0] as bigint[], context, undefined)
    assert.deepEqual(outcome, { kind: 'state', state: { intervals: [{ low: 32, high: 65 }] } })
  })

  it('nor of a column with few values, or at few sites', () => {
    const none = { value: null, lower: null, upper: null }
    const four = extended((_, index) => ({ few: index < 4 ? index : null }))
    assert.deepEqual(found(four, { column: 'few', from: 0, to: 8, step: 1 })['0.5'], none)
    const sites = lungSites.map(({ count, columns }, at) => ({
      count,
      columns: new Map([...columns].filter(([name]) => at < 2 || name !== 'age')),
    }))
    const rules = { minimumCell: 5, minimumContributors: 3 }
    assert.deepEqual(found(sites, age, rules)['0.5'], none)
    const run = runFederated('quantiles', lungSites.slice(0, 2), { columns: [age], probabilities }, rules)
    assertSuppressed(run, 'too-few-contributors')
  })
})

describe('quantiles parameters', () => {
  it('are grids that their steps fill, and probabilities between 0 and 1', () => {
    const { parameters, complete } = known('quantiles')
    const accepts = (grid: Loose, list: Loose = ['0.5']): boolean =>
      parameters.safeParse({ columns: [{ column: 'age', ...grid }], probabilities: list }).success
    assert.ok(accepts({ from: '-0.5', to: 1, step: '0.25' }))
    for (const grid of [
      { from: 0, to: 10, step: 3 },
      { from: 0, to: 10, step: 0 },
      { from: 10, to: 0, step: 1 },
      { from: 0, to: 10, step: -1 },
      { from: 0, to: 65537, step: 1 },
      { from: 0, to: '1e9', step: 1 },
      { from: 0, to: 10, step: 0.5 },
      { from: 0, to: 10 },
    ])
      assert.ok(!accepts(grid), JSON.stringify(grid))
    for (const list of [[], ['0'], ['1'], ['0.50'], ['0.5', '0.5'], [0.5], ['0.0000001'], ['1.5']])
      assert.ok(!accepts({ from: 0, to: 10, step: 1 }, list), JSON.stringify(list))
    assert.deepEqual((complete({ columns: [age] }, () => []) as Loose).probabilities, ['0.25', '0.5', '0.75'])
  })
})

describe('quantiles of sums that nobody has', () => {
  it('are intervals with an encoding', () => {
    const analysis = known('quantiles')
    const parameters = { columns: [age], probabilities: ['0.25', '0.5'] }
    const context = { parameters, rules: RULES, survivors: 8 }
    const slots = analysis.plan(parameters, undefined).slots
    // a job ends where half an interval holds few
    const count = fc.oneof(fc.nat(4), fc.nat(200)).map((value) => BigInt(value) << 60n)
    const sum = fc.tuple(...slots.map((_, at) => (at === 0 ? fc.constant(5n << 60n) : count)))
    // any state that its schema lets through, also one that no grid has
    const interval = fc.option(
      fc.tuple(fc.integer({ min: -1, max: 2 ** 40 }), fc.integer({ min: 1, max: 2 ** 40 })).map(([low, width]) => ({
        low,
        high: low + width,
      })),
    )
    const state = fc.option(fc.record({ intervals: fc.array(interval, { maxLength: 3 }) }), { nil: undefined })
    let results = 0
    fc.assert(
      fc.property(sum, state, (words, from) => {
        const outcome = analysis.combine(words, context, from)
        if (outcome.kind === 'result') {
          analysis.present(analysis.released.parse(outcome.released), parameters)
          results++
        }
        if (outcome.kind === 'state') analysis.state.parse(outcome.state)
        encode(outcome)
      }),
      { numRuns: 3000 },
    )
    assert.ok(results > 0)
  })
})
