/** `flamesh audit verify`: whether the node's own record and its ledger are whole. */
import { existsSync } from 'node:fs'
import { requireInitialised } from '../../config/state-folder.js'
import { ledgerFile } from '../../ledger/entries.js'
import { AUDIT_START, type AuditVerification, verifyAudit } from '../../store/audit-log.js'
import type { CommandContext } from '../context.js'

export async function auditVerify(context: CommandContext): Promise<undefined> {
  const { folder, out } = context
  requireInitialised(folder)
  const audit = await verified(folder.auditFile)
  const ledger = await verified(ledgerFile(folder.ledgerDir))
  out.result({ ...audit, ledger }, () => `the audit log: ${textOf(audit)}\nthe ledger: ${textOf(ledger)}`)
}

type Verified = AuditVerification & { readonly file: string }

const verified = async (file: string): Promise<Verified> =>
  existsSync(file) ? { file, ...(await verifyAudit(file)) } : { file, entries: 0, head: AUDIT_START, tornBytes: 0 }

const textOf = ({ entries, head }: Verified): string =>
  entries === 0 ? 'empty' : `${entries} entries, an unbroken chain; head ${head}`
