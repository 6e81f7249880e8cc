/**
 * `k-means`: Lloyd's iterations from centres that the job names. Each round the sites assign their rows to the nearest centre, and
 * sums by cluster give the next centres. Two rounds' sums differ by the rows that moved between them, so the iteration ends before
 * few rows move. Implements docs/spec/analyses/k-means.md. Sums of three rounds and more are not looked at together.
 */
import { z } from 'zod'
import { checkCells, checkSites, parametersAllowed } from '../privacy/disclosure.js'
import { hasFewValues, smallValue } from '../privacy/few-values.js'
import type { Analysis, AnalysisContext, DisclosureRules, Outcome, Suppression } from './analysis.js'
import { completeFields, isRecord } from './columns.js'
import { numberOf } from './decimals.js'
import { singular } from './design.js'
import {
  type Clusters,
  clustersSchema,
  contribute,
  hasSquares,
  type KMeansParameters,
  layoutOf,
  MAX_CLUSTERS,
  MAX_COLUMNS,
  pairsBetween,
  parametersSchema,
  type State,
  shiftsSchema,
  startOf,
  stateSchema,
} from './k-means-sums.js'
import { openSum, planOf, quotient, type Reading, SUM_BITS, sumToNumber } from './layout.js'

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  n: z.int().min(1),
  missing: z.int().min(0),
  shifts: shiftsSchema,
  ...clustersSchema.shape,
  iterations: z.int().min(1),
  converged: z.boolean(),
})
type Released = z.infer<typeof releasedSchema>

/** As many numbers are told of a cluster, or of rows that move, as a model of so many parameters tells of its rows. */
function stricter(rules: DisclosureRules, columns: number): DisclosureRules {
  let { minimumCell } = rules
  while (!parametersAllowed(columns + 1, minimumCell)) minimumCell++
  return { ...rules, minimumCell }
}

/** Rows, and sites with any. */
const isFew = (rows: number, sites: number, rules: DisclosureRules): Suppression | undefined =>
  checkCells([rows], rules) ?? checkSites([{ rows, sites }], rules)

/**
 * Whether few rows moved since an earlier round between some of the clusters and the others, whichever these are: the sums of the
 * two rounds over them differ by what moved in, less what moved out. `moves` are counts and sites of the pairs in order.
 */
function fewMoved(moves: readonly number[], clusters: number, rules: DisclosureRules): Suppression | undefined {
  const pairs = pairsBetween(clusters)
  // the last cluster is among the others
  for (let inside = 1; inside < 2 ** (clusters - 1); inside++) {
    const isIn = (cluster: number): boolean => Math.floor(inside / 2 ** cluster) % 2 === 1
    let [rows, sites] = [0, 0]
    for (const [at, [from, to]] of pairs.entries()) {
      if (isIn(from) === isIn(to)) continue
      rows += moves[2 * at] as number
      // as many as any of the moves has, at least
      sites = Math.max(sites, moves[2 * at + 1] as number)
    }
    const few = isFew(rows, sites, rules)
    if (few !== undefined) return few
  }
  return undefined
}

/** What of a round may not be told. `counts`: rows and sites of each cluster, then the moves since each earlier round. */
function fewIn(counts: readonly number[], clusters: number, rules: DisclosureRules): Suppression | undefined {
  for (let at = 0; at < clusters; at++) {
    const rows = counts[2 * at] as number
    const few = rows === 0 ? singular() : isFew(rows, counts[2 * at + 1] as number, rules)
    if (few !== undefined) return few
  }
  const width = 2 * pairsBetween(clusters).length
  for (let from = 2 * clusters; from < counts.length; from += width) {
    const few = fewMoved(counts.slice(from, from + width), clusters, rules)
    if (few !== undefined) return few
  }
  return undefined
}

