import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  assertClose,
  breastSites,
  known,
  type Loose,
  lung,
  lungSites,
  type Row,
  reference,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'
import { ecogFactor, extended, sex, sitesOf } from './runs.js'

const R = reference('summaries').compare
const ecog = { column: 'ph.ecog', levels: ['0', '1', '2'] }
const compare = (sites: Parameters<typeof runFederated>[1], columns: string[], by: Loose, rules?: Loose): Loose =>
  runFederated('compare-means', sites, { columns, by }, rules).result

const three = sitesOf(lung.filter((row) => row['ph.ecog'] !== 3))

describe('compare-means equals R', () => {
  it('two groups: Welch, Student, Cohen’s d', () => {
    const { tests, describe, ...rest } = compare(lungSites, ['age', 'meal.cal'], sex)
    assertClose(tests, { age: R.age_by_sex, 'meal.cal': R['meal.cal_by_sex'] })
    assert.deepEqual([describe.age.by['1'].n, describe.age.by['2'].n, rest.groups], [138, 90, ['1', '2']])
    const breast = compare(breastSites, ['nodes', 'pgr'], { column: 'hormon', is: '1' })
    assertClose(breast.tests, { nodes: R.nodes_by_hormon, pgr: R.pgr_by_hormon })
  })

  it('three groups: F, Welch’s F, η², and no t-test', () => {
    const { tests } = compare(three, ['wt.loss'], ecog)
    assertClose(tests['wt.loss'], R['wt.loss_by_ecog'])
    assert.deepEqual(Object.keys(tests['wt.loss']), ['anova', 'welch_anova'])
  })

  it('columns far from zero and far below one', () => {
    const awkward = (row: Row) => ({ late: (row['time'] as number) + 1e6, tiny: (row['age'] as number) * 1e-9 })
    assertClose(compare(extended(awkward), ['late'], sex).tests.late, R.late_by_sex)
    const sites = sitesOf(lung.filter((row) => row['ph.ecog'] !== 3).map((row) => ({ ...row, ...awkward(row) })))
    assertClose(compare(sites, ['tiny'], ecog).tests.tiny, R.tiny_by_ecog)
  })

  it('however the rows are split, an empty site and one without the column among them', () => {
    const split = fc.tuple(
      fc.integer({ min: 3, max: 40 }),
      fc.array(fc.nat(), { minLength: lung.length, maxLength: lung.length }),
    )
    const extra = [rowsOf([]), rowsOf(lung.slice(0, 9), ['meal.cal', 'age'])]
    const rules = { minimumCell: 5, minimumContributors: 3 }
    fc.assert(
      fc.property(split, ([count, keys]) => {
        // two levels need 7 rows a site; whoever is left goes to the first
        const sites = [...splitBy(lung, (_, index) => (keys[index] as number) % count).values()]
        const large = sites.filter((rows) => rows.length >= 7)
        const small = sites.filter((rows) => rows.length < 7).flat()
        const merged = [[...small, ...(large[0] ?? [])], ...large.slice(1)].map((rows) => rowsOf(rows))
        fc.pre(merged.length >= 3)
        const { tests } = compare([...merged, ...extra], ['age', 'meal.cal'], sex, rules)
        assertClose(tests, { age: R.age_by_sex, 'meal.cal': R['meal.cal_by_sex'] })
      }),
      { numRuns: 30 },
    )
  })
})

describe('compare-means withholds', () => {
  it('every test of a column where a group is withheld: F would be an equation for its mean', () => {
    const { tests, describe } = compare(sitesOf(lung), ['age', 'wt.loss'], { ...ecog, levels: ecogFactor.levels })
    assert.deepEqual(tests, { age: null, 'wt.loss': null })
    assert.deepEqual([describe.age.by['3'].n, describe.age.by['2'].n, describe.age.n], [null, null, 227])
  })

  it('tests that do not exist: one group, or nothing that varies', () => {
    const sites = extended((row) => ({ one: 1, equal: row['sex'] as number, arm: 1 }))
    const { tests } = compare(sites, ['one', 'equal'], sex)
    assert.deepEqual(tests, { one: null, equal: null })
    assert.deepEqual(compare(sites, ['age'], { column: 'arm', levels: ['1', '2'] }).tests, { age: null })
    // a level nobody has is as if it had not been named
    assertClose(compare(sites, ['age'], { column: 'sex', levels: ['1', '2', '3'] }).tests.age, R.age_by_sex)
    // one group without variance: a t-test, and no weights for Welch's analysis of variance
    const half = extended((row) => ({ half: row['sex'] === 1 ? 1 : (row['age'] as number) }))
    const { half: found } = compare(half, ['half'], sex).tests
    assert.deepEqual([typeof found.welch.t, found.welch_anova], ['number', null])
    assertClose(found.welch.df, 89)
  })

  it('nothing that describe by the same factor does not', () => {
    const parameters = { columns: ['age'], by: sex }
    const [one, other] = [known('compare-means'), known('describe')]
    assert.deepEqual(one.plan(parameters, undefined), other.plan(parameters, undefined))
    const runs = ['compare-means', 'describe'].map((name) => runFederated(name, lungSites, parameters).outcome)
    assert.deepEqual(runs[0], runs[1])
    assert.ok(!one.parameters.safeParse({ columns: ['age'] }).success)
  })
})
