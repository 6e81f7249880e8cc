/** Comma-separated values as RFC 4180 has them, with newlines alone. */
export type Cell = string | number | boolean | undefined

const cellText = (cell: Cell): string => {
  const text = cell === undefined ? '' : String(cell)
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export function csv(columns: readonly string[], rows: Iterable<readonly Cell[]>): string {
  const lines = [columns.join(',')]
  for (const row of rows) lines.push(row.map(cellText).join(','))
  return `${lines.join('\n')}\n`
}
