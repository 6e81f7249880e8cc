/** `flamesh peers`: who is a member, as the verified log says, and who is connected. */
import type { PeerDocument } from '../../control/documents.js'
import type { CommandContext } from '../context.js'
import { renderTable } from '../table.js'

export async function peers(context: CommandContext): Promise<undefined> {
  const found = await context.control().get<{ peers: readonly PeerDocument[] }>('/peers')
  context.out.result(found, () =>
    renderTable(
      ['name', 'organisation', 'roles', 'state', 'datasets', 'addresses'].map((title) => ({ title })),
      found.peers.map((peer) => [
        peer.name,
        peer.organisation,
        peer.roles.join(', '),
        peer.state === 'self' ? 'this node' : peer.state,
        peer.datasets.join(', '),
        peer.addresses.join(' '),
      ]),
    ),
  )
}
