/** `flamesh dataset add`: a file, or a source that is declared, becomes a dataset of this site. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { requireInitialised, requireOwner } from '../../config/state-folder.js'
import { checkedName } from '../../data/datasets.js'
import type { CommandContext } from '../context.js'
import { openDatasets, type RegisterOptions, registerDataset } from '../register-dataset.js'

export async function datasetAdd(
  context: CommandContext,
  name: string,
  file: string | undefined,
  options: RegisterOptions,
): Promise<undefined> {
  requireInitialised(context.folder)
  await requireOwner(context.folder)
  // before anything is read: that may take an hour
  checkedName(name)
  const store = await openDatasets(context)
  if ((await store.list()).some((one) => one.name === name)) {
    throw new FlameshError('dataset-exists', `this node has a dataset ${name} already`, {
      meta: { dataset: name },
      hint: `flamesh dataset update ${name} FILE makes a new version of it`,
    })
  }
  const added = await registerDataset(context, store, name, file, options)
  context.out.result(
    added,
    () =>
      `dataset ${name}: ${added.rows} rows, ${added.columns.length} columns; ${
        added.announced ? 'announced to the mesh' : 'it will be announced when the daemon starts'
      }`,
  )
}
