/** `flamesh audit verify`: whether the node's own record is whole. */
import { existsSync } from 'node:fs'
import { requireInitialised } from '../../config/state-folder.js'
import { verifyAudit } from '../../store/audit-log.js'
import type { CommandContext } from '../context.js'

export async function auditVerify(context: CommandContext): Promise<undefined> {
  requireInitialised(context.folder)
  const file = context.folder.auditFile
  if (!existsSync(file)) {
    context.out.result({ file, entries: 0, head: null, tornBytes: 0 }, () => 'the audit log is empty')
    return
  }
  const found = await verifyAudit(file)
  context.out.result({ file, ...found }, () => `${found.entries} entries, an unbroken chain; head ${found.head}`)
}
