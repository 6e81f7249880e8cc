/** What an operator reads about data: every guess and what the mesh would see of a file, and what changed between versions. */

import { sourceText } from '../data/declared-source.js'
import type { ColumnDiff, DatasetDiff } from '../data/diff.js'
import type { ProposedColumn } from '../data/proposed-column.js'
import { type Confirmation, type FileForm, type Proposal, publishedColumns, roundRows } from '../data/schema.js'
import type { Found } from '../data/table.js'
import { renderFields, renderTable } from './table.js'

export const shown = (token: string): string => (token === '' ? 'nothing' : token === '\t' ? 'tab' : `"${token}"`)

function formLines({
  encoding,
  separator,
  decimal,
  thousands,
  missing,
}: FileForm): readonly (readonly [string, string])[] {
  const line = <T>(label: string, option: string, found: Found<T>, text: string): readonly [string, string] => [
    label,
    found.guessed ? `${text} (a guess: ${found.because}; --${option} declares it)` : text,
  ]
  return [
    line('encoding', 'encoding', encoding, encoding.value),
    line('separator', 'separator', separator, shown(separator.value)),
    line('decimal sign', 'decimal', decimal, shown(decimal.value)),
    line('thousands', 'thousands', thousands, thousands.value === null ? 'none' : shown(thousands.value)),
    line('missing', 'missing', missing, missing.value.map(shown).join(' ')),
  ]
}

function formText(proposal: Proposal, from?: string): string {
  const { table, form, sources, columns, blankLines, emptyRows } = proposal
  const { source } = proposal.declaration
  const isKept = (name: string): boolean => columns.some((one) => one.name === name && one.reading.as !== 'derived')
  const dropped = sources.map(({ name }) => name).filter((name) => !isKept(name))
  return renderFields([
    ...(from === undefined ? [] : [['declared by', from] as const]),
    ...(source === undefined ? [] : [['source', sourceText(source)] as const]),
    ...(form === undefined ? [['types', `as in ${table.name}`] as const] : formLines(form)),
    ...table.notes.map((note) => ['note', note] as const),
    ...(dropped.length === 0 ? [] : [['read, not kept', dropped.join(', ')] as const]),
    ...(blankLines === 0 ? [] : [['blank lines', `${blankLines}, which are no rows`] as const]),
    ...(emptyRows.rows === 0
      ? []
      : [
          [
            'empty rows',
            `${emptyRows.rows}, the first in ${table.unit} ${emptyRows.firstLine}; they count as rows`,
          ] as const,
        ]),
  ])
}

export function typeText({ type, reading }: Pick<ProposedColumn, 'type' | 'reading'>): string {
  return reading.as === 'date' ? `date ${reading.format}` : type
}

export const missingText = (missingAs: Readonly<Record<string, number>>): string =>
  Object.entries(missingAs)
    .map(([token, count]) => `${shown(token)} ×${count}`)
    .join(' ')

/** `from`: the file the declarations are from. */
export function proposalText(
  name: string,
  proposal: Proposal,
  confirmation: Confirmation,
  from: string | undefined,
): string {
  const published = publishedColumns(proposal.columns, confirmation)
  const rows = proposal.columns.map((column, i) => [
    column.name,
    `${typeText(column)}${column.guessed ? '?' : ''}`,
    missingText(column.missingAs),
    (published[i]?.levels ?? []).join(', '),
    [
      ...(column.note === undefined ? [] : [column.note]),
      ...(column.levels ?? [])
        .filter((level) => level.rare && !published[i]?.levels?.includes(level.value))
        .map((level) => `"${level.value}" has ${level.rows} ${level.rows === 1 ? 'row' : 'rows'} and is not published`),
    ].join('; '),
  ])
  const columns = [
    { title: 'column' },
    { title: 'type' },
    { title: 'missing as' },
    { title: 'levels the mesh would see' },
    { title: 'note' },
  ]
  return [
    formText(proposal, from),
    `${renderTable(columns, rows)}A type with "?" is a guess: --type COLUMN=TYPE declares it.`,
    `The mesh would see the name ${name}, these columns and levels, and about ${roundRows(proposal.rows)} rows (there are ${
      proposal.rows
    }). Nothing else of this table is published.`,
  ].join('\n')
}

function levelChange({ value, before, now }: ColumnDiff['levels'][number]): string {
  if (before === 0) return `+"${value}" (${now})`
  return now === 0 ? `-"${value}" (${before})` : `"${value}" ${before} → ${now}`
}

const change = (before: string | number | undefined, now: string | number | undefined): string =>
  before === now ? String(now) : `${before ?? 'none'} → ${now ?? 'none'}`

export function columnDiffText(columns: readonly ColumnDiff[]): string {
  if (columns.length === 0) return 'Columns, levels and missing values are as they were.'
  const titles = ['changed column', 'type', 'missing', 'rows with a level'].map((title) => ({ title }))
  return renderTable(
    titles,
    columns.map(({ name, before, now, levels }) => [
      name,
      change(before?.type, now?.type),
      change(before?.missing, now?.missing),
      levels.map(levelChange).join(', '),
    ]),
  )
}

export function diffText(name: string, { from, to, columns, rows }: DatasetDiff): string {
  return [
    `dataset ${name}, ${from.version.slice(0, 12)} → ${to.version.slice(0, 12)}: ${change(from.rows, to.rows)} rows`,
    rows === null
      ? 'no column to compare rows by'
      : `${rows.same} rows are the same, ${rows.removed} are gone, ${rows.added} are new (a changed row is gone and new)`,
    columnDiffText(columns),
  ].join('\n')
}
