/**
 * `roc`: how well a score tells a yes-or-no outcome, over public bins of the score: ROC curve, its area with DeLong's standard
 * error, and of a predicted probability calibration and Brier's score. One round: positives and negatives by bin. Implements
 * docs/spec/analyses/roc.md. What is presented is computed from the released counts alone; small bins are merged, not withheld.
 */
import { z } from 'zod'
import { FlameshError } from '../errors.js'
import { checkCells, checkSites, subsetAllowed, suppressed } from '../privacy/disclosure.js'
import { smallValue } from '../privacy/few-values.js'
import { mergedIntervals } from '../privacy/intervals.js'
import type { Analysis, AnalysisContext, DisclosureRules, Outcome, Rows } from './analysis.js'
import { columnOf, columnSchema, completeEvent, completeFields, eventSchema, eventsOf, numbersOf } from './columns.js'
import { numberOf, signedSchema } from './decimals.js'
import { completeCases } from './design.js'
import { Z_975 } from './distributions.js'
import { add, addProduct, zeroSums } from './double-double.js'
import { type Layout, openSum, planOf, quotient, SUM_BITS, sumToNumber, vectorOf, zeroVector } from './layout.js'

const MAX_CUTS = 1000

const parametersSchema = z
  .strictObject({
    score: columnSchema,
    outcome: eventSchema,
    /** where one bin ends and the next, which holds the cut, begins */
    cuts: z
      .array(signedSchema)
      .min(1)
      .max(MAX_CUTS)
      .refine(
        (cuts) => cuts.every((cut, at) => at === 0 || numberOf(cuts[at - 1] as typeof cut) < numberOf(cut)),
        'cuts ascend',
      ),
    /** whether the score is a predicted probability: calibration and Brier's score */
    probability: z.boolean(),
  })
  .refine(({ score, outcome }) => columnOf(outcome) !== score, 'score and outcome are different columns')
export type RocParameters = z.infer<typeof parametersSchema>

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  missing: z.int().min(0),
  /** of each released bin, how many bins of the job end with it */
  ends: z.array(z.int().min(1)).min(1),
  positives: z.array(z.int().min(0)),
  negatives: z.array(z.int().min(0)),
  /** null if the score is no probability */
  calibration: z.union([z.null(), z.strictObject({ scores: z.array(z.number()), brier: z.number() })]),
})
type Released = z.infer<typeof releasedSchema>

/** 0.05, 0.1, … 0.95 as they stand in a job. */
const TWENTIETHS: readonly string[] = Array.from({ length: 19 }, (_, at) => String((at + 1) / 20))

/** Bins by name, for slots and readers: the lower end belongs to a bin, the upper does not. */
function labelsOf(cuts: readonly (number | string)[]): readonly string[] {
  return [`< ${cuts[0]}`, ...cuts.slice(1).map((cut, at) => `${cuts[at]} to ${cut}`), `≥ ${cuts.at(-1)}`]
}

function layoutOf({ score, cuts, probability }: RocParameters): Layout {
  const bins = labelsOf(cuts).map((label) => `${score} ${label}`)
  return {
    counts: [
      'missing',
      'sites with positives',
      'sites with negatives',
      ...bins.flatMap((bin) => [`sites with ${bin}`, `positives, ${bin}`, `negatives, ${bin}`]),
    ],
    sums: probability ? [...bins.map((bin) => `Σ ${bin}`), 'Σ (score − outcome)²'] : [],
  }
}

/** How many cuts are at or below the value: its bin. */
function binOf(cuts: Float64Array, value: number): number {
  let low = 0
  let high = cuts.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((cuts[middle] as number) <= value) low = middle + 1
    else high = middle
  }
  return low
}

function checkProbabilities(column: string, values: Float64Array): void {
  if (!values.some((value) => value < 0 || value > 1)) return
  throw new FlameshError('column-values', `${column} holds values that are no probabilities`, {
    meta: { column },
    hint: 'leave `probability` out: the ROC curve needs none',
  })
}

