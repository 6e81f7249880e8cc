/**
 * `quantiles`: for each column and probability the interval of a public grid that the quantile lies in, halved round by
 * round. It narrows no interval to one that holds few values, so that it never ends on a patient's. Implements
 * docs/spec/analyses/quantiles.md. Two jobs with grids that differ a little have intervals that overlap in less.
 */
import { z } from 'zod'
import { checkCells, checkSites, implausible, MIN_SUBSET_ROWS, subsetAllowed } from '../privacy/disclosure.js'
import type { Analysis, DisclosureRules, Rows } from './analysis.js'
import { columnSchema, completeFields, numbersOf } from './columns.js'
import { keeper } from './kept.js'
import { type Layout, openSum, planOf, vectorOf, zeroVector } from './layout.js'

/** A grid is as fine as its column needs: 17 rounds at most. */
const MAX_STEPS = 65536
const DECIMAL = /^-?\d{1,15}(\.\d{1,15})?$/
const numberSchema = z.union([z.int(), z.string().regex(DECIMAL)])

/** Decimals as whole numbers of their last digit's unit. */
function scaled(numbers: readonly (number | string)[]): { readonly values: readonly bigint[]; readonly unit: bigint } {
  const parts = numbers.map((one) => String(one).split('.'))
  const digits = Math.max(...parts.map(([, fraction = '']) => fraction.length))
  const values = parts.map(([whole = '', fraction = '']) => BigInt(whole + fraction.padEnd(digits, '0')))
  return { values, unit: 10n ** BigInt(digits) }
}

/** How many steps a grid has; 0 if they do not fill it. */
function stepsOf({ from, to, step }: Readonly<Record<'from' | 'to' | 'step', number | string>>): number {
  // asked also of what the schema refuses
  if (![from, to, step].every((one) => DECIMAL.test(String(one)))) return 0
  const [low = 0n, high = 0n, width = 0n] = scaled([from, to, step]).values
  if (width <= 0n || high <= low || (high - low) % width !== 0n) return 0
  return Number((high - low) / width)
}

const gridSchema = z
  .strictObject({ column: columnSchema, from: numberSchema, to: numberSchema, step: numberSchema })
  .refine((grid) => stepsOf(grid) > 0 && stepsOf(grid) <= MAX_STEPS, 'from, to and step are no grid, or a too fine one')
type Grid = z.infer<typeof gridSchema>

const probabilitySchema = z.string().regex(/^0\.\d{0,5}[1-9]$/, 'must be between 0 and 1, as "0.25"')

const parametersSchema = z.strictObject({
  columns: z
    .array(gridSchema)
    .min(1)
    .max(16)
    .refine((grids) => new Set(grids.map(({ column }) => column)).size === grids.length, 'a column appears twice'),
  probabilities: z
    .array(probabilitySchema)
    .min(1)
    .max(9)
    .refine((list) => new Set(list).size === list.length, 'a probability appears twice'),
})
export type QuantilesParameters = z.infer<typeof parametersSchema>

/** From grid point `low` to before `high`; −1 is below the grid, one more than its steps above. */
const intervalSchema = z
  .strictObject({ low: z.int().min(-1), high: z.int().min(0) })
  .refine(({ low, high }) => low < high, 'an interval holds a point')
type Interval = z.infer<typeof intervalSchema>

/** One for each column and probability, column by column; null if nothing of the column may be released. */
const intervalsSchema = z.array(z.union([z.null(), intervalSchema]))
const stateSchema = z.strictObject({ intervals: intervalsSchema })
type State = z.infer<typeof stateSchema>

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  rows: z.int().min(0),
  columns: z.array(z.strictObject({ sites: z.int().min(0), n: z.int().min(0), missing: z.int().min(0) })),
  intervals: intervalsSchema,
})
type Released = z.infer<typeof releasedSchema>

/** Counts of one probability, in the order of its slots. */
const PARTS = ['below', 'first half', 'second half', 'sites with first half', 'sites with second half'] as const

function layoutOf({ columns, probabilities }: QuantilesParameters): Layout {
  const counts = columns.flatMap(({ column }) => [
    `sites with ${column}`,
    `n ${column}`,
    ...probabilities.flatMap((p) => PARTS.map((part) => `${column}, interval of ${p}: ${part}`)),
  ])
  return { counts: ['rows', ...counts], sums: [] }
}

