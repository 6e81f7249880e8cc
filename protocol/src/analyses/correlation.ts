/**
 * `correlation`: Pearson's r of every pair of columns over the rows that lack none of them, from exact sums of products.
 * Implements docs/spec/analyses/correlation.md. Columns of two neighbouring whole numbers, 0 and 1 say, are a table that r gives
 * back, so they are held to its rule; other columns of few values are not counted by value.
 */
import { z } from 'zod'
import { checkCells, parametersAllowed, subsetAllowed } from '../privacy/disclosure.js'
import { hasSmallValue, smallValue } from '../privacy/few-values.js'
import { centred, type Matrix, pairsOf, symmetric } from './algebra.js'
import type { Analysis, Rows } from './analysis.js'
import { columnSchema } from './columns.js'
import { checkParameters, completeCases } from './design.js'
import { tTail, Z_975 } from './distributions.js'
import { addDot, zeroSums } from './double-double.js'
import { type Layout, openSum, planOf, quotient, SUM_BITS, vectorOf, zeroVector } from './layout.js'

export const parametersSchema = z.strictObject({
  columns: z
    .array(columnSchema)
    .min(2)
    .max(64)
    .refine((columns) => new Set(columns).size === columns.length, 'a column appears twice'),
})
export type CorrelationParameters = z.infer<typeof parametersSchema>

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  n: z.int().min(0),
  missing: z.int().min(0),
  mean: z.array(z.number()),
  /** with n − 1 */
  variance: z.array(z.number()),
  /** of the pairs i < j, row by row; null if one of the columns is constant */
  r: z.array(z.union([z.null(), z.number()])),
})
export type CorrelationReleased = z.infer<typeof releasedSchema>

/** Index pairs i < j, row by row. */
const pairsBetween = (size: number): readonly (readonly [number, number])[] => pairsOf(size).filter(([i, j]) => i < j)

function layoutOf({ columns }: CorrelationParameters): Layout {
  const products = pairsOf(columns.length).map(([i, j]) => `Σ ${columns[i]} × ${columns[j]}`)
  return { counts: ['rows', 'missing'], sums: [...columns.map((name) => `Σ ${name}`), ...products] }
}

function contribute(rows: Rows, parameters: CorrelationParameters): Float64Array {
  const layout = layoutOf(parameters)
  const { count, missing, design } = completeCases(rows, parameters.columns, [])
  if (!subsetAllowed(count, []) || !parametersAllowed(design.length, count)) return zeroVector(layout)
  const ones = new Float64Array(count).fill(1)
  const factors = [
    ...design.map((values) => [values, ones] as const),
    ...pairsOf(design.length).map(([i, j]) => [design[i] as Float64Array, design[j] as Float64Array] as const),
  ]
  const sums = zeroSums(layout.sums.length)
  for (const [at, [a, b]] of factors.entries()) addDot(sums, at, a, b)
  return vectorOf(layout, [count, missing], sums)
}

/** From numerators in one unit. Columns that determine each other correlate with 1 exactly. */
function pearson(xx: bigint, yy: bigint, xy: bigint): number | null {
  if (xx <= 0n || yy <= 0n) return null
  if (xy * xy >= xx * yy) return xy > 0n ? 1 : -1
  const r = Number(xy) / (Math.sqrt(Number(xx)) * Math.sqrt(Number(yy)))
  return Math.min(1, Math.max(-1, r)) + 0
}

/**
 * Rows with each two values of two columns that hold two neighbouring whole numbers each. Between whole numbers z ≥ 0,
 * Σz² = Σz only if every z is 0 or 1.
 */
function countsOfPairs(n: number, first: readonly bigint[], second: Matrix<bigint>): readonly number[] {
  const unit = 1n << BigInt(SUM_BITS)
  const rows = BigInt(n) * unit
  const binary = first.flatMap((sum, i) => {
    const rest = ((sum % rows) + rows) % rows
    const low = (sum - rest) / rows
    const squares = (second[i]?.[i] as bigint) - 2n * low * sum + low * low * rows
    return squares === rest && rest % unit === 0n ? [{ i, low, sum, ones: rest }] : []
  })
  const counts = binary.flatMap((a, at) =>
    binary.slice(at + 1).flatMap((b) => {
      const both = (second[a.i]?.[b.i] as bigint) - a.low * b.sum - b.low * a.sum + a.low * b.low * rows
      return [both, a.ones - both, b.ones - both, rows - a.ones - b.ones + both]
    }),
  )
  return counts.map((count) => Number(count / unit))
}