function contribute(rows: Rows, parameters: RocParameters): Float64Array {
  const { score, outcome, cuts, probability } = parameters
  const layout = layoutOf(parameters)
  const cases = completeCases(rows, [], [numbersOf(rows, score), eventsOf(rows, outcome)])
  const [scores, events] = cases.responses as [Float64Array, Float64Array]
  if (probability) checkProbabilities(score, scores)
  if (!subsetAllowed(cases.count, [2])) return zeroVector(layout)
  const edges = Float64Array.from(cuts, numberOf)
  const positives = new Array<number>(cuts.length + 1).fill(0)
  const negatives = [...positives]
  const sums = zeroSums(layout.sums.length)
  for (let row = 0; row < cases.count; row++) {
    const value = scores[row] as number
    const bin = binOf(edges, value)
    const counts = events[row] === 1 ? positives : negatives
    counts[bin] = (counts[bin] as number) + 1
    if (!probability) continue
    const distance = value - (events[row] as number)
    add(sums, bin, value)
    addProduct(sums, cuts.length + 1, distance, distance)
  }
  const some = (counts: readonly number[]): number => (counts.some((count) => count > 0) ? 1 : 0)
  const byBin = positives.flatMap((count, bin) => {
    const others = negatives[bin] as number
    return [some([count, others]), count, others]
  })
  return vectorOf(layout, [cases.missing, some(positives), some(negatives), ...byBin], sums)
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)

/**
 * Whether what the sums say may be a column of zeros and ones, whose number of ones, and of rows where it is not the outcome, are
 * equations for the table of the two; and that table has a small cell.
 */
function isRareFlag(sums: readonly bigint[], positives: number, n: number, rules: DisclosureRules): boolean {
  const unit = 1n << BigInt(SUM_BITS)
  const [ones, apart] = [sums.slice(0, -1).reduce((a, b) => a + b, 0n), sums.at(-1) as bigint]
  if (ones % unit !== 0n || apart % unit !== 0n) return false
  const twice = Number(ones / unit) + positives - Number(apart / unit)
  if (twice % 2 !== 0) return false
  const [both, one] = [twice / 2, Number(ones / unit)]
  return checkCells([both, one - both, positives - both, n - one - positives + both], rules) !== undefined
}

function combine(sum: readonly bigint[], context: AnalysisContext<RocParameters>): Outcome<never, Released> {
  const { parameters, rules, survivors } = context
  const opened = openSum(layoutOf(parameters), sum, context)
  if (opened.kind !== 'reading') return opened
  const [missing = 0, withPositives = 0, withNegatives = 0, ...byBin] = opened.counts
  const bins = parameters.cuts.length + 1
  const series = (offset: number): number[] =>
    Array.from({ length: bins }, (_, bin) => byBin[3 * bin + offset] as number)
  const [sites, positives, negatives] = [series(0), series(1), series(2)]
  const outcomes = [
    { rows: total(positives), sites: withPositives },
    { rows: total(negatives), sites: withNegatives },
  ]
  const refused =
    checkCells(
      outcomes.map(({ rows }) => rows),
      rules,
    ) ?? checkSites(outcomes, rules)
  if (refused !== undefined) return refused
  if (outcomes.some(({ rows }) => rows === 0)) return suppressed('separation', 'one of the outcomes does not occur')
  if (parameters.probability && isRareFlag(opened.sums, total(positives), total(positives) + total(negatives), rules))
    return smallValue()
  const part = <T>(counts: readonly T[], start: number, end: number): readonly T[] => counts.slice(start, end)
  // sites of a merged bin are at least those of the bin that most have
  const fromSites = (start: number, end: number): boolean => {
    const rows = total(part(positives, start, end)) + total(part(negatives, start, end))
    return checkSites([{ rows, sites: Math.max(...part(sites, start, end)) }], rules) === undefined
  }
  const ends = mergedIntervals([positives, negatives], bins, fromSites, rules)
  if (ends === undefined) return suppressed('small-cell', 'no bins, however wide, are those of enough sites')
  const starts = [0, ...ends.slice(0, -1)]
  const merged = (counts: readonly number[]): number[] =>
    ends.map((end, at) => total(part(counts, starts[at] as number, end)))
  const scores = ends.map((end, at) =>
    sumToNumber(part(opened.sums, starts[at] as number, end).reduce((a, b) => a + b, 0n)),
  )
  const n = BigInt(total(positives) + total(negatives))
  const calibration = { scores, brier: quotient(opened.sums[bins] ?? 0n, n << BigInt(SUM_BITS)) }
  return {
    kind: 'result',
    released: {
      contributors: opened.contributors,
      leftOut: survivors - opened.contributors,
      missing,
      ends: [...ends],
      positives: merged(positives),
      negatives: merged(negatives),
      calibration: parameters.probability ? calibration : null,
    },
  }
}

