/**
 * Deterministic primitives by Node.js' own OpenSSL: SHA-256 (FIPS 180-4), HMAC (RFC 2104), Ed25519 (RFC 8032), X25519
 * (RFC 7748), AES-128-CTR (NIST SP 800-38A) and ChaCha20-Poly1305 (RFC 8439). The only file of the protocol that sees node:crypto; nothing random is drawn here.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hash as hashOnce,
  type KeyObject,
  sign as nodeSign,
  verify as nodeVerify,
} from 'node:crypto'

type Curve = 'Ed25519' | 'X25519'

const KEY_BYTES = 32
const TAG_BYTES = 16

const base64url = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url')

// JSON Web Keys (RFC 8037) are taken as raw bytes; OpenSSL's DER decoders cost nine times as much.

/** Of the public half, which the format asks for, nothing is used: it is derived from the secret. */
function privateKey(crv: Curve, seed: Uint8Array): KeyObject {
  if (seed.length !== KEY_BYTES) throw new RangeError('a private key has 32 bytes')
  return createPrivateKey({ key: { kty: 'OKP', crv, d: base64url(seed), x: UNUSED }, format: 'jwk' })
}

const UNUSED = base64url(new Uint8Array(KEY_BYTES))

function publicKey(crv: Curve, key: Uint8Array): KeyObject {
  if (key.length !== KEY_BYTES) throw new RangeError('a public key has 32 bytes')
  return createPublicKey({ key: { kty: 'OKP', crv, x: base64url(key) }, format: 'jwk' })
}

function rawPublic(key: KeyObject): Uint8Array {
  return new Uint8Array(Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x as string, 'base64url'))
}

/** Importing a public key costs as much as looking up hundreds, so the last few are kept. */
const KEY_CACHE_ENTRIES = 4096
const publicKeys: Readonly<Record<Curve, Map<string, KeyObject>>> = { Ed25519: new Map(), X25519: new Map() }

function cachedPublicKey(crv: Curve, key: Uint8Array): KeyObject {
  const known = publicKeys[crv]
  const name = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
  let found = known.get(name)
  if (found === undefined) {
    found = publicKey(crv, key)
    if (known.size >= KEY_CACHE_ENTRIES) known.delete(known.keys().next().value as string)
    known.set(name, found)
  }
  return found
}

export function sha256(parts: readonly Uint8Array[]): Uint8Array {
  const digest = joined(parts, (whole) => hashOnce('sha256', whole, 'buffer')) ?? hashOfParts(parts).digest()
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.length)
}

/** As 64 lowercase hexadecimal characters. */
export function sha256Hex(parts: readonly Uint8Array[]): string {
  return joined(parts, (whole) => hashOnce('sha256', whole)) ?? hashOfParts(parts).digest('hex')
}

/** Up to here joining parts costs less than an object of OpenSSL's that takes them one by one. */
const JOINED_BYTES = 4096
const joint = new Uint8Array(JOINED_BYTES)

/** What `use` makes of the parts as one, if they are few bytes; it must not keep them. */
function joined<T>(parts: readonly Uint8Array[], use: (whole: Uint8Array) => T): T | undefined {
  const [only] = parts
  if (parts.length === 1) return use(only as Uint8Array)
  let length = 0
  for (const part of parts) length += part.length
  if (length > JOINED_BYTES) return undefined
  let at = 0
  for (const part of parts) {
    joint.set(part, at)
    at += part.length
  }
  const result = use(joint.subarray(0, length))
  joint.fill(0, 0, length) // secrets come through here
  return result
}

function hashOfParts(parts: readonly Uint8Array[]): ReturnType<typeof createHash> {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash
}

export function hmacSha256(key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const digest = hmacOfParts(key, parts).digest()
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.length)
}

/** As 64 lowercase hexadecimal characters. */
export function hmacSha256Hex(key: Uint8Array, parts: readonly Uint8Array[]): string {
  return hmacOfParts(key, parts).digest('hex')
}

function hmacOfParts(key: Uint8Array, parts: readonly Uint8Array[]): ReturnType<typeof createHmac> {
  const mac = createHmac('sha256', key)
  const taken = joined(parts, (whole) => mac.update(whole))
  if (taken === undefined) for (const part of parts) mac.update(part)
  return mac
}

/**
 * Signatures that are known to be valid because they were made or verified here, by hash of key, signature and message: the
 * same ones arrive with many messages. Two generations, so that a full one costs no more than half of what is known.
 */
const VALID_ENTRIES = 8192
let valid = new Set<string>()
let validBefore = new Set<string>()

function noteValid(name: string): void {
  if (valid.size >= VALID_ENTRIES) {
    validBefore = valid
    valid = new Set()
  }
  valid.add(name)
}

export interface SigningKey {
  /** 32 bytes, RFC 8032 */
  readonly publicKey: Uint8Array
  sign(message: Uint8Array): Uint8Array
}

/** An Ed25519 key from its 32-byte seed (RFC 8032, section 5.1.5). */
export function ed25519Key(seed: Uint8Array): SigningKey {
  const key = privateKey('Ed25519', seed)
  const own = rawPublic(key)
  return {
    publicKey: own.slice(),
    sign: (message) => {
      const signature = new Uint8Array(nodeSign(null, message, key))
      noteValid(sha256Hex([own, signature, message]))
      return signature
    },
  }
}

export function ed25519Verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.length !== KEY_BYTES || signature.length !== 64) return false
  const name = sha256Hex([key, signature, message])
  if (valid.has(name)) return true
  if (!validBefore.has(name) && !verifyAnew(key, message, signature)) return false
  noteValid(name)
  return true
}

function verifyAnew(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return nodeVerify(null, message, cachedPublicKey('Ed25519', key), signature)
  } catch {
    return false
  }
}

/** By the identity of the secret's bytes: importing costs more than using, and an erased secret takes its entry with it. */
const x25519Keys = new WeakMap<Uint8Array, { readonly key: KeyObject; readonly publicKey: Uint8Array }>()

function x25519Key(secret: Uint8Array): { readonly key: KeyObject; readonly publicKey: Uint8Array } {
  let found = x25519Keys.get(secret)
  if (found === undefined) {
    const key = privateKey('X25519', secret)
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
    publicKey: cachedPublicKey('X25519', peer),
  })
  if (shared.every((byte) => byte === 0)) throw new RangeError('X25519 shared secret is zero')
  return new Uint8Array(shared)
}

const CTR_CHUNK_BYTES = 65_536
const zeros = new Uint8Array(CTR_CHUNK_BYTES)

/** `length` bytes of the AES-128-CTR key stream for a 16-byte key and a 16-byte initial counter block. */
export function aes128CtrStream(key: Uint8Array, iv: Uint8Array, length: number): Uint8Array {
  const cipher = createCipheriv('aes-128-ctr', key, iv)
  if (length <= CTR_CHUNK_BYTES) {
    const stream = cipher.update(zeros.subarray(0, length))
    return new Uint8Array(stream.buffer, stream.byteOffset, length)
  }
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
