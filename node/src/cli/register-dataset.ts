/**
 * What `dataset add` and `dataset update` share: a file or a source is read as declared, the rest is inferred, the operator confirms
 * what was guessed and what the mesh may know, the rows are copied into the folder, and a running daemon announces them.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { DatasetStore } from '../data/datasets.js'
import { type Declaration, type DeclarationOptions, declaredBy, withOptions } from '../data/declaration.js'
import { diffColumns } from '../data/diff.js'
import { withTable } from '../data/open-table.js'
import { type Confirmation, type Proposal, proposeSchema } from '../data/schema.js'
import type { StoredDataset } from '../data/stored-schema.js'
import { loadIdentity } from '../store/identity.js'
import { catalogueText } from './catalogue-text.js'
import { canAsk, confirmed } from './confirm.js'
import type { CommandContext } from './context.js'
import { columnDiffText, proposalText } from './dataset-text.js'
import { reloadIfRunning } from './reload.js'

export interface RegisterOptions extends DeclarationOptions {
  readonly yes?: boolean
  readonly rareLevels?: readonly string[]
  readonly withhold?: readonly string[]
  readonly declaration?: string
}

export async function openDatasets({ folder }: CommandContext): Promise<DatasetStore> {
  const { datasetSalt } = await loadIdentity(folder.keysDir)
  return DatasetStore.open(folder.datasetsDir, datasetSalt)
}

/** `before`: the version that this one follows; what was declared and confirmed of it holds unless said otherwise. */
export async function registerDataset(
  context: CommandContext,
  store: DatasetStore,
  name: string,
  file: string | undefined,
  options: RegisterOptions,
  before?: StoredDataset,
) {
  const written = await declaredBy(file, options.declaration)
  const from = written.from ?? (before === undefined ? undefined : `version ${before.version.slice(0, 12)}`)
  const base = written.from === undefined && before !== undefined ? before.declaration : written.declaration
  const named = `flamesh dataset add ${name} FILE`
  const declaration = forFile(file, withOptions(base, options), written.from, named)
  return withTable(context.folder.scratchDir, file, declaration, async (table) => {
    const proposal = await proposeSchema(table, declaration)
    requireColumns(proposal, [...(options.rareLevels ?? []), ...(options.withhold ?? [])])
    const confirmation: Confirmation = {
      rareLevels: options.rareLevels ?? before?.confirmation.rareLevels ?? [],
      withheld: options.withhold ?? before?.confirmation.withheld ?? [],
    }
    const { rows, form, columns, blankLines, emptyRows } = proposal
    const { notes } = table
    const read = { from: from ?? null, form: form ?? null, notes, columns, blankLines, emptyRows }
    if (options.yes === true) for (const note of notes) context.out.stderr.write(`note: ${note}\n`)
    else {
      const changes = before === undefined ? '' : `\n\n${columnDiffText(diffColumns(before.columns, columns))}`
      const words = written.catalogue === undefined ? '' : `\n\n${catalogueText(written.catalogue)}`
      await confirm(context, `${proposalText(name, proposal, confirmation, from)}${words}${changes}`, read)
    }
    const dataset = await store.add(name, proposal, confirmation)
    // what was told of another dataset of this name, long retired, is not told of this one
    if (written.catalogue !== undefined || before === undefined) await store.describe(name, written.catalogue)
    const announced = await reloadIfRunning(context)
    return { ...dataset, rows, announced, read }
  })
}

/**
 * Where the rows come from has to be clear: a file takes the place of a source of the version before. `written`: the file that
 * declares, `named`: how a file would be named. Throws `usage`.
 */
export function forFile(
  file: string | undefined,
  declaration: Declaration,
  written: string | undefined,
  named: string,
): Declaration {
  const { source, ...rest } = declaration
  if (file === undefined && source === undefined) {
    throw new FlameshError('usage', 'there is neither a file nor a declaration with a source', {
      hint: `${named}, or --declaration FILE with a field source`,
    })
  }
  if (file !== undefined && source !== undefined && written !== undefined) {
    throw new FlameshError('usage', `${written} declares a source, and a file is named too`, {
      hint: 'leave out one of the two',
    })
  }
  return file === undefined ? declaration : rest
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
