/**
 * What `npm run bench -- analyses` runs: rows of twenty columns, and for each analysis parameters and the one number in which its result
 * must agree with R's code of the same name (analyses.R).
 */
import type { Column, Rows } from '@flamesh/protocol/analyses/analysis.js'

// biome-ignore lint/suspicious/noExplicitAny: parameters and results are read by name
type Loose = any

const NUMBERED = Array.from({ length: 13 }, (_, at) => `x${at + 1}`)
export const NUMERIC = [...NUMBERED, 'age', 'time', 'score', 'event', 'count']
export const LEVELS: Readonly<Record<string, readonly string[]>> = {
  sex: ['f', 'm'],
  stage: ['I', 'II', 'III', 'IV'],
}

/** Numbers from a 32-bit counter, mixed: the same on every machine. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let z = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32
  }
}

/** Columns in the order of NUMERIC, then codes of LEVELS; x1 is missing in every fiftieth row. */
export function makeColumns(count: number): ReadonlyMap<string, Float64Array> {
  const next = random(7)
  const normal = (): number => next() + next() + next() + next() - 2
  const column = (value: (row: number) => number): Float64Array =>
    Float64Array.from({ length: count }, (_, row) => value(row))
  const columns = new Map<string, Float64Array>()
  for (const name of NUMBERED)
    columns.set(
      name,
      column(() => 100 + 20 * normal()),
    )
  const of = (name: string, row: number): number => columns.get(name)?.[row] as number
  columns.set(
    'age',
    column(() => 20 + Math.floor(next() * 70)),
  )
  const risk = (row: number): number => 0.02 * (of('x2', row) - 100) + 0.03 * (of('age', row) - 55)
  columns.set(
    'time',
    column((row) => 1 + Math.floor((-1500 * Math.log(1 - next())) / Math.exp(risk(row)))),
  )
  columns.set(
    'score',
    column((row) => 1 / (1 + Math.exp(-risk(row) - normal()))),
  )
  columns.set(
    'event',
    column((row) => (next() < 1 / (1 + Math.exp(-risk(row))) ? 1 : 0)),
  )
  columns.set(
    'count',
    column((row) => Math.floor(next() * 3 * Math.exp(risk(row) / 2))),
  )
  columns.set(
    'sex',
    column(() => (next() < 0.5 ? 0 : 1)),
  )
  columns.set(
    'stage',
    column(() => Math.floor(next() * 4)),
  )
  columns.set(
    'x1',
    column((row) => (row % 50 === 0 ? Number.NaN : of('x1', row) + 5 * risk(row))),
  )
  return columns
}

export function rowsFrom(columns: ReadonlyMap<string, Float64Array>): Rows {
  const read = [...columns].map(([name, values]): [string, Column] => {
    const levels = LEVELS[name]
    return [name, levels === undefined ? values : Array.from(values, (code) => levels[code] as string)]
  })
  return { count: columns.get('age')?.length ?? 0, columns: new Map(read) }
}

/** The same rows as other objects, what was kept of an earlier pass is not found, cut into sites. */
export const cut = ({ count, columns }: Rows, sites: number): readonly Rows[] =>
  Array.from({ length: sites }, (_, site) => {
    const [from, to] = [site, site + 1].map((at) => Math.ceil((at * count) / sites)) as [number, number]
    const of = (column: Column): Column =>
      column instanceof Float64Array ? column.subarray(from, to) : sites === 1 ? column : column.slice(from, to)
    return { count: to - from, columns: new Map([...columns].map(([name, column]) => [name, of(column)])) }
  })

export interface Case {
  readonly parameters: Loose
  /** into how many sites the rows are cut, one after the other; one unless given */
  readonly sites?: number
  readonly value: (result: Loose) => number
}

const factor = (column: string) => ({ column, levels: LEVELS[column] })
const coded = (column: string) => ({ ...factor(column), reference: LEVELS[column]?.[0] })
const many = [...NUMBERED.slice(1), 'age', coded('sex'), coded('stage')]
const second = (result: Loose): number => result.coef[1]
const CLUSTERED = NUMBERED.slice(1, 9)
/** Five corners: the signs of the bits of a number. */
const CENTRES = [0, 15, 51, 85, 240].map((corner) => CLUSTERED.map((_, at) => ((corner >> at) & 1 ? 1 : -1)))
const grid = (column: string) => ({ column, from: 0, to: '204.8', step: '0.01' })

