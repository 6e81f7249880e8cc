/**
 * An operator's own key, with which they sign approvals: the seed of one Ed25519 key in a file for its owner alone, like a
 * reviewer's. Implements docs/spec/jobs.md, "Four eyes". It belongs to a person and lies outside the node's folder.
 */
import { randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { bytesToHex } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import type { Signer } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { createSynced, hasCode } from './files.js'

const SEED_BYTES = 32

function signerOf(seed: Uint8Array): Signer {
  const key = ed25519Key(seed)
  return { publicKey: bytesToHex(key.publicKey), sign: key.sign }
}

/** In a file that must not be there yet. Throws `key-exists` or `file-unusable`. */
export async function makeOperatorKey(path: string): Promise<Signer> {
  const seed = new Uint8Array(randomBytes(SEED_BYTES))
  await createSynced(path, seed).catch((cause: unknown) => {
    if (hasCode(cause, 'EEXIST'))
      throw new FlameshError('key-exists', `${path} is there already`, { hint: 'use that key, or name another file' })
    throw new FlameshError('file-unusable', `${path} cannot be written`, { cause, hint: 'does its folder exist?' })
  })
  return signerOf(seed)
}

/** Throws `file-not-found`, `key-permissions` or `key-malformed`. */
export async function readOperatorKey(path: string): Promise<Signer> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined)
    throw new FlameshError('file-not-found', `there is no file ${path}`, {
      hint: 'an operator makes a key with: flamesh operator key FILE',
    })
  if (!found.isFile() || found.size !== SEED_BYTES)
    throw new FlameshError('key-malformed', `${path} is not an operator's key`, {
      hint: 'name the file that "flamesh operator key" made',
    })
  // Windows has no such rights
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0)
    throw new FlameshError('key-permissions', `${path} can be read by others`, {
      hint: `chmod 600 ${path}; if anyone may have read it, make another key and name that one in the policy`,
    })
  return signerOf(new Uint8Array(await readFile(path)))
}
