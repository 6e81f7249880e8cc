/**
 * `flamesh dataset update`: a new version of a dataset, read as the current one was unless something else is declared;
 * without a file, from the source of the current one. Jobs that were approved keep the version of their approval.
 */
import { requireInitialised, requireOwner } from '../../config/state-folder.js'
import type { CommandContext } from '../context.js'
import { diffText } from '../dataset-text.js'
import { openDatasets, type RegisterOptions, registerDataset } from '../register-dataset.js'

export async function datasetUpdate(
  context: CommandContext,
  name: string,
  file: string | undefined,
  options: RegisterOptions,
): Promise<undefined> {
  requireInitialised(context.folder)
  await requireOwner(context.folder)
  const store = await openDatasets(context)
  const before = await store.show(name)
  const updated = await registerDataset(context, store, name, file, options, before)
  const diff = updated.version === before.version ? null : await store.diff(name, before.version, updated.version)
  context.out.result({ ...updated, diff }, () => {
    if (diff === null) return `dataset ${name}: nothing changed, the version stays`
    const told = updated.announced ? 'announced to the mesh' : 'it will be announced when the daemon starts'
    return `${diffText(name, diff)}\nnew jobs compute on version ${updated.version.slice(0, 12)}; ${told}`
  })
}
