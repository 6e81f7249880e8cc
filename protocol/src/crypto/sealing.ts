/**
 * Sealing to an X25519 key: RFC 9180 base mode, single shot, with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
 * ChaCha20-Poly1305; and boxes for several recipients, a fresh data key sealed to each. Implements
 * docs/spec/encoding.md, sealing. A seal says nothing about who made it: sign or commit to what must be authentic. One
 * box may decrypt differently for two recipients if its maker is dishonest.
 */
import { z } from 'zod'
import { encode } from '../encoding/canonical.js'
import { bytesSchema, hexSchema } from '../encoding/signed.js'
import { assert, FlameshError } from '../errors.js'
import { bytesToHex, concatBytes, type Hex, hexToBytes, hmacSha256, utf8ToBytes } from './hash.js'
import { chacha20Poly1305Open, chacha20Poly1305Seal, x25519, x25519PublicKey } from './native/index.js'

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** KEM X25519-HKDF-SHA256 = 0x0020, KDF HKDF-SHA256 = 0x0001, AEAD ChaCha20-Poly1305 = 0x0003 (RFC 9180, section 7). */
const KEM_SUITE = concatBytes(utf8ToBytes('KEM'), Uint8Array.of(0x00, 0x20))
const HPKE_SUITE = concatBytes(utf8ToBytes('HPKE'), Uint8Array.of(0x00, 0x20, 0x00, 0x01, 0x00, 0x03))
const VERSION = utf8ToBytes('HPKE-v1')
const MODE_BASE = Uint8Array.of(0)
const EMPTY = new Uint8Array(0)
/** the number of HKDF-Expand's first block */
const FIRST_BLOCK = Uint8Array.of(1)

/** What LabeledExtract puts in front of its input (RFC 9180, section 4). */
const labeled = (suite: Uint8Array, label: string): Uint8Array => concatBytes(VERSION, suite, utf8ToBytes(label))

/** What LabeledExpand does, with the length it gives; one block of HKDF-Expand is all this suite needs (at most 32 bytes). */
const labeledOf = (suite: Uint8Array, label: string, length: number) => ({
  prefix: concatBytes(Uint8Array.of(0, length), labeled(suite, label)),
  length,
})

/** RFC 9180, section 4, LabeledExtract. */
function labeledExtract(label: Uint8Array, salt: Uint8Array, ikm: Uint8Array): Uint8Array {
  return hmacSha256(salt, label, ikm)
}

/** RFC 9180, section 4, LabeledExpand. */
function labeledExpand(
  { prefix, length }: ReturnType<typeof labeledOf>,
  prk: Uint8Array,
  info: Uint8Array,
): Uint8Array {
  return hmacSha256(prk, prefix, info, FIRST_BLOCK).subarray(0, length)
}

const DKP_PRK = labeled(KEM_SUITE, 'dkp_prk')
const SK = labeledOf(KEM_SUITE, 'sk', KEY_BYTES)
const EAE_PRK = labeled(KEM_SUITE, 'eae_prk')
const SHARED_SECRET = labeledOf(KEM_SUITE, 'shared_secret', KEY_BYTES)
const INFO_HASH = labeled(HPKE_SUITE, 'info_hash')
const SECRET = labeled(HPKE_SUITE, 'secret')
const KEY = labeledOf(HPKE_SUITE, 'key', KEY_BYTES)
const BASE_NONCE = labeledOf(HPKE_SUITE, 'base_nonce', NONCE_BYTES)
/** of an empty psk_id, which base mode has */
const PSK_ID_HASH = labeledExtract(labeled(HPKE_SUITE, 'psk_id_hash'), EMPTY, EMPTY)

export interface KeyPair {
  readonly secret: Uint8Array
  readonly publicKey: Uint8Array
}

/** RFC 9180, section 7.1.3: a key pair from at least 32 bytes of key material. */
export function deriveKeyPair(ikm: Uint8Array): KeyPair {
  assert(ikm.length >= KEY_BYTES, 'key material has at least 32 bytes')
  const prk = labeledExtract(DKP_PRK, EMPTY, ikm)
  const secret = labeledExpand(SK, prk, EMPTY)
  return { secret, publicKey: x25519PublicKey(secret) }
}

/**
 * The u-coordinates of low order, on the curve and its twist, with their encodings above the field's prime: a clamped
 * scalar is a multiple of eight and of no larger divisor of either order, so that these and no others give zero.
 */
const LOW_ORDER: ReadonlySet<Hex> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
])

/** Whether anything can be sealed to this key: a low-order one would make every `seal` to it throw. */
export function isSealable(publicKey: Uint8Array): boolean {
  if (publicKey.length !== KEY_BYTES) return false
  const u = publicKey.slice()
  u[KEY_BYTES - 1] = (u[KEY_BYTES - 1] as number) & 0x7f // X25519 ignores the highest bit
  return !LOW_ORDER.has(bytesToHex(u))
}

/** Diffie-Hellman, or undefined for a key of the wrong length or one that gives an all-zero secret (RFC 7748, section 6.1). */
function agree(secret: Uint8Array, peer: Uint8Array): Uint8Array | undefined {
  if (peer.length !== KEY_BYTES) return undefined
  try {
    return x25519(secret, peer)
  } catch {
    return undefined
  }
}

