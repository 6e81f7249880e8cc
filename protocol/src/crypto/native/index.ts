/**
 * Deterministic primitives by Node.js' own OpenSSL: Ed25519 (RFC 8032), X25519 (RFC 7748), AES-128-CTR (NIST SP 800-38A)
 * and ChaCha20-Poly1305 (RFC 8439). The only file of the protocol that sees node:crypto; nothing random is drawn here.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  sign as nodeSign,
  verify as nodeVerify,
} from 'node:crypto'

const ED25519_PKCS8 = Uint8Array.from([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20])
const ED25519_SPKI = Uint8Array.from([0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0])
const X25519_PKCS8 = Uint8Array.from([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20])
const X25519_SPKI = Uint8Array.from([0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 3, 0x21, 0])
const KEY_BYTES = 32
const TAG_BYTES = 16

function privateKey(prefix: Uint8Array, seed: Uint8Array): KeyObject {
  if (seed.length !== KEY_BYTES) throw new RangeError('a private key has 32 bytes')
  return createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' })
}

function publicKey(prefix: Uint8Array, key: Uint8Array): KeyObject {
  if (key.length !== KEY_BYTES) throw new RangeError('a public key has 32 bytes')
  return createPublicKey({ key: Buffer.concat([prefix, key]), format: 'der', type: 'spki' })
}

function rawPublic(key: KeyObject): Uint8Array {
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return new Uint8Array(der.subarray(der.length - KEY_BYTES))
}

/** Importing a key costs as much as using it, so the last few are kept. */
const KEY_CACHE_ENTRIES = 4096
const verifyKeys = new Map<string, KeyObject>()

function cachedVerifyKey(key: Uint8Array): KeyObject {
  const name = Buffer.from(key).toString('latin1')
  let found = verifyKeys.get(name)
  if (found === undefined) {
    found = publicKey(ED25519_SPKI, key)
    if (verifyKeys.size >= KEY_CACHE_ENTRIES) verifyKeys.delete(verifyKeys.keys().next().value as string)
    verifyKeys.set(name, found)
  }
  return found
}

export interface SigningKey {
  /** 32 bytes, RFC 8032 */
  readonly publicKey: Uint8Array
  sign(message: Uint8Array): Uint8Array
}

/** An Ed25519 key from its 32-byte seed (RFC 8032, section 5.1.5). */
export function ed25519Key(seed: Uint8Array): SigningKey {
  const key = privateKey(ED25519_PKCS8, seed)
  return { publicKey: rawPublic(key), sign: (message) => new Uint8Array(nodeSign(null, message, key)) }
}

export function ed25519Verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.length !== KEY_BYTES || signature.length !== 64) return false
  try {
    return nodeVerify(null, message, cachedVerifyKey(key), signature)
  } catch {
    return false
  }
}

/** By the identity of the secret's bytes: importing costs more than using, and an erased secret takes its entry with it. */
const x25519Keys = new WeakMap<Uint8Array, { readonly key: KeyObject; readonly publicKey: Uint8Array }>()

function x25519Key(secret: Uint8Array): { readonly key: KeyObject; readonly publicKey: Uint8Array } {
  let found = x25519Keys.get(secret)
  if (found === undefined) {
    const key = privateKey(X25519_PKCS8, secret)
    found = { key, publicKey: rawPublic(key) }
    x25519Keys.set(secret, found)
  }
  return found
}

export function x25519PublicKey(secret: Uint8Array): Uint8Array {
  return x25519Key(secret).publicKey
}

/** RFC 7748 shared secret, 32 bytes. Throws on an all-zero result (a low-order public key, section 6.1). */
export function x25519(secret: Uint8Array, peer: Uint8Array): Uint8Array {
  const shared = diffieHellman({
    privateKey: x25519Key(secret).key,
    publicKey: publicKey(X25519_SPKI, peer),
  })
  if (shared.every((byte) => byte === 0)) throw new RangeError('X25519 shared secret is zero')
  return new Uint8Array(shared)
}

const CTR_CHUNK_BYTES = 65_536
const zeros = new Uint8Array(CTR_CHUNK_BYTES)

/** `length` bytes of the AES-128-CTR key stream for a 16-byte key and a 16-byte initial counter block. */
export function aes128CtrStream(key: Uint8Array, iv: Uint8Array, length: number): Uint8Array {
  const cipher = createCipheriv('aes-128-ctr', key, iv)
  const out = new Uint8Array(length)
  for (let at = 0; at < length; at += CTR_CHUNK_BYTES) {
    out.set(cipher.update(zeros.subarray(0, Math.min(CTR_CHUNK_BYTES, length - at))), at)
  }
  return out
}

/** RFC 8439 AEAD; the 16-byte tag follows the ciphertext. */
export function chacha20Poly1305Seal(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plain: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(aad, { plaintextLength: plain.length })
  const body = cipher.update(plain)
  return new Uint8Array(Buffer.concat([body, cipher.final(), cipher.getAuthTag()]))
}

/** The plaintext, or undefined if the tag does not fit. */
export function chacha20Poly1305Open(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  const at = sealed.length - TAG_BYTES
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(aad, { plaintextLength: at })
  decipher.setAuthTag(sealed.subarray(at))
  const body = decipher.update(sealed.subarray(0, at))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return new Uint8Array(body)
}
