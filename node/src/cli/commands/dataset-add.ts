/**
 * `flamesh dataset add`: reads a CSV file as declared, infers the rest, has the operator confirm what was guessed and what
 * the mesh may know, copies the rows into the folder, and has a running daemon announce the dataset.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { requireInitialised, requireOwner } from '../../config/state-folder.js'
import { DatasetStore } from '../../data/datasets.js'
import { type DeclarationOptions, declaredBy, withOptions } from '../../data/declaration.js'
import { type Confirmation, type Proposal, proposeSchema } from '../../data/schema.js'
import { loadIdentity } from '../../store/identity.js'
import { canAsk, confirmed } from '../confirm.js'
import type { CommandContext } from '../context.js'
import { proposalText } from '../dataset-text.js'
import { reloadIfRunning } from '../reload.js'

interface AddOptions extends DeclarationOptions {
  readonly yes?: boolean
  readonly rareLevels?: readonly string[]
  readonly withhold?: readonly string[]
  readonly declaration?: string
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
  const { declaration, from } = await declaredBy(file, options.declaration)
  const proposal = await proposeSchema(file, withOptions(declaration, options))
  const confirmation: Confirmation = { rareLevels: options.rareLevels ?? [], withheld: options.withhold ?? [] }
  requireColumns(proposal, [...(options.rareLevels ?? []), ...(options.withhold ?? [])])
  const { form, columns, blankLines, emptyRows } = proposal
  const read = { from: from ?? null, form, columns, blankLines, emptyRows }
  if (options.yes !== true) await confirm(context, proposalText(name, proposal, confirmation, from), read)
  const { datasetSalt } = await loadIdentity(folder.keysDir)
  const store = await DatasetStore.open(folder.datasetsDir, datasetSalt)
  const dataset = await store.add(name, proposal, confirmation)
  const announced = await reloadIfRunning(context)
  out.result(
    { ...dataset, rows: proposal.rows, announced, read },
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

async function confirm(context: CommandContext, preview: string, read: unknown): Promise<void> {
  context.out.stderr.write(`${preview}\n`)
  if (!canAsk(context)) {
    throw new FlameshError('not-confirmed', 'what was read was not confirmed', {
      meta: { read },
      hint: 'look at the table above, then give --yes; --withhold COLUMN and --rare-levels COLUMN change what is published',
    })
  }
  if (await confirmed(context, 'Publish this to the members of the mesh?')) return
  throw new FlameshError('not-confirmed', 'what was read was not confirmed; nothing was added')
}