/** r as a full matrix, 1 on the diagonal. */
export function fullMatrix({ r, mean }: CorrelationReleased): Matrix<number | null> {
  const between = r[Symbol.iterator]()
  const packed = pairsOf(mean.length).map(([i, j]) => (i === j ? 1 : (between.next().value ?? null)))
  return symmetric(mean.length, packed)
}

export const columnMoments = (
  { columns }: CorrelationParameters,
  { n, mean, variance }: CorrelationReleased,
): Readonly<Record<string, object>> =>
  Object.fromEntries(
    columns.map((name, at) => {
      const value = variance[at] as number
      return [name, { n, mean: mean[at], variance: value, sd: Math.sqrt(value) }]
    }),
  )

/** Fisher's interval and t; neither exists where |r| is 1. */
function intervalOf(r: number | null, n: number): readonly (number | null)[] {
  if (r === null) return [null, null, null, null]
  const df = n - 2
  if (Math.abs(r) === 1) return [r, r, null, 0]
  const t = r * Math.sqrt(df / ((1 - r) * (1 + r)))
  const [z, reach] = [Math.atanh(r), Z_975 / Math.sqrt(n - 3)]
  return [Math.tanh(z - reach), Math.tanh(z + reach), t, tTail(t, df)]
}

export const correlation: Analysis<CorrelationParameters, never, CorrelationReleased> = {
  name: 'correlation',
  version: 1,
  iterative: false,
  definition: [
    'parameters: columns (numeric)',
    'round: contributors, rows, missing (any column); Σ of each column, Σ of the products of all pairs',
    'released: n, missing, means, variances (n − 1), Pearson r of all pairs; refused: too few rows for the columns',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: ({ columns }) => columns,
  complete: (written) => written,
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine(sum, context) {
    const { parameters, rules, survivors } = context
    const opened = openSum(layoutOf(parameters), sum, context)
    if (opened.kind !== 'reading') return opened
    const { contributors, sums } = opened
    const [n = 0, missing = 0] = opened.counts
    const size = parameters.columns.length
    const refused = checkCells([n], rules) ?? checkParameters(size, n)
    if (refused !== undefined) return refused
    const first = sums.slice(0, size)
    const second = symmetric(size, sums.slice(size))
    const unit = 1n << BigInt(SUM_BITS)
    const given = first.some((one, i) => hasSmallValue(n, one, second[i]?.[i] as bigint, unit, rules))
    const small = given ? smallValue() : checkCells(countsOfPairs(n, first, second), rules)
    if (small !== undefined) return small
    const products = centred(BigInt(n) << BigInt(SUM_BITS), first, second)
    const at = (i: number, j: number): bigint => products[i]?.[j] as bigint
    const freedom = BigInt(n) * BigInt(n - 1)
    return {
      kind: 'result',
      released: {
        contributors,
        leftOut: survivors - contributors,
        n,
        missing,
        mean: first.map((value) => quotient(value, BigInt(n) << BigInt(SUM_BITS))),
        variance: first.map((_, i) => Math.max(0, quotient(at(i, i), freedom << BigInt(2 * SUM_BITS)))),
        r: pairsBetween(size).map(([i, j]) => pearson(at(i, i), at(j, j), at(i, j))),
      },
    }
  },
  present(released, parameters) {
    const { contributors, leftOut, n, missing, r } = released
    const { columns } = parameters
    const intervals = r.map((value) => intervalOf(value, n))
    const field = (at: number): readonly (number | null)[] => intervals.map((one) => one[at] as number | null)
    const matrix = fullMatrix(released).map((row): object =>
      Object.fromEntries(row.map((value, j) => [columns[j], value])),
    )
    return {
      describe: columnMoments(parameters, released),
      names: pairsBetween(columns.length).map(([i, j]) => `${columns[i]} × ${columns[j]}`),
      r,
      ci_low: field(0),
      ci_high: field(1),
      t: field(2),
      p: field(3),
      matrix: Object.fromEntries(matrix.map((row, i) => [columns[i], row])),
      df: n - 2,
      n,
      missing,
      contributors,
      sites_left_out: leftOut,
    }
  },
}
