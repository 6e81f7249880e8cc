/**
 * The hub's folder: its key, its log, the newest checkpoint apart from the log, and the control socket while it serves.
 * The checkpoint stands apart so that a log that lost its end is noticed (a damaged store may open without it). What
 * nobody can notice here is a whole folder put back from an old copy: see docs/guide/registry-operator.md.
 */
import { chmod, mkdir, open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Signer } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { readPrivate, SEED_BYTES, signerOf } from './key-file.js'

export const folderPaths = (dir: string) => ({
  key: join(dir, 'hub.key'),
  log: join(dir, 'log'),
  checkpoint: join(dir, 'checkpoint'),
  socket: join(dir, 'control.sock'),
})

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** Makes the folder, for its owner alone. Throws `hub-exists` rather than touch a key or a log that is there. */
export async function makeFolder(dir: string): Promise<void> {
  const { key, log } = folderPaths(dir)
  if (await exists(key)) {
    throw new FlameshError('hub-exists', `${dir} is a hub already`, {
      hint: 'use it as it is, or choose another folder',
    })
  }
  if (await exists(log)) {
    throw new FlameshError('hub-exists', `${dir} holds a log but not the key that signed it`, {
      hint: 'restore hub.key from your backup, or choose another folder',
    })
  }
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await chmod(dir, 0o700)
}

/** The key reaches the disk when there is a log to go with it. */
export const keepKey = (dir: string, seed: Uint8Array) => writeSynced(folderPaths(dir).key, seed)

/** Throws `hub-not-initialised`, `key-permissions` or `hub-key-mismatch`. */
export async function readKey(dir: string): Promise<Signer> {
  const path = folderPaths(dir).key
  if (!(await exists(path))) {
    throw new FlameshError('hub-not-initialised', `there is no hub in ${dir}`, {
      hint: 'run: flamesh-hub init --dir DIR',
    })
  }
  const seed = await readPrivate(path)
  if (seed.length !== SEED_BYTES) {
    throw new FlameshError('hub-key-mismatch', `${path} is not a hub key`, { hint: 'restore hub.key from your backup' })
  }
  return signerOf(seed)
}

/** The checkpoint kept apart from the log; undefined if the file is missing. */
export async function readCheckpoint(dir: string): Promise<Uint8Array | undefined> {
  const path = folderPaths(dir).checkpoint
  return (await exists(path)) ? new Uint8Array(await readFile(path)) : undefined
}

export const keepCheckpoint = (dir: string, bytes: Uint8Array) => writeSynced(folderPaths(dir).checkpoint, bytes)

/** Replaces a file by a whole one, mode 0600, on disk before it resolves. */
async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  const folder = await open(join(path, '..'), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
