/** `flamesh dataset diff`: what differs between two versions of a dataset, in counts. */
import { requireInitialised } from '../../config/state-folder.js'
import type { CommandContext } from '../context.js'
import { diffText } from '../dataset-text.js'
import { openDatasets } from '../register-dataset.js'

interface DiffOptions {
  readonly from?: string
  readonly to?: string
}

export async function datasetDiff(
  context: CommandContext,
  name: string,
  { from, to }: DiffOptions,
): Promise<undefined> {
  requireInitialised(context.folder)
  const diff = await (await openDatasets(context)).diff(name, from, to)
  context.out.result(diff, () => diffText(name, diff))
}
