/**
 * Every built-in analysis on public data, beside R's record of it: what `every.test.ts` runs over random splits. Each is run on every
 * data set that has what it reads, with parameters made of the data set's columns as R was told them; what these leave out follows.
 */
import type { Loose, Row } from './federation.js'
import { reference } from './federation.js'
import {
  binned,
  byLevel,
  coefficients,
  correlated,
  counted,
  curves,
  decomposed,
  described,
  lines,
  logarithms,
  moments,
  PROBABILITIES,
  pooledBack,
  quantiles,
  reciprocal,
  type Scaled,
  shownOf,
  table1,
  tested,
} from './like-r.js'
import { coxOracle, metaOracle, pooledOdds, rankOracle } from './oracle.js'
import { BANDS, birthwt, colon, DATA_SETS, flchain, followed } from './public-data.js'

const R = reference('public-data')

export interface Entry {
  readonly analysis: string
  /** of DATA_SETS, unless the rows are others */
  readonly data?: string
  readonly rows: readonly Row[]
  readonly parameters: Loose
  /** R's record of all rows */
  readonly expected: Loose
  /** the result with the names of R's record; itself unless given */
  readonly likeR?: (result: Loose) => Loose
  /** complete rows that keep a site above every rule */
  readonly need: number
  /** sites that there are at least; 3 unless given */
  readonly least?: number
  /** a level that some sites may lack */
  readonly level?: readonly [column: string, value: string | number] | undefined
  /** of a result that depends on the split, into how many sites R was told that rows are dealt, and what another split should give */
  readonly parts?: number
  /** what is withheld depends on how many sites have it */
  readonly hides?: true
  readonly oracle?: ((sites: readonly (readonly Row[])[]) => Loose) | undefined
  readonly scaled?: Scaled | undefined
}

type Made = Omit<Entry, 'data' | 'rows'>

/** Rows that a site needs for a model with so many parameters, or for so many levels. */
const rowsFor = (parameters: number): number => Math.ceil(parameters / 0.33)

/** Units that differ by 2^50. */
const unitsOf = (columns: readonly string[]): Scaled['columns'] =>
  Object.fromEntries(columns.map((name, at) => [name, [23, -27, -10][at] as number]))

const event = { column: 'event', is: '1' }

/** Numbers, groups and counts, which any data set has. */
function summariesOn(record: Loose): readonly Made[] {
  const { numbers, group, factor, cuts, levels, strata } = record.set
  const by = { column: group, levels }
  const of = { column: factor, levels: strata }
  const [first] = numbers
  const units = (back: Scaled['back']): Scaled => ({ columns: unitsOf(numbers), back })
  const tests = (result: Loose): Loose => result.tests
  const few = { need: rowsFor(strata.length), level: [factor, strata.at(-1)] as const }
  return [
    {
      analysis: 'describe',
      parameters: { columns: numbers, by },
      expected: record.describe,
      likeR: described,
      need: 7,
      scaled: units(moments),
    },
    {
      analysis: 'moments',
      parameters: { columns: numbers, by: of },
      expected: record.moments,
      likeR: described,
      ...few,
      scaled: units(moments),
    },
    {
      analysis: 'compare-means',
      parameters: { columns: numbers, by: of },
      expected: record.compare,
      likeR: tests,
      ...few,
      scaled: units((found) =>
        Object.fromEntries(
          numbers.map((name: string) => {
            const { anova, welch_anova: welch } = found[name]
            return [name, { anova: { f: anova.f, p: anova.p }, welch_anova: { f: welch.f, p: welch.p } }]
          }),
        ),
      ),
    },
    {
      analysis: 'table1',
      parameters: { columns: numbers, factors: [of], by },
      expected: table1(record.table1, numbers, factor),
      hides: true,
      ...few,
      scaled: units(({ comparison, factors_by }) => ({
        comparison: Object.fromEntries(
          numbers.map((name: string) => [name, { statistic: comparison[name].statistic, smd: comparison[name].smd }]),
        ),
        factors_by,
      })),
    },
    {
      analysis: 'feasibility',
      parameters: { by: [of] },
      // whoever has none of the levels are few in all of them, and one level covers them
      expected: { ...record.feasibility, hidden: 2 },
      likeR: shownOf(record.feasibility.counts),
      hides: true,
      ...few,
    },
    {
      analysis: 'histogram',
      parameters: { column: first, breaks: cuts },
      expected: counted(record.histogram),
      likeR: binned,
      need: rowsFor(cuts.length + 1),
    },
    {
      analysis: 'quantiles',
      parameters: { columns: [{ column: first, from: 0, to: 128, step: 1 }], probabilities: PROBABILITIES },
      expected: record.quantiles,
      likeR: quantiles(first),
      need: 3,
    },
    { analysis: 'table', parameters: { rows: of, columns: event }, expected: record.table, ...few },
    {
      analysis: 'correlation',
      parameters: { columns: numbers },
      expected: record.correlation,
      likeR: correlated(numbers),
      need: 10,
      scaled: units(({ r, t, p, ci_low, ci_high }) => ({ r, t, p, ci_low, ci_high })),
    },
    {
      analysis: 'pca',
      parameters: { columns: numbers, matrix: 'correlation' },
      expected: record.pca,
      likeR: decomposed(numbers),
      need: 10,
      scaled: units(({ eigenvalues, rotation }) => ({ eigenvalues, rotation })),
    },
    {
      analysis: 'k-means',
      parameters: {
        columns: numbers.slice(0, 2),
        scale: 'standard',
        centres: [
          [-1, 0],
          [1, 0],
        ],
        iterations: record.set.iterations,
      },
      expected: record.kmeans,
      need: 10,
      scaled: {
        columns: unitsOf(numbers.slice(0, 2)),
        back: ({ size, withinss, totss }) => ({ size, withinss, totss }),
      },
    },
    {
      analysis: 'roc',
      parameters: { score: first, outcome: 'event', cuts, probability: false },
      expected: record.roc,
      need: 7,
    },
  ]
}

