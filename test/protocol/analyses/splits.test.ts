import fc from 'fast-check'
import {
  assertClose,
  lung,
  lungByInstitution,
  type Row,
  reference,
  rowsOf,
  runFederated,
  splitBy,
} from './federation.js'
import { coxOracle } from './oracle.js'

const LUNG = reference('lung')
const event = { column: 'status', is: '2' }
const sex = { column: 'sex', levels: ['1', '2'] }
const COX = { time: 'time', event, covariates: ['age', 'sex', 'ph.ecog'], strata: 'site' }

/** Enough complete rows at every site that none is below a rule; whoever is left goes anywhere. */
const GUARANTEED = 13
const complete = (row: Row): boolean => row['meal.cal'] !== null && row['ph.ecog'] !== null

/** lung in 3 to 12 sites of any sizes, rows in any order. */
const split = fc
  .tuple(fc.integer({ min: 3, max: 12 }), fc.array(fc.nat(), { minLength: lung.length, maxLength: lung.length }))
  .map(([count, keys]): Row[][] => {
    const key = (row: Row): number => keys[lung.indexOf(row)] as number
    const shuffled = lung.toSorted((a, b) => key(a) - key(b))
    const kept = shuffled.filter(complete)
    const rest = [...kept.slice(count * GUARANTEED), ...shuffled.filter((row) => !complete(row))]
    const sites = Array.from({ length: count }, (_, site) => kept.slice(site * GUARANTEED, (site + 1) * GUARANTEED))
    for (const row of rest) sites[key(row) % count]?.push(row)
    return sites
  })

function holds(check: (sites: readonly Row[][]) => void, numRuns: number): void {
  fc.assert(fc.property(split, check), { numRuns })
}

const tables = (sites: readonly Row[][]) => sites.map((rows) => rowsOf(rows))

describe('however the rows are split into sites', () => {
  it('describe', () => {
    const columns = ['age', 'meal.cal', 'wt.loss']
    holds((sites) => {
      const { result } = runFederated('describe', tables(sites), { columns })
      for (const name of columns) {
        const { n, mean, variance } = LUNG.describe[name]
        assertClose(result.describe[name], { n, mean, variance }, name)
      }
    }, 30)
  })

  it('table', () =>
    holds(
      (sites) =>
        assertClose(runFederated('table', tables(sites), { rows: sex, columns: event }).result, LUNG.table_sex_event),
      30,
    ))

  it('linear', () => {
    const parameters = { outcome: 'meal.cal', covariates: ['age', 'sex'], strata: 'none' }
    holds(
      (sites) =>
        assertClose(runFederated('linear', tables(sites), parameters).result, LUNG['linear_meal.cal_on_age_sex']),
      30,
    )
  })

  it('logistic', () => {
    const parameters = { outcome: event, covariates: ['age', 'sex', 'ph.ecog'] }
    holds(
      (sites) =>
        assertClose(runFederated('logistic', tables(sites), parameters).result, LUNG.logistic_event_on_age_sex_ecog),
      10,
    )
  })

  it('cox, for the strata of that split', () => {
    holds((sites) => assertClose(runFederated('cox', tables(sites), COX).result, coxOracle(sites, COX.covariates)), 8)
  })

  it('and the oracle that cox is compared with agrees with R', () => {
    const pick = ({ coef, se, loglik_null, loglik }: Record<string, unknown>) => ({ coef, se, loglik_null, loglik })
    assertClose(coxOracle([...lungByInstitution.values()], COX.covariates), pick(LUNG.cox_breslow_by_site))
    const five = [...splitBy(lung, (_, index) => index % 5).values()]
    assertClose(coxOracle(five, COX.covariates), pick(reference('more').cox_five))
    assertClose(coxOracle([lung], COX.covariates), pick(LUNG.cox_breslow_pooled))
  })
})
