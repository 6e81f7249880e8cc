import assert from 'node:assert/strict'
import {
  assertClose,
  breastSites,
  gbsg,
  lung,
  lungByInstitution,
  lungSites,
  type Row,
  reference,
  rotterdam,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'

const LUNG = reference('lung')
const BREAST = reference('breast')
const MORE = reference('more')

const event = { column: 'status', is: '2' }
const sex = { column: 'sex', levels: ['1', '2'] }
const ecog = { column: 'ph.ecog', levels: ['0', '1', '2'] }
const three = lung.filter((row) => row['ph.ecog'] !== 3)
const byInstitution = (rows: readonly Row[]) => {
  const institution = (row: Row) => (lungByInstitution.has(row['inst'] as number) ? (row['inst'] as number) : 'others')
  return [...splitBy(rows, institution).values()].map((site) => rowsOf(site))
}
const threeSites = byInstitution(three)
const withoutEcogAtOne = [...lungByInstitution].map(([inst, rows]) => rowsOf(rows, inst === 1 ? ['ph.ecog'] : []))
const awkward = byInstitution(
  lung.map((row) => ({ ...row, late: (row['time'] as number) + 1e6, tiny: (row['age'] as number) * 1e-9 })),
)

/** The fields that `describe` shares with R's record. */
const described = ({ n, mean, variance }: { n: number; mean: number; variance: number }) => ({ n, mean, variance })

describe('federated results equal R on the pooled rows', () => {
  it('describe, lung over eight sites', () => {
    const columns = ['age', 'ph.ecog', 'meal.cal', 'wt.loss']
    const { result, rounds } = runFederated('describe', lungSites, { columns })
    for (const name of columns) {
      assertClose(result.describe[name], described(LUNG.describe[name]), name)
      assert.equal(result.describe[name].missing, 228 - LUNG.describe[name].n)
    }
    assert.deepEqual([rounds, result.rows, result.contributors, result.sites_left_out], [1, 228, 8, 0])
  })

  it('describe by group', () => {
    const age = runFederated('describe', lungSites, { columns: ['age'], by: sex }).result.describe.age
    assertClose(age.by['1'], described(LUNG.describe_by_sex.age_1))
    assertClose(age.by['2'], described(LUNG.describe_by_sex.age_2))
    assertClose(age, described(LUNG.describe.age))
    const loss = runFederated('describe', threeSites, { columns: ['wt.loss'], by: ecog }).result.describe['wt.loss']
    for (const level of ecog.levels)
      assertClose(loss.by[level], described(MORE['describe_wt.loss_by_ecog'][`ecog_${level}`]), level)
  })

  it('describe, columns far from zero and far below one', () => {
    const { result } = runFederated('describe', awkward, { columns: ['late', 'tiny'] })
    assertClose(result.describe.late, described(MORE.describe_late))
    assertClose(result.describe.tiny, described(MORE.describe_tiny))
  })

  it('describe, breast', () => {
    const { result } = runFederated('describe', breastSites, { columns: ['age', 'nodes', 'pgr'] })
    for (const name of ['age', 'nodes', 'pgr'])
      assertClose(result.describe[name], described(BREAST.describe[name]), name)
  })

  it('table', () => {
    assertClose(runFederated('table', lungSites, { rows: sex, columns: event }).result, LUNG.table_sex_event)
    const indicators = { rows: { column: 'hormon', levels: ['0', '1'] }, columns: { column: 'event', is: '1' } }
    assertClose(runFederated('table', breastSites, indicators).result, BREAST.table_hormon_event)
    const { result } = runFederated('table', threeSites, { rows: ecog, columns: sex })
    assertClose(result, { ...MORE.table_ecog_sex, p: MORE.table_ecog_sex_p, df: 2, n: 226, missing: 1 })
  })

  it('linear', () => {
    const { result, rounds } = runFederated('linear', lungSites, {
      outcome: 'meal.cal',
      covariates: ['age', 'sex'],
      strata: 'none',
    })
    assertClose(result, { ...LUNG['linear_meal.cal_on_age_sex'], missing: 47 })
    assert.equal(rounds, 1)
  })

  it('linear with a factor: t, p, intervals and F', () => {
    const covariates = ['age', { ...ecog, reference: '0' }]
    const { result } = runFederated('linear', threeSites, { outcome: 'wt.loss', covariates, strata: 'none' })
    assertClose(result, { ...MORE.linear_factor, names: ['(Intercept)', 'age', 'ph.ecog1', 'ph.ecog2'] })
  })

  it('linear with an intercept for each site', () => {
    const { result } = runFederated('linear', lungSites, {
      outcome: 'meal.cal',
      covariates: ['age', 'sex'],
      strata: 'site',
    })
    assertClose(result, { ...MORE.linear_by_site, df: 181 - 2 - 8 })
  })

  it('linear, an outcome far from zero', () => {
    const { result } = runFederated('linear', awkward, {
      outcome: 'late',
      covariates: ['age', 'wt.loss'],
      strata: 'none',
    })
    const { coef, se, sigma } = MORE.linear_badly_scaled
    assertClose({ coef: result.coef.slice(1), se: result.se.slice(1), sigma: result.sigma }, { coef, se, sigma })
  })

  it('linear, covariates that are nearly the same', () => {
    // age and age + sex / 1024 span what age and sex span
    const shift = 2 ** -10
    const twins = byInstitution(
      lung.map((row) => ({ ...row, twin: (row['age'] as number) + (row['sex'] as number) * shift })),
    )
    const parameters = { outcome: 'meal.cal', covariates: ['age', 'twin'], strata: 'none' }
    const { coef, sigma, r2 } = runFederated('linear', twins, parameters).result
    const R = LUNG['linear_meal.cal_on_age_sex']
    const [level, age, sexes] = R.coef
    assertClose({ coef, sigma, r2 }, { coef: [level, age - sexes / shift, sexes / shift], sigma: R.sigma, r2: R.r2 })
  })

  it('logistic', () => {
    const { result, rounds } = runFederated('logistic', lungSites, {
      outcome: event,
      covariates: ['age', 'sex', 'ph.ecog'],
    })
    assertClose(result, { ...LUNG.logistic_event_on_age_sex_ecog, events: 164, missing: 1 })
    assert.equal(result.converged, true)
    assert.equal(rounds, 1 + result.iterations)
    assert.ok(rounds <= 9)
    const breast = runFederated('logistic', breastSites, { outcome: 'event', covariates: ['age', 'hormon', 'nodes'] })
    assertClose(breast.result, BREAST.logistic_event_on_age_hormon_nodes)
  })

  it('logistic with a factor: z, p, odds ratios', () => {
    const { result } = runFederated('logistic', threeSites, {
      outcome: event,
      covariates: ['age', { ...ecog, reference: '0' }],
    })
    assertClose(result, { ...MORE.logistic_factor, names: ['(Intercept)', 'age', 'ph.ecog1', 'ph.ecog2'] })
    assertClose(result.odds_ratio, MORE.logistic_factor.coef.map(Math.exp))
  })

  it('logistic, covariates far from zero and far below one', () => {
    const { result } = runFederated('logistic', awkward, { outcome: event, covariates: ['late', 'tiny'] })
    const { coef, se, deviance } = MORE.logistic_badly_scaled
    assertClose(
      { coef: result.coef.slice(1), se: result.se.slice(1), deviance: result.deviance },
      { coef: coef.slice(1), se: se.slice(1), deviance },
    )
    const thirds = [...splitBy(rotterdam, (_, index) => index % 3).values()].map((rows) => rowsOf(rows))
    const year = runFederated('logistic', thirds, { outcome: 'event', covariates: ['age', 'year'] }).result
    assertClose(
      { coef: year.coef.slice(1), se: year.se.slice(1) },
      { coef: MORE.logistic_year.coef.slice(1), se: MORE.logistic_year.se.slice(1) },
    )
  })

  it('cox stratified by site', () => {
    const parameters = { time: 'time', event, covariates: ['age', 'sex', 'ph.ecog'], strata: 'site' }
    const { result, rounds } = runFederated('cox', lungSites, parameters)
    assertClose(result, { ...LUNG.cox_breslow_by_site, missing: 1, contributors: 8, sites_left_out: 0 })
    assert.ok(rounds <= 9)
    const five = [...splitBy(lung, (_, index) => index % 5).values()].map((rows) => rowsOf(rows))
    assertClose(runFederated('cox', five, parameters).result, MORE.cox_five)
  })

  it('cox with a factor, and with skewed covariates', () => {
    const covariates = ['age', { column: 'ph.ecog', levels: ['1', '0', '2'], reference: '1' }]
    const factor = runFederated('cox', threeSites, { time: 'time', event, covariates, strata: 'site' })
    assertClose(factor.result, { ...MORE.cox_factor_by_site, names: ['age', 'ph.ecog0', 'ph.ecog2'] })
    const breast = { time: 'time', event: 'event', strata: 'site' }
    assertClose(
      runFederated('cox', breastSites, { ...breast, covariates: ['age', 'hormon', 'nodes'] }).result,
      BREAST.cox_breslow_by_site_age_hormon_nodes,
    )
    assertClose(
      runFederated('cox', breastSites, { ...breast, covariates: ['age', 'nodes', 'pgr', 'er'] }).result,
      MORE.cox_skewed,
    )
  })

  it('a column that one site lacks', () => {
    const describedEcog = runFederated('describe', withoutEcogAtOne, { columns: ['ph.ecog'] }).result
    assertClose(describedEcog.describe['ph.ecog'], {
      ...described(MORE.describe_ecog_without_one_site),
      missing: 37,
      sites: 7,
    })
    assert.deepEqual([describedEcog.rows, describedEcog.contributors], [228, 8])
    const left = { contributors: 7, sites_left_out: 1 }
    const cox = { time: 'time', event, covariates: ['age', 'sex', 'ph.ecog'], strata: 'site' }
    assertClose(runFederated('cox', withoutEcogAtOne, cox).result, { ...MORE.cox_without_ecog_at_one_site, ...left })
    const logistic = { outcome: event, covariates: ['age', 'sex', 'ph.ecog'] }
    assertClose(runFederated('logistic', withoutEcogAtOne, logistic).result, {
      ...MORE.logistic_without_ecog_at_one_site,
      ...left,
    })
    const linear = { outcome: 'age', covariates: ['ph.ecog', 'sex'], strata: 'none' }
    assertClose(runFederated('linear', withoutEcogAtOne, linear).result, {
      ...MORE.linear_without_ecog_at_one_site,
      ...left,
    })
  })

  it('a column that is constant at some sites', () => {
    const bySex = [...splitBy(lung, (row, index) => `${row['sex']}-${index % 3}`).values()].map((rows) => rowsOf(rows))
    assertClose(
      runFederated('logistic', bySex, { outcome: event, covariates: ['age', 'sex', 'ph.ecog'] }).result,
      LUNG.logistic_event_on_age_sex_ecog,
    )
    const linear = { outcome: 'meal.cal', covariates: ['age', 'sex'], strata: 'none' }
    assertClose(runFederated('linear', bySex, linear).result, LUNG['linear_meal.cal_on_age_sex'])
    assertClose(runFederated('table', bySex, { rows: sex, columns: event }).result, LUNG.table_sex_event)
  })

  it('the reference rows are the ones R saw', () => {
    assert.deepEqual([lung.length, rotterdam.length + gbsg.length], [LUNG.n, BREAST.n])
    assert.deepEqual(
      [...lungByInstitution.values()].map((rows) => rows.length).sort(),
      (Object.values(LUNG.site_sizes) as number[]).sort(),
    )
  })
})
