import assert from 'node:assert/strict'
import type { Rows } from '@flamesh/protocol/analyses/analysis.js'
import { columnOf } from '@flamesh/protocol/analyses/columns.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { assertClose, assertSuppressed, known, lung, reference, runFederated } from './federation.js'
import { cox, ecogFactor, event, linear, logistic, sitesOf } from './runs.js'

const R = reference('interactions')
const sex = { column: 'sex', levels: ['1', '2'], reference: '1' }
const ecog = (...levels: string[]) => ({ column: 'ph.ecog', levels, reference: '0' })
const of = (first: string, second: string) => ({ interaction: [first, second] })
const upTo = (level: number) => lung.filter((row) => row['ph.ecog'] !== null && (row['ph.ecog'] as number) <= level)
const two = sitesOf(upTo(1))
const three = sitesOf(upTo(2))

describe('interactions equal R', () => {
  it('linear: factor by factor with names in R’s order, factor by numeric', () => {
    const women = { ...sex, reference: '2' }
    const covariates = ['age', ecog('0', '1', '2'), women, of('ph.ecog', 'sex')]
    assertClose(
      runFederated('linear', three, { ...linear, outcome: 'wt.loss', covariates }).result,
      R.linear_factor_by_factor,
    )
    const slopes = ['age', ecog('0', '1', '2'), of('age', 'ph.ecog')]
    assertClose(
      runFederated('linear', three, { ...linear, outcome: 'wt.loss', covariates: slopes }).result,
      R.linear_factor_by_numeric,
    )
  })

  it('linear within sites: numeric by numeric', () => {
    const covariates = ['age', 'sex', 'wt.loss', of('age', 'wt.loss')]
    const { result } = runFederated('linear', sitesOf(lung), { ...linear, covariates, strata: 'site' })
    assertClose(result, { ...R.linear_by_site, names: ['age', 'sex', 'wt.loss', 'age:wt.loss'] })
  })

  it('logistic', () => {
    const covariates = ['age', sex, ecog('0', '1'), of('sex', 'ph.ecog')]
    assertClose(runFederated('logistic', two, { ...logistic, covariates }).result, R.logistic_factor_by_factor)
    const numeric = ['age', 'sex', 'ph.karno', of('age', 'sex'), of('age', 'ph.karno')]
    assertClose(
      runFederated('logistic', sitesOf(lung), { ...logistic, covariates: numeric }).result,
      R.logistic_numeric,
    )
  })

  it('cox and glm', () => {
    const covariates = ['age', sex, ecog('0', '1'), of('age', 'sex'), of('sex', 'ph.ecog')]
    assertClose(runFederated('cox', two, { ...cox, covariates }).result, R.cox_by_site)
    const rate = { family: 'poisson', link: 'log', outcome: event, exposure: 'time', covariates }
    assertClose(runFederated('glm', two, rate).result, reference('glm').rate_interaction)
  })
})

