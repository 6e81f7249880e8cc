/** `flamesh policy show`: the policy of this folder, with every default filled in. */
import { policyHash } from '@flamesh/protocol/jobs/policy.js'
import { currentPolicy } from '../../config/policy-file.js'
import { requireInitialised } from '../../config/state-folder.js'
import type { CommandContext } from '../context.js'

export async function policyShow(context: CommandContext): Promise<undefined> {
  requireInitialised(context.folder)
  const { policy, text } = await currentPolicy(context.folder)
  const { stringify } = await import('yaml')
  const hash = policyHash(policy)
  const origin = text === undefined ? 'the default policy, which asks about every job' : context.folder.policyFile
  context.out.result(
    { hash, file: text === undefined ? null : context.folder.policyFile, policy },
    () => `# ${origin}\n# hash ${hash}\n${stringify(policy)}`,
  )
}