/** A point of the grid as the double that its decimal digits are read as. */
function pointOf(grid: Grid, index: number): number {
  if (index < 0) return Number.NEGATIVE_INFINITY
  if (index > stepsOf(grid)) return Number.POSITIVE_INFINITY
  const { values, unit } = scaled([grid.from, grid.step])
  return Number((values[0] as bigint) + BigInt(index) * (values[1] as bigint)) / Number(unit)
}

const middleOf = ({ low, high }: Interval): number => Math.floor((low + high) / 2)

function intervalAt(parameters: QuantilesParameters, state: State | undefined, at: number): Interval | null {
  if (state !== undefined) return state.intervals[at] ?? null
  const grid = parameters.columns[Math.floor(at / parameters.probabilities.length)] as Grid
  return { low: -1, high: stepsOf(grid) + 1 }
}

/** Of a column over a grid: how many values there are, and of each of its points how many are below it. */
interface Tally {
  readonly n: number
  /** at grid points 0 to `steps` */
  readonly below: Float64Array
}

/** One pass over the rows, in which a value goes to the step that holds it. */
function tallyOf(values: Float64Array, grid: Grid): Tally {
  const points = pointsOf(grid)
  const last = points.length - 1
  const from = points[0] as number
  const perUnit = last / ((points[last] as number) - from)
  // how many values are below the first point, in each step, and not below the last
  const counts = new Float64Array(points.length + 1)
  let n = 0
  for (let row = 0; row < values.length; row++) {
    const value = values[row] as number
    if (Number.isNaN(value)) continue
    n++
    // the step by division may be the next one: points are what their digits say, not multiples
    let at = Math.max(0, Math.min(last, Math.floor((value - from) * perUnit)))
    while (at < last && value >= (points[at + 1] as number)) at++
    while (at >= 0 && value < (points[at] as number)) at--
    counts[at + 1] = (counts[at + 1] as number) + 1
  }
  const below = new Float64Array(points.length)
  let sum = 0
  for (let at = 0; at < points.length; at++) {
    sum += counts[at] as number
    below[at] = sum
  }
  return { n, below }
}

/** The points of a grid as the doubles that their decimal digits are read as. */
function pointsOf(grid: Grid): Float64Array {
  const { values, unit } = scaled([grid.from, grid.step])
  const [from = 0n, step = 0n] = values
  const steps = stepsOf(grid)
  const [least, most] = [from, from + BigInt(steps) * step]
  const safe = [least, most, step].every((value) => Number.isSafeInteger(Number(value)))
  return Float64Array.from({ length: steps + 1 }, (_, at) =>
    // whole numbers up to 2^53 need no big ones
    safe ? (Number(from) + at * Number(step)) / Number(unit) : pointOf(grid, at),
  )
}

/** Every round asks about the same rows. */
const kept = keeper<readonly Tally[]>()

function contribute(rows: Rows, parameters: QuantilesParameters, state: State | undefined): Float64Array {
  const { columns, probabilities } = parameters
  const layout = layoutOf(parameters)
  if (!subsetAllowed(rows.count, [])) return zeroVector(layout)
  const tallies = kept(rows, columns, () => columns.map((grid) => tallyOf(numbersOf(rows, grid.column), grid)))
  const counts = tallies.flatMap(({ n, below }, at) => {
    const belowPoint = (index: number): number => (index < 0 ? 0 : (below[index] ?? n))
    const parts = probabilities.flatMap((_, p) => {
      const interval = intervalAt(parameters, state, at * probabilities.length + p)
      if (interval === null) return PARTS.map(() => 0)
      const [low, middle, high] = [interval.low, middleOf(interval), interval.high].map(belowPoint) as [
        number,
        number,
        number,
      ]
      const [first, second] = [middle - low, high - middle]
      return [low, first, second, first > 0 ? 1 : 0, second > 0 ? 1 : 0]
    })
    return [n >= MIN_SUBSET_ROWS ? 1 : 0, n, ...parts]
  })
  return vectorOf(layout, [rows.count, ...counts])
}

/** Whether `count` of `n` values are at least the share p of them, in whole numbers. */
function reaches(count: number, n: number, p: string): boolean {
  const { values, unit } = scaled([p])
  return BigInt(count) * unit >= BigInt(n) * (values[0] as bigint)
}

