/** Comma-separated values as RFC 4180 has them, with newlines alone. What is missing, not a number included, is an empty field. */
export type Cell = string | number | boolean | null | undefined

export function csvRecord(cells: readonly Cell[]): string {
  return `${cells.map(field).join(',')}\n`
}

function field(cell: Cell): string {
  if (cell === null || cell === undefined || Number.isNaN(cell)) return ''
  const text = String(cell)
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export function csv(columns: readonly string[], rows: Iterable<readonly Cell[]>): string {
  const lines = [csvRecord(columns)]
  for (const row of rows) lines.push(csvRecord(row))
  return lines.join('')
}
