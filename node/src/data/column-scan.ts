/**
 * What one pass over a column has to remember to say what it holds: counts, never more than a few dozen distinct values,
 * and for each way of reading it how many cells it fits. Implements docs/spec/jobs.md, "Datasets".
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { MAX_FACTOR_LEVELS } from '@flamesh/protocol/limits.js'
import { type Declaration, type DeclaredColumn, declaredColumn } from './declaration.js'
import type { Level, ProposedColumn } from './proposed-column.js'
import type { Origin } from './table.js'
import { doubtfulTrials, type Trial, trialsOf } from './trial.js'
import { type Decimal, MISSING_TOKENS, type Reading, type ReadValue, readerOf } from './values.js'

/** More levels than this share of the rows, and a level is close to being a patient. */
const MAX_LEVELS_PER_ROW = 0.33
/** A level with fewer rows is rare: its existence may name someone. */
export const RARE_LEVEL_ROWS = 5
/** The announcement's own bound (protocol/src/jobs/dataset.ts). */
const MAX_LEVEL_LENGTH = 64

/** What the columns of a file say about its decimal sign: `free` ones only, that nobody declared. */
export interface DecimalEvidence {
  readonly point: boolean
  readonly comma: boolean
}

export class ColumnScan {
  readonly #missing: Map<string, number>
  readonly #trials: readonly Trial[]
  /** what nobody declared, and what is not guessed */
  readonly #doubtful: readonly Trial[]
  readonly #declared: DeclaredColumn
  #present = 0
  #sawPlus = false
  #distinct: Map<string, number> | undefined = new Map()

  constructor(
    readonly name: string,
    private readonly origin: Origin,
    declaration: Declaration,
    /** whether it holds labels, which are no numbers and no days */
    private readonly labels = false,
  ) {
    this.#declared = declaredColumn(declaration, name)
    this.#trials = labels ? [] : trialsOf(this.#declared, declaration)
    this.#doubtful = labels || !this.#isText ? [] : doubtfulTrials(this.#declared)
    const tokens = this.#declared.missing ?? declaration.missing ?? MISSING_TOKENS
    this.#missing = new Map(['', ...tokens].map((token) => [token, 0]))
  }

