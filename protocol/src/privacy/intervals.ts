/**
 * Which neighbouring intervals of a public grid are merged before counts over it are released. Implements
 * docs/spec/analyses/survival.md, "Disclosure". Numbers at risk are sums of later counts, so nothing can be withheld one by
 * one: the difference of two neighbours would give it back. One partition is released, and every count of it may be seen.
 */
import type { DisclosureRules } from '../analyses/analysis.js'
import { isSmallCell } from './disclosure.js'

/**
 * 1, 2, 3, 4, 6, 8, 12, …: an end tells that something narrower would not do. If any width could be, it would tell that somebody
 * is in the very last interval of the grid before it, a day perhaps.
 */
const WIDTHS: readonly number[] = [1, ...Array.from({ length: 10 }, (_, k) => [2 << k, 3 << k]).flat()]

/**
 * The ends of the merged intervals. Each has one of these widths or runs to the end of the grid, no small count, and somebody in
 * it; the narrowest that will do is taken, if what follows can be cut as well. What follows the last end is empty.
 * Undefined if there is no such partition. `counts` are series over the grid; `fromSites` tells whether an interval is that of
 * enough sites.
 */
export function mergedIntervals(
  counts: readonly (readonly number[])[],
  length: number,
  fromSites: (start: number, end: number) => boolean,
  rules: DisclosureRules,
): readonly number[] | undefined {
  const upTo = counts.map((series) => {
    const sums = [0]
    for (const count of series) sums.push((sums.at(-1) as number) + count)
    return sums
  })
  const between = (start: number, end: number): readonly number[] =>
    upTo.map((sums) => (sums[end] as number) - (sums[start] as number))
  const shown = (start: number, end: number): boolean => {
    const merged = between(start, end)
    return merged.some((count) => count > 0) && !merged.some((count) => isSmallCell(count, rules))
  }
  const empty = (start: number): boolean => between(start, length).every((count) => count === 0)
  // from the last start to the first: where the interval that begins there ends
  const endOf = new Array<number | undefined>(length).fill(undefined)
  for (let start = length - 1; start >= 0; start--) {
    endOf[start] = WIDTHS.map((width) => Math.min(start + width, length)).find(
      (end) => shown(start, end) && fromSites(start, end) && (empty(end) || endOf[end] !== undefined),
    )
  }
  const ends: number[] = []
  for (let end = endOf[0]; end !== undefined; end = endOf[end]) ends.push(end)
  return ends.length === 0 ? undefined : ends
}
