/**
 * Every built-in analysis on public data, beside R's record of it: what `every.test.ts` runs over random splits. An analysis
 * without an entry fails there.
 */
import type { Loose, Row } from './federation.js'
import { reference } from './federation.js'
import { coxOracle } from './oracle.js'
import { BANDS, birthwt, colon, flchain, followed } from './public-data.js'

const R = reference('public-data')

export interface Entry {
  readonly analysis: string
  readonly rows: readonly Row[]
  readonly parameters: Loose
  /** R's record of all rows */
  readonly expected: Loose
  /** the result with the names of R's record; itself unless given */
  readonly likeR?: (result: Loose) => Loose
  /** complete rows that keep a site above every rule */
  readonly need: number
  /** a level that some sites may lack */
  readonly level?: readonly [column: string, value: string | number] | undefined
  /** of a result that depends on the split, into how many sites R was told that rows are dealt, and what another split should give */
  readonly parts?: number
  readonly oracle?: ((sites: readonly (readonly Row[])[]) => Loose) | undefined
  /** columns times powers of two, and the fields that then differ by a factor; of all others only those listed stay */
  readonly scaled?: Scaled
}

export interface Scaled {
  readonly columns: Readonly<Record<string, number>>
  /** the result as if nothing had been scaled; `of` is what a column was multiplied by */
  readonly back: (result: Loose, of: (column: string) => number) => Loose
}

const list = (values: unknown): readonly number[] => values as readonly number[]

/** Coefficients in the units of the outcome over those of their columns. */
const coefficients =
  (outcome?: string): Scaled['back'] =>
  ({ names, coef, se }, of) => {
    const unit = (name: string): number => of(name) / (outcome === undefined ? 1 : of(outcome))
    const back = (values: unknown) => list(values).map((value, at) => value * unit(names[at]))
    return { coef: back(coef), se: back(se) }
  }

/** Of a log link: the intercept has the logarithm of the outcome's unit in it. */
const logarithms =
  (outcome: string): Scaled['back'] =>
  ({ names, coef, se, deviance, dispersion }, of) => {
    const back = (values: unknown) => list(values).map((value, at) => value * of(names[at]))
    const [level = 0, ...slopes] = back(coef)
    return { coef: [level - Math.log(of(outcome)), ...slopes], se: back(se), deviance, dispersion }
  }

/** Coefficients of the reciprocal of an outcome. */
const reciprocal =
  (outcome: string): Scaled['back'] =>
  ({ names, coef, se, deviance }, of) => {
    const back = (values: unknown) => list(values).map((value, at) => value * of(names[at]) * of(outcome))
    return { coef: back(coef), se: back(se), deviance }
  }

const moments: Scaled['back'] = (result, of) =>
  Object.fromEntries(
    Object.entries<Loose>(result.describe ?? result).map(([name, { n, mean, sd, variance, skewness, kurtosis }]) => [
      name,
      { n, mean: mean / of(name), sd: sd / of(name), variance: variance / of(name) ** 2, skewness, kurtosis },
    ]),
  )

const described = (result: Loose): Loose => result.describe
const byGroup =
  (column: string) =>
  (result: Loose): Loose =>
    result.describe[column].by
const tested =
  (column: string) =>
  (result: Loose): Loose =>
    result.tests[column]

/** Counts by bin with what lies outside. */
const counted = ({ below, counts, above, n }: Loose): Loose => ({ counts: [below, ...counts, above], n })
const binned = ({ counts, n }: Loose): Loose => ({ counts, n })

const quantiles =
  (column: string) =>
  (result: Loose): Loose =>
    Object.fromEntries(Object.entries<Loose>(result.quantiles[column]).map(([p, { value }]) => [p, value]))
const PROBABILITIES = ['0.1', '0.25', '0.5', '0.75', '0.9']

const correlated =
  (columns: readonly string[]) =>
  (result: Loose): Loose => ({
    ...result,
    mean: columns.map((name) => result.describe[name].mean),
    sd: columns.map((name) => result.describe[name].sd),
  })
const decomposed =
  (columns: readonly string[]) =>
  (result: Loose): Loose => ({
    ...result,
    center: columns.map((name) => result.describe[name].mean),
    rotation: result.names.flatMap((component: string) => columns.map((name) => result.rotation[name][component])),
  })

