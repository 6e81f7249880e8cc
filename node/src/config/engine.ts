/** The container engine that a node's configuration names: on its own machine, or lent by another one of the site. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { ContainerEngine } from '../containers/engine.js'
import { type Engine, RemoteEngine } from '../containers/remote.js'
import { parseHostPort } from './host-port.js'
import type { Config } from './settings.js'
import type { StateFolder } from './state-folder.js'
import { readTls } from './tls-files.js'

/** Undefined if it names none. Throws what reading certificates throws. */
export async function configuredEngine(folder: StateFolder, config: Config, node: Hex): Promise<Engine | undefined> {
  if (config.containerHost !== '') {
    const { host, port } = parseHostPort(config.containerHost)
    return new RemoteEngine(host, port, await readTls(config.containerTls))
  }
  if (config.containerSocket === '') return undefined
  const address = { socketPath: config.containerSocket }
  return new ContainerEngine({ node, scratchFolder: folder.runsDir, address })
}
