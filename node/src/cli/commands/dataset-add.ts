/**
 * `flamesh dataset add`: infers a CSV file's schema, has the operator confirm what the mesh may know, copies the rows into
 * the folder, and has a running daemon announce the dataset.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { requireInitialised, requireOwner } from '../../config/state-folder.js'
import { DatasetStore } from '../../data/datasets.js'
import { type Confirmation, type Proposal, proposeSchema, publishedColumns, roundRows } from '../../data/schema.js'
import { loadIdentity } from '../../store/identity.js'
import { canAsk, confirmed } from '../confirm.js'
import type { CommandContext } from '../context.js'
import { reloadIfRunning } from '../reload.js'
import { renderTable } from '../table.js'

interface AddOptions {
  readonly yes?: boolean
  readonly rareLevels?: readonly string[]
  readonly withhold?: readonly string[]
}

export async function datasetAdd(
  context: CommandContext,
  name: string,
  file: string,
  options: AddOptions,
): Promise<undefined> {
  const { folder, out } = context
  requireInitialised(folder)
  await requireOwner(folder)
  const proposal = await proposeSchema(file)
  const confirmation: Confirmation = { rareLevels: options.rareLevels ?? [], withheld: options.withhold ?? [] }
  requireColumns(proposal, [...(options.rareLevels ?? []), ...(options.withhold ?? [])])
  if (options.yes !== true) await confirm(context, name, proposal, confirmation)
  const { datasetSalt } = await loadIdentity(folder.keysDir)
  const store = await DatasetStore.open(folder.datasetsDir, datasetSalt)
  const dataset = await store.add(name, proposal, confirmation)
  const announced = await reloadIfRunning(context)
  out.result(
    { ...dataset, rows: proposal.rows, announced },
    () =>
      `dataset ${name}: ${proposal.rows} rows, ${proposal.columns.length} columns; ${
        announced ? 'announced to the mesh' : 'it will be announced when the daemon starts'
      }`,
  )
}

function requireColumns(proposal: Proposal, names: readonly string[]): void {
  const known = proposal.columns.map((column) => column.name)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new FlameshError('usage', `the file has no column ${unknown}`, { hint: `its columns are ${known.join(', ')}` })
}

async function confirm(
  context: CommandContext,
  name: string,
  proposal: Proposal,
  confirmation: Confirmation,
): Promise<void> {
  context.out.stderr.write(`${proposalText(name, proposal, confirmation)}\n`)
  if (!canAsk(context)) {
    throw new FlameshError('not-confirmed', 'the inferred schema was not confirmed', {
      hint: 'look at the schema above, then give --yes; --withhold COLUMN and --rare-levels COLUMN change what is published',
    })
  }
  if (await confirmed(context, 'Publish this to the members of the mesh?')) return
  throw new FlameshError('not-confirmed', 'the inferred schema was not confirmed; nothing was added')
}

function proposalText(name: string, proposal: Proposal, confirmation: Confirmation): string {
  const published = publishedColumns(proposal.columns, confirmation)
  const rows = proposal.columns.map((column, i) => [
    column.name,
    column.type,
    String(column.missing),
    (published[i]?.levels ?? []).join(', '),
    [
      ...(column.note === undefined ? [] : [column.note]),
      ...(column.levels ?? [])
        .filter((level) => level.rare && !published[i]?.levels?.includes(level.value))
        .map((level) => `"${level.value}" has ${level.rows} rows and is not published`),
    ].join('; '),
  ])
  const columns = [
    { title: 'column' },
    { title: 'type' },
    { title: 'missing', align: 'right' as const },
    { title: 'levels the mesh would see' },
    { title: 'note' },
  ]
  return `${renderTable(columns, rows)}\nThe mesh would see the name ${name}, these columns and levels, and about ${roundRows(
    proposal.rows,
  )} rows (there are ${proposal.rows}). Nothing else of this table is published.`
}
