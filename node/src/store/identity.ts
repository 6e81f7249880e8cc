/**
 * The node's long-term secrets, one file each: the Ed25519 seed it signs with, the X25519 secret results are sealed to,
 * and the salt that dataset versions are hashed with. Implements docs/spec/identity.md, "Keys of a node". The files are
 * protected by their rights alone: who can read them is the node.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { bytesToHex, type Hex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key, x25519PublicKey } from '@flamesh/protocol/crypto/native/index.js'
import type { Signer } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { createSynced, hasCode, makePrivateFolder, syncFolder, unfinishedName } from './files.js'

const SECRET_BYTES = 32
const FILES = { seed: 'signing.key', sealingSecret: 'sealing.key', datasetSalt: 'dataset.salt' } as const

export interface Identity {
  /** Ed25519 public key: the node's name in the mesh */
  readonly publicKey: Hex
  /** X25519 public key */
  readonly sealingKey: Hex
  readonly signer: Signer
  /** Ed25519 seed, 32 bytes; libp2p derives the peer id from it */
  readonly seed: Uint8Array
  /** X25519 secret, 32 bytes */
  readonly sealingSecret: Uint8Array
  /** 32 bytes; see data/datasets.ts */
  readonly datasetSalt: Uint8Array
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error) => {
      if (hasCode(error, 'ENOENT')) return false
      throw error
    },
  )
}

/**
 * Draws a new node's keys into `folder`, which must not exist yet: all of them or none, so that a crash leaves nothing
 * half made. Throws `keys-exist`.
 */
export async function createIdentity(folder: string): Promise<Identity> {
  if (await exists(folder)) {
    throw new FlameshError('keys-exist', 'this node has its keys already', {
      meta: { folder },
      hint: 'a node keeps its keys for life: choose another folder for another node',
    })
  }
  await makePrivateFolder(dirname(folder))
  const aside = unfinishedName(folder)
  try {
    await mkdir(aside, { mode: 0o700 })
    for (const file of Object.values(FILES)) {
      await createSynced(join(aside, file), `${bytesToHex(randomBytes(SECRET_BYTES))}\n`)
    }
    await syncFolder(aside)
    await rename(aside, folder)
  } catch (error) {
    await rm(aside, { recursive: true, force: true })
    throw error
  }
  await syncFolder(dirname(folder))
  return loadIdentity(folder)
}

/** Windows has no such rights: there the folder's own access list has to do. */
async function refuseIfShared(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const found = await stat(path)
  const mode = found.mode
  const isDirectory = found.isDirectory()
  if ((mode & 0o077) !== 0) {
    throw new FlameshError('key-permissions', 'other users of this machine can read or change a key of this node', {
      meta: { path, mode: (mode & 0o777).toString(8) },
      hint: `chmod ${isDirectory ? '700' : '600'} ${path}; if anyone may have read it, enrol anew with fresh keys`,
    })
  }
}

async function readSecret(path: string): Promise<Uint8Array> {
  await refuseIfShared(path)
  const text = (await readFile(path, 'utf8')).trim()
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new FlameshError('key-malformed', 'a key file does not hold a key', {
      meta: { path },
      hint: 'restore the file from the backup you made after flamesh init',
    })
  }
  return hexToBytes(text)
}

/** Throws `key-missing`, `key-malformed`, or `key-permissions` if group or others have any right on a file. */
export async function loadIdentity(folder: string): Promise<Identity> {
  try {
    await refuseIfShared(folder)
    const seed = await readSecret(join(folder, FILES.seed))
    const sealingSecret = await readSecret(join(folder, FILES.sealingSecret))
    const datasetSalt = await readSecret(join(folder, FILES.datasetSalt))
    const key = ed25519Key(seed)
    const publicKey = bytesToHex(key.publicKey)
    return {
      publicKey,
      sealingKey: bytesToHex(x25519PublicKey(sealingSecret)),
      signer: { publicKey, sign: key.sign },
      seed,
      sealingSecret,
      datasetSalt,
    }
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    throw new FlameshError('key-missing', 'this folder does not hold the keys of a node', {
      meta: { folder },
      hint: 'run flamesh init first, or name the right folder with --dir',
      cause: error,
    })
  }
}
