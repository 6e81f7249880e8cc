/**
 * The node's database: the `Store` port over LevelDB. A write is one atomic batch, synced to disk before it resolves,
 * which is what "persist before you send" in docs/spec/secure-aggregation.md rests on. It does not erase: a deleted
 * value stays in the files until they are compacted, so keys that must vanish belong in the vault.
 */
import { realpath } from 'node:fs/promises'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { Store, Write } from '@flamesh/protocol/ports.js'
import { Level } from 'level'
import { hasCode, makePrivateFolder } from './files.js'

export interface LevelStore extends Store {
  close(): Promise<void>
}

/**
 * Folders open in this process. LevelDB's lock belongs to the process (POSIX fcntl), and its own refusal of a second
 * opening closes a handle on the lock file, which silently gives the lock up.
 */
const openFolders = new Set<string>()

function alreadyRunning(folder: string, cause?: unknown): FlameshError {
  return new FlameshError('already-running', 'another process uses this folder', {
    meta: { folder },
    hint: 'only one daemon can use a folder: stop the other one first (flamesh stop)',
    cause,
  })
}

function openingError(error: unknown, folder: string): FlameshError {
  const cause = error instanceof Error ? error.cause : undefined
  if (hasCode(cause, 'LEVEL_LOCKED')) return alreadyRunning(folder, error)
  return new FlameshError('store-damaged', 'the database of this node cannot be opened', {
    meta: { folder },
    hint: 'check the disk and the rights; do not restore an old copy: a node must not forget its votes',
    cause: error,
  })
}

/** LevelDB hands out Buffers; the protocol compares and encodes plain byte arrays. */
function plainBytes(value: Uint8Array): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
}

/**
 * Opens, or creates, the database in a folder of its own and takes its lock.
 * Throws `already-running` if another process has it and `store-damaged` if it cannot be read.
 */
export async function openStore(folder: string): Promise<LevelStore> {
  await makePrivateFolder(folder)
  const place = await realpath(folder)
  if (openFolders.has(place)) throw alreadyRunning(folder)
  openFolders.add(place)
  const level = new Level<string, Uint8Array>(folder, { keyEncoding: 'utf8', valueEncoding: 'view' })
  try {
    await level.open()
  } catch (error) {
    openFolders.delete(place)
    throw openingError(error, folder)
  }
  return {
    async write(writes: readonly Write[]): Promise<void> {
      const batch = writes.map(({ key, value }) =>
        value === null ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const),
      )
      await level.batch(batch, { sync: true })
    },
    async get(key) {
      const value = await level.get(key)
      return value === undefined ? undefined : plainBytes(value)
    },
    async list(prefix) {
      const found: (readonly [string, Uint8Array])[] = []
      for await (const [key, value] of level.iterator({ gte: prefix })) {
        if (!key.startsWith(prefix)) break
        found.push([key, plainBytes(value)])
      }
      return found
    },
    async close() {
      await level.close()
      openFolders.delete(place)
    },
  }
}
