/**
 * What `k-means` sums at a site: rows by their nearest centre, and how many of them were nearest to another one in an earlier round.
 * Implements docs/spec/analyses/k-means.md. Distances are those of the columns as they stand, or scaled: nothing is weighted.
 */
import { z } from 'zod'
import { parametersAllowed, subsetAllowed } from '../privacy/disclosure.js'
import type { Rows } from './analysis.js'
import { columnSchema, numbersOf } from './columns.js'
import { numberOf, signedSchema } from './decimals.js'
import { completeCases } from './design.js'
import { clusterSums, columnSums, nearestOf, type Points, pointsOf } from './k-means-rows.js'
import { keeper } from './kept.js'
import { type Layout, vectorOf, zeroVector } from './layout.js'

export const MAX_COLUMNS = 16
export const MAX_CLUSTERS = 8
const MAX_ITERATIONS = 20

export const parametersSchema = z
  .strictObject({
    columns: z
      .array(columnSchema)
      .min(1)
      .max(MAX_COLUMNS)
      .refine((columns) => new Set(columns).size === columns.length, 'a column appears twice'),
    /** whether values are taken from the mean, in standard deviations, of everyone: then the centres are too */
    scale: z.enum(['none', 'standard']),
    /** where the clusters begin, in the order of the columns */
    centres: z.array(z.array(signedSchema)).min(2).max(MAX_CLUSTERS),
    iterations: z.int().min(1).max(MAX_ITERATIONS),
  })
  .refine(({ columns, centres }) => centres.every((one) => one.length === columns.length), 'a value for each column')
  .refine(
    ({ centres }) => new Set(centres.map((one) => one.map(numberOf).join(' '))).size === centres.length,
    'two centres are the same',
  )
export type KMeansParameters = z.infer<typeof parametersSchema>

const pointSchema = z.array(z.number()).min(1).max(MAX_COLUMNS)
export const clustersSchema = z.strictObject({
  centres: z.array(pointSchema).min(2).max(MAX_CLUSTERS),
  sizes: z.array(z.int().min(1)),
  /** sum of squared distances to the cluster's centre */
  within: z.array(z.number().min(0)),
  /** to the mean of everyone */
  total: z.number().min(0),
})
export type Clusters = z.infer<typeof clustersSchema>

export const shiftsSchema = z.array(z.strictObject({ centre: z.number(), scale: z.number().positive() }))
export const stateSchema = z.strictObject({
  shifts: shiftsSchema,
  /** the centres of every round so far, and of this one */
  centres: z.array(z.array(pointSchema)).min(1).max(MAX_ITERATIONS),
  /** of the round before */
  last: z.union([z.null(), clustersSchema]),
})
export type State = z.infer<typeof stateSchema>

/** Without scaling there is nothing to find out first. */
export function startOf({ scale, columns, centres }: KMeansParameters, state: State | undefined): State | undefined {
  if (state !== undefined || scale === 'standard') return state
  return {
    shifts: columns.map(() => ({ centre: 0, scale: 1 })),
    centres: [centres.map((one) => one.map(numberOf))],
    last: null,
  }
}

/** The round in which squares of whole columns are summed, to see whether one holds few values: of scaled ones it is the first. */
export const hasSquares = ({ scale }: KMeansParameters, state: State | undefined): boolean =>
  scale === 'none' && state?.centres.length === 1

/** Ordered pairs of different clusters. */
export const pairsBetween = (clusters: number): readonly (readonly [number, number])[] =>
  Array.from({ length: clusters * clusters }, (_, at) => [Math.floor(at / clusters), at % clusters] as const).filter(
    ([from, to]) => from !== to,
  )

export function layoutOf(parameters: KMeansParameters, state: State | undefined): Layout {
  const { columns, centres } = parameters
  const shared = ['rows', 'missing']
  if (state === undefined) return { counts: shared, sums: columns.flatMap((name) => [`Σ ${name}`, `Σ ${name}²`]) }
  const clusters = centres.map((_, at) => `cluster ${at + 1}`)
  const moves = state.centres.slice(1).flatMap((_, round) =>
    pairsBetween(centres.length).flatMap(([from, to]) => {
      const name = `cluster ${from + 1} in round ${round + 1}, ${to + 1} now`
      return [name, `sites with ${name}`]
    }),
  )
  return {
    counts: [...shared, ...clusters.flatMap((name) => [name, `sites with ${name}`]), ...moves],
    sums: [
      ...clusters.flatMap((name) => [...columns.map((column) => `Σ z(${column}), ${name}`), `Σ |z|², ${name}`]),
      ...(hasSquares(parameters, state) ? columns.map((column) => `Σ ${column}²`) : []),
    ],
  }
}

interface Kept {
  readonly missing: number
  readonly points: Points
}

/** Complete rows, and of those how many there are not. */
function readPoints(rows: Rows, columns: readonly string[], shifts: State['shifts'] | undefined): Kept {
  const cases = completeCases(
    rows,
    [],
    columns.map((name) => numbersOf(rows, name)),
  )
  return { missing: cases.missing, points: pointsOf(cases.responses, cases.count, shifts) }
}

/** Cell by cell from the cluster before to the one now. */
function movesBetween(before: Uint8Array, now: Uint8Array, clusters: number): Float64Array {
  const counts = new Float64Array(clusters ** 2)
  for (let row = 0; row < now.length; row++) {
    const cell = (before[row] as number) * clusters + (now[row] as number)
    counts[cell] = (counts[cell] as number) + 1
  }
  return counts
}

const kept = keeper<Kept>()

export function contribute(rows: Rows, parameters: KMeansParameters, given: State | undefined): Float64Array {
  const state = startOf(parameters, given)
  const layout = layoutOf(parameters, state)
  const { columns, centres } = parameters
  const { missing, points } = kept(rows, [columns, state?.shifts], () => readPoints(rows, columns, state?.shifts))
  const { count } = points
  if (!subsetAllowed(count, []) || !parametersAllowed(columns.length + 1, count)) return zeroVector(layout)
  if (state === undefined) return vectorOf(layout, [count, missing], columnSums(points))
  const clusters = centres.length
  const history = state.centres.map((at) => nearestOf(points, at))
  const now = history.at(-1) as Uint8Array
  // each row is where it is
  const sizes = [...movesBetween(now, now, clusters)].filter((_, cell) => cell % (clusters + 1) === 0)
  const withSites = (counts: readonly number[]): readonly number[] => counts.flatMap((n) => [n, n > 0 ? 1 : 0])
  const moves = history.slice(0, -1).flatMap((before) => {
    const counts = movesBetween(before, now, clusters)
    return pairsBetween(clusters).map(([from, to]) => counts[from * clusters + to] as number)
  })
  const sums = clusterSums(points, now, sizes, hasSquares(parameters, state))
  return vectorOf(layout, [count, missing, ...withSites(sizes), ...withSites(moves)], sums)
}
