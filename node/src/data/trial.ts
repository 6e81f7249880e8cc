/** Ways of reading the cells of a column, each tried on them, and how it fared. Implements docs/spec/jobs.md, "Datasets". */
import type { Declaration, DeclaredColumn } from './declaration.js'
import {
  DATE_FORMATS,
  DECIMALS,
  DEFAULT_EPOCH,
  GUESSED_DATE_FORMATS,
  type Reading,
  type ReadValue,
  readerOf,
} from './values.js'

/** A way of reading that failed this often, and more often than not, is not tried on the rest of the column. */
const GIVEN_UP_AFTER = 100
/** `1,234` or `1.234`: a decimal fraction, or a sign that groups thousands? */
const LOOKS_GROUPED = /^[+-]?\d{1,3}[.,]\d{3}$/
const WHOLE = /^[+-]?\d+$/
/** What days may look like besides: in two orders, or like numbers. Nobody guesses it, but the operator is told. */
const DOUBTFUL_DATE_FORMATS = DATE_FORMATS.filter((format) => !GUESSED_DATE_FORMATS.includes(format))

/** One way of reading a column, and how it fared. */
export class Trial {
  fits = 0
  fails = 0
  firstFailure = 0
  /** whether the first failure was of a whole number beyond 2^53 */
  failedTooLarge = false
  /** the line of the first number that is not whole; 0: all are */
  firstFraction = 0
  /** whether every value with a sign in it could be one with grouped thousands */
  looksGrouped = true
  signs = 0
  readonly #read: ReadValue

  constructor(readonly reading: Reading) {
    this.#read = readerOf(reading)
  }

  add(cell: string, line: number): void {
    if (this.fails > GIVEN_UP_AFTER && this.fails > this.fits) return
    const value = this.#read(cell)
    if (value === undefined) {
      if (this.fails++ === 0) {
        this.firstFailure = line
        this.failedTooLarge = this.reading.as === 'number' && WHOLE.test(cell)
      }
      return
    }
    this.fits++
    if (typeof value === 'number' && !Number.isInteger(value)) this.firstFraction ||= line
    if (this.reading.as === 'number' && cell.includes(this.reading.decimal)) {
      this.signs++
      this.looksGrouped &&= LOOKS_GROUPED.test(cell)
    }
  }

  /** A cell that was added before came so many times more. */
  again(cell: string, times: number): void {
    if (this.#read(cell) === undefined) this.fails += times
    else this.fits += times
  }

  get fitsAll(): boolean {
    return this.fails === 0
  }
}

export function trialsOf(declared: DeclaredColumn, declaration: Declaration): readonly Trial[] {
  const { type } = declared
  if (type === 'level' || type === 'text') return []
  const epoch = declared.epoch ?? declaration.epoch ?? DEFAULT_EPOCH
  const numbers = (): Trial[] => {
    const decimal = declared.decimal ?? declaration.decimal
    // a column with another decimal sign than the file does not have its sign of thousands
    const inherited = declaration.thousands === declared.decimal ? undefined : declaration.thousands
    const thousands = declared.thousands ?? inherited
    const possible = DECIMALS.filter((one) => (decimal ?? one) === one && one !== thousands)
    return possible.map((one) => new Trial({ as: 'number', decimal: one, ...(thousands && { thousands }) }))
  }
  const formats = declared.format === undefined ? GUESSED_DATE_FORMATS : [declared.format]
  const dates = (): Trial[] => formats.map((format) => new Trial({ as: 'date', format, epoch }))
  if (type === 'date') return dates()
  if (type === 'integer' || type === 'number') return numbers()
  return declared.format === undefined ? [...numbers(), ...dates()] : dates()
}

export function doubtfulTrials({ type, format }: DeclaredColumn): readonly Trial[] {
  if (type !== undefined || format !== undefined) return []
  return DOUBTFUL_DATE_FORMATS.map((one) => new Trial({ as: 'date', format: one, epoch: DEFAULT_EPOCH }))
}