/** Records by the number of sites. */
const sited = (records: Loose): readonly (readonly [number, Loose])[] =>
  Object.entries(records).map(([parts, expected]) => [Number(parts), expected])

/** Regressions, and what takes every site as a stratum. */
function modelsOn(record: Loose): readonly Made[] {
  const { numbers, group, factor, levels, strata, per } = record.set
  const [first, second, outcome] = numbers
  const by = { column: group, levels }
  const pair = [first, second]
  const covariates = [...pair, { column: factor, levels: strata, reference: strata[0] }]
  const full = { need: rowsFor(covariates.length + strata.length - 1), level: [factor, strata.at(-1)] as const }
  const units = (back: Scaled['back']): Scaled => ({ columns: unitsOf(pair), back })
  const counts = per === undefined ? { outcome: 'ftv' } : { outcome: 'event', exposure: 'time' }
  const odds = { exposure: by, outcome: event, strata: 'site' }
  return [
    {
      analysis: 'linear',
      parameters: { outcome, covariates, strata: 'none' },
      expected: record.linear,
      ...full,
      scaled: { columns: unitsOf(numbers), back: coefficients(outcome) },
    },
    {
      analysis: 'ridge',
      parameters: { outcome, covariates: pair, strata: 'none', penalty: '12.5' },
      expected: record.ridge,
      need: rowsFor(3),
      scaled: { columns: unitsOf(numbers), back: coefficients(outcome) },
    },
    {
      analysis: 'logistic',
      parameters: { outcome: 'event', covariates },
      expected: record.logistic,
      ...full,
      scaled: units(coefficients()),
    },
    {
      analysis: 'glm',
      parameters: { family: 'poisson', link: 'log', covariates: pair, ...counts },
      expected: record.glm,
      need: rowsFor(3),
      scaled: units(coefficients()),
    },
    // of three sites it is refused
    ...sited(record.mh)
      .filter(([parts]) => parts > 3)
      .map(([parts, expected], at) => ({
        analysis: 'mantel-haenszel',
        parameters: odds,
        expected,
        need: 7,
        least: 12,
        parts,
        oracle: at === 0 ? pooledOdds(by) : undefined,
      })),
    ...sited(record.meta).map(([parts, expected], at) => ({
      analysis: 'meta-analysis',
      parameters: { model: 'linear', fit: { outcome, covariates: pair, strata: 'none' }, coefficients: pair },
      expected,
      need: rowsFor(4),
      least: 12,
      parts,
      oracle: at === 0 ? metaOracle(pair, outcome) : undefined,
      scaled: { columns: unitsOf(pair), back: pooledBack },
    })),
  ]
}

/** A p so small has the error of z many times. */
const withoutTails = (result: Loose): Loose => ({
  ...result,
  p: result.p.map((p: number) => (p < 1e-100 ? null : p)),
})