/** RFC 9180, section 4.1, ExtractAndExpand: the KEM's shared secret. */
export function kemSecret(shared: Uint8Array, enc: Uint8Array, recipientPublic: Uint8Array): Uint8Array {
  const prk = labeledExtract(EAE_PRK, EMPTY, shared)
  return labeledExpand(SHARED_SECRET, prk, concatBytes(enc, recipientPublic))
}

/** RFC 9180, section 5.1, KeySchedule in base mode: the AEAD key and the nonce of the first and only message. */
export function keySchedule(
  secret: Uint8Array,
  info: Uint8Array,
): { readonly key: Uint8Array; readonly nonce: Uint8Array } {
  const context = concatBytes(MODE_BASE, PSK_ID_HASH, labeledExtract(INFO_HASH, EMPTY, info))
  const prk = labeledExtract(SECRET, secret, EMPTY)
  return { key: labeledExpand(KEY, prk, context), nonce: labeledExpand(BASE_NONCE, prk, context) }
}

/**
 * enc ‖ ciphertext ‖ tag: 48 bytes longer than `plain`. `ephemeralIkm` is 32 fresh random bytes, never used twice. Throws
 * `sealing-key` when the recipient's key is not a usable X25519 public key.
 */
export function seal(
  recipientPublic: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  plain: Uint8Array,
  ephemeralIkm: Uint8Array,
): Uint8Array {
  const ephemeral = deriveKeyPair(ephemeralIkm)
  const shared = agree(ephemeral.secret, recipientPublic)
  if (shared === undefined) throw new FlameshError('sealing-key', 'not a usable X25519 public key')
  const { key, nonce } = keySchedule(kemSecret(shared, ephemeral.publicKey, recipientPublic), info)
  return concatBytes(ephemeral.publicKey, chacha20Poly1305Seal(key, nonce, aad, plain))
}

/** The plaintext, or undefined if these bytes were not sealed to this key with this info and associated data. */
export function open(
  secret: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < KEY_BYTES + TAG_BYTES) return undefined
  const enc = sealed.subarray(0, KEY_BYTES)
  const shared = agree(secret, enc)
  if (shared === undefined) return undefined
  const { key, nonce } = keySchedule(kemSecret(shared, enc, x25519PublicKey(secret)), info)
  return chacha20Poly1305Open(key, nonce, aad, sealed.subarray(KEY_BYTES))
}

/** nonce ‖ ciphertext ‖ tag under a key of 32 bytes that seals little: the nonce is random. */
export function sealUnder(
  key: Uint8Array,
  context: Uint8Array,
  plain: Uint8Array,
  randomBytes: (length: number) => Uint8Array,
): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES)
  return concatBytes(nonce, chacha20Poly1305Seal(key, nonce, context, plain))
}

/** The plaintext, or undefined if these bytes were not sealed under this key in this context. */
export function openUnder(key: Uint8Array, context: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined
  return chacha20Poly1305Open(key, sealed.subarray(0, NONCE_BYTES), context, sealed.subarray(NONCE_BYTES))
}

/** A body encrypted once under a data key, and that key sealed to each recipient. */
export const boxSchema = z
  .strictObject({
    /** 12-byte nonce ‖ ciphertext ‖ tag */
    body: bytesSchema.refine((body) => body.length >= NONCE_BYTES + TAG_BYTES),
    keys: z
      .array(
        z.strictObject({
          /** identity of the recipient: its Ed25519 public key */
          recipient: hexSchema,
          sealedKey: bytesSchema.refine((sealed) => sealed.length === KEY_BYTES + KEY_BYTES + TAG_BYTES),
        }),
      )
      .min(1)
      .max(64),
  })
  .refine((box) => new Set(box.keys.map((one) => one.recipient)).size === box.keys.length)
export type Box = z.infer<typeof boxSchema>

export interface Recipient {
  /** identity, Ed25519 */
  readonly key: Hex
  /** X25519 public key */
  readonly sealingKey: Hex
}

const BOX_INFO = utf8ToBytes('flamesh/box/1')

function keyAad(context: Uint8Array, recipient: Hex): Uint8Array {
  return encode([context, recipient])
}

/**
 * Seals `plain` to every recipient. `context` says what the box is for; it opens under no other. `randomBytes` supplies the
 * data key, the nonce and one encapsulation a recipient. Throws `sealing-key` as `seal` does.
 */
export function sealFor(
  recipients: readonly Recipient[],
  context: Uint8Array,
  plain: Uint8Array,
  randomBytes: (length: number) => Uint8Array,
): Box {
  assert(recipients.length > 0, 'a box needs a recipient')
  const dataKey = randomBytes(KEY_BYTES)
  return {
    body: sealUnder(dataKey, context, plain, randomBytes),
    keys: recipients.map(({ key, sealingKey }) => ({
      recipient: key,
      sealedKey: seal(hexToBytes(sealingKey), BOX_INFO, keyAad(context, key), dataKey, randomBytes(KEY_BYTES)),
    })),
  }
}

/** What the box holds for this recipient, or undefined if it holds nothing that opens with this key in this context. */
export function openSealed(box: Box, recipient: Hex, secret: Uint8Array, context: Uint8Array): Uint8Array | undefined {
  const entry = box.keys.find((one) => one.recipient === recipient)
  if (entry === undefined) return undefined
  const dataKey = open(secret, BOX_INFO, keyAad(context, recipient), entry.sealedKey)
  return dataKey === undefined || dataKey.length !== KEY_BYTES ? undefined : openUnder(dataKey, context, box.body)
}
