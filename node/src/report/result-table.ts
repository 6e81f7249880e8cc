/** One table of a result, as it is shown and as it stands in a CSV file. */

/** Null: withheld, or there is no such number. Undefined: the row has no such field. */
export type Value = number | string | boolean | null | undefined

export interface ResultColumn {
  /** in the CSV */
  readonly name: string
  readonly title: string
  /** keys come first and say what a row is about; a p value is a number */
  readonly kind: 'key' | 'number' | 'p' | 'text'
}

export interface ResultTable {
  /** the name of its CSV file */
  readonly id: string
  readonly title: string
  readonly columns: readonly ResultColumn[]
  readonly rows: readonly (readonly Value[])[]
  /** counts by two factors: read with the second across, with the count of everyone in the corner */
  readonly across?: { readonly corner: Value }
}
