/** `flamesh catalogue show`: what one site announced of one dataset, also as DCAT. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { suggest } from '@flamesh/protocol/jobs/document.js'
import { jsonLdOf } from '../../catalogue/dcat.js'
import type { Announced } from '../../catalogue/search.js'
import type { PeerDocument } from '../../control/documents.js'
import { catalogueText } from '../catalogue-text.js'
import type { CommandContext } from '../context.js'
import { renderFields, renderTable } from '../table.js'

export async function catalogueShow(
  context: CommandContext,
  which: string,
  { jsonLd }: { readonly jsonLd?: boolean },
): Promise<undefined> {
  const control = context.control()
  const { datasets: announced } = await control.get<{ datasets: Announced }>('/catalogue')
  const all = Object.entries(announced).flatMap(([site, datasets]) => datasets.map((dataset) => ({ site, dataset })))
  const found = all.find(({ site, dataset }) => `${site}/${dataset.name}` === which)
  if (found === undefined) {
    throw new FlameshError('not-found', `no dataset ${which} is announced`, {
      hint:
        suggest(
          which,
          all.map(({ site, dataset }) => `${site}/${dataset.name}`),
        ) ?? 'no site has announced any dataset yet: is this node connected?',
    })
  }
  const { peers } = await control.get<{ peers: readonly PeerDocument[] }>('/peers')
  const { site, dataset } = found
  const { organisation = '', key = '' } = peers.find(({ name }) => name === site) ?? {}
  if (jsonLd === true) {
    const document = jsonLdOf({ name: site, organisation, key }, dataset)
    context.out.result(document, () => JSON.stringify(document, null, 2))
    return
  }
  context.out.result({ site, organisation, ...dataset }, () => {
    const { name, roundedRows, columns, catalogue } = dataset
    const rows = columns.map(({ name: column, type, levels = [], epoch }) => [
      column,
      epoch === undefined ? type : `${type}, days since ${epoch}`,
      levels.join(', '),
    ])
    return [
      renderFields([
        ['dataset', name],
        ['site', `${site} (${organisation})`],
        ['rows', `about ${roundedRows}`],
      ]) + (catalogue === undefined ? '' : catalogueText(catalogue)),
      renderTable([{ title: 'column' }, { title: 'type' }, { title: 'levels announced' }], rows),
    ].join('\n')
  })
}
