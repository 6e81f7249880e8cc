/** Analyses of lung for tests that hold for every analysis, and the sites they run over. */
import { type Loose, lung, type Row, rowsOf, splitBy } from './federation.js'

export const event = { column: 'status', is: '2' }
export const sex = { column: 'sex', levels: ['1', '2'] }
export const cox = { time: 'time', event, covariates: ['age', 'sex'], strata: 'site' }
export const logistic = { outcome: event, covariates: ['age', 'sex'] }
export const linear = { outcome: 'meal.cal', covariates: ['age', 'sex'], strata: 'none' }
export const ecogFactor = { column: 'ph.ecog', levels: ['0', '1', '2', '3'], reference: '0' }

/** One set of parameters for each analysis that runs on lung as it is. */
export const RUNS: readonly (readonly [string, Loose])[] = [
  ['describe', { columns: ['age', 'wt.loss'], by: sex }],
  ['compare-means', { columns: ['age', 'wt.loss'], by: sex }],
  ['moments', { columns: ['age', 'wt.loss'], by: sex }],
  ['histogram', { column: 'age', breaks: [55, 65, 75], by: sex }],
  ['quantiles', { columns: [{ column: 'age', from: 0, to: 128, step: 1 }], probabilities: ['0.25', '0.5'] }],
  ['table', { rows: sex, columns: event }],
  ['correlation', { columns: ['age', 'sex', 'time'] }],
  ['pca', { columns: ['age', 'sex', 'time'], matrix: 'correlation' }],
  ['linear', linear],
  ['linear', { ...linear, covariates: ['age', { ...sex, reference: '1' }], strata: 'site' }],
  ['logistic', logistic],
  ['cox', cox],
  ['cox-pooled', { time: 'time', event, covariates: ['age', 'sex'], grid: { width: 90, intervals: 12 }, zph: 'km' }],
  ['log-rank', { time: 'time', event, by: sex, strata: 'site' }],
  ['mantel-haenszel', { exposure: sex, outcome: event, strata: 'site' }],
  [
    'rates',
    { event, time: 'time', strata: sex, standard: { 1: 1, 2: 1 }, reference: { rates: { 1: 1, 2: '0.5' } }, per: 365 },
  ],
  ['survival', { time: 'time', event, by: sex, grid: { width: 90, intervals: 12 } }],
]

export const sitesOf = (rows: readonly Row[], count = 4) =>
  [...splitBy(rows, (_, index) => index % count).values()].map((site) => rowsOf(site))

/** Sites of lung with columns added. */
export const extended = (extend: (row: Row, index: number) => Row) =>
  sitesOf(lung.map((row, index) => ({ ...row, ...extend(row, index) })))
