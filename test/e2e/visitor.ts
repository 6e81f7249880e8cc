/** An enrolled member without a daemon: the test itself speaks for it, and says what a daemon never would. */
import '@flamesh/node/shim.js'
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stateFolder } from '@flamesh/node/config/state-folder.js'
import { openControl } from '@flamesh/node/control/call.js'
import type { PeerDocument } from '@flamesh/node/control/documents.js'
import { AddressBook } from '@flamesh/node/network/address-book.js'
import { createHost } from '@flamesh/node/network/host.js'
import { loadIdentity } from '@flamesh/node/store/identity.js'
import { decodeSigned } from '@flamesh/protocol/encoding/signed.js'
import { accept, type Verdict } from '@flamesh/protocol/encoding/verdict.js'
import { decodeBase64 } from '@flamesh/protocol/identity/base.js'
import { encodeWire } from '@flamesh/protocol/wire.js'
import { type Federation, TestNode } from './federation.js'
import { eventually } from './processes.js'

export interface Visitor {
  /** the job of a receipt, as the bytes it was announced with */
  jobOf(receipt: string): Promise<Uint8Array>
  send(name: string, message: Uint8Array): Promise<Verdict>
}

/** Enrols a visitor, connects it, and disconnects it whatever happens. */
export async function visit(federation: Federation, use: (visitor: Visitor) => Promise<void>): Promise<void> {
  const node = new TestNode('visitor', join(federation.folder, 'visitor'))
  await federation.enrol(node, 'researcher')
  const identity = await loadIdentity(stateFolder(node.dir).keysDir)
  const control = openControl(stateFolder(federation.node('site-a').dir))
  const peers = await eventually('the others learn of the visitor', async () => {
    const found = (await control.get<{ peers: readonly PeerDocument[] }>('/peers')).peers
    return found.some(({ name }) => name === node.name) ? found : undefined
  })
  const log = () => undefined
  const host = await createHost({
    identitySeed: identity.seed,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    isMember: () => true,
    onMessage: async () => accept,
    onPeer: () => undefined,
    addressBook: await AddressBook.open({ path: undefined, log }),
    log,
  })
  await host.start()
  try {
    await use({
      async jobOf(receipt) {
        const { job } = JSON.parse(await readFile(receipt, 'utf8')) as { job: string }
        return encodeWire({ type: 'job', job: decodeSigned(decodeBase64(job)) })
      },
      async send(name, message) {
        const peer = peers.find((one) => one.name === name)
        assert.ok(peer)
        // as a daemon does: a stream that ends early is no answer
        return eventually(`an answer from ${name}`, async () => {
          try {
            if (!host.connections().some(({ key }) => key === peer.key)) await host.dial(String(peer.addresses[0]))
            return await host.send(peer.key, message)
          } catch {
            return undefined
          }
        })
      },
    })
  } finally {
    await host.stop()
  }
}
