/**
 * Where the control socket of a folder lies. A Unix socket's path may have about 100 bytes; in a deeper folder the socket
 * lies in a private temporary folder instead, and the state folder records its path. Implements docs/reference/cli.md,
 * "The daemon".
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { StateFolder } from '../config/state-folder.js'

/** Linux allows 107 bytes, macOS 103. */
const MAX_SOCKET_PATH_BYTES = 100
const TEMPORARY_PREFIX = 'flamesh-'

/** The path to connect to. Throws `socket-untrusted` if the recorded folder is not this folder's owner's. */
export function findSocket(folder: StateFolder): string {
  if (!existsSync(folder.socketPointer)) return folder.socketFile
  const path = readFileSync(folder.socketPointer, 'utf8').trim()
  const parent = statSync(dirname(path), { throwIfNoEntry: false })
  // After a restart of the machine anyone may have made a folder of the recorded name.
  if (parent !== undefined && parent.uid !== statSync(folder.dir).uid) {
    throw new FlameshError('socket-untrusted', `the folder of the control socket ${path} belongs to someone else`, {
      hint: `remove ${folder.socketPointer} and start the daemon again`,
    })
  }
  return path
}

/** Clears what an earlier daemon left and names the path to listen on. Only for the holder of the store's lock. */
export async function claimSocket(folder: StateFolder): Promise<string> {
  await releaseSocket(folder)
  if (Buffer.byteLength(folder.socketFile) <= MAX_SOCKET_PATH_BYTES) return folder.socketFile
  const base = Buffer.byteLength(tmpdir()) <= MAX_SOCKET_PATH_BYTES - 30 ? tmpdir() : '/tmp'
  const path = join(await mkdtemp(join(base, TEMPORARY_PREFIX)), 'control.sock')
  await writeFile(folder.socketPointer, `${path}\n`, { mode: 0o600 })
  return path
}

/** Removes the socket, and the temporary folder it may lie in. */
export async function releaseSocket(folder: StateFolder): Promise<void> {
  await rm(folder.socketFile, { force: true })
  if (!existsSync(folder.socketPointer)) return
  const parent = dirname(readFileSync(folder.socketPointer, 'utf8').trim())
  const owner = statSync(parent, { throwIfNoEntry: false })?.uid
  if (basename(parent).startsWith(TEMPORARY_PREFIX) && owner === statSync(folder.dir).uid) {
    await rm(join(parent, 'control.sock'), { force: true })
    await rm(parent, { recursive: true, force: true })
  }
  await rm(folder.socketPointer, { force: true })
}
