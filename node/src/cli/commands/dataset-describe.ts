/** `flamesh dataset describe`: what the mesh is told of a dataset in words, from now on. The rows and their version stay. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { requireInitialised, requireOwner } from '../../config/state-folder.js'
import { readDeclaration } from '../../data/declaration.js'
import { catalogueText } from '../catalogue-text.js'
import { canAsk, confirmed } from '../confirm.js'
import type { CommandContext } from '../context.js'
import { openDatasets } from '../register-dataset.js'
import { reloadIfRunning } from '../reload.js'

export async function datasetDescribe(
  context: CommandContext,
  name: string,
  file: string | undefined,
  { yes, none }: { readonly yes?: boolean; readonly none?: boolean },
): Promise<undefined> {
  requireInitialised(context.folder)
  await requireOwner(context.folder)
  const store = await openDatasets(context)
  await store.show(name)
  if ((file === undefined) !== (none === true))
    throw new FlameshError('usage', 'there is to be either a file or --none', {
      hint: `flamesh dataset describe ${name} FILE`,
    })
  const catalogue = file === undefined ? undefined : await catalogueOf(file)
  if (yes !== true) {
    context.out.stderr.write(
      `${catalogue === undefined ? 'The mesh would be told nothing in words.\n' : catalogueText(catalogue)}\n`,
    )
    if (!canAsk(context) || !(await confirmed(context, 'Publish this to the members of the mesh?')))
      throw new FlameshError('not-confirmed', 'nothing was published', {
        hint: 'look at what is above, then give --yes',
      })
  }
  await store.describe(name, catalogue)
  const announced = await reloadIfRunning(context)
  context.out.result({ name, catalogue: catalogue ?? null, announced }, () =>
    announced
      ? `dataset ${name}: announced to the mesh`
      : `dataset ${name}: it will be announced when the daemon starts`,
  )
}

async function catalogueOf(file: string) {
  const { catalogue } = await readDeclaration(file)
  if (catalogue !== undefined) return catalogue
  throw new FlameshError('declaration-invalid', `${file} has no field catalogue`, {
    meta: { file, path: 'catalogue' },
    hint: 'catalogue: { title: … }; see docs/reference/datasets.md',
  })
}
