/**
 * The control socket of a running daemon: a Unix socket that only the folder's owner can open, with the file that names
 * the process. Implements docs/reference/cli.md, "The daemon". Whoever can open it may do all that the operator may.
 */
import { chmod, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { StateFolder } from '../config/state-folder.js'
import { type Route, serveRoutes } from './router.js'
import { claimSocket, releaseSocket } from './socket-path.js'

export interface ControlSocket {
  readonly path: string
  close(): Promise<void>
}

/** Opens the socket; only for the holder of the store's lock, since it removes what an earlier daemon left. */
export async function openControlSocket(folder: StateFolder, routes: readonly Route[]): Promise<ControlSocket> {
  const path = await claimSocket(folder)
  const listener = createServer(serveRoutes(routes))
  // a stream of `job watch` may stay silent for hours
  listener.requestTimeout = 0
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(path, () => {
      listener.off('error', reject)
      resolve()
    })
  })
  await chmod(path, 0o600)
  await writeFile(folder.pidFile, `${process.pid}\n`, { mode: 0o600 })
  return {
    path,
    async close() {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()))
      listener.closeIdleConnections()
      setTimeout(() => listener.closeAllConnections(), 200).unref()
      await closed
      await releaseSocket(folder)
      await rm(folder.pidFile, { force: true })
    },
  }
}