export const CASES: Readonly<Record<string, Case>> = {
  describe: { parameters: { columns: NUMERIC }, value: ({ describe }) => describe.x1.variance },
  'compare-means': {
    parameters: { columns: NUMBERED, by: factor('sex') },
    value: ({ tests }) => tests.x2.welch.t,
  },
  // rows of no level are few, none in fact, and what covers them is not shown either
  feasibility: {
    parameters: { by: [factor('sex'), factor('stage')] },
    value: ({ counts_by_row }) => counts_by_row[6],
  },
  moments: { parameters: { columns: NUMBERED }, value: ({ describe }) => describe.x1.skewness },
  histogram: {
    parameters: { column: 'age', breaks: [20, 30, 40, 50, 60, 70, 80, 90] },
    value: ({ counts }) => counts[1],
  },
  quantiles: {
    parameters: { columns: NUMBERED.map(grid), probabilities: ['0.25', '0.5', '0.75'] },
    value: ({ quantiles }) => Math.floor(quantiles.x2['0.5'].lower),
  },
  table: { parameters: { rows: factor('sex'), columns: factor('stage') }, value: ({ chisq }) => chisq },
  correlation: { parameters: { columns: NUMERIC }, value: ({ r }) => r[1] },
  pca: { parameters: { columns: NUMERIC, matrix: 'correlation' }, value: ({ sdev }) => sdev[0] },
  linear: { parameters: { outcome: 'x1', covariates: many, strata: 'none' }, value: second },
  ridge: { parameters: { outcome: 'x1', covariates: many, strata: 'none', penalty: 1000 }, value: second },
  logistic: { parameters: { outcome: 'event', covariates: many }, value: second },
  glm: {
    parameters: { family: 'poisson', link: 'log', outcome: 'count', exposure: 'time', covariates: many },
    value: second,
  },
  cox: {
    parameters: { time: 'time', event: 'event', covariates: many, strata: 'site' },
    value: ({ coef }) => coef[0],
  },
  'cox-pooled': {
    parameters: { time: 'time', event: 'event', covariates: many, grid: { width: 250, intervals: 12 } },
    value: ({ coef }) => coef[0],
  },
  'log-rank': {
    parameters: { time: 'time', event: 'event', by: factor('sex'), strata: 'site' },
    value: ({ chisq }) => chisq,
  },
  'meta-analysis': {
    parameters: {
      model: 'linear',
      fit: { outcome: 'x1', covariates: many, strata: 'none' },
      coefficients: ['x2', 'age'],
    },
    sites: 8,
    value: ({ estimates }) => estimates.x2.random.coef,
  },
  'k-means': {
    parameters: { columns: CLUSTERED, scale: 'standard', centres: CENTRES, iterations: 10 },
    value: ({ withinss }) => withinss[0],
  },
  table1: {
    parameters: {
      columns: NUMBERED,
      factors: [factor('stage'), { column: 'event', levels: ['0', '1'] }],
      by: factor('sex'),
    },
    value: ({ comparison }) => comparison.x2.statistic,
  },
  survival: {
    parameters: { time: 'time', event: 'event', by: factor('sex'), grid: { width: 100, intervals: 20 } },
    value: ({ logrank }) => logrank.chisq,
  },
  'mantel-haenszel': {
    parameters: {
      exposure: factor('sex'),
      outcome: { column: 'event', levels: ['0', '1'] },
      within: factor('stage'),
      strata: 'site',
    },
    sites: 8,
    value: ({ odds_ratio }) => odds_ratio.estimate,
  },
  rates: {
    parameters: { event: 'event', time: 'time', strata: factor('stage'), by: factor('sex'), per: 1000 },
    value: ({ groups }) => groups.f.strata.I.rate,
  },
  roc: {
    parameters: {
      score: 'score',
      outcome: 'event',
      cuts: Array.from({ length: 19 }, (_, at) => String((at + 1) / 20)),
      probability: true,
    },
    value: ({ auc }) => auc,
  },
}
