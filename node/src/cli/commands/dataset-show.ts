/** `flamesh dataset show`: one dataset as this site's own operator may see it, and what the mesh sees of it. */
import { requireInitialised } from '../../config/state-folder.js'
import { declaredDerive } from '../../data/declaration.js'
import { sourceText } from '../../data/declared-source.js'
import { deriveText } from '../../data/derive.js'
import { roundRows } from '../../data/schema.js'
import type { CommandContext } from '../context.js'
import { missingText, shown, typeText } from '../dataset-text.js'
import { openDatasets } from '../register-dataset.js'
import { renderFields, renderTable } from '../table.js'

export async function datasetShow(context: CommandContext, name: string): Promise<undefined> {
  const { folder, out } = context
  requireInitialised(folder)
  const store = await openDatasets(context)
  const dataset = await store.show(name)
  const versions = await store.versions(name)
  out.result({ ...dataset, versions }, () => {
    const { form } = dataset
    const derivedBy = (column: string): string => {
      const derive = declaredDerive(dataset.declaration, column)
      return derive === undefined ? '' : deriveText(derive)
    }
    const rows = dataset.columns.map((column, i) => [
      column.name,
      typeText(column),
      missingText(column.missingAs),
      (column.levels ?? []).map((level) => `${level.value} (${level.rows})`).join(', '),
      (dataset.published[i]?.levels ?? []).join(', '),
      derivedBy(column.name),
    ])
    const titles = [
      { title: 'column' },
      { title: 'type' },
      { title: 'missing as' },
      { title: 'levels (rows), here only' },
      { title: 'levels the mesh sees' },
      { title: 'derived from' },
    ]
    const fields = renderFields([
      ['dataset', dataset.name],
      ['rows', `${dataset.rows} (the mesh sees about ${roundRows(dataset.rows)})`],
      ['version', dataset.version],
      [
        'versions',
        versions
          .map(({ version, at, stored }) => `${version.slice(0, 12)} of ${at.slice(0, 10)}${stored ? '' : ', deleted'}`)
          .join('; '),
      ],
      ...(dataset.declaration.source === undefined
        ? []
        : [['source', sourceText(dataset.declaration.source)] as const]),
      [
        'read as',
        form === null
          ? 'the types of its source'
          : `${form.encoding}, separator ${shown(form.separator)}, decimal sign ${shown(form.decimal)}`,
      ],
    ])
    return `${fields}\n${renderTable(titles, rows)}`
  })
}
