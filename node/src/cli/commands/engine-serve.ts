/**
 * `flamesh engine serve`: lends the container engine of this machine to nodes of the same site on another one, by TLS with
 * certificates of the site's own authority. In the foreground until a signal ends it.
 */
import { join } from 'node:path'
import { bytesToHex, sha256, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { parseHostPort } from '../../config/host-port.js'
import { readTls } from '../../config/tls-files.js'
import { DEFAULT_SOCKET } from '../../containers/connection.js'
import { ContainerEngine } from '../../containers/engine.js'
import { serveEngine } from '../../containers/remote.js'
import type { CommandContext } from '../context.js'

interface ServeOptions {
  readonly listen: string
  readonly tls: string
  readonly socket?: string
}

export async function engineServe({ folder, out }: CommandContext, options: ServeOptions): Promise<undefined> {
  const { host, port } = parseHostPort(options.listen)
  const tls = await readTls(options.tls)
  // the same for every life of this process: what one leaves behind the next one sweeps
  const name = `lent-${bytesToHex(sha256(utf8ToBytes(folder.dir))).slice(0, 24)}`
  const address = { socketPath: options.socket ?? DEFAULT_SOCKET }
  const engine = new ContainerEngine({ node: name, scratchFolder: join(folder.dir, 'runs'), address })
  const { version } = await engine.check()
  const { containers } = await engine.sweep()
  const server = await serveEngine(engine, { host, port, tls }).catch((cause: unknown) => {
    throw new FlameshError('listen-failed', `cannot listen on ${options.listen}`, {
      hint: 'is the address one of this machine, and the port free? Are the files in the --tls folder PEM?',
      cause,
    })
  })
  out.result(
    { ready: true, host, port: server.port, engine: version, swept: containers },
    () => `lending the engine (version ${version}) at ${host}:${server.port} to certificates of the authority`,
  )
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
  await server.close()
  return undefined
}