/** Curves side by side, a single one bare. */
function curves(result: Loose): Loose {
  const groups: Loose[] = Object.values(result.groups)
  const side = (name: string) => (groups.length === 1 ? groups[0][name] : groups.map((group) => group[name]))
  const names = ['median', 'median_lower', 'median_upper', 'rmst', 'rmst_se']
  const ends = list(result.released_grid).map((time) => time / result.grid.width)
  return { ...result, ends, ...Object.fromEntries(names.map((name) => [name, side(name)])) }
}

/** Strata and lines of one group. */
const lines =
  (level: string) =>
  (result: Loose): Loose => {
    const strata: Loose[] = Object.values(result.groups[level].strata)
    const of = (name: string) => result[name].filter((_: unknown, at: number) => result.level[at] === level)
    return Object.fromEntries([
      ...['n', 'events', 'time', 'rate'].map((name) => [name, strata.map((one) => one[name])]),
      ...['estimate', 'se', 'lower', 'upper', 'p', 'expected'].map((name) => [name, of(name)]),
    ])
  }
const byBand = (values: readonly (number | string)[]) =>
  Object.fromEntries(BANDS.map((level, at) => [level, values[at]]))
const rates = {
  event: 'death',
  time: 'futime',
  strata: { column: 'band', levels: BANDS },
  standard: byBand([4000, 3000, 2000, 1000]),
  reference: { rates: byBand([5, 15, 40, '110.5']), crude: 20 },
  per: 365250,
}

/** The odds ratio of Mantel and Haenszel with every site a stratum, from its definition. */
const pooledOdds =
  (exposure: string, outcome: string) =>
  (sites: readonly (readonly Row[])[]): Loose => {
    const terms = sites.map((rows) => {
      const count = (e: number, o: number) => rows.filter((row) => row[exposure] === e && row[outcome] === o).length
      const n = count(0, 0) + count(0, 1) + count(1, 0) + count(1, 1)
      return { top: (count(0, 0) * count(1, 1)) / n, bottom: (count(0, 1) * count(1, 0)) / n }
    })
    const sum = (name: 'top' | 'bottom') => terms.reduce((total, one) => total + one[name], 0)
    return { odds_ratio: { estimate: sum('top') / sum('bottom') } }
  }

const rx = { column: 'rx', levels: ['Obs', 'Lev', 'Lev+5FU'] }
const differ = { column: 'differ', levels: ['2', '1', '3'], reference: '2' }
const sex = { column: 'sex', levels: ['F', 'M'] }
const race = { column: 'race', levels: ['1', '2', '3'] }
const smoke = { column: 'smoke', levels: ['0', '1'] }
const died = { column: 'status', is: '1' }
const coded = (factor: { readonly levels: readonly string[] }) => ({ ...factor, reference: factor.levels[0] })
const weights = ['age', 'lwt', 'bwt']
const serum = ['age', 'kappa', 'lambda', 'creatinine']
const SERUM = { kappa: 28, lambda: -30, creatinine: -46 }
const coxParameters = (covariates: readonly unknown[]) => ({ time: 'time', event: died, covariates, strata: 'site' })
const isDeath = (row: Row): boolean => row['status'] === 1

