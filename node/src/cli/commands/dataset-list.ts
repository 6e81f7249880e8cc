/** `flamesh dataset list`: this site's datasets and, from a running daemon, those announced in the mesh. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { DatasetAnnouncement } from '@flamesh/protocol/jobs/dataset.js'
import { requireInitialised } from '../../config/state-folder.js'
import { DatasetStore } from '../../data/datasets.js'
import { loadIdentity } from '../../store/identity.js'
import type { CommandContext } from '../context.js'
import { renderTable } from '../table.js'

type Catalogue = Readonly<Record<string, readonly DatasetAnnouncement[]>>

export async function datasetList(context: CommandContext): Promise<undefined> {
  const { folder, out } = context
  requireInitialised(folder)
  const { datasetSalt } = await loadIdentity(folder.keysDir)
  const store = await DatasetStore.open(folder.datasetsDir, datasetSalt)
  const own = await store.describeDatasets()
  const mesh = await announced(context)
  out.result({ datasets: own, mesh }, () => {
    const columns = [
      { title: 'dataset' },
      { title: 'site' },
      { title: 'rows about', align: 'right' as const },
      { title: 'columns' },
    ]
    const line =
      (site: string) =>
      (one: DatasetAnnouncement): string[] => [
        one.name,
        site,
        String(one.roundedRows),
        one.columns.map((column) => column.name).join(', '),
      ]
    const rows =
      mesh === null ? own.map(line('this node')) : Object.entries(mesh).flatMap(([site, all]) => all.map(line(site)))
    const note = mesh === null ? '\n(the daemon is not running: datasets of other sites are not known)\n' : ''
    return rows.length === 0 ? `no datasets${note}` : renderTable(columns, rows) + note
  })
}

async function announced(context: CommandContext): Promise<Catalogue | null> {
  try {
    return (await context.control().get<{ datasets: Catalogue }>('/catalogue')).datasets
  } catch (error) {
    if (error instanceof FlameshError && error.code === 'daemon-unreachable') return null
    throw error
  }
}
