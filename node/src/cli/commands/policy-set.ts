/** `flamesh policy set`: checks a policy, puts it in the folder and, if a daemon runs, in force. */
import { policyHash } from '@flamesh/protocol/jobs/policy.js'
import { readPolicyFile } from '../../config/policy-file.js'
import { requireInitialised, requireOwner } from '../../config/state-folder.js'
import { replaceSynced } from '../../store/files.js'
import type { CommandContext } from '../context.js'
import { reloadIfRunning } from '../reload.js'

export async function policySet(context: CommandContext, file: string): Promise<undefined> {
  requireInitialised(context.folder)
  await requireOwner(context.folder)
  const { text, policy } = await readPolicyFile(file)
  await replaceSynced(context.folder.policyFile, text)
  const inForce = await reloadIfRunning(context)
  const hash = policyHash(policy)
  context.out.result({ policy: hash, inForce }, () =>
    inForce
      ? `policy ${hash.slice(0, 12)} is in force`
      : `policy ${hash.slice(0, 12)} will be in force when the daemon starts`,
  )
}
