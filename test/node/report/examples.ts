/** A result of every built-in analysis on the reference data, as a report of each kind shows it. */
import {
  gbsg,
  type Loose,
  lung,
  type Row,
  rotterdam,
  rowsOf,
  runFederated,
  splitBy,
} from '../../protocol/analyses/federation.js'
import { birthwt, colon, flchain } from '../../protocol/analyses/public-data.js'

const BANDS = ['under 40', '40-49', '50-59', '60-69', '70 and over']
const bandOf = (age: number): string => BANDS[Math.min(4, Math.max(0, Math.floor(age / 10) - 3))] as string
const breast: readonly Row[] = [...rotterdam, ...gbsg].map(({ year: _, ...row }) => ({
  ...row,
  band: bandOf(row['age'] as number),
  hormone: row['hormon'] === 1 ? 'tamoxifen' : 'none',
  involved: (row['nodes'] as number) === 0 ? 'N0' : (row['nodes'] as number) < 4 ? 'N1' : 'N2',
  risk: 1 / (1 + Math.exp(-(0.14 * Math.min(10, row['nodes'] as number) - 0.5))),
}))
const dealt = (rows: readonly Row[], sites: number) =>
  [...splitBy(rows, (_, index) => index % sites).values()].map((site) => rowsOf(site))
const byBand = (values: readonly (number | string)[]) =>
  Object.fromEntries(BANDS.map((level, at) => [level, values[at]]))

const death = { column: 'status', is: '2' }
const sex = { column: 'sex', levels: ['1', '2'] }
const ecog = { column: 'ph.ecog', levels: ['0', '1', '2'], reference: '0' }
const band = { column: 'band', levels: BANDS }
const involved = { column: 'involved', levels: ['N0', 'N1', 'N2'] }
const hormone = { column: 'hormone', levels: ['none', 'tamoxifen'] }
const twentieths = Array.from({ length: 19 }, (_, at) => String((at + 1) / 20))
const deciles = ['0.1', '0.25', '0.5', '0.75', '0.9']
const sexOfColon = { column: 'sex', levels: ['0', '1'] }
const rx = { column: 'rx', levels: ['Obs', 'Lev', 'Lev+5FU'] }
const differ = { column: 'differ', levels: ['1', '2', '3'] }
const followUp = { time: 'time', event: { column: 'status', is: '1' } }
const withCovariates = {
  covariates: ['age', 'nodes', { ...hormone, reference: 'none' }, { ...band, reference: BANDS[1] }],
}

interface Example {
  readonly title: string
  readonly analysis: string
  readonly rows: readonly Row[]
  readonly sites?: number
  readonly parameters: Loose
}

