/** Results with the names of R's records (test/reference/public-data.R), and as they would be if columns had not been scaled. */
import type { Loose } from './federation.js'

/** Columns times powers of two, and the fields that then differ by a factor; of all others only those listed stay. */
export interface Scaled {
  readonly columns: Readonly<Record<string, number>>
  /** the result as if nothing had been scaled; `of` is what a column was multiplied by */
  readonly back: (result: Loose, of: (column: string) => number) => Loose
}

const list = (values: unknown): readonly number[] => values as readonly number[]

/** Coefficients in the units of the outcome over those of their columns. */
export const coefficients =
  (outcome?: string): Scaled['back'] =>
  ({ names, coef, se }, of) => {
    const unit = (name: string): number => of(name) / (outcome === undefined ? 1 : of(outcome))
    const back = (values: unknown) => list(values).map((value, at) => value * unit(names[at]))
    return { coef: back(coef), se: back(se) }
  }

/** Of a log link: the intercept has the logarithm of the outcome's unit in it. */
export const logarithms =
  (outcome: string): Scaled['back'] =>
  ({ names, coef, se, deviance, dispersion }, of) => {
    const back = (values: unknown) => list(values).map((value, at) => value * of(names[at]))
    const [level = 0, ...slopes] = back(coef)
    return { coef: [level - Math.log(of(outcome)), ...slopes], se: back(se), deviance, dispersion }
  }

/** Coefficients of the reciprocal of an outcome. */
export const reciprocal =
  (outcome: string): Scaled['back'] =>
  ({ names, coef, se, deviance }, of) => {
    const back = (values: unknown) => list(values).map((value, at) => value * of(names[at]) * of(outcome))
    return { coef: back(coef), se: back(se), deviance }
  }

export const moments: Scaled['back'] = (result, of) =>
  Object.fromEntries(
    Object.entries<Loose>(result.describe ?? result).map(([name, { n, mean, sd, variance, skewness, kurtosis }]) => [
      name,
      { n, mean: mean / of(name), sd: sd / of(name), variance: variance / of(name) ** 2, skewness, kurtosis },
    ]),
  )

export const described = (result: Loose): Loose => result.describe
export const tested =
  (column: string) =>
  (result: Loose): Loose =>
    result.tests[column]

/** Counts by bin with what lies outside. */
export const counted = ({ below, counts, above, n }: Loose): Loose => ({ counts: [below, ...counts, above], n })
export const binned = ({ counts, n }: Loose): Loose => ({ counts, n })

export const quantiles =
  (column: string) =>
  (result: Loose): Loose =>
    Object.fromEntries(Object.entries<Loose>(result.quantiles[column]).map(([p, { value }]) => [p, value]))
export const PROBABILITIES = ['0.1', '0.25', '0.5', '0.75', '0.9']

export const correlated =
  (columns: readonly string[]) =>
  (result: Loose): Loose => ({
    ...result,
    mean: columns.map((name) => result.describe[name].mean),
    sd: columns.map((name) => result.describe[name].sd),
  })
export const decomposed =
  (columns: readonly string[]) =>
  (result: Loose): Loose => ({
    ...result,
    center: columns.map((name) => result.describe[name].mean),
    rotation: result.names.flatMap((component: string) => columns.map((name) => result.rotation[name][component])),
  })

/** Curves side by side, a single one bare. */
export function curves(result: Loose): Loose {
  const groups: Loose[] = Object.values(result.groups)
  const side = (name: string) => (groups.length === 1 ? groups[0][name] : groups.map((group) => group[name]))
  const names = ['median', 'median_lower', 'median_upper', 'rmst', 'rmst_se']
  const ends = list(result.released_grid).map((time) => time / result.grid.width)
  return { ...result, ends, ...Object.fromEntries(names.map((name) => [name, side(name)])) }
}

/** Strata and lines of one group. */
export const lines =
  (level: string) =>
  (result: Loose): Loose => {
    const strata: Loose[] = Object.values(result.groups[level].strata)
    const of = (name: string) => result[name].filter((_: unknown, at: number) => result.level[at] === level)
    return Object.fromEntries([
      ...['n', 'events', 'time', 'rate'].map((name) => [name, strata.map((one) => one[name])]),
      ...['estimate', 'se', 'lower', 'upper', 'p', 'expected'].map((name) => [name, of(name)]),
    ])
  }

/** A value for each level. */
export const byLevel = (levels: readonly string[], values: readonly (number | string)[]): Loose =>
  Object.fromEntries(levels.map((level, at) => [level, values[at]]))

/** Levels whose counts are shown, and how many are not: `counts` stand for those. */
export const shownOf =
  (counts: readonly number[]) =>
  (result: Loose): Loose => ({
    n: result.n,
    counts: counts.map((count, at) => result.counts[at] ?? count),
    hidden: result.counts.filter((count: unknown) => count === null).length,
  })

/** Pooled estimates of coefficients. */
export const pooledBack: Scaled['back'] = ({ names, q, estimates }, of) => ({
  q,
  estimates: Object.fromEntries(
    names.map((name: string) => {
      const { fixed, random } = estimates[name]
      const back = ({ coef, se }: Loose): Loose => ({ coef: coef * of(name), se: se * of(name) })
      return [name, { fixed: back(fixed), random: back(random) }]
    }),
  ),
})

/** A column of numbers each with its comparison, and a factor. */
export const table1 = (record: Loose, columns: readonly string[], factor: string): Loose => {
  const pick = (names: readonly string[], field: string): Loose =>
    Object.fromEntries(names.map((name) => [name, record[name][field]]))
  return {
    describe: pick(columns, 'describe'),
    factors: pick([factor], 'factors'),
    factors_by: pick([factor], 'factors_by'),
    factors_missing: pick([factor], 'missing'),
    comparison: pick([...columns, factor], 'comparison'),
  }
}
