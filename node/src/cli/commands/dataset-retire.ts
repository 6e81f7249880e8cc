/** `flamesh dataset retire`: a dataset is announced no longer, and its rows are deleted once no job needs them. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { requireInitialised, requireOwner } from '../../config/state-folder.js'
import { canAsk, confirmed } from '../confirm.js'
import type { CommandContext } from '../context.js'
import { openDatasets } from '../register-dataset.js'
import { reloadIfRunning } from '../reload.js'

export async function datasetRetire(
  context: CommandContext,
  name: string,
  { yes }: { readonly yes?: boolean },
): Promise<undefined> {
  requireInitialised(context.folder)
  await requireOwner(context.folder)
  const store = await openDatasets(context)
  const { rows } = await store.show(name)
  if (yes !== true) {
    const sure = canAsk(context) && (await confirmed(context, `Retire ${name} and delete its ${rows} rows?`))
    if (!sure) {
      throw new FlameshError('not-confirmed', 'nothing was retired', {
        hint: 'give --yes; jobs that were approved still compute on their version',
      })
    }
  }
  const { version } = await store.retire(name)
  const announced = await reloadIfRunning(context)
  context.out.result(
    { name, version, announced },
    () => `dataset ${name} is retired: no new job can use it; its rows are deleted once no job needs them`,
  )
}