describe('interactions of two factors', () => {
  it('are counted like a factor: a small combination refuses the model', () => {
    // every level has dozens of rows, with and without an event, but only three men are on ward 1
    const few = upTo(1)
      .filter((row) => row['sex'] === 1)
      .slice(0, 3)
    const rare = upTo(1).map((row, index) => ({
      ...row,
      ward: few.includes(row) || (row['sex'] === 2 && index % 2 === 0) ? 1 : 2,
    }))
    const ward = { column: 'ward', levels: ['1', '2'], reference: '1' }
    const main = ['age', sex, ward]
    for (const [name, parameters] of [
      ['linear', linear],
      ['logistic', logistic],
      ['cox', cox],
    ] as const) {
      const covariates = [...main, of('sex', 'ward')]
      assert.equal(runFederated(name, sitesOf(rare), { ...parameters, covariates: main }).outcome.kind, 'result', name)
      const run = runFederated(name, sitesOf(rare), { ...parameters, covariates })
      assertSuppressed(run, 'small-cell')
      assert.equal(run.rounds, 1)
    }
  })

  it('a combination that one site alone has refuses it too', () => {
    const sites = two.map((rows, site) => {
      const ward = (rows.columns.get('sex') as Float64Array).map((value) => (site === 0 && value === 1 ? 1 : 2))
      return { count: rows.count, columns: new Map([...rows.columns, ['ward', ward] as const]) }
    })
    // a second site of women has the ward, so that both levels of either are at several sites
    const last = two[1] as Rows
    const women = (last.columns.get('sex') as Float64Array).map((value) => (value === 2 ? 1 : 2))
    const other = { count: last.count, columns: new Map([...last.columns, ['ward', women] as const]) }
    const ward = { column: 'ward', levels: ['1', '2'], reference: '1' }
    const all = [...sites, other]
    const main = ['age', sex, ward]
    assert.equal(runFederated('linear', all, { ...linear, covariates: main }).outcome.kind, 'result')
    assertSuppressed(
      runFederated('linear', all, { ...linear, covariates: [...main, of('sex', 'ward')] }),
      'too-few-contributors',
    )
  })

  it('without rows, or without events, have no estimate', () => {
    const empty = upTo(1).map((row) => ({ ...row, ward: row['sex'] === 1 ? (row['ph.ecog'] ?? null) : 0 }))
    const ward = { column: 'ward', levels: ['0', '1'], reference: '0' }
    const covariates = ['age', sex, ward, of('sex', 'ward')]
    for (const [name, parameters] of [
      ['linear', linear],
      ['logistic', logistic],
      ['cox', cox],
    ] as const) {
      assertSuppressed(runFederated(name, sitesOf(empty), { ...parameters, covariates }), 'singular')
    }
    const alive = upTo(1).map((row) => ({
      ...row,
      died: row['sex'] === 2 && row['ph.ecog'] === 1 ? 0 : (row['status'] as number) - 1,
    }))
    const pair = ['age', sex, ecog('0', '1'), of('sex', 'ph.ecog')]
    assertSuppressed(runFederated('logistic', sitesOf(alive), { outcome: 'died', covariates: pair }), 'separation')
    assertSuppressed(runFederated('cox', sitesOf(alive), { ...cox, event: 'died', covariates: pair }), 'separation')
  })

  it('leave a site out that has too few rows for so many combinations', () => {
    const covariates = ['age', sex, ecogFactor, of('sex', 'ph.ecog')]
    const first = (rows: number) =>
      known('linear').contribute(
        sitesOf(upTo(3).slice(0, rows), 1)[0] as never,
        { ...linear, outcome: 'time', covariates },
        undefined,
      )[0]
    // nine parameters with the intercept: 28 rows; eight combinations alone would be 25
    assert.deepEqual([first(28), first(27)], [1, 0])
  })
})

describe('interactions in parameters', () => {
  const complete = (covariates: unknown) =>
    (known('linear').complete({ ...linear, covariates }, () => ['1', '2']) as { covariates: unknown }).covariates
  const accepts = (covariates: unknown) => known('linear').parameters.safeParse({ ...linear, covariates }).success

  it('are written as in a formula, and put in order', () => {
    const expected = ['age', sex, of('age', 'sex')]
    for (const written of [
      ['age', { column: 'sex' }, 'age:sex'],
      ['sex:age', 'age', { column: 'sex' }],
      ['age', of('sex', 'age'), { column: 'sex', reference: 1 }],
    ]) {
      assert.deepEqual(complete(written), expected)
      assert.ok(accepts(complete(written)))
    }
  })

  it('a colon in a name is a colon unless both sides are covariates', () => {
    for (const written of [['age', 'age:sex'], ['a:b'], ['a', 'b:c', 'a:b'], ['a:', 'x::']])
      assert.deepEqual(complete(written), written)
    assert.deepEqual(complete(['a', 'b:c', 'a:b:c']), ['a', 'b:c', of('a', 'b:c')])
  })

  it('leave the bytes of other parameters as they were', () => {
    const covariates = ['age', { ...sex, reference: '2' }, 'ph.karno']
    assert.deepEqual(encode(complete(covariates)), encode(covariates))
  })

  it('are of two different covariates that are there, once each, and of few levels', () => {
    const many = (column: string, count: number) => ({
      column,
      levels: Array.from({ length: count }, (_, at) => `${at}`),
      reference: '0',
    })
    assert.ok(accepts(['age', sex, of('age', 'sex')]))
    for (const bad of [
      [of('age', 'sex')],
      ['age', of('age', 'sex')],
      ['age', of('age', 'age')],
      ['age', 'sex', of('sex', 'age')],
      ['age', of('age', 'sex'), 'sex'],
      ['age', 'sex', of('age', 'sex'), of('age', 'sex')],
      ['age', 'sex', { interaction: ['age', 'sex', 'age'] }],
      ['age', 'sex', { interaction: ['age', 'sex'], column: 'x' }],
      [many('a', 6), many('b', 7), of('a', 'b')],
    ])
      assert.ok(!accepts(bad), JSON.stringify(bad))
    assert.ok(accepts([many('a', 5), many('b', 8), of('a', 'b')]))
    assert.deepEqual(
      [
        ...known('cox')
          .columns({ ...cox, covariates: ['age', sex, of('age', 'sex')] })
          .map(columnOf),
      ].sort(),
      ['age', 'sex', 'status', 'time'],
    )
  })
})