export const ENTRIES: readonly Entry[] = [
  {
    analysis: 'describe',
    rows: flchain,
    parameters: { columns: ['kappa', 'lambda', 'creatinine'] },
    expected: Object.fromEntries(
      Object.entries<Loose>(R.describe.flchain).map(([name, { n, mean, variance, sd }]) => [
        name,
        { n, mean, variance, sd },
      ]),
    ),
    likeR: described,
    need: 3,
    scaled: { columns: SERUM, back: moments },
  },
  {
    analysis: 'moments',
    rows: birthwt,
    parameters: { columns: ['bwt'], by: race },
    expected: R.describe.bwt_by_race,
    likeR: byGroup('bwt'),
    need: 10,
    level: ['race', 2],
  },
  {
    analysis: 'moments',
    rows: flchain,
    parameters: { columns: ['kappa', 'lambda', 'creatinine'] },
    expected: R.describe.flchain,
    likeR: described,
    need: 3,
    scaled: { columns: SERUM, back: moments },
  },
  {
    analysis: 'compare-means',
    rows: birthwt,
    parameters: { columns: ['bwt'], by: smoke },
    expected: R.compare.bwt_by_smoke,
    likeR: tested('bwt'),
    need: 7,
    level: ['smoke', 1],
    scaled: {
      columns: { bwt: 25 },
      back: ({ anova: { f, p }, welch }) => ({ anova: { f, p }, welch: { t: welch.t, df: welch.df, p: welch.p } }),
    },
  },
  {
    analysis: 'compare-means',
    rows: colon,
    parameters: { columns: ['nodes'], by: rx },
    expected: R.compare.nodes_by_rx,
    likeR: tested('nodes'),
    need: 10,
    level: ['rx', 'Lev'],
  },
  {
    analysis: 'feasibility',
    rows: colon,
    parameters: { by: [] },
    expected: { n: R.histogram.age.n },
    need: 3,
  },
  {
    analysis: 'histogram',
    rows: flchain,
    parameters: { column: 'kappa', breaks: [0, '0.5', 1, '1.5', 2, 3, 5] },
    expected: { counts: [null, ...list(R.histogram.kappa.counts), 60].slice(1), n: R.histogram.kappa.n },
    likeR: ({ counts, n }) => ({ counts: counts.slice(1), n }),
    need: 25,
  },
  {
    analysis: 'histogram',
    rows: colon,
    parameters: { column: 'age', breaks: [30, 40, 50, 60, 70, 80] },
    expected: counted(R.histogram.age),
    likeR: binned,
    need: 25,
  },
  {
    analysis: 'quantiles',
    rows: flchain,
    parameters: {
      columns: [
        { column: 'age', from: 0, to: 128, step: 1 },
        { column: 'creatinine', from: 0, to: '12.8', step: '0.1' },
      ],
      probabilities: PROBABILITIES,
    },
    expected: { age: R.quantiles.age, creatinine: R.quantiles.creatinine },
    likeR: (result) => ({ age: quantiles('age')(result), creatinine: quantiles('creatinine')(result) }),
    need: 3,
  },
  {
    analysis: 'table',
    rows: colon,
    parameters: { rows: rx, columns: died },
    expected: R.table.rx_status,
    need: 10,
    level: ['rx', 'Obs'],
  },
  {
    analysis: 'table',
    rows: birthwt,
    parameters: { rows: smoke, columns: { column: 'low', levels: ['0', '1'] } },
    expected: { ...R.table.smoke_low, ...R.table.smoke_low_tests },
    need: 7,
  },
  {
    analysis: 'correlation',
    rows: flchain,
    parameters: { columns: serum },
    expected: R.correlation.flchain,
    likeR: correlated(serum),
    need: 13,
    scaled: { columns: SERUM, back: ({ r, t, p, ci_low, ci_high }) => ({ r, t, p, ci_low, ci_high }) },
  },
  {
    analysis: 'pca',
    rows: birthwt,
    parameters: { columns: weights, matrix: 'correlation' },
    expected: R.pca.birthwt,
    likeR: decomposed(weights),
    need: 10,
    scaled: { columns: { age: 27, bwt: -30 }, back: ({ eigenvalues, rotation }) => ({ eigenvalues, rotation }) },
  },
  {
    analysis: 'pca',
    rows: flchain,
    parameters: { columns: serum, matrix: 'correlation' },
    expected: R.pca.flchain,
    likeR: decomposed(serum),
    need: 13,
  },
  {
    analysis: 'linear',
    rows: birthwt,
    parameters: { outcome: 'bwt', covariates: ['age', 'lwt', coded(race), 'smoke', 'ht', 'ui'], strata: 'none' },
    expected: R.linear.birthwt,
    need: 25,
    level: ['race', 2],
    scaled: { columns: { bwt: 19, age: 25, lwt: -27, smoke: -20 }, back: coefficients('bwt') },
  },
  {
    analysis: 'linear',
    rows: flchain,
    parameters: { outcome: 'lambda', covariates: ['age', 'creatinine', coded(sex), 'kappa'], strata: 'none' },
    expected: R.linear.flchain,
    need: 16,
    level: ['sex', 'M'],
    scaled: { columns: SERUM, back: coefficients('lambda') },
  },
  {
    analysis: 'linear',
    rows: colon,
    parameters: { outcome: 'time', covariates: ['age', 'nodes', coded(rx)], strata: 'site' },
    expected: R.linear.colon_by_part,
    need: 16,
    parts: 7,
  },
  {
    analysis: 'ridge',
    rows: birthwt,
    parameters: { outcome: 'bwt', covariates: ['age', 'lwt', 'smoke', 'ht'], strata: 'none', penalty: '12.5' },
    expected: R.ridge.birthwt,
    need: 16,
    scaled: { columns: { age: 25, lwt: -27 }, back: coefficients('bwt') },
  },
  {
    analysis: 'ridge',
    rows: flchain,
    parameters: { outcome: 'lambda', covariates: ['age', 'creatinine', 'kappa'], strata: 'none', penalty: 100 },
    expected: R.ridge.flchain,
    need: 13,
    scaled: { columns: SERUM, back: coefficients('lambda') },
  },
  {
    analysis: 'logistic',
    rows: birthwt,
    parameters: {
      outcome: { column: 'low', is: '1' },
      covariates: ['age', 'lwt', coded(race), 'smoke', 'ui'],
    },
    expected: R.logistic.birthwt,
    need: 22,
    level: ['race', 3],
    scaled: { columns: { age: 25, lwt: -27, smoke: -20 }, back: coefficients() },
  },
  {
    analysis: 'logistic',
    rows: colon,
    parameters: { outcome: died, covariates: ['age', 'nodes', coded(rx)] },
    expected: R.logistic.colon,
    need: 16,
    level: ['rx', 'Lev+5FU'],
  },
  {
    analysis: 'logistic',
    rows: flchain,
    parameters: { outcome: 'death', covariates: ['age', coded(sex), 'kappa', 'lambda', 'creatinine'] },
    // R's p of the intercept is 0: pnorm stops at 10^-308
    expected: { ...R.logistic.flchain, p: R.logistic.flchain.p.slice(1) },
    likeR: (result) => ({ ...result, p: result.p.slice(1) }),
    need: 19,
    scaled: { columns: SERUM, back: coefficients() },
  },
  {
    analysis: 'glm',
    rows: birthwt,
    parameters: { family: 'quasipoisson', link: 'log', outcome: 'ftv', covariates: ['age', 'lwt', 'smoke'] },
    expected: R.glm.visits_quasi,
    need: 13,
    scaled: { columns: { age: 25, lwt: -27 }, back: coefficients() },
  },
  {
    analysis: 'glm',
    rows: followed,
    parameters: {
      family: 'poisson',
      link: 'log',
      outcome: 'death',
      exposure: 'futime',
      covariates: ['age', coded(sex), 'kappa'],
    },
    expected: R.glm.deaths,
    need: 13,
    level: ['sex', 'F'],
    scaled: { columns: { age: 24, kappa: -20 }, back: coefficients() },
  },
  {
    analysis: 'glm',
    rows: birthwt,
    parameters: {
      family: 'gamma',
      link: 'log',
      outcome: 'bwt',
      covariates: ['age', 'lwt', coded(race), coded(smoke)],
    },
    expected: R.glm.weight,
    need: 19,
    level: ['race', 2],
    scaled: { columns: { bwt: 19, age: 25, lwt: -27 }, back: logarithms('bwt') },
  },
  {
    analysis: 'glm',
    rows: birthwt,
    parameters: { family: 'gamma', link: 'inverse', outcome: 'bwt', covariates: ['age', 'lwt', coded(smoke)] },
    expected: R.glm.weight_inverse,
    need: 13,
    scaled: { columns: { bwt: -30, age: 25, lwt: -27 }, back: reciprocal('bwt') },
  },
  {
    analysis: 'glm',
    rows: flchain,
    parameters: { family: 'gamma', link: 'log', outcome: 'creatinine', covariates: ['age', coded(sex), 'kappa'] },
    expected: R.glm.creatinine,
    need: 13,
    level: ['sex', 'F'],
    scaled: { columns: { kappa: 28, creatinine: -46 }, back: logarithms('creatinine') },
  },
  {
    analysis: 'glm',
    rows: flchain,
    parameters: { family: 'gamma', link: 'inverse', outcome: 'lambda', covariates: ['age', coded(sex), 'kappa'] },
    expected: R.glm.lambda_inverse,
    need: 13,
    scaled: { columns: { lambda: -20, kappa: 20 }, back: reciprocal('lambda') },
  },
  {
    analysis: 'glm',
    rows: colon,
    parameters: { family: 'gamma', link: 'log', outcome: 'time', exposure: 'extent', covariates: ['age', coded(rx)] },
    expected: R.glm.time_by_extent,
    need: 13,
    level: ['rx', 'Lev+5FU'],
  },
  {
    analysis: 'glm',
    rows: birthwt,
    parameters: { family: 'binomial', link: 'probit', outcome: 'low', covariates: ['age', 'lwt', coded(smoke)] },
    expected: R.glm.low_probit,
    need: 13,
    level: ['smoke', 1],
    scaled: { columns: { age: 25, lwt: -27 }, back: coefficients() },
  },
  {
    analysis: 'glm',
    rows: birthwt,
    parameters: { family: 'quasibinomial', link: 'logit', outcome: 'low', covariates: ['age', 'lwt', coded(smoke)] },
    expected: R.glm.low_quasi,
    need: 13,
    scaled: { columns: { age: 25, lwt: -27 }, back: coefficients() },
  },
  {
    analysis: 'glm',
    rows: followed.map((row) => ({ ...row, log_futime: Math.log((row['futime'] as number) / 365.25) })),
    parameters: {
      family: 'binomial',
      link: 'cloglog',
      outcome: 'death',
      offset: 'log_futime',
      covariates: ['age', coded(sex)],
    },
    expected: R.glm.death_cloglog,
    need: 13,
    level: ['sex', 'F'],
    scaled: { columns: { age: 24 }, back: coefficients() },
  },
  {
    analysis: 'glm',
    rows: colon,
    parameters: { family: 'binomial', link: 'probit', outcome: died, covariates: ['age', 'nodes', coded(rx)] },
    expected: R.glm.colon_probit,
    need: 16,
    level: ['rx', 'Lev+5FU'],
  },
  {
    analysis: 'glm',
    rows: colon,
    parameters: { family: 'binomial', link: 'cloglog', outcome: died, covariates: ['age', 'nodes', coded(rx)] },
    expected: R.glm.colon_cloglog,
    need: 16,
    level: ['rx', 'Lev+5FU'],
    scaled: { columns: { age: 24, nodes: -20 }, back: coefficients() },
  },
  {
    analysis: 'cox',
    rows: colon,
    parameters: coxParameters(['age', 'nodes', coded(rx)]),
    expected: R.cox.colon_by_part,
    need: 13,
    parts: 7,
    scaled: { columns: { age: 24, nodes: -20 }, back: coefficients() },
  },
  {
    analysis: 'cox',
    rows: colon,
    parameters: coxParameters(['age', differ]),
    expected: R.cox.colon_differ_by_part,
    likeR: (result) => ({ ...result, names: result.names.map((name: string) => name.replace('differ', 'differ_f')) }),
    need: 10,
    parts: 7,
  },
  {
    analysis: 'cox',
    rows: colon,
    parameters: coxParameters(['age', 'nodes']),
    expected: {},
    need: 7,
    oracle: (sites) => coxOracle(sites, ['age', 'nodes'], isDeath),
  },
  {
    analysis: 'mantel-haenszel',
    rows: colon,
    parameters: { exposure: { column: 'surg', levels: ['0', '1'] }, outcome: died, strata: 'site' },
    expected: R.mh.colon,
    need: 7,
    parts: 7,
    oracle: pooledOdds('surg', 'status'),
  },
  {
    analysis: 'mantel-haenszel',
    rows: birthwt,
    parameters: { exposure: smoke, outcome: { column: 'low', is: '1' }, strata: 'site' },
    expected: R.mh.birthwt,
    need: 7,
    parts: 4,
    oracle: pooledOdds('smoke', 'low'),
  },
  {
    analysis: 'rates',
    rows: flchain,
    parameters: rates,
    expected: R.rates.flchain,
    likeR: lines('all'),
    need: 13,
    level: ['band', '80+'],
  },
  {
    analysis: 'rates',
    rows: flchain,
    parameters: { ...rates, by: sex },
    expected: R.rates.flchain_f,
    likeR: lines('F'),
    need: 13,
    level: ['sex', 'M'],
  },
  {
    analysis: 'survival',
    rows: colon,
    parameters: { time: 'time', event: died, grid: { width: 365, intervals: 8 }, horizon: 2190 },
    expected: R.survival.colon,
    likeR: curves,
    need: 3,
  },
  {
    analysis: 'survival',
    rows: colon,
    parameters: { time: 'time', event: died, by: rx, grid: { width: 730, intervals: 4 }, horizon: 2190 },
    expected: R.survival.colon_by_rx,
    likeR: curves,
    need: 10,
    level: ['rx', 'Lev'],
  },
  {
    analysis: 'roc',
    rows: colon,
    parameters: { score: 'nodes', outcome: died, cuts: [2, 4, 8], probability: false },
    expected: R.roc.nodes,
    need: 7,
  },
  {
    analysis: 'roc',
    rows: flchain,
    parameters: {
      score: 'risk',
      outcome: 'death',
      cuts: Array.from({ length: 9 }, (_, at) => `0.${at + 1}`),
      probability: true,
    },
    expected: R.roc.probability,
    need: 7,
  },
]