/** Area under the curve with the variance of its structural components (DeLong, DeLong and Clarke-Pearson 1988); ties count half. */
function areaOf(positives: readonly number[], negatives: readonly number[]): { auc: number; variance: number } {
  const p = total(positives)
  const n = total(negatives)
  let below = 0
  const ofPositives = negatives.map((count) => {
    const share = (below + count / 2) / n
    below += count
    return share
  })
  let above = p
  const ofNegatives = positives.map((count) => {
    above -= count
    return (above + count / 2) / p
  })
  const auc = positives.reduce((sum, count, bin) => sum + count * (ofPositives[bin] as number), 0) / p
  const spread = (counts: readonly number[], shares: readonly number[]): number =>
    counts.reduce((sum, count, bin) => sum + count * ((shares[bin] as number) - auc) ** 2, 0) / (total(counts) - 1)
  return { auc, variance: spread(positives, ofPositives) / p + spread(negatives, ofNegatives) / n }
}

function present(released: Released, { score, outcome, cuts, probability }: RocParameters): Record<string, unknown> {
  const { ends, positives, negatives, calibration, contributors, leftOut, missing } = released
  // the last end is the end of everything: nobody is beyond it
  const inner = ends.slice(0, -1).map((end) => cuts[end - 1] as number | string)
  const p = total(positives)
  const n = total(negatives)
  const { auc, variance } = areaOf(positives, negatives)
  const se = Math.sqrt(variance)
  const from = (counts: readonly number[]): number[] => counts.map((_, bin) => total(counts.slice(bin)))
  const sizes = positives.map((count, bin) => count + (negatives[bin] as number))
  const share = (counts: readonly number[]): number[] => counts.map((count, bin) => count / (sizes[bin] as number))
  const predicted = calibration === null ? 0 : total(calibration.scores) / (p + n)
  const observed = p / (p + n)
  return {
    names: inner.length === 0 ? ['all'] : labelsOf(inner),
    threshold: [null, ...inner.map(numberOf)],
    positives,
    negatives,
    sensitivity: from(positives).map((count) => count / p),
    specificity: from(negatives).map((count) => 1 - count / n),
    ...(calibration === null ? {} : { predicted: share(calibration.scores), observed: share(positives) }),
    auc,
    auc_se: se,
    auc_ci_low: Math.max(0, auc - Z_975 * se),
    auc_ci_high: Math.min(1, auc + Z_975 * se),
    ...(calibration === null
      ? {}
      : {
          brier: calibration.brier,
          brier_scaled: 1 - calibration.brier / (observed * (1 - observed)),
          mean_predicted: predicted,
          prevalence: observed,
          observed_expected: observed / predicted,
        }),
    n: p + n,
    events: p,
    missing,
    merged: ends.length < cuts.length + 1,
    score,
    outcome,
    probability,
    contributors,
    sites_left_out: leftOut,
  }
}

export const roc: Analysis<RocParameters, never, Released> = {
  name: 'roc',
  version: 1,
  method: 'the ROC curve with DeLong’s interval of its area, over fixed bins of the score',
  iterative: false,
  definition: [
    'parameters: score (numeric), outcome (0/1 column, or column is value), cuts (ascending decimals; a bin holds its lower cut), probability (whether the score is one)',
    'round: contributors, missing, sites with positives, sites with negatives; for each bin sites with any, positives, negatives; for a probability Σ score by bin, Σ (score − outcome)²',
    'released: missing, ends of merged bins (of widths 2^i and 3·2^i bins, the narrowest without small cells and of enough sites), positives and negatives by merged bin; for a probability Σ score by merged bin and Brier’s score; refused: an outcome that is small or at few sites, and sums that may be those of a score of zeros and ones whose table by outcome has a small cell',
  ],
  parameters: parametersSchema,
  state: z.never(),
  released: releasedSchema,
  columns: ({ score, outcome }) => [score, outcome],
  intervals: ({ cuts }) => cuts.length + 1,
  complete: (written) =>
    completeFields(written, {
      outcome: completeEvent,
      cuts: (cuts) => cuts ?? TWENTIETHS,
      probability: (probability) => probability ?? false,
    }),
  plan: (parameters) => planOf(layoutOf(parameters)),
  contribute,
  combine,
  present,
}