const EXAMPLES: readonly Example[] = [
  {
    title: 'describe',
    analysis: 'describe',
    rows: lung,
    parameters: { columns: ['age', 'wt.loss', 'meal.cal'], by: sex },
  },
  { title: 'describe-whole', analysis: 'describe', rows: lung, parameters: { columns: ['age', 'wt.loss'] } },
  { title: 'moments', analysis: 'moments', rows: breast, parameters: { columns: ['age', 'nodes', 'pgr'], by: band } },
  {
    title: 'compare-means',
    analysis: 'compare-means',
    rows: lung,
    parameters: { columns: ['age', 'wt.loss'], by: sex },
  },
  {
    title: 'histogram',
    analysis: 'histogram',
    rows: breast,
    parameters: { column: 'age', breaks: [25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85] },
  },
  {
    title: 'histogram-small',
    analysis: 'histogram',
    rows: lung,
    parameters: { column: 'age', breaks: [40, 45, 50, 55, 60, 65, 70, 75, 80] },
  },
  {
    title: 'histogram-by',
    analysis: 'histogram',
    rows: breast,
    parameters: { column: 'age', breaks: [30, 40, 50, 60, 70, 80], by: hormone },
  },
  {
    title: 'quantiles',
    analysis: 'quantiles',
    rows: breast,
    parameters: {
      columns: [
        { column: 'age', from: 0, to: 128, step: 1 },
        { column: 'nodes', from: 0, to: 64, step: 1 },
        { column: 'pgr', from: 0, to: 4096, step: 1 },
      ],
      probabilities: deciles,
    },
  },
  { title: 'table', analysis: 'table', rows: lung, parameters: { rows: sex, columns: death } },
  { title: 'table-large', analysis: 'table', rows: breast, parameters: { rows: band, columns: involved } },
  {
    title: 'table-withheld',
    analysis: 'table',
    rows: lung,
    parameters: { rows: { column: 'ph.ecog', levels: ['0', '1', '2', '3'] }, columns: sex },
  },
  {
    title: 'correlation',
    analysis: 'correlation',
    rows: breast,
    parameters: { columns: ['age', 'nodes', 'pgr', 'er', 'time'] },
  },
  {
    title: 'pca',
    analysis: 'pca',
    rows: breast,
    parameters: { columns: ['age', 'nodes', 'pgr', 'er', 'time'], matrix: 'correlation' },
  },
  {
    title: 'linear',
    analysis: 'linear',
    rows: breast,
    parameters: { outcome: 'er', ...withCovariates, strata: 'site' },
  },
  {
    title: 'ridge',
    analysis: 'ridge',
    rows: breast,
    parameters: { outcome: 'er', ...withCovariates, strata: 'none', penalty: 50 },
  },
  { title: 'logistic', analysis: 'logistic', rows: breast, parameters: { outcome: 'event', ...withCovariates } },
  {
    title: 'glm',
    analysis: 'glm',
    rows: breast,
    parameters: { family: 'poisson', link: 'log', outcome: 'event', exposure: 'time', ...withCovariates },
  },
  {
    title: 'glm-gamma',
    analysis: 'glm',
    rows: breast.filter((row) => (row['pgr'] as number) > 0),
    parameters: { family: 'gamma', link: 'log', outcome: 'pgr', ...withCovariates },
  },
  {
    title: 'glm-probit',
    analysis: 'glm',
    rows: breast,
    parameters: { family: 'binomial', link: 'probit', outcome: 'event', ...withCovariates },
  },
  {
    title: 'cox',
    analysis: 'cox',
    rows: lung,
    sites: 5,
    parameters: { time: 'time', event: death, covariates: ['age', { ...sex, reference: '1' }, ecog], strata: 'site' },
  },
  {
    title: 'cox-breast',
    analysis: 'cox',
    rows: breast,
    parameters: { time: 'time', event: 'event', ...withCovariates, strata: 'site' },
  },
  {
    title: 'mantel-haenszel',
    analysis: 'mantel-haenszel',
    sites: 5,
    rows: breast,
    parameters: { exposure: hormone, outcome: { column: 'event', is: '1' }, strata: 'site' },
  },
  {
    title: 'rates',
    analysis: 'rates',
    rows: breast,
    parameters: {
      event: 'event',
      time: 'time',
      strata: band,
      by: hormone,
      standard: byBand([20000, 14000, 12500, 9000, '6500.5']),
      reference: { rates: byBand(['80.5', 75, 74, '82.25', 110]), crude: '79.5' },
      per: 365250,
    },
  },
  {
    title: 'roc',
    analysis: 'roc',
    rows: breast,
    parameters: { score: 'risk', outcome: 'event', cuts: twentieths, probability: true },
  },
  {
    title: 'roc-score',
    analysis: 'roc',
    rows: breast,
    parameters: { score: 'nodes', outcome: 'event', cuts: [1, 2, 4, 8, 16], probability: false },
  },
  {
    title: 'survival',
    analysis: 'survival',
    rows: lung,
    sites: 5,
    parameters: { time: 'time', event: death, by: sex, grid: { width: 30, intervals: 34 } },
  },
  {
    title: 'survival-groups',
    analysis: 'survival',
    rows: breast,
    parameters: { time: 'time', event: 'event', by: involved, grid: { width: 90, intervals: 40 } },
  },
  {
    title: 'survival-whole',
    analysis: 'survival',
    rows: breast,
    parameters: { time: 'time', event: 'event', grid: { width: 90, intervals: 40 } },
  },
  { title: 'feasibility', analysis: 'feasibility', rows: colon, parameters: { by: [] } },
  { title: 'feasibility-by', analysis: 'feasibility', rows: colon, parameters: { by: [rx] } },
  { title: 'feasibility-by-two', analysis: 'feasibility', rows: colon, parameters: { by: [differ, rx] } },
  {
    title: 'table1',
    analysis: 'table1',
    rows: colon,
    parameters: { columns: ['age', 'nodes'], factors: [sexOfColon, differ, { column: 'obstruct', is: '1' }], by: rx },
  },
  {
    title: 'table1-withheld',
    analysis: 'table1',
    rows: lung,
    parameters: {
      columns: ['age', 'meal.cal', 'wt.loss'],
      factors: [{ column: 'ph.ecog', levels: ['0', '1', '2', '3'] }, death],
      by: sex,
    },
  },
  {
    title: 'table1-whole',
    analysis: 'table1',
    rows: birthwt,
    parameters: { columns: ['age', 'lwt', 'bwt'], factors: [{ column: 'race', levels: ['1', '2', '3'] }] },
  },
  {
    title: 'log-rank',
    analysis: 'log-rank',
    rows: colon,
    parameters: { ...followUp, by: rx, strata: 'site' },
  },
  {
    title: 'log-rank-within',
    analysis: 'log-rank',
    rows: lung,
    parameters: {
      time: 'time',
      event: death,
      by: sex,
      within: { column: 'ph.ecog', levels: ['0', '1', '2'] },
      strata: 'site',
    },
  },
  {
    title: 'k-means',
    analysis: 'k-means',
    rows: breast,
    parameters: {
      columns: ['age', 'nodes', 'pgr'],
      scale: 'standard',
      centres: [
        [-1, 0, 0],
        [1, 0, 0],
        [0, '1.5', '-0.5'],
      ],
      iterations: 20,
    },
  },
  {
    title: 'k-means-unscaled',
    analysis: 'k-means',
    rows: lung,
    parameters: {
      columns: ['age', 'ph.karno'],
      scale: 'none',
      centres: [
        [50, 90],
        [70, 70],
      ],
      iterations: 10,
    },
  },
  {
    title: 'meta-analysis',
    analysis: 'meta-analysis',
    rows: colon,
    sites: 8,
    parameters: {
      model: 'cox',
      fit: { ...followUp, covariates: ['age', { ...rx, reference: 'Obs' }, 'nodes'], strata: 'site' },
      coefficients: ['age', 'rxLev', 'rxLev+5FU', 'nodes'],
    },
  },
  {
    title: 'meta-analysis-linear',
    analysis: 'meta-analysis',
    rows: flchain,
    sites: 12,
    parameters: {
      model: 'linear',
      fit: {
        outcome: 'creatinine',
        covariates: ['age', 'kappa', { column: 'sex', levels: ['F', 'M'], reference: 'F' }],
        strata: 'none',
      },
      coefficients: ['age', 'kappa', 'sexM'],
    },
  },
  {
    title: 'cox-zph',
    analysis: 'cox',
    rows: colon,
    parameters: {
      ...followUp,
      covariates: ['age', { ...rx, reference: 'Obs' }, { ...differ, reference: '2' }],
      strata: 'site',
      zph: 'log',
    },
  },
  {
    title: 'cox-pooled',
    analysis: 'cox-pooled',
    rows: colon,
    parameters: {
      ...followUp,
      covariates: ['age', { ...rx, reference: 'Obs' }, { ...differ, reference: '2' }],
      grid: { width: 180, intervals: 18 },
      zph: 'km',
    },
  },
]

export interface ExampleResult extends Example {
  readonly result: Loose
}

const known = new Map<string, ExampleResult>()

/** Computed once. */
export function exampleResult(title: string): ExampleResult {
  const before = known.get(title)
  if (before !== undefined) return before
  const example = EXAMPLES.find((one) => one.title === title)
  if (example === undefined) throw new Error(`there is no example ${title}`)
  const { result, outcome } = runFederated(
    example.analysis,
    dealt(example.rows, example.sites ?? 4),
    example.parameters,
  )
  if (result === undefined) throw new Error(`${title} gives no result: ${JSON.stringify(outcome)}`)
  const made = { ...example, result }
  known.set(title, made)
  return made
}

export const TITLES: readonly string[] = EXAMPLES.map(({ title }) => title)
