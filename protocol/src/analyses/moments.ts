/**
 * `moments`: `describe` with skewness and kurtosis. The first round finds a centre and a scale for each column, of everyone
 * and never of a group; the second sums powers about them. Implements docs/spec/analyses/moments.md. Four power sums of few
 * values are their values, so groups are larger here than elsewhere.
 */
import { z } from 'zod'
import { parametersAllowed } from '../privacy/disclosure.js'
import type { Analysis, AnalysisContext, DisclosureRules } from './analysis.js'
import { momentsOf } from './describe.js'
import {
  columnsOfGrouped,
  completeGrouped,
  contributeGrouped,
  type Group,
  type Grouped,
  givesValuesAway,
  groupedLayout,
  groupedSchema,
  hiddenGroups,
  openGrouped,
  type Powers,
  presentGrouped,
  releaseColumn,
  type Shift,
} from './grouped.js'
import { planOf, SUM_BITS } from './layout.js'

const stateSchema = z.strictObject({
  /** in the order of the parameters; null if nothing of the column may be released */
  columns: z.array(z.union([z.null(), z.strictObject({ centre: z.number(), scale: z.number().positive() })])),
})
type State = z.infer<typeof stateSchema>

const numberSchema = z.union([z.null(), z.number()])
const shapeSchema = z.strictObject({
  n: z.union([z.null(), z.int().min(0)]),
  mean: numberSchema,
  variance: numberSchema,
  /** m3 / m2^1.5 and m4 / m2² − 3, with moments that divide by n; null where nothing varies */
  g1: numberSchema,
  g2: numberSchema,
})
type Shape = z.infer<typeof shapeSchema>

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  rows: z.int().min(0),
  /** in the order of the parameters */
  columns: z.array(
    z.strictObject({
      sites: z.int().min(0),
      missing: z.int().min(0),
      overall: shapeSchema,
      groups: z.array(shapeSchema),
    }),
  ),
})
type Released = z.infer<typeof releasedSchema>

const WITHHELD: Shape = { n: null, mean: null, variance: null, g1: null, g2: null }

const powersOf = (state: State | undefined): Powers =>
  state === undefined ? { highest: 2 } : { highest: 4, shifts: state.columns }

/** Four numbers of a group need as many values as four parameters of a model need rows. */
function withLargerCells(context: AnalysisContext<Grouped>): AnalysisContext<Grouped> {
  let { minimumCell } = context.rules
  while (!parametersAllowed(4, minimumCell)) minimumCell++
  return { ...context, rules: { ...context.rules, minimumCell } }
}

/** Values that are all equal, as far as sums tell, need no scale. */
function shiftOf(group: Group, rules: DisclosureRules): Shift | null {
  const { mean, variance } = momentsOf(group, rules)
  if (mean === null || variance === null) return null
  return { centre: mean, scale: variance > 0 ? Math.sqrt(variance) : 1 }
}

/** Of a sum of squares. */
const ROUNDED_BITS = 90n

const finite = (value: number): number | null => (Number.isFinite(value) ? value + 0 : null)

/** Central moments from sums of powers of z, exactly but for the last division. */
function shapeOf(group: Group, { centre, scale }: Shift, rules: DisclosureRules): Shape {
  const { n } = group
  const { mean, variance } = momentsOf(group, rules)
  if (mean === null || variance === null) return { ...WITHHELD, n }
  const count = BigInt(n)
  const [first = 0n, second = 0n, third = 0n, fourth = 0n] = group.sums
  const unit = BigInt(SUM_BITS)
  // n²·m2, n³·m3 and n⁴·m4, in units of 2^-260, 2^-390 and 2^-520
  const a2 = ((count * second) << unit) - first * first
  const a3 = ((count * count * third) << (2n * unit)) - ((3n * count * first * second) << unit) + 2n * first ** 3n
  const a4 =
    ((count ** 3n * fourth) << (3n * unit)) -
    ((4n * count * count * first * third) << (2n * unit)) +
    ((6n * count * first * first * second) << unit) -
    3n * first ** 4n
  const square = Number(a2)
  // z has been rounded, and so have sums of many: equal values differ by no more than this share of their squares
  const varies = a2 > ((count * second) << unit) >> ROUNDED_BITS
  return {
    n,
    mean: finite(centre + scale * mean),
    variance: varies ? finite(scale * scale * variance) : 0,
    g1: varies ? finite(Number(a3) / (square * Math.sqrt(square))) : null,
    g2: varies ? finite(Number(a4) / (square * square) - 3) : null,
  }
}

/** Of b1 and b2, which divide by the variance with n − 1. */
function shown({ n, mean, variance, g1, g2 }: Shape): object {
  const share = n === null ? 0 : 1 - 1 / n
  return {
    n,
    mean,
    variance,
    sd: variance === null ? null : Math.sqrt(variance),
    skewness: g1 === null ? null : g1 * share * Math.sqrt(share),
    kurtosis: g2 === null ? null : (g2 + 3) * share * share - 3,
  }
}

export const moments: Analysis<Grouped, State, Released> = {
  name: 'moments',
  version: 1,
  method: 'number, mean, standard deviation, skewness and kurtosis of each column',
  iterative: true,
  definition: [
    'parameters: columns (numeric), by (a factor, optional)',
    'first round: as describe version 1; state: for each column mean and standard deviation of everyone',
    'second round: counts as in the first; for each column and group Σz, Σz², Σz³, Σz⁴ with z = (x − mean) / sd',
    'released: as describe version 1, and skewness and kurtosis; a group is small below 13 values as well',
  ],
  parameters: groupedSchema,
  state: stateSchema,
  released: releasedSchema,
  columns: columnsOfGrouped,
  complete: completeGrouped,
  plan: (parameters, state) => planOf(groupedLayout(parameters, powersOf(state))),
  contribute: (rows, parameters, state) => contributeGrouped(rows, parameters, powersOf(state)),
  combine(sum, given, state) {
    const context = withLargerCells(given)
    const opened = openGrouped(sum, context, powersOf(state))
    if (opened.kind !== 'opened') return opened
    const { contributors, rows } = opened
    if (state === undefined) {
      const { minimumContributors } = context.rules
      const small = hiddenGroups(opened.columns, context.rules)
      const columns = opened.columns.map((column, at) =>
        column.sites < minimumContributors || givesValuesAway(column, small[at] ?? [], context.rules)
          ? null
          : shiftOf(column.whole, context.rules),
      )
      return { kind: 'state', state: { columns } }
    }
    const hidden = hiddenGroups(opened.columns, context.rules)
    const columns = opened.columns.map((column, at) => {
      const shift = state.columns[at] ?? null
      const of = (group: Group, rules: DisclosureRules): Shape =>
        shift === null ? { ...WITHHELD, n: group.n } : shapeOf(group, shift, rules)
      return releaseColumn(column, hidden[at] ?? [], context, of, WITHHELD)
    })
    return { kind: 'result', released: { contributors, leftOut: context.survivors - contributors, rows, columns } }
  },
  present({ contributors, leftOut, rows, columns }, parameters) {
    return {
      describe: presentGrouped(columns, parameters, shown),
      ...(parameters.by === undefined ? {} : { by: parameters.by }),
      rows,
      contributors,
      sites_left_out: leftOut,
    }
  },
}