/** What needs times. */
function followedOn(record: Loose): readonly Made[] {
  const { numbers, group, factor, levels, strata, curves: curve, grid, standard, rates, per } = record.set
  const times = { time: 'time', event: 'event' }
  const by = { column: group, levels }
  const of = { column: factor, levels: strata }
  const covariates = [...numbers.slice(0, 2), { ...of, reference: strata[0] }]
  const full = { need: rowsFor(1 + strata.length), level: [factor, strata.at(-1)] as const }
  const back = { columns: unitsOf(numbers.slice(0, 2)), back: coefficients() }
  return [
    ...sited(record.cox).map(([parts, expected]) => ({
      analysis: 'cox',
      parameters: { ...times, covariates, strata: 'site' },
      expected: withoutTails(expected),
      likeR: withoutTails,
      ...full,
      parts,
      scaled: back,
    })),
    {
      analysis: 'cox-pooled',
      parameters: { ...times, covariates, grid: { width: grid.width, intervals: grid.intervals }, zph: 'km' },
      expected: record.cox_pooled,
      likeR: (result) => ({ ...result, ends: result.released_grid.map((time: number) => time / grid.width) }),
      ...full,
      scaled: back,
    },
    ...sited(record.ranks).map(([parts, expected], at) => ({
      analysis: 'log-rank',
      parameters: { ...times, by, strata: 'site' },
      expected,
      need: 7,
      parts,
      oracle: at === 0 ? rankOracle(by) : undefined,
    })),
    {
      analysis: 'rates',
      parameters: {
        ...times,
        strata: of,
        standard: byLevel(strata, standard),
        reference: { rates: byLevel(strata, rates.map(String)), crude: 20 },
        per,
      },
      expected: record.rates,
      likeR: lines('all'),
      ...full,
    },
    {
      analysis: 'survival',
      parameters: { ...times, by, grid: { width: curve.width, intervals: curve.intervals }, horizon: curve.horizon },
      expected: record.survival,
      likeR: curves,
      need: 7,
    },
  ]
}

const everywhere = Object.entries(DATA_SETS).flatMap(([data, rows]): Entry[] => {
  const record = R[data]
  const made = [
    ...summariesOn(record),
    ...modelsOn(record),
    ...(record.set.per === undefined ? [] : followedOn(record)),
  ]
  return made.map((one) => ({ ...one, data, rows }))
})

const died = { column: 'status', is: '1' }
const differ = { column: 'differ', levels: ['2', '1', '3'], reference: '2' }
const coxOn = (covariates: readonly unknown[]) => ({ time: 'time', event: died, covariates, strata: 'site' })
const rx = { column: 'rx', levels: ['Obs', 'Lev', 'Lev+5FU'], reference: 'Obs' }
const smoke = { column: 'smoke', levels: ['0', '1'] }
const sex = { column: 'sex', levels: ['F', 'M'] }
const race = { column: 'race', levels: ['1', '2', '3'] }
const coded = (factor: { readonly levels: readonly string[] }) => ({ ...factor, reference: factor.levels[0] })