  add(cell: string, line: number): boolean {
    const missing = this.#missing.get(cell)
    if (missing !== undefined) {
      this.#missing.set(cell, missing + 1)
      return false
    }
    this.#present++
    const count = this.#distinct?.get(cell)
    if (count !== undefined) {
      // most cells of most columns are here: nothing new to learn
      this.#distinct?.set(cell, count + 1)
      return true
    }
    for (const trial of this.#trials) trial.add(cell, line)
    for (const trial of this.#doubtful) if (trial.fitsAll) trial.add(cell, line)
    this.#remember(cell)
    if (cell === '+') this.#sawPlus = true
    return true
  }

  #remember(cell: string): void {
    if (this.#distinct === undefined) return
    // a copy: a part of a text keeps the whole piece of the file alive
    this.#distinct.set(Buffer.from(cell).toString(), 1)
    // "1" and "1.0" are one level of an integer column, but may be two of another: leave room for both
    if (this.#distinct.size <= 2 * MAX_FACTOR_LEVELS && cell.length <= MAX_LEVEL_LENGTH) return
    this.#settle()
    this.#distinct = undefined
  }

  /** Tells the trials how often what they saw once came. */
  #settle(): void {
    for (const [cell, count] of this.#distinct ?? []) {
      for (const trial of this.#trials) trial.again(cell, count - 1)
    }
  }

  #number(decimal: Decimal): Trial | undefined {
    const numbers = this.#trials.filter((trial) => trial.reading.as === 'number')
    return numbers.find(({ reading }) => reading.as === 'number' && reading.decimal === decimal) ?? numbers[0]
  }

  /** Of a column that could be read with either sign: whether one of them alone makes numbers of it. */
  evidence(): DecimalEvidence {
    const [point, comma] = this.#trials.filter(({ reading }) => reading.as === 'number')
    if (point === undefined || comma === undefined || this.#present === 0) return { point: false, comma: false }
    return { point: point.fitsAll && !comma.fitsAll, comma: comma.fitsAll && !point.fitsAll }
  }

  #levels(read: ReadValue | undefined): Level[] | undefined {
    if (this.#distinct === undefined) return undefined
    const counts = new Map<string, number>()
    for (const [cell, count] of this.#distinct) {
      const value = read === undefined ? cell : String(read(cell))
      counts.set(value, (counts.get(value) ?? 0) + count)
    }
    const rows = this.#present + this.missing
    const few = this.#declared.type === 'level' || counts.size <= MAX_LEVELS_PER_ROW * rows
    if (counts.size > MAX_FACTOR_LEVELS || !few) return undefined
    return [...counts]
      .map(([value, count]) => ({ value, rows: count, rare: count < RARE_LEVEL_ROWS }))
      .sort((a, b) => (read !== undefined ? Number(a.value) - Number(b.value) : a.value < b.value ? -1 : 1))
  }

  get missing(): number {
    return [...this.#missing.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Consumes the scan. Throws `csv-value` if a cell is not what was declared, or `too-many-levels`. */
  result(decimal: Decimal): ProposedColumn {
    this.#settle()
    const { type } = this.#declared
    const missingAs = Object.fromEntries([...this.#missing].filter(([, count]) => count > 0))
    const guessed = type === undefined && !this.labels
    const common = { name: this.name, guessed, missing: this.missing, missingAs }
    const found = type === undefined ? this.#guess(decimal) : this.#declaredAs(type, decimal)
    const plus =
      this.#sawPlus && (missingAs['-'] ?? 0) > 0 ? '"-" was taken for missing, and there is "+": declare what is' : ''
    const notes = [found.note ?? '', plus].filter((note) => note !== '')
    return { ...common, ...found, note: notes.length === 0 ? undefined : notes.join('; ') }
  }

  #declaredAs(type: NonNullable<DeclaredColumn['type']>, decimal: Decimal): Found {
    switch (type) {
      case 'text':
        return { type: 'text', reading: { as: 'text' }, levels: undefined, note: 'declared as text: not kept' }
      case 'level': {
        const levels = this.#levels(undefined)
        if (levels === undefined) {
          throw new FlameshError(
            'too-many-levels',
            `column ${this.name} has more than ${MAX_FACTOR_LEVELS} levels, or one of more than ${MAX_LEVEL_LENGTH} characters`,
            { meta: { file: this.origin.name, column: this.name }, hint: 'map them to fewer, or declare it as text' },
          )
        }
        return { type: 'level', reading: { as: 'level' }, levels, note: undefined }
      }
      case 'date':
        return this.#dates(this.#trials.reduce((best, trial) => (trial.fits > best.fits ? trial : best)))
      case 'integer':
      case 'number':
        return this.#numbers(this.#number(decimal) as Trial, type)
    }
  }

  #wrong(line: number, what: string, count: string): FlameshError {
    const { name, unit } = this.origin
    return new FlameshError('csv-value', `${unit} ${line}, column ${this.name}: not ${what}${count}`, {
      meta: { file: name, [unit]: line, column: this.name },
      hint: 'correct it, declare it as missing, or declare another type',
    })
  }

  #dates(trial: Trial): Found {
    const { reading } = trial
    if (reading.as !== 'date') throw new TypeError('not the trial of a date')
    if (!trial.fitsAll) throw this.#wrong(trial.firstFailure, `a day as ${reading.format}`, others(trial.fails))
    return { type: 'integer', reading, levels: undefined, note: `days since ${reading.epoch}` }
  }

  #numbers(trial: Trial, type: 'integer' | 'number' | undefined): Found {
    const { reading } = trial
    const kind = trial.failedTooLarge ? 'a whole number below 2^53' : 'a number'
    if (!trial.fitsAll) throw this.#wrong(trial.firstFailure, kind, others(trial.fails))
    const whole = trial.firstFraction === 0
    if (type === 'integer' && !whole) throw this.#wrong(trial.firstFraction, 'a whole number', '')
    const doubtful = reading.as === 'number' && reading.thousands === undefined && trial.signs > 0 && trial.looksGrouped
    const note =
      doubtful && this.#isText
        ? 'read as fractions; if the sign groups thousands, declare it with thousands'
        : this.#daysNote()
    if (!whole || type === 'number') return { type: 'number', reading, levels: undefined, note }
    return { type: 'integer', reading, levels: this.#levels(readerOf(reading)), note }
  }

  #guess(decimal: Decimal): Found {
    const number = this.#number(decimal)
    // a column without a single value may be anything; as a number it takes part in every analysis, with no rows
    if (this.#present === 0 && !this.labels) {
      const reading: Reading = number?.reading ?? { as: 'number', decimal }
      return { type: 'number', reading, levels: undefined, note: 'no row has a value' }
    }
    if (number?.fitsAll) return this.#numbers(number, undefined)
    const date = this.#trials.find((trial) => trial.reading.as === 'date' && trial.fitsAll)
    if (date !== undefined) return this.#dates(date)
    if (this.#declared.format !== undefined) return this.#dates(this.#trials[0] as Trial)
    const levels = this.#levels(undefined)
    const note = this.#almost(number)
    if (levels !== undefined) return { type: 'level', reading: { as: 'level' }, levels, note }
    return {
      type: 'text',
      reading: { as: 'text' },
      levels: undefined,
      note: note ?? 'too many different values to be levels: not kept',
    }
  }

  /** A source with types has said what it means. */
  get #isText(): boolean {
    return this.origin.unit === 'line'
  }

  #daysNote(): string | undefined {
    const formats = this.#present === 0 ? [] : this.#doubtful.filter(({ fitsAll }) => fitsAll)
    const named = formats.map(({ reading }) => (reading.as === 'date' ? `date:${reading.format}` : ''))
    return named.length === 0 ? undefined : `may be days: declare ${named.join(' or ')}`
  }

  /** What a column would be, but for something that its operator can mend. */
  #almost(number: Trial | undefined): string | undefined {
    const other = this.#trials.find(({ reading, fitsAll }) => reading.as === 'number' && fitsAll)
    if (other?.reading.as === 'number') {
      const sign = other.reading.decimal === ',' ? 'comma' : 'point'
      return `looks like numbers with a decimal ${sign}: declare decimal "${other.reading.decimal}"`
    }
    const dates = this.#trials.filter(({ reading }) => reading.as === 'date')
    for (const [trial, what] of [[number, 'numbers'] as const, ...dates.map((one) => [one, 'days'] as const)]) {
      if (trial === undefined || trial.fits <= trial.fails) continue
      return `${what} but for ${trial.fails} values, the first in ${this.origin.unit} ${trial.firstFailure}`
    }
    return this.#daysNote()
  }
}

type Found = Pick<ProposedColumn, 'type' | 'reading' | 'levels' | 'note'>

const others = (fails: number): string => (fails > 1 ? `, the first of ${fails} or more` : '')
