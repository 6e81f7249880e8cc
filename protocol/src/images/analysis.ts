/**
 * An image as an analysis: the layout, the checks and the outcome that its description declares. What `map` computes is the
 * image's own affair and runs in a container at the site; here is everything else. Implements docs/spec/images.md.
 */
import { z } from 'zod'
import type { Analysis, AnalysisContext, Outcome, Reducible, Suppression } from '../analyses/analysis.js'
import {
  BOUND,
  openSum,
  planOf,
  quotient,
  type Reading,
  sumToNumber,
  vectorOf,
  zeroVector,
} from '../analyses/layout.js'
import type { AnyAnalysis } from '../analyses/registry.js'
import { encode, type Value } from '../encoding/canonical.js'
import { FlameshError } from '../errors.js'
import { checkCells, checkSites, suppressed } from '../privacy/disclosure.js'
import { type ImageDescription, MAX_OUTCOME, WEIGHT } from './description.js'
import { boundsOf, countsOf, dimensionOf, layoutOf } from './layout.js'

/** What every analysis that is an image is called: its hash says which. */
export const IMAGE_ANALYSIS = 'image'
/** Of parameters in canonical form: a page of settings, not a model. */
export const MAX_PARAMETER_BYTES = 16 * 1024

const ascending = (values: readonly string[]): boolean =>
  values.every((value, at) => at === 0 || (values[at - 1] as string) < value)

const parametersSchema = z.strictObject({
  /** the columns that are handed to the image, and no others; sorted and distinct */
  columns: z.array(z.string().min(1).max(128)).min(1).max(256).refine(ascending, 'must be sorted and distinct'),
  /** for the image alone to understand */
  values: z
    .record(
      z.string().max(128),
      z.custom<Value>((value) => value !== undefined),
    )
    .refine(
      (values) => encode(values).length <= MAX_PARAMETER_BYTES,
      `must not be longer than ${MAX_PARAMETER_BYTES} bytes`,
    ),
})
export type ImageParameters = z.infer<typeof parametersSchema>

const stateSchema = z.strictObject({
  /** the last one whose outcome this is */
  round: z.int().min(1),
  values: z.array(z.number()).min(1).max(MAX_OUTCOME),
})
export type ImageState = z.infer<typeof stateSchema>

const releasedSchema = z.strictObject({
  contributors: z.int().min(0),
  leftOut: z.int().min(0),
  rounds: z.int().min(1),
  values: z.array(z.number()).min(1).max(MAX_OUTCOME),
})
export type ImageReleased = z.infer<typeof releasedSchema>

/** The columns and settings of a request, in canonical form; `written` is what the researcher wrote under `parameters`. */
export function imageParameters(columns: readonly string[], written: Value): unknown {
  return { columns: [...new Set(columns)].sort(), values: written }
}

/** What a site contributes for what `map` wrote, and for its operator what was wrong with it. */
export interface Contribution {
  readonly values: Float64Array
  readonly code: 'output-shape' | 'not-finite' | 'not-whole' | 'clipped' | undefined
}

/**
 * What a site contributes for what `map` wrote, in the order of the slots. A value beyond its bounds is brought to the nearer one. A
 * vector that is no such thing counts as none: zeros, as from a site with too few rows, since whether a site failed would
 * be an answer about its rows to whoever chose the parameters.
 */
export function imageVector(description: ImageDescription, written: Float64Array): Contribution {
  const layout = layoutOf(description)
  const none = (code: Contribution['code']): Contribution => ({ values: zeroVector(layout), code })
  if (written.length !== dimensionOf(description)) return none('output-shape')
  if (!written.every(Number.isFinite)) return none('not-finite')
  const counts = countsOf(description)
  if (!written.subarray(0, counts).every(Number.isInteger)) return none('not-whole')
  const { lower, upper } = boundsOf(description)
  const clipped = written.map((value, at) => Math.min(Math.max(value, lower[at] as number), upper[at] as number))
  const high = clipped.subarray(counts)
  const own = [...clipped.subarray(0, counts)]
  const values = vectorOf(layout, [...own, ...own.map((count) => (count > 0 ? 1 : 0))], {
    high,
    low: new Float64Array(high.length),
  })
  return { values, code: clipped.some((value, at) => value !== written[at]) ? 'clipped' : undefined }
}

