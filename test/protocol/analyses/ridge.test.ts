import assert from 'node:assert/strict'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
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
import { ecogFactor, linear, sitesOf } from './runs.js'

const R = reference('ridge')
const rows: readonly Row[] = lung.map((row) => ({
  ...row,
  twin: (row['age'] as number) + (row['sex'] as number) / 1024,
  same: row['age'] as number,
  tiny: row['ph.karno'] === null ? null : (row['ph.karno'] as number) * 1e-6,
  large: row['wt.loss'] === null ? null : (row['wt.loss'] as number) * 1e5,
}))
const sites = sitesOf(rows)
const ridge = (covariates: readonly unknown[], penalty: number | string, more: object = {}) =>
  runFederated('ridge', sites, { ...linear, covariates, penalty, ...more }).result

describe('ridge equals R', () => {
  it('coefficients, standard errors, effective parameters', () => {
    const result = ridge(['age', 'sex', 'wt.loss'], '10.5')
    assertClose(result, { ...R.lung, missing: 57, penalty: 10.5, names: ['(Intercept)', 'age', 'sex', 'wt.loss'] })
    assert.deepEqual([result.standardised[0], result.standardised.length, result.p], [null, 4, undefined])
  })

  it('from next to none to next to nothing left', () => {
    const weak = ridge(['age', 'sex'], '0.000000001')
    assertClose(weak, R.weak)
    const { coef, se, sigma, r2 } = runFederated('linear', sites, linear).result
    assertClose(weak, { coef, se, sigma, r2 })
    assertClose(ridge(['age', 'sex'], 1_000_000), R.strong)
  })

  it('with an intercept for each site', () => {
    assertClose(ridge(['age', 'sex', 'wt.loss'], 25, { strata: 'site' }), R.within)
  })

  it('a factor, as the columns it is coded by', () => {
    const three = sitesOf(rows.filter((row) => row['ph.ecog'] !== 3))
    const covariates = ['age', { ...ecogFactor, levels: ['0', '1', '2'] }]
    const parameters = { outcome: 'wt.loss', covariates, strata: 'none', penalty: 3 }
    assertClose(runFederated('ridge', three, parameters).result, R.factor)
  })

  it('columns that determine each other, nearly, or are of 1e-6 and 1e5', () => {
    assertClose(ridge(['age', 'same', 'sex'], 5), R.collinear)
    assertSuppressed(runFederated('linear', sites, { ...linear, covariates: ['age', 'same', 'sex'] }), 'singular')
    assertClose(ridge(['age', 'twin'], '0.5'), R.nearly)
    assertClose(ridge(['age', 'tiny', 'large'], 2), R.extreme)
  })

  it('however the rows are split into 3 to 40 sites, with tiny sites and one without a column', () => {
    const breast: readonly Row[] = [...rotterdam, ...gbsg].map(({ year: _, ...row }) => row)
    const parameters = { outcome: 'nodes', covariates: ['age', 'pgr', 'er', 'hormon'], strata: 'none', penalty: 100 }
    const split = fc.tuple(fc.integer({ min: 3, max: 40 }), fc.integer({ min: 1, max: 1 << 30 }))
    const property = fc.property(split, ([count, seed]) => {
      const site = (index: number) => Math.floor((((index * 7919 + seed) * 104729) % 65537) ** 1.5) % count
      const some = [...splitBy(breast, (_, index) => site(index)).values()].map((part) => rowsOf(part))
      const without = [
        rowsOf(breast.slice(0, 50), ['er']),
        rowsOf(breast.slice(0, 2)),
        { count: 0, columns: new Map() },
      ]
      const { result } = runFederated('ridge', [...some, ...without], parameters)
      assertClose(result, { ...R.breast, contributors: some.length, sites_left_out: 3 })
    })
    fc.assert(property, { numRuns: 6 })
  })
})

describe('ridge refuses', () => {
  const refused = (covariates: readonly unknown[], more: object, code: string, from = sites) =>
    assertSuppressed(runFederated('ridge', from, { ...linear, covariates, penalty: 1, ...more }), code)

  it('what linear refuses: a penalty makes a model of few patients no better', () => {
    refused(['age', ecogFactor], {}, 'small-cell')
    const first = known('ridge').contribute(
      rowsOf(rows.slice(0, 9)),
      { ...linear, outcome: 'time', penalty: 9 },
      undefined,
    )
    assert.ok(first.every((value) => Object.is(value, 0)))
    const exact = sitesOf(rows.map((row) => ({ ...row, one: 1, exact: 3 * (row['age'] as number) + 2 })))
    refused(['age', 'one'], {}, 'singular', exact)
    refused(['age', 'sex'], { outcome: 'one' }, 'singular', exact)
    refused(['age', 'sex'], { outcome: 'exact', penalty: '0.000000000001' }, 'perfect-fit', exact)
    refused(['age'], {}, 'too-few-contributors', sitesOf(rows, 1))
  })

  it('penalties that are none', () => {
    const accepts = (penalty: unknown) => known('ridge').parameters.safeParse({ ...linear, penalty }).success
    assert.ok(accepts(1) && accepts('0.25'))
    for (const bad of [0, -1, '0.0', '1e3', 0.5, undefined]) assert.ok(!accepts(bad), String(bad))
  })

  it('nothing by an exception, whatever the sum', () => {
    const parameters = { ...linear, penalty: '2.5' }
    const { slots } = known('ridge').plan(parameters, undefined)
    const word = fc.bigInt({ min: -(1n << 127n), max: (1n << 127n) - 1n })
    const few = fc.nat(200).map((count) => BigInt(count) << 60n)
    const sums = fc.tuple(
      ...slots.map(({ kind }, at) =>
        at === 0 ? fc.constant(4n << 60n) : kind === 'count' ? few : fc.oneof(word, few),
      ),
    )
    const context = { parameters, rules: RULES, survivors: 8 }
    fc.assert(
      fc.property(sums, (sum) => {
        const outcome = known('ridge').combine(sum, context, undefined)
        if (outcome.kind === 'result') known('ridge').released.parse(outcome.released)
        encode(outcome)
      }),
      { numRuns: 100 },
    )
  })
})
