/**
 * The values of one column while resources go by: of each patient what is needed to pick one value, and nothing else. The
 * value does not depend on the order in which resources come.
 */
import type { Found, Misfit } from './fhirpath.js'
import { MAX_TEXTS } from './limits.js'
import type { PickRule } from './mapping.js'

/** Numbers by row; NaN where there is none. */
class Cells {
  #cells = new Float64Array(1024).fill(Number.NaN)

  get(row: number): number {
    return row < this.#cells.length ? (this.#cells[row] as number) : Number.NaN
  }

  set(row: number, value: number): void {
    if (row >= this.#cells.length) {
      const grown = new Float64Array(Math.max(row + 1, this.#cells.length * 2)).fill(Number.NaN)
      grown.set(this.#cells)
      this.#cells = grown
    }
    this.#cells[row] = value
  }
}

type Kind = Exclude<Found['kind'], 'misfit'>
type Fitting = Exclude<Found, { kind: 'misfit' }>

const dayText = (day: number): string => {
  const text = new Date(day * 86_400_000).toISOString()
  return text.slice(0, text.indexOf('T'))
}

export class ColumnStore {
  #kind: Kind | undefined
  readonly #values = new Cells()
  /** of first and last: when; of mean: how many values */
  readonly #second = new Cells()
  /** of mean: what rounding took from the sum */
  readonly #rest = new Cells()
  readonly #texts: string[] = []
  readonly #codes = new Map<string, number>()

  constructor(private readonly pick: PickRule | undefined) {}

  /** One resource that counts; `found` may be empty, `time` is given for first and last. */
  add(row: number, found: readonly Fitting[], time: number | undefined): Misfit | undefined {
    if (this.pick === 'count' || this.pick === 'exists') {
      this.#kind = 'number'
      const before = this.#values.get(row)
      this.#values.set(row, this.pick === 'exists' || Number.isNaN(before) ? 1 : before + 1)
      return undefined
    }
    const many = this.pick !== undefined && ['min', 'max', 'mean'].includes(this.pick)
    if (found.length > 1 && !many) return 'several values'
    for (const one of found) {
      const misfit = this.#add(row, one, time)
      if (misfit !== undefined) return misfit
    }
    return undefined
  }

  #add(row: number, found: Fitting, time: number | undefined): Misfit | undefined {
    this.#kind ??= found.kind
    if (found.kind !== this.#kind) return 'values of different kinds'
    if (found.kind === 'text' && ['min', 'max', 'mean'].includes(this.pick ?? ''))
      return 'not a number, a date or a text'
    if (found.kind === 'day' && this.pick === 'mean') return 'values of different kinds'
    const value = found.kind === 'text' ? this.#codeOf(found.value) : found.value
    if (value === undefined) return 'more different texts than are kept'
    const before = this.#values.get(row)
    const none = Number.isNaN(before)
    switch (this.pick) {
      case 'mean':
        return this.#addToMean(row, value)
      case 'min':
      case 'max':
        if (none || (this.pick === 'min' ? value < before : value > before)) this.#values.set(row, value)
        return undefined
      case 'first':
      case 'last': {
        if (time === undefined) return 'without a time'
        const when = this.#second.get(row)
        const nearer = this.pick === 'first' ? time < when : time > when
        if (none || nearer || (time === when && this.#before(value, before))) {
          this.#values.set(row, value)
          this.#second.set(row, time)
        }
        return undefined
      }
      default:
        this.#values.set(row, value)
        return undefined
    }
  }

  /** Of two values at the same time the smaller one is taken: something has to decide, and not the order of pages. */
  #before(one: number, other: number): boolean {
    if (this.#kind !== 'text') return one < other
    return (this.#texts[one] as string) < (this.#texts[other] as string)
  }

  /** Sums twice as precisely as a number holds, so that the mean is the same in any order. */
  #addToMean(row: number, value: number): undefined {
    const count = this.#second.get(row)
    const sum = Number.isNaN(count) ? 0 : this.#values.get(row)
    const rest = Number.isNaN(count) ? 0 : this.#rest.get(row)
    const next = sum + value
    const part = next - sum
    const lost = sum - (next - part) + (value - part) + rest
    const high = next + lost
    this.#values.set(row, high)
    this.#rest.set(row, lost - (high - next))
    this.#second.set(row, Number.isNaN(count) ? 1 : count + 1)
  }

  #codeOf(text: string): number | undefined {
    const known = this.#codes.get(text)
    if (known !== undefined) return known
    if (this.#texts.length >= MAX_TEXTS) return undefined
    this.#codes.set(text, this.#texts.length)
    return this.#texts.push(text) - 1
  }

  /** As it goes into the table. */
  cell(row: number): string | null {
    const value = this.#values.get(row)
    if (this.pick === 'count' || this.pick === 'exists') return String(Number.isNaN(value) ? 0 : value)
    if (Number.isNaN(value)) return null
    if (this.#kind === 'text') return this.#texts[value] as string
    if (this.#kind === 'day') return dayText(value)
    return String(this.pick === 'mean' ? (value + this.#rest.get(row)) / this.#second.get(row) : value)
  }

  /** Of the cells of these rows; undefined if there is no value. */
  type(rows: Iterable<number>): 'integer' | 'number' | 'date' | 'level' | undefined {
    if (this.pick === 'count' || this.pick === 'exists') return 'integer'
    if (this.#kind === 'text') return 'level'
    if (this.#kind === 'day') return 'date'
    if (this.#kind === undefined) return undefined
    if (this.pick === 'mean') return 'number'
    for (const row of rows) {
      const value = this.#values.get(row)
      if (!Number.isNaN(value) && !Number.isSafeInteger(value)) return 'number'
    }
    return 'integer'
  }
}
