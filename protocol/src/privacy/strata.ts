/**
 * Which strata of a count are withheld, given that the whole, the margins and what the strata hold in all are known: those of
 * fewer rows than the minimum, **none included**, or of all but fewer, and others that cover them. Implements
 * docs/spec/analyses/feasibility.md, "Disclosure". What is withheld does not depend on how many rows the few strata have, so
 * whoever knows this rule learns that they are few, and not whether there are any.
 */
import type { DisclosureRules } from '../analyses/analysis.js'
import { MIN_COHORT_FLOOR } from '../limits.js'
import { roomiestRectangle } from './disclosure.js'

/** Rows of a stratum that a question keeps, and those that it does not: infinitely many where it keeps every row there is. */
export interface Stratum {
  readonly kept: number
  readonly others: number
}

/** A level of a factor, with the sites that have any such rows. */
export interface SitedStratum extends Stratum {
  readonly keptSites: number
  readonly othersSites: number
}

export const sumOfStrata = (strata: readonly Stratum[]): Stratum => ({
  kept: strata.reduce((sum, one) => sum + one.kept, 0),
  others: strata.reduce((sum, one) => sum + one.others, 0),
})

/** A stratum is few up to these, none included. */
interface Limits {
  readonly kept: number
  readonly others: number
}

const limitsOf = ({ minimumCell }: DisclosureRules): Limits => ({ kept: minimumCell - 1, others: minimumCell - 1 })

const isWithin = ({ kept, others }: Stratum, limits: Limits): boolean =>
  kept <= limits.kept || (Number.isFinite(others) && others <= limits.others)

/** Too few rows, or too few that are not kept, to be told: none are few. */
export const isFew = (stratum: Stratum, rules: DisclosureRules): boolean => isWithin(stratum, limitsOf(rules))

/** Counts of few sites, on either side, are those of these sites. */
export function isOfFewSites(stratum: SitedStratum, { minimumContributors }: DisclosureRules): boolean {
  const enough = Math.min(MIN_COHORT_FLOOR, minimumContributors)
  return stratum.keptSites < enough || (Number.isFinite(stratum.others) && stratum.othersSites < enough)
}

/** By how much the kept rows of a few stratum could be more, and fewer, for whoever knows how many it has in all. */
function leeway({ kept, others }: Stratum, limits: Limits): { up: number; down: number } {
  if (kept + others <= limits.kept + limits.others) return { up: others, down: kept }
  return kept <= limits.kept ? { up: limits.kept - kept, down: kept } : { up: others, down: limits.others - others }
}

/** The most that a cell can have on either side if it is in a level that is few. */
function mostOf(cell: Stratum, level: Stratum, limits: Limits): Limits {
  const all = cell.kept + cell.others
  if (!Number.isFinite(all)) return { kept: limits.kept, others: 0 }
  if (level.kept + level.others <= limits.kept + limits.others) return { kept: all, others: all }
  return level.kept <= limits.kept
    ? { kept: Math.min(limits.kept, all), others: all }
    : { kept: all, others: Math.min(limits.others, all) }
}

/**
 * Of a partition whose whole is known: few strata, those of few sites, and the first other one in order. Undefined if that one
 * has no room for whatever the few may have: then nothing may be told.
 */
function withheldLevels(strata: readonly SitedStratum[], rules: DisclosureRules): readonly boolean[] | undefined {
  const hidden = strata.map((one) => isFew(one, rules) || isOfFewSites(one, rules))
  if (!hidden.includes(true)) return hidden
  const at = hidden.indexOf(false)
  const cover = strata[at]
  if (cover === undefined) return undefined
  let { kept, others } = cover
  for (const one of strata) {
    if (!isFew(one, rules)) continue
    const { up, down } = leeway(one, limitsOf(rules))
    kept -= up
    others -= down
  }
  if (isFew({ kept, others }, rules)) return undefined
  return hidden.map((is, index) => is || index === at)
}