const others: readonly Entry[] = [
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
    analysis: 'feasibility',
    rows: colon,
    parameters: { by: [] },
    expected: { n: R.colon.histogram.n },
    need: 3,
  },
  {
    analysis: 'histogram',
    rows: flchain,
    parameters: { column: 'kappa', breaks: [0, '0.5', 1, '1.5', 2, 3, 5] },
    expected: { counts: [null, ...R.kappa.counts, 60].slice(1), n: R.kappa.n },
    likeR: ({ counts, n }) => ({ counts: counts.slice(1), n }),
    need: 25,
  },
  {
    analysis: 'quantiles',
    rows: flchain,
    parameters: {
      columns: [{ column: 'creatinine', from: 0, to: '12.8', step: '0.1' }],
      probabilities: PROBABILITIES,
    },
    expected: R.creatinine,
    likeR: quantiles('creatinine'),
    need: 3,
  },
  {
    analysis: 'table',
    rows: birthwt,
    parameters: { rows: smoke, columns: { column: 'low', levels: ['0', '1'] } },
    expected: R.smoke_low,
    need: 7,
  },
  {
    analysis: 'linear',
    rows: colon,
    parameters: { outcome: 'time', covariates: ['age', 'nodes', rx], strata: 'site' },
    expected: R.colon_by_part,
    need: 16,
    parts: 7,
  },
  {
    analysis: 'glm',
    rows: birthwt,
    parameters: { family: 'quasipoisson', link: 'log', outcome: 'ftv', covariates: ['age', 'lwt', 'smoke'] },
    expected: R.visits_quasi,
    need: 13,
    scaled: { columns: { age: 25, lwt: -27 }, back: coefficients() },
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
    expected: R.families.weight,
    need: 19,
    level: ['race', 2],
    scaled: { columns: { bwt: 19, age: 25, lwt: -27 }, back: logarithms('bwt') },
  },
  {
    analysis: 'glm',
    rows: birthwt,
    parameters: { family: 'gamma', link: 'inverse', outcome: 'bwt', covariates: ['age', 'lwt', coded(smoke)] },
    expected: R.families.weight_inverse,
    need: 13,
    scaled: { columns: { bwt: -30, age: 25, lwt: -27 }, back: reciprocal('bwt') },
  },
  {
    analysis: 'glm',
    rows: flchain,
    parameters: { family: 'gamma', link: 'log', outcome: 'creatinine', covariates: ['age', coded(sex), 'kappa'] },
    expected: R.families.creatinine,
    need: 13,
    level: ['sex', 'F'],
    scaled: { columns: { kappa: 28, creatinine: -46 }, back: logarithms('creatinine') },
  },
  {
    analysis: 'glm',
    rows: flchain,
    parameters: { family: 'gamma', link: 'inverse', outcome: 'lambda', covariates: ['age', coded(sex), 'kappa'] },
    expected: R.families.lambda_inverse,
    need: 13,
    scaled: { columns: { lambda: -20, kappa: 20 }, back: reciprocal('lambda') },
  },
  {
    analysis: 'glm',
    rows: colon,
    parameters: { family: 'gamma', link: 'log', outcome: 'time', exposure: 'extent', covariates: ['age', rx] },
    expected: R.families.time_by_extent,
    need: 13,
    level: ['rx', 'Lev+5FU'],
  },
  {
    analysis: 'glm',
    rows: birthwt,
    parameters: { family: 'binomial', link: 'probit', outcome: 'low', covariates: ['age', 'lwt', coded(smoke)] },
    expected: R.families.low_probit,
    need: 13,
    level: ['smoke', 1],
    scaled: { columns: { age: 25, lwt: -27 }, back: coefficients() },
  },
  {
    analysis: 'glm',
    rows: birthwt,
    parameters: { family: 'quasibinomial', link: 'logit', outcome: 'low', covariates: ['age', 'lwt', coded(smoke)] },
    expected: R.families.low_quasi,
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
    expected: R.families.death_cloglog,
    need: 13,
    level: ['sex', 'F'],
    scaled: { columns: { age: 24 }, back: coefficients() },
  },
  {
    analysis: 'glm',
    rows: colon,
    parameters: { family: 'binomial', link: 'probit', outcome: died, covariates: ['age', 'nodes', rx] },
    expected: R.families.colon_probit,
    need: 16,
    level: ['rx', 'Lev+5FU'],
  },
  {
    analysis: 'glm',
    rows: colon,
    parameters: { family: 'binomial', link: 'cloglog', outcome: died, covariates: ['age', 'nodes', rx] },
    expected: R.families.colon_cloglog,
    need: 16,
    level: ['rx', 'Lev+5FU'],
    scaled: { columns: { age: 24, nodes: -20 }, back: coefficients() },
  },
  {
    analysis: 'cox',
    rows: colon,
    parameters: coxOn(['age', differ]),
    expected: R.colon_differ_by_part,
    likeR: (result) => ({ ...result, names: result.names.map((name: string) => name.replace('differ', 'differ_f')) }),
    need: 10,
    parts: 7,
  },
  {
    analysis: 'cox',
    rows: colon,
    parameters: coxOn(['age', 'nodes']),
    expected: {},
    need: 7,
    oracle: (sites) => coxOracle(sites, ['age', 'nodes'], (row) => row['status'] === 1),
  },
  {
    analysis: 'rates',
    rows: flchain,
    parameters: {
      event: 'death',
      time: 'futime',
      strata: { column: 'band', levels: BANDS },
      by: { column: 'sex', levels: ['F', 'M'] },
      standard: byLevel(BANDS, [4000, 3000, 2000, 1000]),
      reference: { rates: byLevel(BANDS, [5, 15, 40, '110.5']), crude: 20 },
      per: 365250,
    },
    expected: R.flchain_f,
    likeR: lines('F'),
    need: 13,
    level: ['sex', 'M'],
  },
  {
    analysis: 'survival',
    rows: colon,
    parameters: { time: 'time', event: died, grid: { width: 365, intervals: 8 }, horizon: 2190 },
    expected: R.colon_curve,
    likeR: curves,
    need: 3,
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
    expected: R.probability,
    need: 7,
  },
]

export const ENTRIES: readonly Entry[] = [...everywhere, ...others]
