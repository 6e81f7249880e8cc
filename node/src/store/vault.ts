/**
 * Keys that must be able to vanish: one file each. Implements the `Vault` port and the erasure that step 7 of
 * docs/spec/secure-aggregation.md asks for: overwritten with zeros, synced, unlinked, folder synced. It does not
 * guarantee that the bytes are gone from the medium: an SSD writes elsewhere, and copy-on-write file systems (btrfs,
 * ZFS, overlays), snapshots and backups keep old blocks. Where that matters, put the folder on an encrypted volume or
 * on tmpfs.
 */
import {
  chmodSync,
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { type FileHandle, open, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { assert } from '@flamesh/protocol/errors.js'
import type { Vault } from '@flamesh/protocol/ports.js'
import { createSynced, hasCode, PRIVATE_FOLDER, syncFolder, UNFINISHED, unfinishedName } from './files.js'

/** File systems allow 255 bytes; what is written aside carries a longer name. */
const MAX_NAME_BYTES = 200

/** A file name any file system keeps apart from all others, case-blind ones included; it never begins with a dot. */
function fileName(name: string): string {
  const escaped = Array.from(Buffer.from(name, 'utf8'), (byte) => {
    const char = String.fromCharCode(byte)
    return /[a-z0-9_-]/.test(char) ? char : `%${byte.toString(16).padStart(2, '0')}`
  }).join('')
  assert(escaped.length > 0 && escaped.length <= MAX_NAME_BYTES, 'the name of a secret is empty or too long')
  return escaped
}

async function overwrite(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat()
  await handle.write(new Uint8Array(size), 0, size, 0)
  await handle.sync()
}

/** What a crash left half written or half erased: overwritten and unlinked before anything else happens. */
function scrubUnfinished(folder: string): void {
  for (const name of readdirSync(folder).filter((entry) => entry.startsWith(UNFINISHED))) {
    const file = openSync(join(folder, name), 'r+')
    writeSync(file, new Uint8Array(fstatSync(file).size), 0, undefined, 0)
    fsyncSync(file)
    closeSync(file)
    unlinkSync(join(folder, name))
  }
}

/** Opens, or creates, a vault in a folder of its own (mode 0700; each secret's file has mode 0600). */
export function openVault(folder: string): Vault {
  mkdirSync(folder, { recursive: true, mode: PRIVATE_FOLDER })
  chmodSync(folder, PRIVATE_FOLDER)
  scrubUnfinished(folder)
  const pathOf = (name: string): string => join(folder, fileName(name))

  return {
    /** On disk when it resolves. A secret it replaces is overwritten, after the new one is safe. */
    async put(name, secret) {
      const path = pathOf(name)
      const aside = unfinishedName(path)
      await createSynced(aside, secret)
      const previous = await open(path, 'r+').catch((error) => {
        if (hasCode(error, 'ENOENT')) return undefined
        throw error
      })
      try {
        await rename(aside, path)
        await syncFolder(folder)
        // the old file has no name any more, but its handle still reaches its blocks
        if (previous !== undefined) await overwrite(previous)
      } finally {
        await previous?.close()
      }
    },
    async get(name) {
      try {
        return new Uint8Array(await readFile(pathOf(name)))
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return undefined
        throw error
      }
    },
    /** Renamed first, so that a crash half way can never leave zeros where a key is looked for. */
    async erase(name) {
      const path = pathOf(name)
      const aside = unfinishedName(path)
      try {
        await rename(path, aside)
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return
        throw error
      }
      await syncFolder(folder)
      const handle = await open(aside, 'r+')
      try {
        await overwrite(handle)
      } finally {
        await handle.close()
      }
      await unlink(aside)
      await syncFolder(folder)
    },
    async list() {
      const names = (await readdir(folder)).filter((entry) => !entry.startsWith('.'))
      return names.map((entry) => decodeURIComponent(entry)).sort()
    },
  }
}
