/**
 * `compare-means`: Student's and Welch's t-test of two groups, one-way analysis of variance and Welch's of any number. It
 * sums and releases what `describe … by` does; the tests follow from that. Implements docs/spec/analyses/compare-means.md.
 * Means are released as doubles: where groups differ by a share ε of their mean, 10^-16 / ε is what a test carries.
 */
import { z } from 'zod'
import type { Analysis } from './analysis.js'
import { factorSchema, levelsOfFactor } from './columns.js'
import { type DescribeReleased, describe } from './describe.js'
import { fTail, tQuantile, tTail } from './distributions.js'
import { groupedSchema } from './grouped.js'

const parametersSchema = z.strictObject({ ...groupedSchema.shape, by: factorSchema })
export type CompareMeansParameters = z.infer<typeof parametersSchema>

/** A group whose mean and variance were released. */
interface Sample {
  readonly n: number
  readonly mean: number
  readonly variance: number
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

/** The groups anyone is in; undefined if one of them was withheld or has one value only, or if there are not two. */
function samplesOf(groups: DescribeReleased['columns'][number]['groups']): readonly Sample[] | undefined {
  const present = groups.filter(({ n }) => n !== 0)
  const samples = present.flatMap(({ n, mean, variance }) =>
    n === null || mean === null || variance === null ? [] : [{ n, mean, variance }],
  )
  return samples.length === present.length && samples.length > 1 ? samples : undefined
}

/** The first group's mean less the second's, with the standard error that the test gives it. */
function tTest(difference: number, se: number, df: number): object {
  const t = difference / se
  const reach = tQuantile(0.975, df) * se
  return { difference, se, ci_low: difference - reach, ci_high: difference + reach, t, df, p: tTail(t, df) }
}

function student(a: Sample, b: Sample): object {
  const df = a.n + b.n - 2
  const variance = ((a.n - 1) * a.variance + (b.n - 1) * b.variance) / df
  const difference = a.mean - b.mean
  return {
    ...tTest(difference, Math.sqrt(variance * (1 / a.n + 1 / b.n)), df),
    cohens_d: difference / Math.sqrt(variance),
  }
}

/** Degrees of freedom by Welch (1947) and Satterthwaite (1946). */
function welch(a: Sample, b: Sample): object {
  const [u, v] = [a.variance / a.n, b.variance / b.n]
  const df = (u + v) ** 2 / (u ** 2 / (a.n - 1) + v ** 2 / (b.n - 1))
  return tTest(a.mean - b.mean, Math.sqrt(u + v), df)
}

function anova(samples: readonly Sample[]): object {
  const n = total(samples.map((one) => one.n))
  const mean = total(samples.map((one) => one.n * one.mean)) / n
  const between = total(samples.map((one) => one.n * (one.mean - mean) ** 2))
  const within = total(samples.map((one) => (one.n - 1) * one.variance))
  const [df1, df2] = [samples.length - 1, n - samples.length]
  const f = between / df1 / (within / df2)
  const shared = { f, df1, df2, p: fTail(f, df1, df2) }
  return { ...shared, ss_between: between, ss_within: within, eta_squared: between / (between + within) }
}

/** Welch (1951), "On the comparison of several mean values", as R's oneway.test. A group without variance has no weight. */
function welchAnova(samples: readonly Sample[]): object | null {
  const weights = samples.map(({ n, variance }) => n / variance)
  const weight = total(weights)
  if (!Number.isFinite(weight)) return null
  const groups = samples.length
  const mean = total(samples.map((one, at) => (weights[at] as number) * one.mean)) / weight
  const between = total(samples.map((one, at) => (weights[at] as number) * (one.mean - mean) ** 2)) / (groups - 1)
  const spread =
    total(samples.map(({ n }, at) => (1 - (weights[at] as number) / weight) ** 2 / (n - 1))) / (groups ** 2 - 1)
  const [df1, df2] = [groups - 1, 1 / (3 * spread)]
  const f = between / (1 + 2 * (groups - 2) * spread)
  return { f, df1, df2, p: fTail(f, df1, df2) }
}

/** Null if a group was withheld, or nothing varies within groups. */
function testsOf(groups: DescribeReleased['columns'][number]['groups']): object | null {
  const samples = samplesOf(groups)
  if (samples === undefined || samples.every(({ variance }) => variance === 0)) return null
  const [a, b, ...more] = samples as [Sample, Sample, ...Sample[]]
  const pair = more.length === 0 ? { welch: welch(a, b), student: student(a, b) } : {}
  return { ...pair, anova: anova(samples), welch_anova: welchAnova(samples) }
}

export const compareMeans: Analysis<CompareMeansParameters, never, DescribeReleased> = {
  ...describe,
  name: 'compare-means',
  version: 1,
  method: 'comparison of means between groups by Welch’s and Student’s t-test or analysis of variance',
  definition: [
    'parameters: columns (numeric), by (a factor)',
    'round: as describe version 1 by group',
    'released: as describe version 1; t-tests and analyses of variance follow from n, mean and variance by group where none is withheld',
  ],
  parameters: parametersSchema,
  present(released, parameters) {
    const tests = parameters.columns.map((name, at): [string, object | null] => [
      name,
      testsOf(released.columns[at]?.groups ?? []),
    ])
    const { describe: moments, ...rest } = describe.present(released, parameters)
    return { describe: moments, tests: Object.fromEntries(tests), groups: levelsOfFactor(parameters.by), ...rest }
  },
}
