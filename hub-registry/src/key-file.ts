/**
 * Files that hold the seed of one Ed25519 key and nothing else: the hub's own, and a reviewer's. For their owner alone; a
 * file that others can read is refused.
 */
import { randomBytes } from 'node:crypto'
import { open, readFile, stat } from 'node:fs/promises'
import { bytesToHex } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import type { Signer } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'

export const SEED_BYTES = 32
const OTHERS = 0o077

export function signerOf(seed: Uint8Array): Signer {
  const key = ed25519Key(seed)
  return { publicKey: bytesToHex(key.publicKey), sign: key.sign }
}

export function drawKey(): { readonly seed: Uint8Array; readonly signer: Signer } {
  const seed = new Uint8Array(randomBytes(SEED_BYTES))
  return { seed, signer: signerOf(seed) }
}

/** Throws `key-permissions`. */
export async function readPrivate(path: string): Promise<Uint8Array> {
  if (((await stat(path)).mode & OTHERS) !== 0) {
    throw new FlameshError('key-permissions', `${path} can be read by others`, { hint: `run: chmod 600 ${path}` })
  }
  return new Uint8Array(await readFile(path))
}

/** Makes a reviewer's key, in a file that must not be there yet. Throws `key-exists` or `file-unusable`. */
export async function makeReviewerKey(path: string): Promise<Signer> {
  const { seed, signer } = drawKey()
  const file = await open(path, 'wx', 0o600).catch((cause: Error & { code?: string }) => {
    if (cause.code === 'EEXIST')
      throw new FlameshError('key-exists', `${path} is there already`, { hint: 'use that key, or name another file' })
    throw new FlameshError('file-unusable', `${path} cannot be written`, { cause, hint: 'does its folder exist?' })
  })
  try {
    await file.writeFile(seed)
    await file.sync()
  } finally {
    await file.close()
  }
  return signer
}

/** Throws `file-not-found`, `key-permissions` or `key-malformed`. */
export async function readReviewerKey(path: string): Promise<Signer> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) {
    throw new FlameshError('file-not-found', `there is no file ${path}`, {
      hint: 'a reviewer makes a key with: flamesh-hub reviewer-key FILE',
    })
  }
  if (!found.isFile() || found.size !== SEED_BYTES) {
    throw new FlameshError('key-malformed', `${path} is not a reviewer's key`, {
      hint: 'name the file that "flamesh-hub reviewer-key" made',
    })
  }
  return signerOf(await readPrivate(path))
}
