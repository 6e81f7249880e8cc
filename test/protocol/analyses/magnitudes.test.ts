/** Columns from 10^-8 to 10^10 beside each other: powers of two scale them exactly, so R's results for lung scale as well. */
import { assertClose, lung, type Row, reference, runFederated } from './federation.js'
import { event, sitesOf } from './runs.js'

const R = reference('lung')
const MORE = reference('more')
const LARGE = 2 ** 27
const SMALL = 2 ** -57

/** `scaled(column, factor, shift)`: shifted, then scaled, both without rounding. */
const withColumns = (columns: Readonly<Record<string, readonly [from: string, factor: number, shift: number]>>) =>
  sitesOf(
    lung.map((row): Row => {
      const added = Object.entries(columns).map(([name, [from, factor, shift]]) => {
        const value = row[from] as number | null
        return [name, value === null ? null : (value + shift) * factor]
      })
      return { ...row, ...Object.fromEntries(added) }
    }),
    5,
  )

const sites = withColumns({
  // about 8·10^9, and 10^11 where calories are
  age_large: ['age', LARGE, 0],
  calories_large: ['meal.cal', LARGE, 0],
  // about 7·10^-9 with a mean of five million standard deviations
  late_small: ['time', SMALL, 1e9],
  calories_small: ['meal.cal', 2 ** -29, 0],
  sex_small: ['sex', 2 ** -20, 0],
})

describe('magnitudes', () => {
  it('describe: large values, and small ones far from zero', () => {
    const { describe } = runFederated('describe', sites, {
      columns: ['age_large', 'calories_large', 'late_small'],
    }).result
    const scaled = ({ n, mean, variance }: typeof R.describe.age, factor: number) => ({
      n,
      mean: mean * factor,
      variance: variance * factor * factor,
    })
    assertClose(describe.age_large, scaled(R.describe.age, LARGE))
    assertClose(describe.calories_large, scaled(R.describe['meal.cal'], LARGE))
    const late = { ...MORE.describe_late, mean: MORE.describe_late.mean - 1e6 + 1e9 }
    assertClose(describe.late_small, scaled(late, SMALL))
  })

  it('linear: from 10^-6 to 10^10 in one model', () => {
    const covariates = ['age_large', 'sex_small']
    const expected = R['linear_meal.cal_on_age_sex']
    for (const [outcome, of] of [
      ['calories_small', 2 ** -29],
      ['calories_large', LARGE],
    ] as const) {
      const { coef, se, sigma, r2 } = runFederated('linear', sites, { outcome, covariates, strata: 'none' }).result
      const factors = [of, of / LARGE, of * 2 ** 20]
      const scaled = (values: readonly number[]) => values.map((value, at) => value * (factors[at] as number))
      assertClose(
        { coef, se, sigma, r2 },
        { coef: scaled(expected.coef), se: scaled(expected.se), sigma: expected.sigma * of, r2: expected.r2 },
      )
    }
  })

  it('correlation does not depend on units', () => {
    const { r } = runFederated('correlation', sites, { columns: ['age_large', 'late_small', 'calories_small'] }).result
    assertClose(r, runFederated('correlation', sites, { columns: ['age', 'time', 'meal.cal'] }).result.r)
  })

  it('models of events: from 10^-6 to 10^10', () => {
    const covariates = ['age_large', 'sex_small', 'ph.ecog']
    const factors = [LARGE, 2 ** -20, 1]
    const unscaled = (values: readonly number[]) => values.map((value, at) => value * (factors[at] as number))
    const logistic = runFederated('logistic', sites, { outcome: event, covariates }).result
    const expected = R.logistic_event_on_age_sex_ecog
    assertClose(
      { coef: unscaled(logistic.coef.slice(1)), se: unscaled(logistic.se.slice(1)), deviance: logistic.deviance },
      { coef: expected.coef.slice(1), se: expected.se.slice(1), deviance: expected.deviance },
    )
    const cox = runFederated('cox', sites, { time: 'time', event, covariates, strata: 'site' }).result
    assertClose({ coef: unscaled(cox.coef), se: unscaled(cox.se) }, { coef: MORE.cox_five.coef, se: MORE.cox_five.se })
  })
})
