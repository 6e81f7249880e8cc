/** What the pictures of a result share: what a picture is, and fields of a result read as the lists they should be. */
import type { Figure } from '@flamesh/protocol/report/figure.js'
import { type Anchor, escaped, FONT_PX, fitted, tag, text } from '@flamesh/protocol/report/svg.js'
import { type Fields, isFields, isList } from '../values.js'

/** The numbers are in the tables of the report. */
export type Picture = Omit<Figure, 'table'>

/** The pictures of one shape of result; none of another shape. */
export type Shape = (result: Fields) => readonly Picture[]

export type Numbers = readonly (number | null)[]

/** A list of finite numbers and nulls; undefined if the field is none, or of another length. */
export function numbersOf(result: Fields, key: string, length?: number): Numbers | undefined {
  const list = result[key]
  if (!isList(list) || (length !== undefined && list.length !== length)) return undefined
  return list.every((one) => one === null || Number.isFinite(one)) ? (list as Numbers) : undefined
}

export function textsOf(result: Fields, key: string, length?: number): readonly string[] | undefined {
  const list = result[key]
  if (!isList(list) || (length !== undefined && list.length !== length)) return undefined
  return list.every((one) => typeof one === 'string') ? (list as readonly string[]) : undefined
}

export function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

export interface Named {
  readonly rows: readonly string[]
  readonly cols: readonly string[]
  readonly values: readonly (readonly (number | null)[])[]
}

/** A record of records of numbers, each with the same names. */
export function namedMatrix(value: unknown): Named | undefined {
  if (!isFields(value)) return undefined
  const rows = Object.keys(value)
  const cols = isFields(value[rows[0] ?? '']) ? Object.keys(value[rows[0] ?? ''] as Fields) : []
  if (cols.length === 0 || !rows.every((row) => isFields(value[row]))) return undefined
  return { rows, cols, values: rows.map((row) => cols.map((col) => numberOf((value[row] as Fields)[col]))) }
}

/** The column of a factor, or of an event. */
export function columnOf(named: unknown): string | undefined {
  if (typeof named === 'string') return named
  return isFields(named) && typeof named['column'] === 'string' ? named['column'] : undefined
}

/** "sex 1" of "sex=1", as a group is called elsewhere. */
export function groupName(name: string, by: string | undefined): string {
  return by !== undefined && name.startsWith(`${by}=`) ? `${by} ${name.slice(by.length + 1)}` : name
}

/** "status = 2", or a column that is 0 or 1. */
export function eventText(event: unknown): string {
  const column = columnOf(event) ?? 'event'
  return isFields(event) && event['is'] !== undefined ? `${column} = ${String(event['is'])}` : column
}

/** A heading within a picture is larger and bold: as wide as plain text of this size. */
const HEAD_PX = 14

/** Text that is cut where there is no room for it, and then tells all of it when pointed at. */
export function label(
  x: number,
  y: number,
  content: string,
  room: number,
  style = 'label',
  anchor: Anchor = 'start',
): string {
  const shown = fitted(content, room, /\bhead\b/.test(style) ? HEAD_PX : FONT_PX)
  const drawn = text(x, y, shown, style, anchor)
  return shown === content ? drawn : tag('g', {}, tag('title', {}, escaped(content)) + drawn)
}

/** A name before a number: after one that is written from right to left, the number goes on from left to right. */
export const named = (name: string): string => (/[\u0590-\u08ff\ufb1d-\ufefc]/.test(name) ? `${name}\u200e` : name)

/** How to say several of something. */
export function listed(items: readonly string[], most = 4): string {
  const shown = items.slice(0, most)
  const more = items.length - shown.length
  return `${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`
}
