/** A column of a source, as it was found or declared. It holds counts and rare levels: it stays at the site. */
import type { ColumnDescription } from '@flamesh/protocol/jobs/dataset.js'
import type { Reading } from './values.js'

export type ColumnType = ColumnDescription['type']

export interface Level {
  readonly value: string
  readonly rows: number
  readonly rare: boolean
}

/** One column as the site's own operator sees it. */
export interface ProposedColumn {
  readonly name: string
  /** a date is an integer: days since the epoch of its reading */
  readonly type: ColumnType
  /** whether nobody declared the type */
  readonly guessed: boolean
  readonly reading: Reading
  readonly missing: number
  /** which tokens stood for a missing value, and how often; the empty one among them */
  readonly missingAs: Readonly<Record<string, number>>
  /** in order: numeric for integers, else by code unit; undefined if there are too many to be levels */
  readonly levels: readonly Level[] | undefined
  /** something the operator should look at */
  readonly note: string | undefined
}
