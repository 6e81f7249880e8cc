/**
 * Files that survive a crash: written aside, synced, renamed, and the folder synced too. It does not guarantee anything
 * that the disk or the hypervisor below only pretends to have written.
 */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Owner only: what a node keeps is nobody else's business. */
export const PRIVATE_FILE = 0o600
export const PRIVATE_FOLDER = 0o700

/** Names that begin like this are unfinished; nothing reads them. */
export const UNFINISHED = '.unfinished-'

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** A folder only its owner can enter, whatever the umask says. */
export async function makePrivateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER })
  await chmod(folder, PRIVATE_FOLDER)
}

/** Makes renames and unlinks in a folder durable (fsync of the directory, POSIX). */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export function unfinishedName(path: string): string {
  return join(dirname(path), `${UNFINISHED}${basename(path).slice(0, 100)}-${randomBytes(6).toString('hex')}`)
}

/** Creates a file that does not exist yet, on disk when it resolves; its name is durable only after `syncFolder`. */
export async function createSynced(path: string, content: Uint8Array | string): Promise<void> {
  const handle = await open(path, 'wx', PRIVATE_FILE)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Puts `content` at `path` in one step: a reader, or a crash, meets the old file or the new one, never a mixture. */
export async function replaceSynced(path: string, content: Uint8Array | string): Promise<void> {
  const aside = unfinishedName(path)
  try {
    await createSynced(aside, content)
    await rename(aside, path)
  } catch (error) {
    await unlink(aside).catch(() => undefined)
    throw error
  }
  await syncFolder(dirname(path))
}