/** Means and sums of squares of the clusters, none of them empty. */
function clustersOf(sizes: readonly number[], sums: readonly bigint[], columns: number): Clusters {
  const width = columns + 1
  const squaresAbout = (n: bigint, first: readonly bigint[], square: bigint): number => {
    const spread = first.reduce((rest, sum) => rest - sum * sum, (n * square) << BigInt(SUM_BITS))
    return Math.max(0, quotient(spread, n << BigInt(2 * SUM_BITS)))
  }
  const parts = sizes.map((size, at) => ({ n: BigInt(size), sums: sums.slice(at * width, (at + 1) * width) }))
  const all = Array.from({ length: width }, (_, j) => parts.reduce((sum, one) => sum + (one.sums[j] as bigint), 0n))
  return {
    centres: parts.map(({ n, sums }) => sums.slice(0, columns).map((sum) => quotient(sum, n << BigInt(SUM_BITS)))),
    sizes: [...sizes],
    within: parts.map(({ n, sums }) => squaresAbout(n, sums.slice(0, columns), sums[columns] as bigint)),
    total: squaresAbout(
      parts.reduce((sum, { n }) => sum + n, 0n),
      all.slice(0, columns),
      all[columns] as bigint,
    ),
  }
}

/**
 * Whether a column as it stands may hold few values: centre times size would be the number of rows with one of them, in each cluster.
 * Its squares over everyone come after the sums of the clusters.
 */
function someHasFewValues(n: number, sums: readonly bigint[], columns: number): boolean {
  const squares = sums.length - columns
  return Array.from({ length: columns }, (_, j) => j).some((j) => {
    const sum = sums.slice(0, squares).reduce((all, one, at) => (at % (columns + 1) === j ? all + one : all), 0n)
    return hasFewValues(n, sum, sums[squares + j] as bigint, 1n << BigInt(SUM_BITS))
  })
}

/** Mean and standard deviation of everyone; `singular` if a column does not vary. */
function scaled({ counts, sums }: Reading, parameters: KMeansParameters): Outcome<State, never> {
  const n = BigInt(counts[0] ?? 0)
  const shifts: State['shifts'] = []
  for (let j = 0; j < parameters.columns.length; j++) {
    const [sum, square] = [sums[2 * j] as bigint, sums[2 * j + 1] as bigint]
    const spread = ((n * square) << BigInt(SUM_BITS)) - sum * sum
    if (spread <= 0n) return singular()
    if (hasFewValues(Number(n), sum, square, 1n << BigInt(SUM_BITS))) return smallValue()
    const variance = quotient(spread, (n * (n - 1n)) << BigInt(2 * SUM_BITS))
    shifts.push({ centre: sumToNumber(sum) / Number(n), scale: Math.sqrt(variance) })
  }
  const centres = [parameters.centres.map((one) => one.map(numberOf))]
  return { kind: 'state', state: { shifts, centres, last: null } }
}

function combine(
  sum: readonly bigint[],
  context: AnalysisContext<KMeansParameters>,
  given: State | undefined,
): Outcome<State, Released> {
  const { parameters, survivors } = context
  const { columns, centres } = parameters
  const rules = stricter(context.rules, columns.length)
  const state = startOf(parameters, given)
  const opened = openSum(layoutOf(parameters, state), sum, context)
  if (opened.kind !== 'reading') return opened
  const [n = 0, missing = 0, ...rest] = opened.counts
  const refused = checkCells([n], rules)
  if (refused !== undefined || n === 0) return refused ?? singular()
  if (state === undefined) return scaled(opened, parameters)
  const { contributors } = opened
  const release = (clusters: Clusters, iterations: number, converged: boolean): Outcome<State, Released> => {
    const counts = { contributors, leftOut: survivors - contributors, n, missing }
    return { kind: 'result', released: { ...counts, shifts: state.shifts, ...clusters, iterations, converged } }
  }
  const sizes = centres.map((_, at) => rest[2 * at] as number)
  const few = fewIn(rest, centres.length, rules)
  if (few !== undefined) return state.last === null ? few : release(state.last, state.centres.length - 1, false)
  if (hasSquares(parameters, state) && someHasFewValues(n, opened.sums, columns.length)) return smallValue()
  const clusters = clustersOf(sizes, opened.sums, columns.length)
  const latest = rest.slice(-2 * pairsBetween(centres.length).length)
  const still = state.last !== null && latest.every((count) => count === 0)
  const iterations = state.centres.length
  if (still || iterations >= parameters.iterations) return release(clusters, iterations, still)
  return { kind: 'state', state: { ...state, centres: [...state.centres, clusters.centres], last: clusters } }
}