/** The half that holds the quantile; the same interval if that has only one step, or few values, or few sites. */
function halved(
  interval: Interval,
  [below = 0, first = 0, second = 0, firstSites = 0, secondSites = 0]: readonly number[],
  n: number,
  p: string,
  rules: DisclosureRules,
): Interval {
  const inFirst = reaches(below + first, n, p)
  const [count, sites] = inFirst ? [first, firstSites] : [second, secondSites]
  const few = (count === 0 || checkCells([count], rules)) ?? checkSites([{ rows: count, sites }], rules)
  if (few || interval.high - interval.low < 2) return interval
  const middle = middleOf(interval)
  return inFirst ? { low: interval.low, high: middle } : { low: middle, high: interval.high }
}

export const quantiles: Analysis<QuantilesParameters, State, Released> = {
  name: 'quantiles',
  version: 1,
  method: 'quantiles on a fixed grid, found by bisection',
  iterative: true,
  definition: [
    'parameters: columns (numeric, each with a grid: from, to, step), probabilities',
    'state: for each column and probability an interval of the grid; at first all of it, with what lies outside',
    'round: contributors, rows; for each column: sites with at least 3 values, n; for each probability: values below the interval, in its first half, in its second, sites with any in each half; the half that holds the quantile is the next interval if it holds no small count and not few sites',
    'released, when no interval gets smaller: rows; for each column sites, n, missing, and the intervals',
  ],
  parameters: parametersSchema,
  state: stateSchema,
  released: releasedSchema,
  columns: ({ columns }) => columns.map(({ column }) => column),
  complete: (written) => completeFields(written, { probabilities: (list) => list ?? ['0.25', '0.5', '0.75'] }),
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine(sum, context, state) {
    const { parameters, rules, survivors } = context
    const { columns, probabilities } = parameters
    const opened = openSum(layoutOf(parameters), sum, context)
    if (opened.kind !== 'reading') return opened
    const { contributors } = opened
    const [rows = 0, ...rest] = opened.counts
    const width = 2 + PARTS.length * probabilities.length
    const found = columns.map((_, at) => {
      const [sites = 0, n = 0, ...parts] = rest.slice(at * width, (at + 1) * width)
      return { sites, n, parts: probabilities.map((_, p) => parts.slice(p * PARTS.length, (p + 1) * PARTS.length)) }
    })
    if (found.some(({ n, parts }) => n > rows || parts.some(([a = 0, b = 0, c = 0]) => a + b + c > n)))
      return implausible()
    const before = found.flatMap((_, at) =>
      probabilities.map((_, p) => intervalAt(parameters, state, at * probabilities.length + p)),
    )
    const intervals = found.flatMap(({ sites, n, parts }, at) =>
      probabilities.map((p, which): Interval | null => {
        const interval = before[at * probabilities.length + which] ?? null
        const few = sites < rules.minimumContributors || n === 0 || checkCells([n], rules) !== undefined
        return interval === null || few ? null : halved(interval, parts[which] as readonly number[], n, p, rules)
      }),
    )
    const moves = intervals.some((interval, at) => interval !== null && !same(interval, before[at] ?? null))
    const open = intervals.some((interval) => interval !== null && interval.high - interval.low > 1)
    if (moves && open) return { kind: 'state', state: { intervals } }
    return {
      kind: 'result',
      released: {
        contributors,
        leftOut: survivors - contributors,
        rows,
        columns: found.map(({ sites, n }) => ({ sites, n, missing: rows - n })),
        intervals,
      },
    }
  },
  present({ contributors, leftOut, rows, columns, intervals }, parameters) {
    const { probabilities } = parameters
    const bounds = (grid: Grid, interval: Interval | null): object => {
      if (interval === null) return { value: null, lower: null, upper: null }
      const [low, high] = [pointOf(grid, interval.low), pointOf(grid, interval.high)]
      const [lower, upper] = [low, high].map((bound) => (Number.isFinite(bound) ? bound : null)) as [
        number | null,
        number | null,
      ]
      const one = interval.high - interval.low === 1 && upper !== null
      return { value: one ? lower : null, lower, upper }
    }
    const found = parameters.columns.map((grid, at): [string, object] => [
      grid.column,
      Object.fromEntries(
        probabilities.map((p, which) => [p, bounds(grid, intervals[at * probabilities.length + which] ?? null)]),
      ),
    ])
    return {
      describe: Object.fromEntries(parameters.columns.map(({ column }, at) => [column, columns[at]])),
      quantiles: Object.fromEntries(found),
      rows,
      contributors,
      sites_left_out: leftOut,
    }
  },
}

function same(a: Interval, b: Interval | null): boolean {
  return a.low === b?.low && a.high === b.high
}
