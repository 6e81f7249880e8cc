/** `flamesh operator key`: a key of one operator's own, to approve jobs with; needs neither a node nor a hub. */
import { makeOperatorKey } from '../../store/operator-key.js'
import type { CommandContext } from '../context.js'

export async function operatorKey({ out }: CommandContext, file: string): Promise<undefined> {
  const { publicKey } = await makeOperatorKey(file)
  out.result({ file, key: publicKey }, () => publicKey)
  out.note(`Keep ${file} to yourself. The policy names you under "approvals" by the key above.`)
}
