/**
 * The disclosure rules: what a site holds its own rows against before it contributes anything but zeros, and what the
 * release gate holds an opened sum against. Implements docs/spec/analyses.md, "Disclosure". The gate binds honest members
 * only; it does not stop inference from near-duplicate jobs, nor by someone who reasons about why a cell was chosen.
 */
import type { DisclosureRules, Suppression } from '../analyses/analysis.js'
import { MAX_FACTOR_LEVELS, MIN_COHORT_FLOOR } from '../limits.js'

/** A subset with fewer rows describes people rather than a group. */
export const MIN_SUBSET_ROWS = 3
/** Parameters, or levels of a factor, for each hundred rows: more and the estimates give back the rows. */
const MAX_PARAMETERS_PER_HUNDRED = 33

/** parameters ≤ 0.33 × rows, in integers so that every engine agrees. */
export function parametersAllowed(parameters: number, rows: number): boolean {
  return parameters * 100 <= rows * MAX_PARAMETERS_PER_HUNDRED
}

/** At the site: may this many rows, cut by factors with these numbers of levels, be summed at all? */
export function subsetAllowed(rows: number, levels: readonly number[]): boolean {
  return (
    rows >= MIN_SUBSET_ROWS && levels.every((count) => count <= MAX_FACTOR_LEVELS && parametersAllowed(count, rows))
  )
}

/** A cell that would point at people. Zero is not one: it counts nobody (docs/spec/analyses.md says what that gives away). */
export function isSmallCell(count: number, { minimumCell }: DisclosureRules): boolean {
  return count > 0 && count < minimumCell
}

export function suppressed(code: string, message: string): Suppression {
  return { kind: 'suppressed', code, message }
}

export const implausible = (): Suppression =>
  suppressed('implausible-sum', 'honest sites cannot have this sum: one of them sent something else')

/** Fewer contributors would publish the numbers of too few organisations. */
export function checkContributors(contributors: number, rules: DisclosureRules): Suppression | undefined {
  if (contributors >= rules.minimumContributors) return undefined
  return suppressed('too-few-contributors', 'too few sites had enough rows')
}

/** A level of a factor, or an outcome: the rows that have it and the sites that have such rows. */
export interface Level {
  readonly rows: number
  readonly sites: number
}

/** A level that few sites have is another name for them: grouping by hospital would undo the sum over hospitals. */
function hasFewSites({ rows, sites }: Level, { minimumContributors }: DisclosureRules): boolean {
  return rows > 0 && sites < Math.min(MIN_COHORT_FLOOR, minimumContributors)
}

/** For cells that are not released one by one: levels, outcomes, and levels by outcome, of a model. */
export function checkCells(counts: readonly number[], rules: DisclosureRules): Suppression | undefined {
  if (!counts.some((count) => isSmallCell(count, rules))) return undefined
  return suppressed('small-cell', 'a level, or a level and an outcome, has too few rows')
}

export function checkSites(levels: readonly Level[], rules: DisclosureRules): Suppression | undefined {
  if (!levels.some((level) => hasFewSites(level, rules))) return undefined
  return suppressed('too-few-contributors', 'a level of a factor, or an outcome, occurs at too few sites')
}

/**
 * Which groups of a partition to withhold, given that the whole is known: every one that is small or occurs at few sites,
 * and, to cover them, the smallest that is neither; together they give away no more than that one might have alone. If
 * there is none, all groups are withheld, empty ones too.
 */
export function withheldGroups(groups: readonly Level[], rules: DisclosureRules): readonly boolean[] {
  const exposed = groups.map((group) => isSmallCell(group.rows, rules) || hasFewSites(group, rules))
  if (!exposed.includes(true)) return exposed
  const rowsOf = (at: number): number => groups[at]?.rows ?? 0
  const others = groups.map((_, at) => at).filter((at) => !exposed[at] && rowsOf(at) > 0)
  const [cover] = others.sort((a, b) => rowsOf(a) - rowsOf(b) || a - b)
  return groups.map((_, at) => cover === undefined || exposed[at] === true || at === cover)
}

/**
 * Which cells of a table (row by row) to withhold, given that its margins are known; undefined if only withholding the
 * margins too would do. Each small cell gets a rectangle, and moving rows around it leaves every margin and every released cell
 * as it is. Rectangles are chosen by what such moves do not change, and their corners hold enough for any number from 1 to
 * minimumCell − 1 in every small cell: whoever knows this rule learns that there is a small cell, not which of these it holds.
 */
export function withheldCells(
  counts: readonly number[],
  columns: number,
  rules: DisclosureRules,
): readonly boolean[] | undefined {
  const withheld = counts.map((count) => isSmallCell(count, rules))
  // what is left in a corner when the small cells of its rectangles have moved as far as they may
  const least = [...counts]
  for (const [at, count] of counts.entries()) {
    if (!isSmallCell(count, rules)) continue
    const corners = roomiestRectangle(at, counts, columns, (cell) => (counts[cell] as number) >= rules.minimumCell)
    if (corners === undefined) return undefined
    const up = rules.minimumCell - 1 - count
    for (const [which, corner] of corners.entries()) {
      withheld[corner] = true
      const rest = (least[corner] as number) - (which === 2 ? count - 1 : up)
      if (rest < rules.minimumCell) return undefined
      least[corner] = rest
    }
  }
  return withheld
}

/**
 * The other corners, the opposite one last, all of them `usable`, with the largest product of the opposite corner's margins;
 * ties go to the first in reading order.
 */
export function roomiestRectangle(
  at: number,
  counts: readonly number[],
  columns: number,
  usable: (cell: number) => boolean,
): readonly number[] | undefined {
  const row = at - (at % columns)
  const column = at % columns
  const rowTotals = new Map<number, number>()
  const columnTotals = new Array<number>(columns).fill(0)
  for (const [cell, count] of counts.entries()) {
    const start = cell - (cell % columns)
    rowTotals.set(start, (rowTotals.get(start) ?? 0) + count)
    columnTotals[cell % columns] = (columnTotals[cell % columns] as number) + count
  }
  let best: readonly number[] | undefined
  let most = 0
  for (const [otherRow, rowTotal] of rowTotals) {
    for (const [otherColumn, columnTotal] of columnTotals.entries()) {
      if (otherRow === row || otherColumn === column) continue
      const corners = [row + otherColumn, otherRow + column, otherRow + otherColumn]
      if (!corners.every(usable)) continue
      if (rowTotal * columnTotal > most) [best, most] = [corners, rowTotal * columnTotal]
    }
  }
  return best
}