function present(released: Released, parameters: KMeansParameters): Record<string, unknown> {
  const { contributors, leftOut, n, missing, shifts, centres, sizes, within, total, iterations, converged } = released
  const names = centres.map((_, at) => `${at + 1}`)
  const totalWithin = within.reduce((sum, value) => sum + value, 0)
  const columnsOf = (values: readonly number[]): object =>
    Object.fromEntries(parameters.columns.map((column, j) => [column, values[j]]))
  const byCluster = (of: (centre: readonly number[]) => readonly number[]): object =>
    Object.fromEntries(centres.map((centre, at) => [names[at], columnsOf(of(centre))]))
  return {
    names,
    size: sizes,
    withinss: within,
    centers: byCluster((centre) => centre),
    ...(parameters.scale === 'none'
      ? {}
      : {
          centers_unscaled: byCluster((centre) =>
            centre.map((value, j) => value * (shifts[j]?.scale ?? 1) + (shifts[j]?.centre ?? 0)),
          ),
          scaled: Object.fromEntries(parameters.columns.map((column, j) => [column, shifts[j]])),
        }),
    totss: total,
    tot_withinss: totalWithin,
    betweenss: total - totalWithin,
    iterations,
    converged,
    scale: parameters.scale,
    n,
    missing,
    contributors,
    sites_left_out: leftOut,
  }
}

/** Park and Miller's generator (1988), so that everyone draws the same centres from a seed: decimals from −1.5 to 1.5. */
function drawn(clusters: number, columns: number, seed: number): string[][] {
  let value = seed
  const next = (): string => {
    value = (value * 16807) % 2147483647
    return String(Math.floor((value / 2147483647) * 3001 - 1500) / 1000)
  }
  return Array.from({ length: clusters }, () => Array.from({ length: columns }, next))
}

/** `clusters` and `seed` in the place of `centres`, for scaled columns. */
function completeCentres(written: unknown): unknown {
  if (!isRecord(written)) return written
  const { clusters, seed = 1, ...rest } = written
  const { columns, scale, centres } = rest
  const whole = (value: unknown, most: number): value is number =>
    Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most
  const fits = Array.isArray(columns) && columns.length <= MAX_COLUMNS && centres === undefined && scale !== 'none'
  if (!fits || !whole(clusters, MAX_CLUSTERS) || !whole(seed, 2147483646)) return written
  return { ...rest, centres: drawn(clusters, columns.length, seed) }
}

export const kMeans: Analysis<KMeansParameters, State, Released> = {
  name: 'k-means',
  version: 1,
  method: 'k-means clustering with Lloyd’s iterations from given centres over complete rows',
  iterative: true,
  definition: [
    'parameters: columns (numeric), scale (none or standard), centres (decimals, of z if scaled), iterations',
    'first round, if scaled: contributors, rows and missing (complete rows), Σ x, Σ x² of each column; state: mean and standard deviation of everyone',
    'each round: contributors, rows, missing; for each cluster rows whose nearest centre it is and sites with any, Σ z of each column, Σ |z|²; for each earlier round and ordered pair of clusters rows that were in one and are in the other now, and sites with any; in the first round that is not scaled Σ x² of each column',
    'state: means and standard deviations, centres of all rounds so far and of the next, sizes and sums of squares of the last',
    'it ends when no row moved since the round before, after the given iterations, or before a round in which a cluster, or what moved since an earlier round between some clusters and all others, is small or at few sites; small is also below (columns + 1) / 0.33',
    'refused: a column that, by n, Σ x and Σ x² of everyone, may hold nothing but three neighbouring whole numbers',
    'released: n, missing, means and standard deviations, centres, sizes, sums of squares within and in all, iterations, whether it converged',
  ],
  parameters: parametersSchema,
  state: stateSchema,
  released: releasedSchema,
  columns: ({ columns }) => columns,
  complete(written) {
    const text = (value: unknown): unknown =>
      typeof value === 'number' && !Number.isInteger(value) ? String(value) : value
    return completeFields(completeCentres(written), {
      scale: (scale) => scale ?? 'standard',
      iterations: (iterations) => iterations ?? 10,
      centres: (centres) =>
        Array.isArray(centres) ? centres.map((one) => (Array.isArray(one) ? one.map(text) : one)) : centres,
    })
  },
  plan: (parameters, state) => planOf(layoutOf(parameters, startOf(parameters, state))),
  contribute,
  combine,
  present,
}
