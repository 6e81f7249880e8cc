import assert from 'node:assert/strict'
import { assertSuppressed, known, lung, lungSites, RULES, rowsOf, runFederated, splitBy } from './federation.js'
import { cox, ecogFactor, event, extended, linear, logistic, RUNS, sitesOf } from './runs.js'

describe('sites below a rule', () => {
  const empty = rowsOf(lung.slice(0, 1))
  const bare = { count: 0, columns: new Map([...empty.columns].map(([name]) => [name, new Float64Array(0)])) }

  it('contribute zeros, all of them, and are counted as left out', () => {
    for (const [name, parameters] of RUNS) {
      const analysis = known(name)
      for (const few of [bare, { count: 0, columns: new Map() }, rowsOf(lung.slice(0, 2))]) {
        assert.ok(
          analysis.contribute(few, parameters, undefined).every((value) => Object.is(value, 0)),
          name,
        )
      }
      const { result } = runFederated(name, [...lungSites, bare, rowsOf(lung.slice(0, 2))], parameters)
      assert.deepEqual(result, { ...runFederated(name, lungSites, parameters).result, sites_left_out: 2 }, name)
    }
  })

  it('give a model at most one parameter for each three rows', () => {
    const vector = (name: string, parameters: unknown, rows: number) =>
      known(name).contribute(rowsOf(lung.slice(30, 30 + rows)), parameters, undefined)
    // three parameters with the intercept: 10 rows; cox has two: 7
    for (const [name, parameters, rows] of [
      ['logistic', logistic, 10],
      ['cox', cox, 7],
      ['linear', { ...linear, outcome: 'time' }, 10],
    ] as const) {
      assert.deepEqual([vector(name, parameters, rows)[0], vector(name, parameters, rows - 1)[0]], [1, 0], name)
    }
  })

  it('cut their rows by at most one level for each three rows', () => {
    const five = { column: 'five', levels: ['0', '1', '2', '3', '4'] }
    const cut = lung.map((row, index) => ({ ...row, five: index % 5 }))
    const first = (name: string, parameters: unknown, rows: number) =>
      known(name).contribute(rowsOf(cut.slice(0, rows)), parameters, undefined)[0]
    const described = { columns: ['age'], by: five }
    const table = { rows: five, columns: event }
    for (const [name, parameters] of [
      ['describe', described],
      ['table', table],
    ] as const) {
      assert.deepEqual([first(name, parameters, 16), first(name, parameters, 15)], [1, 0], name)
    }
  })

  it('too many of them suppress the result', () => {
    for (const [name, parameters] of RUNS) {
      assertSuppressed(
        runFederated(name, lungSites, parameters, { ...RULES, minimumContributors: 9 }),
        'too-few-contributors',
      )
      assert.equal(
        runFederated(name, lungSites, parameters, { ...RULES, minimumContributors: 8 }).outcome.kind,
        'result',
        name,
      )
    }
  })
})

