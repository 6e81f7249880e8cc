/** `flamesh job show`: everything that whoever approves a job has to know; with --preview what would leave this site. */
import type { Job } from '@flamesh/protocol/jobs/job.js'
import type { PreviewDocument, ShownJobDocument } from '../../control/documents.js'
import type { CommandContext } from '../context.js'
import { renderJob } from '../render-job.js'
import { renderTable } from '../table.js'

export async function jobShow(
  context: CommandContext,
  id: string,
  options: { readonly preview?: boolean },
): Promise<undefined> {
  const path = `/jobs/${encodeURIComponent(id)}`
  const view = await context.control().get<ShownJobDocument>(path)
  if (options.preview !== true) {
    context.out.result(view, () => renderJob(view))
    return
  }
  const preview = await context.control().get<PreviewDocument>(`${path}/preview`)
  context.out.result(preview, () => `${renderJob(view)}\n${renderPreview(preview, view.body)}`)
}

function renderPreview({ slots }: PreviewDocument, { route }: Job): string {
  const table = renderTable(
    [{ title: 'slot' }, { title: 'value', align: 'right' }],
    slots.map(({ slot, value }) => [slot, String(value)]),
  )
  const how =
    route === null
      ? 'masked so that only the sum over all sites can be read'
      : 'added to what the stations before it added, and read by the next one'
  return `What would leave this site, ${how}:\n${table}`
}
