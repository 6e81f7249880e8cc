/** `flamesh job check`: the job that a document would become, held against every site's schema, before anybody signs it. */
import type { Value } from '@flamesh/protocol/encoding/canonical.js'
import { isUnusable } from '@flamesh/protocol/jobs/schema-fit.js'
import { MAX_JOB_BYTES } from '@flamesh/protocol/limits.js'
import { parseYaml, readText } from '../../config/read-file.js'
import type { CheckedJobDocument } from '../../control/documents.js'
import type { CommandContext } from '../context.js'
import { renderFields, renderTable } from '../table.js'

export async function jobCheck(context: CommandContext, file: string): Promise<undefined> {
  const document = await parseYaml(await readText(file, MAX_JOB_BYTES), file)
  const checked = await context.control().post<CheckedJobDocument>('/jobs/check', { document })
  context.out.result(checked, () => checkedText(checked))
}

/** Of each site what does not fit; a site that cannot take part stands out. */
export function checkedText({ body, sites }: CheckedJobDocument): string {
  const fields = renderFields([
    ['analysis', body.analysis.name],
    ['parameters', parameterText(body.parameters)],
    ['columns', [...new Set(sites.flatMap(({ columns }) => columns))].join(', ')],
  ])
  const rows = sites.flatMap(({ site, roundedRows, misfits }) => {
    const about =
      misfits.length === 0 ? ['fits'] : misfits.map((one) => `${isUnusable(one) ? 'no: ' : ''}${one.message}`)
    return about.map((text, at) => (at === 0 ? [site, String(roundedRows), text] : ['', '', text]))
  })
  const columns = [{ title: 'site' }, { title: 'rows', align: 'right' as const }, { title: 'what it announced' }]
  return `${fields}\n${renderTable(columns, rows)}`
}

const parameterText = (parameters: Value): string => JSON.stringify(parameters)