describe('small cells and few sites', () => {
  it('refuse a model before any of its sums is opened', () => {
    for (const [name, parameters] of [
      ['logistic', logistic],
      ['cox', cox],
    ] as const) {
      const run = runFederated(name, sitesOf(lung), { ...parameters, covariates: ['age', ecogFactor] })
      assertSuppressed(run, 'small-cell')
      assert.equal(run.rounds, 1)
      assert.ok(
        known(name)
          .plan({ ...parameters, covariates: ['age', ecogFactor] }, undefined)
          .slots.every((slot) => slot.kind === 'count'),
      )
    }
    assertSuppressed(
      runFederated('linear', sitesOf(lung), { ...linear, covariates: ['age', ecogFactor] }),
      'small-cell',
    )
  })

  it('refuse a model of a rare outcome', () => {
    const rare = (count: number) => extended((_, index) => ({ rare: index % 50 < count && index < 200 ? 1 : 0 }))
    assertSuppressed(runFederated('logistic', rare(1), { outcome: 'rare', covariates: ['age', 'sex'] }), 'small-cell')
    assertSuppressed(
      runFederated('logistic', rare(2), { outcome: 'rare', covariates: ['age', 'sex'] }),
      'too-many-parameters',
    )
    assertSuppressed(runFederated('cox', rare(1), { ...cox, event: 'rare' }), 'small-cell')
    assertSuppressed(
      runFederated('cox', rare(2), { ...cox, event: 'rare', covariates: ['age', 'sex', 'ph.karno'] }),
      'too-many-parameters',
    )
  })

  it('withhold a small group and one other, but never the whole cohort’s n', () => {
    const by = { column: 'ph.ecog', levels: ['0', '1', '2', '3'] }
    const { age } = runFederated('describe', sitesOf(lung), { columns: ['age'], by }).result.describe
    assert.deepEqual([age.n, age.by['0'].n, age.by['1'].n], [227, 63, 113])
    const withheld = { n: null, mean: null, variance: null, sd: null }
    assert.deepEqual([age.by['2'], age.by['3']], [withheld, withheld])
  })

  it('withhold small cells of a table with three others, and its test', () => {
    const grouped = extended(({ age }, index) => ({
      group: (age as number) < 60 ? 0 : 1,
      rare: index < 40 && index % 10 === 0 && (age as number) >= 60 ? 1 : 0,
    }))
    const parameters = {
      rows: { column: 'group', levels: ['0', '1'] },
      columns: { column: 'rare', levels: ['0', '1'] },
    }
    assert.deepEqual(runFederated('table', grouped, parameters).result.counts_by_row, [null, null, null, null])
    const ecog = { column: 'ph.karno', levels: ['60', '70', '80', '90', '100'] }
    const { result } = runFederated('table', sitesOf(lung), { rows: ecog, columns: event })
    assert.deepEqual(result.counts_by_row, [null, null, null, null, 20, 47, null, null, 11, 18])
    assert.deepEqual(
      [result.row_totals, result.n, result.withheld, result.chisq, result.p],
      [[19, 32, 67, 74, 29], 221, true, null, null],
    )
  })

  it('withhold what only one or two sites have', () => {
    const byInstitution = [
      ...splitBy(lung, ({ inst }) =>
        inst === 1 || inst === 12 ? (inst as number) : `other-${(inst as number) % 3}`,
      ).values(),
    ].map((rows) => rowsOf(rows))
    const rules = { minimumCell: 5, minimumContributors: 3 }
    const inst = { column: 'inst', is: '1' }
    const { age } = runFederated('describe', byInstitution, { columns: ['age'], by: inst }, rules).result.describe
    assert.deepEqual([age.by['0'].n, age.by['1'].n, typeof age.mean], [null, null, 'number'])
    const { result } = runFederated('table', byInstitution, { rows: inst, columns: event }, rules)
    assert.deepEqual(
      [result.counts_by_row, result.row_totals, result.col_totals],
      [
        [null, null, null, null],
        [null, null],
        [null, null],
      ],
    )
    assertSuppressed(
      runFederated('logistic', byInstitution, { outcome: inst, covariates: ['age', 'sex'] }, rules),
      'too-few-contributors',
    )
    const factor = { column: 'inst', levels: ['1', '12'], reference: '1' }
    for (const [name, parameters] of [
      ['linear', linear],
      ['cox', cox],
    ] as const) {
      const sites = [...byInstitution, ...lungSites.map(() => rowsOf(lung.filter((row) => row['inst'] === 12)))]
      assertSuppressed(
        runFederated(
          name,
          sites,
          { ...parameters, covariates: ['age', factor] },
          { ...rules, minimumContributors: 1 + 2 },
        ),
        'too-few-contributors',
      )
    }
  })

  it('withhold a column that too few sites have', () => {
    const sites = [...splitBy(lung, (_, index) => index % 6).values()].map((rows, site) =>
      rowsOf(rows, site < 4 ? ['meal.cal'] : []),
    )
    const { describe } = runFederated(
      'describe',
      sites,
      { columns: ['age', 'meal.cal'] },
      { minimumCell: 5, minimumContributors: 3 },
    ).result
    assert.equal(typeof describe.age.mean, 'number')
    assert.deepEqual(
      [describe['meal.cal'].mean, describe['meal.cal'].variance, describe['meal.cal'].sites],
      [null, null, 2],
    )
    assert.equal(describe['meal.cal'].n + describe['meal.cal'].missing, 228)
  })
})

