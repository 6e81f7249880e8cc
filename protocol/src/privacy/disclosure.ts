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

/**
 * Of analyses that pool a few numbers of each site: what they release are equations for these, and one of the sites knows its own.
 * With so many sites there are fewer equations than numbers (docs/spec/analyses/meta-analysis.md, mantel-haenszel.md).
 */
export const MIN_SITES_BY_SITE = 5

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
  return withheldAcross([groups], rules)[0] as readonly boolean[]
}

/**
 * The same for parts that are `exposed` for whatever reason, with so many rows each. Nobody covers who has none.
 */
export function withCover(exposed: readonly boolean[], rows: readonly number[]): readonly boolean[] {
  return exposed.includes(true) ? covered(exposed, coverOf(exposed, rows)) : exposed
}

/** The smallest that is not exposed, the first of several; undefined if there is none. */
function coverOf(exposed: readonly boolean[], rows: readonly number[]): number | undefined {
  const others = [...rows.keys()].filter((at) => !exposed[at] && (rows[at] as number) > 0)
  return others.sort((a, b) => (rows[a] as number) - (rows[b] as number) || a - b)[0]
}

const covered = (exposed: readonly boolean[], cover: number | undefined): readonly boolean[] =>
  exposed.map((is, at) => cover === undefined || is || at === cover)

/**
 * The same for several partitions of nearly the same rows by one factor, as of columns that lack different values: one group covers
 * in all of them, the smallest over all that is small, exposed or empty in none. Two covers would be released against each other.
 */
export function withheldAcross(
  partitions: readonly (readonly Level[])[],
  rules: DisclosureRules,
): readonly (readonly boolean[])[] {
  const exposed = partitions.map((groups) =>
    groups.map((group) => isSmallCell(group.rows, rules) || hasFewSites(group, rules)),
  )
  const all = [...(partitions[0] ?? []).keys()]
  const unfit = all.map((at) => partitions.some((groups, which) => exposed[which]?.[at] || groups[at]?.rows === 0))
  const cover = coverOf(
    unfit,
    all.map((at) => partitions.reduce((sum, groups) => sum + (groups[at]?.rows ?? 0), 0)),
  )
  return exposed.map((groups) => (groups.includes(true) ? covered(groups, cover) : groups))
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

/** What is hidden of a list becomes one entry, its last; without anything hidden there is none. */
export function placesOf(hidden: readonly boolean[]): readonly number[] {
  const shown = hidden.filter((is) => !is).length
  let next = 0
  return hidden.map((is) => (is ? shown : next++))
}

/**
 * Which cells to withhold, given that rows and columns of a table are known but for the hidden ones: what is known of those is their
 * sum, so they are one row and one column of the table that is protected. Undefined if only withholding margins would do.
 */
export function withheldInside(
  cells: readonly number[],
  hiddenRows: readonly boolean[],
  hiddenColumns: readonly boolean[],
  rules: DisclosureRules,
): readonly boolean[] | undefined {
  const [rowOf, columnOf] = [placesOf(hiddenRows), placesOf(hiddenColumns)]
  const width = Math.max(...columnOf) + 1
  const merged = new Array<number>((Math.max(...rowOf) + 1) * width).fill(0)
  const placeOf = (at: number): number =>
    (rowOf[Math.floor(at / columnOf.length)] as number) * width + (columnOf[at % columnOf.length] as number)
  cells.forEach((count, at) => {
    merged[placeOf(at)] = (merged[placeOf(at)] as number) + count
  })
  const withheld = withheldCells(merged, width, rules)
  if (withheld === undefined) return undefined
  return cells.map(
    (_, at) =>
      withheld[placeOf(at)] === true ||
      hiddenRows[Math.floor(at / columnOf.length)] === true ||
      hiddenColumns[at % columnOf.length] === true,
  )
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
