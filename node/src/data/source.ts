/**
 * Where rows come from that do not stand in a CSV file. A source is read once, in one snapshot, into a private file
 * (spool.ts), and from there on its rows go the way of those of a CSV file. Implements docs/spec/jobs.md, "Datasets".
 */

/** How cells of a source are written, and what becomes of them unless the operator declares something else. */
export type SourceType =
  /** whole numbers in decimal digits; kept as they are, and an error beyond 2^53 */
  | 'integer'
  /** decimal numbers with a point, `e` notation allowed */
  | 'number'
  /** `yyyy-mm-dd`, perhaps followed by `T` or a space and a time: an error, unless the operator declares `date` and so takes the day */
  | 'date'
  /** labels, never numbers, whatever they look like; kept if they are few, else as `text` */
  | 'level'
  /** not kept */
  | 'text'

export interface SourceColumn {
  readonly name: string
  /** undefined: guessed from the cells, as in a CSV file */
  readonly type?: SourceType
}

export interface SourceTable {
  /** in the order of the cells of a row; the names are checked by whoever reads */
  readonly columns: readonly SourceColumn[]
  /**
   * Consume once: the rows in order, many at a time, each with a cell for every column; null is the only missing value. A
   * cell is no repair: NaN is given as `NaN`, and whoever reads says in which row it stands. Messages of what it throws
   * hold no value of the data.
   */
  readonly batches: AsyncIterable<readonly (readonly (string | null)[])[]>
  /** Ends what the rows come from, also before they were all read. */
  close(): Promise<void>
}