/** Sums as numbers, in the order of the slots; undefined if a weighted mean has no weight to divide by. */
function combined(description: ImageDescription, { counts: all, sums }: Reading): readonly number[] | undefined {
  const counts = all.slice(0, countsOf(description))
  if (description.combine !== 'weighted-mean') return [...counts, ...sums.map(sumToNumber)]
  const weight = counts[layoutOf(description).counts.indexOf(WEIGHT)] as number
  // a sum counts units of 2^-110, and so does the weight beside it
  const unit = 1n << 110n
  return weight === 0 ? undefined : [...counts, ...sums.map((sum) => quotient(sum, BigInt(weight) * unit))]
}

/** The analysis that an image is in a job of so many rounds: all of them are run, and the outcome of the last is released. */
export function imageAnalysis(description: ImageDescription, rounds: number): AnyAnalysis {
  const layout = layoutOf(description)
  const outcomeOf = (
    values: readonly number[],
    contributors: number,
    survivors: number,
    state: ImageState | undefined,
  ): Outcome<ImageState, ImageReleased> => {
    const round = (state?.round ?? 0) + 1
    if (round < rounds) return { kind: 'state', state: { round, values: [...values] } }
    return {
      kind: 'result',
      released: { contributors, leftOut: survivors - contributors, rounds: round, values: [...values] },
    }
  }
  const sumsOf = (sum: readonly bigint[], context: AnalysisContext<unknown>): Reducible | Suppression => {
    const opened = openSum(layout, sum, context)
    if (opened.kind !== 'reading') return opened
    const counts = countsOf(description)
    const levels = opened.counts
      .slice(0, counts)
      .map((rows, at) => ({ rows, sites: opened.counts[counts + at] as number }))
    const rows = levels.map((level) => level.rows)
    const withheld = checkCells(rows, context.rules) ?? checkSites(levels, context.rules)
    if (withheld !== undefined) return withheld
    const values = combined(description, opened)
    if (values === undefined) return suppressed('no-result', 'nobody has any weight')
    return { kind: 'reducible', values, contributors: opened.contributors }
  }
  const analysis: Analysis<ImageParameters, ImageState, ImageReleased> = {
    name: IMAGE_ANALYSIS,
    version: description.contract,
    iterative: rounds > 1,
    definition: [],
    parameters: parametersSchema,
    state: stateSchema,
    released: releasedSchema,
    columns: ({ columns }) => columns.map((column) => ({ column })),
    complete: (written) => written,
    plan: () => planOf(layout),
    contribute() {
      throw new FlameshError('image-needed', 'an image runs in a container and nowhere else')
    },
    combine(sum, context, state) {
      const opened = sumsOf(sum, context)
      return opened.kind === 'suppressed'
        ? opened
        : outcomeOf(opened.values, opened.contributors, context.survivors, state)
    },
    ...(description.combine === 'reduce'
      ? {
          reduction: {
            sums: sumsOf,
            outcome: (values, contributors, { survivors }, state) =>
              isOutcome(values)
                ? outcomeOf(values, contributors, survivors, state)
                : suppressed('no-result', 'the image wrote no outcome'),
          },
        }
      : {}),
    present: ({ contributors, leftOut, rounds: run, values }) => ({
      ...named(description, values),
      rounds: run,
      contributors,
      sites_left_out: leftOut,
    }),
  }
  return analysis as unknown as AnyAnalysis
}

const isOutcome = (values: readonly number[]): boolean =>
  values.length >= 1 && values.length <= MAX_OUTCOME && values.every((value) => Math.abs(value) <= BOUND)

/** By slot where the values are the sums; `reduce` writes what it likes, in its own order. */
function named(description: ImageDescription, values: readonly number[]): Readonly<Record<string, unknown>> {
  if (description.combine === 'reduce' || values.length !== dimensionOf(description)) return { outcome: values }
  const result: Record<string, unknown> = {}
  let at = 0
  for (const { name, length } of description.output) {
    result[name] = length === 1 ? values[at] : values.slice(at, at + length)
    at += length
  }
  return { slots: result }
}