describe('models without an answer', () => {
  it('singular: constant columns, columns that add up, levels without rows', () => {
    const sites = extended(({ age, sex }) => ({ one: 1, both: 2 * (age as number) - (sex as number) }))
    for (const covariates of [
      ['age', 'one'],
      ['age', 'sex', 'both'],
      ['age', { column: 'sex', levels: ['1', '2', '3'], reference: '1' }],
    ]) {
      assertSuppressed(runFederated('linear', sites, { ...linear, covariates }), 'singular')
      assertSuppressed(runFederated('logistic', sites, { ...logistic, covariates }), 'singular')
      assertSuppressed(runFederated('cox', sites, { ...cox, covariates }), 'singular')
    }
    assertSuppressed(runFederated('linear', sites, { ...linear, outcome: 'one' }), 'singular')
  })

  it('separation: complete, in one direction, by one level', () => {
    const separated = extended(({ age, status }) => ({ split: (age as number) + (status === 2 ? 100 : 0) }))
    assertSuppressed(runFederated('logistic', separated, { ...logistic, covariates: ['sex', 'split'] }), 'separation')
    // half of the events, and nobody else, have a mark
    const half = extended(({ status }, index) => ({ mark: status === 2 && index % 2 === 0 ? 1 : 0 }))
    const quasi = runFederated('logistic', half, { ...logistic, covariates: ['age', 'mark'] })
    assertSuppressed(quasi, 'separation')
    assert.ok(quasi.rounds < 20)
    const level = { column: 'mark', levels: ['0', '1'], reference: '0' }
    const byLevel = runFederated('logistic', half, { ...logistic, covariates: ['age', level] })
    assertSuppressed(byLevel, 'separation')
    assert.equal(byLevel.rounds, 1)
    const alive = extended(({ status }, index) => ({ mark: status === 1 && index % 2 === 0 ? 1 : 0 }))
    assertSuppressed(runFederated('cox', alive, { ...cox, covariates: ['age', 'mark'] }), 'separation')
    assertSuppressed(runFederated('cox', alive, { ...cox, covariates: ['age', level] }), 'separation')
  })

  it('but a strong effect with a few exceptions is an estimate', () => {
    const strong = extended(({ status }, index) => ({ mark: (status === 2) === index % 15 > 0 ? 1 : 0 }))
    const { result } = runFederated('logistic', strong, { ...logistic, covariates: ['age', 'mark'] })
    assert.ok(result.coef[2] > 4 && result.iterations < 12)
  })

  it('an outcome that the covariates determine', () => {
    const sites = extended(({ age, sex }) => ({ exact: 3 * (age as number) - 7 * (sex as number) + 1 }))
    assertSuppressed(runFederated('linear', sites, { ...linear, outcome: 'exact' }), 'perfect-fit')
    // the same up to a part in ten million is a fit
    const nearly = extended(({ age, sex, time }) => ({
      nearly: 3 * (age as number) - 7 * (sex as number) + (time as number) * 1e-9,
    }))
    const { result } = runFederated('linear', nearly, { ...linear, outcome: 'nearly' })
    assert.ok(Math.abs(result.coef[1] - 3) < 1e-8 && result.sigma > 1e-7 && result.sigma < 3e-7)
  })
})