/** Of a table whose margins are known: as `withheldCells` of disclosure.ts, with none among the few and both sides held to it. */
function withheldStrata(
  cells: readonly Stratum[],
  limits: readonly Limits[],
  width: number,
): readonly boolean[] | undefined {
  const few = cells.map((one, at) => isWithin(one, limits[at] as Limits))
  const withheld = [...few]
  const counts = cells.map(({ kept }) => kept)
  const least = cells.map(({ kept, others }) => ({ kept, others }))
  for (const [at, cell] of cells.entries()) {
    if (!few[at]) continue
    const corners = roomiestRectangle(at, counts, width, (corner) => !few[corner])
    if (corners === undefined) return undefined
    const { up, down } = leeway(cell, limits[at] as Limits)
    for (const [which, corner] of corners.entries()) {
      withheld[corner] = true
      const rest = least[corner] as { kept: number; others: number }
      // the corners beside the few cell move against it, the opposite one with it
      rest.kept -= which === 2 ? down : up
      rest.others -= which === 2 ? up : down
      if (isWithin(rest, limits[corner] as Limits)) return undefined
    }
  }
  return withheld
}

/** What is hidden becomes one entry, the last; without anything hidden there is none. */
export function placesOf(hidden: readonly boolean[]): readonly number[] {
  const shown = hidden.filter((is) => !is).length
  let next = 0
  return hidden.map((is) => (is ? shown : next++))
}

export interface WithheldTable {
  readonly rows: readonly boolean[]
  readonly columns: readonly boolean[]
  /** row by row */
  readonly cells: readonly boolean[]
}

/**
 * Of one factor (no levels of columns) or two. Withheld rows and columns count as one each, since their sums are known, and in
 * that table few cells are covered by rectangles. A cell of it is few as well if, but for what few levels may have at most, it
 * might be. Undefined: nothing but the whole may be told.
 */
export function withheldByStrata(
  cells: readonly Stratum[],
  rowLevels: readonly SitedStratum[],
  columnLevels: readonly SitedStratum[],
  rules: DisclosureRules,
): WithheldTable | undefined {
  const rows = withheldLevels(rowLevels, rules)
  const columns = columnLevels.length === 0 ? [false] : withheldLevels(columnLevels, rules)
  if (rows === undefined || columns === undefined) return undefined
  const width = columns.length
  if (width === 1) return { rows, columns, cells: rows }
  const [rowPlaces, columnPlaces] = [placesOf(rows), placesOf(columns)]
  const mergedWidth = Math.max(...columnPlaces) + 1
  const merged = Array.from({ length: (Math.max(...rowPlaces) + 1) * mergedWidth }, () => ({ kept: 0, others: 0 }))
  const limits = merged.map(() => ({ ...limitsOf(rules) }))
  const placeOf = (row: number, column: number): number =>
    (rowPlaces[row] as number) * mergedWidth + (columnPlaces[column] as number)
  for (const [at, cell] of cells.entries()) {
    const [row, column] = [Math.floor(at / width), at % width]
    const place = placeOf(row, column)
    addTo(merged[place] as Sums, cell)
    const few = [rowLevels[row] as Stratum, columnLevels[column] as Stratum].filter((level) => isFew(level, rules))
    if (few.length === 0) continue
    const most = few.map((level) => mostOf(cell, level, limitsOf(rules)))
    addTo(limits[place] as Sums, {
      kept: Math.min(...most.map(({ kept }) => kept)),
      others: Math.min(...most.map(({ others }) => others)),
    })
  }
  const withheld = withheldStrata(merged, limits, mergedWidth)
  if (withheld === undefined) return undefined
  const isWithheld = (row: number, column: number): boolean =>
    withheld[placeOf(row, column)] === true || rows[row] === true || columns[column] === true
  return { rows, columns, cells: cells.map((_, at) => isWithheld(Math.floor(at / width), at % width)) }
}

interface Sums {
  kept: number
  others: number
}

function addTo(sums: Sums, { kept, others }: Stratum): void {
  sums.kept += kept
  sums.others += others
}
