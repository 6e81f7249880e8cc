/**
 * What an analysis is: a sum over sites, planned from the job's parameters alone. `plan` and `combine` run at every
 * committee member and must agree bit for bit, so they use only integers and the operations that IEEE 754 fixes
 * (+ − × ÷ √); `contribute` runs at a site on its rows, `present` at the recipient on what was released. Implements
 * docs/spec/analyses.md. Nothing here can tell whether a site's numbers are true.
 */
import type { z } from 'zod'

/** A numeric column is a Float64Array with NaN for missing; a column of levels is an array of strings with null for missing. */
export type Column = Float64Array | readonly (string | null)[]

/** One site's rows by column name, `where` already applied. A column the site does not have is absent. */
export interface Rows {
  readonly count: number
  readonly columns: ReadonlyMap<string, Column>
  /** the rows that `where` did not keep, for an analysis that asks for them; absent if it kept every row there is */
  readonly others?: Rows
}

/**
 * A column as an analysis uses it: a name alone means numbers; with `levels` or `is` it is cut by these; `{column}` alone is
 * read as it is.
 */
export type ColumnUse =
  | string
  | { readonly column: string; readonly levels?: readonly string[] | undefined; readonly is?: string | undefined }

/** One word of a site's vector: what it counts or sums, by name, for the preview and the receipt. */
export interface Slot {
  readonly name: string
  /** counts are whole numbers and pass the cell rules at the gate */
  readonly kind: 'count' | 'sum'
}

/** The vector of one round, in the ring of 128 bits. Slot 0 is always `contributors`. */
export interface RoundPlan {
  readonly slots: readonly Slot[]
  /** every |value| a site may contribute; declared in the round's specification */
  readonly bound: number
  /** bits after the binary point of the fixed-point encoding */
  readonly fractionBits: number
}

/** What the release gate holds the sum against. Sites can only raise these. */
export interface DisclosureRules {
  readonly minimumCell: number
  readonly minimumContributors: number
}

export type Outcome<S, R> =
  /** another round with this state, sent to every site of the cohort */
  | { readonly kind: 'state'; readonly state: S }
  /** the numbers, and nothing else, that are sealed to the recipients: finite numbers, strings, null, arrays, records */
  | { readonly kind: 'result'; readonly released: R }
  | Suppression

/** Nothing is released; the code says which rule of disclosure or of the model, never anything else about the data. */
export interface Suppression {
  readonly kind: 'suppressed'
  readonly code: string
  readonly message: string
}

export interface AnalysisContext<P> {
  readonly parameters: P
  readonly rules: DisclosureRules
  /** sites whose vector is in the sum: those that are not contributors were below a rule */
  readonly survivors: number
  /** the job has no `where`: what the sites have in all is what was asked for. Left out it is taken to have one */
  readonly everyRow?: boolean
}

/** Sums that passed the rules, as an image's `reduce` is given them: in the order of the slots. */
export interface Reducible {
  readonly kind: 'reducible'
  readonly values: readonly number[]
  readonly contributors: number
}

export interface Reduction<P, S, R> {
  sums(sum: readonly bigint[], context: AnalysisContext<P>): Reducible | Suppression
  /** from what `reduce` wrote; total */
  outcome(
    values: readonly number[],
    contributors: number,
    context: AnalysisContext<P>,
    state: S | undefined,
  ): Outcome<S, R>
}

/** The levels announced for a column, in order; undefined or empty if none were. */
export type LevelsOf = (column: string) => readonly string[] | undefined

export interface Analysis<P, S, R> {
  readonly name: string
  readonly version: number
  /** several rounds over the same sites (a state goes back to them), or one */
  readonly iterative: boolean
  /** what is computed, layout included, in fixed words: hashed into the analysis's identity (registry.ts) */
  readonly definition: readonly string[]
  /** canonical parameters, as they stand in a signed job: no floats, defaults filled in, unknown fields refused */
  readonly parameters: z.ZodType<P>
  /** states and released numbers, checked on decoding */
  readonly state: z.ZodType<S>
  readonly released: z.ZodType<R>
  /** a site's rows come with those that `where` did not keep */
  readonly others?: true
  /** every column that is read, as it is used */
  columns(parameters: P): readonly ColumnUse[]
  /** into how many public intervals a numeric column is cut, of analyses that do: the finer, the smaller the cells that are opened */
  intervals?(parameters: P): number
  /**
   * From what a user wrote to canonical parameters: fills in defaults and announced levels, leaves anything else for
   * `parameters` to judge. Throws `levels-unknown`.
   */
  complete(written: unknown, levelsOf: LevelsOf): unknown
  /** the layout of the round that starts from `state` (undefined: the first) */
  plan(parameters: P, state: S | undefined): RoundPlan
  /**
   * The site's vector, slot by slot; all zeros if the site is below a rule, which nobody can tell from another. Throws
   * `column-type`, `column-values` or `out-of-bound`.
   */
  contribute(rows: Rows, parameters: P, state: S | undefined): Float64Array
  /**
   * Next state, result or suppression from the opened sum: signed integers scaled by 2^fractionBits, one a slot. Total:
   * whatever the integers, it returns.
   */
  combine(sum: readonly bigint[], context: AnalysisContext<P>, state: S | undefined): Outcome<S, R>
  /** in the place of `combine`: of an image that goes on from the sums by code of its own, run by each member that opens */
  readonly reduction?: Reduction<P, S, R>
  /** estimate, interval, p value, labels: everything a reader expects, from what was released alone */
  present(released: R, parameters: P): Readonly<Record<string, unknown>>
}
