/** `flamesh status`: how the daemon is, on one page. */
import type { StatusDocument } from '../../control/documents.js'
import type { CommandContext } from '../context.js'
import { durationText, renderFields } from '../table.js'

export async function status(context: CommandContext): Promise<undefined> {
  const found = await context.control().get<StatusDocument>('/status')
  context.out.result(found, () => renderStatus(found, Date.now()))
}

export function renderStatus(status: StatusDocument, nowMs: number): string {
  const { hub, log, jobs, restoredMs } = status
  const ago = (ms: number): string => `${durationText(nowMs - ms)} ago`
  const counts = Object.entries(jobs).map(([name, count]) => `${count} ${name}`)
  return renderFields([
    ['node', `${status.name} (${status.organisation}), ${status.roles.join(', ')}`],
    ['key', status.key],
    ['member', status.member ? 'in good standing' : 'NOT in good standing: see "flamesh doctor"'],
    ['daemon', `pid ${status.pid}, flamesh ${status.version}, up ${durationText(nowMs - status.upSinceMs)}`],
    ['listening on', status.listen.join(', ') || 'nothing'],
    ['hub', `${hub.url}, ${hub.reachable ? 'answers' : `does not answer (${hub.problem ?? 'not asked yet'})`}`],
    ['log', `${log.size} statements, checkpoint ${log.checkpointMs === null ? 'none' : ago(log.checkpointMs)}`],
    ['peers', `${status.peers.connected} of ${status.peers.members} connected`],
    ['datasets', status.datasets.join(', ') || 'none'],
    ['policy', status.policy.slice(0, 12)],
    ['jobs', counts.join(', ') || 'none'],
    ...(restoredMs === null ? [] : [['restored', restoredText(ago(restoredMs))] as const]),
  ])
}

/** For good: whoever looks at older jobs of this node has to know. */
const restoredText = (ago: string): string =>
  `started ${ago} on an older copy of its disk; it says nothing new in jobs from before`
