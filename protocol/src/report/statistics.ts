/** The few statistics a report needs. Quantiles are observed values (nearest rank), never interpolated ones. */

export type Numbers = readonly number[] | Float64Array

export function sorted(values: Numbers): Float64Array {
  return Float64Array.from(values).sort()
}

/** Of values in ascending order, of which there is at least one. */
export function quantile(ascending: Numbers, share: number): number {
  const rank = Math.ceil(share * ascending.length - 1e-9)
  return ascending[Math.min(ascending.length, Math.max(1, rank)) - 1] as number
}

export function mean(values: Numbers): number {
  let sum = 0
  for (const value of values) sum += value
  return values.length === 0 ? 0 : sum / values.length
}

/** How many of the ascending values are at most this one. */
export function countUpTo(ascending: Numbers, value: number): number {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ascending[middle] as number) <= value) low = middle + 1
    else high = middle
  }
  return low
}

/** Two-sided 95 % of the standard normal distribution. */
const Z = 1.959963984540054

/** Wilson's 95 % interval of a probability: holds its level where few or nearly all runs complete, and stays within 0 and 1. */
export function wilson(successes: number, trials: number): { readonly low: number; readonly high: number } {
  const share = successes / trials
  const square = (Z * Z) / trials
  const centre = (share + square / 2) / (1 + square)
  const half = (Z * Math.sqrt((share * (1 - share)) / trials + square / (4 * trials))) / (1 + square)
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) }
}

/** Groups in the order in which their keys first appear. */
export function groupBy<T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [item])
    else group.push(item)
  }
  return groups
}

/** By code units, so that the order is the same in every locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
