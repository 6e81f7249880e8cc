/** Plain text tables for a terminal: columns as wide as their widest cell, numbers to the right. */
import { printable } from './output.js'

export interface TableColumn {
  readonly title: string
  readonly align?: 'left' | 'right'
}

export function renderTable(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(printable))
  const widths = columns.map((column, i) => Math.max(column.title.length, ...clean.map((row) => (row[i] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => {
        const width = widths[i] ?? 0
        return columns[i]?.align === 'right' ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return `${[line(columns.map((column) => column.title)), ...clean.map(line)].join('\n')}\n`
}

/** Aligned "label  value" lines. */
export function renderFields(fields: readonly (readonly [string, string])[]): string {
  const width = Math.max(...fields.map(([label]) => label.length))
  return fields
    .map(([label, value]) => `${label.padEnd(width)}  ${printable(value)}`.trimEnd())
    .join('\n')
    .concat('\n')
}

export function shortId(id: string): string {
  return id.slice(0, 12)
}

export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** 45 s, 12 min, 3 h, 2 d */
export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 90) return `${seconds} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}
