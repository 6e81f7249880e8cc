/** `flamesh job show`: one job, who asks, what for, how far it is; with --preview what would leave this site. */
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { TRAIN_WARNING } from '@flamesh/protocol/trains/policy.js'
import type { JobDocument, PreviewDocument } from '../../control/documents.js'
import type { CommandContext } from '../context.js'
import { renderFields, renderTable, timeText } from '../table.js'

export async function jobShow(
  context: CommandContext,
  id: string,
  options: { readonly preview?: boolean },
): Promise<undefined> {
  const path = `/jobs/${encodeURIComponent(id)}`
  const view = await context.control().get<JobDocument>(path)
  if (options.preview !== true) {
    context.out.result(view, () => renderJob(view))
    return
  }
  const preview = await context.control().get<PreviewDocument>(`${path}/preview`)
  context.out.result(preview, () => `${renderJob(view)}\n${renderPreview(preview, view.body)}`)
}

function renderJob(view: JobDocument): string {
  const { body } = view
  const fields: (readonly [string, string])[] = [
    ['job', view.job],
    ['name', view.name],
    ['purpose', view.purpose === '' ? '(none given)' : view.purpose],
    ['researcher', `${view.researcher} (${view.organisation})${view.mine ? ', this node' : ''}`],
    ['analysis', `${view.analysis} ${JSON.stringify(body.parameters)}`],
    ['dataset', view.dataset],
    ['where', body.where.length === 0 ? 'all rows' : body.where.map(conditionText).join(' and ')],
    ['cohort', `at least ${body.cohort.minimum} organisations, smallest cell ${body.minimumCell}`],
    ...routeFields(body),
    ['open until', timeText(body.notAfter)],
    ['consent', consentText(view)],
    ['status', [view.status, view.code, view.message].filter((part) => part !== undefined).join(', ')],
  ]
  const sites = Object.entries(view.sites)
  if (sites.length === 0) return renderFields(fields)
  const rows = sites.map(([name, site]) => [
    name,
    site.status,
    site.included === undefined ? '' : site.included ? 'yes' : 'no',
    [site.code, site.message].filter((part) => part !== undefined).join(': '),
  ])
  return `${renderFields(fields)}\n${renderTable(
    ['site', 'status', 'in the sum', 'reason'].map((title) => ({ title })),
    rows,
  )}`
}

/** Whoever decides about a train has to know what it is. */
function routeFields({ route }: Job): readonly (readonly [string, string])[] {
  if (route === null) return []
  const silent = route.unreachable === 'skip' ? 'left out' : 'waited for'
  return [['route', `${route.stations.length} stations, one that cannot be reached is ${silent}; ${TRAIN_WARNING}`]]
}

/** What consenting means, before it is done and after. */
function consentText({ consent, status }: JobDocument): string {
  if (consent)
    return "given for this question: this site's own aggregate may become derivable, in this and every later job"
  if (status !== 'announced' && status !== 'waiting') return 'none'
  return 'none; "approve --consent" would let this site\'s own aggregate for this question become derivable, for good'
}

function conditionText({ column, operator, values }: Job['where'][number]): string {
  return `${column} ${operator}${values.length === 0 ? '' : ` ${values.join(', ')}`}`
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
