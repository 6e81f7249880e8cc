/** What a result is made of, read without trusting that it is what it should be. */

import type { ResultColumn, Value } from './result-table.js'
import { labelOf } from './words.js'

export type Fields = Readonly<Record<string, unknown>>

/** A record of its own; a factor is a value. */
export function isRecord(value: unknown): value is Fields {
  return isFields(value) && typeof value['column'] !== 'string'
}

export function isNested(value: unknown): value is Fields {
  return isRecord(value) && Object.values(value).some(isRecord)
}

export function isRecords(value: unknown): value is readonly Fields[] {
  return isList(value) && value.length > 0 && value.every(isRecord)
}

export function isMeasure(value: unknown): value is Fields {
  if (!isFields(value)) return false
  const { estimate, lower, upper } = value
  return (
    [estimate, lower, upper].every((part) => part === null || typeof part === 'number') &&
    Object.values(value).every(isScalar)
  )
}

/** Lists of one length beside each other, at least one of them names: the columns of a table. */
export function parallelLists(value: unknown): readonly string[] {
  if (!isRecord(value)) return []
  const lists = Object.entries(value).filter(
    (entry): entry is [string, readonly Value[]] => isList(entry[1]) && entry[1].length > 0 && entry[1].every(isScalar),
  )
  const length = lists.find(([, list]) => list.every((one) => typeof one === 'string'))?.[1].length
  const keys = lists.filter(([, list]) => list.length === length).map(([key]) => key)
  return keys.length > 1 ? keys : []
}

/** One field, or those of a record by their names; nothing of what is empty. */
export function flattened(key: string, value: unknown): readonly (readonly [string, unknown])[] {
  if (isList(value) && value.length === 0) return []
  if (!isRecord(value)) return [[key, value]]
  return Object.entries(value).flatMap(([inner, one]) => flattened(`${key}.${inner}`, one))
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

export function listOf(value: unknown): readonly unknown[] {
  return isList(value) ? value : []
}

export function isScalar(value: unknown): value is Value {
  return value === null || ['number', 'string', 'boolean'].includes(typeof value)
}

/** Lists become one text, of numbers with every digit. */
export function toValue(value: unknown): Value {
  if (value === undefined || isScalar(value)) return value as Value
  if (isList(value)) return value.map((one) => String(toValue(one) ?? '–')).join(', ')
  if (isFields(value) && typeof value['column'] === 'string') return factorText(value['column'], value)
  return JSON.stringify(value)
}

/** A factor as analyses describe it: a column with its levels, or one level against the rest. */
export function factorText(column: string, { is, levels, ...rest }: Fields): string {
  const reference = typeof rest['reference'] === 'string' ? `, reference ${rest['reference']}` : ''
  if (is !== undefined) return `${column} is ${String(is)}`
  return isList(levels) ? `${column} (${levels.join(', ')}${reference})` : column
}
/** Whether a field is a p value. */
export const isP = (name: string): boolean => /(^|[._])p([._]|$)/.test(name)

export const numberColumn = (name: string, title = labelOf(name)): ResultColumn => ({
  name,
  title,
  kind: isP(name) ? 'p' : 'number',
})
