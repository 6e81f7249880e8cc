/**
 * Signed objects: one payload, one kind, any number of Ed25519 signatures over the received bytes. The signature input is
 * domain-separated by kind and version: `flamesh/<kind>/<version>\0` followed by the payload. Implements
 * docs/spec/encoding.md.
 */
import { z } from 'zod'
import { concatBytes, type Hex, hexToBytes, sha256Hex, utf8ToBytes } from '../crypto/hash.js'
import { ed25519Verify } from '../crypto/native/index.js'
import { FlameshError } from '../errors.js'
import { MAX_SIGNATURES } from '../limits.js'
import { decode, encode } from './canonical.js'
import { Recent } from './recent.js'

export const hexSchema = z.string().regex(/^[0-9a-f]{64}$/)
export const bytesSchema = z.custom<Uint8Array>((value) => value instanceof Uint8Array)

export interface Signature {
  /** Ed25519 public key */
  readonly signer: Hex
  /** 64 bytes */
  readonly signature: Uint8Array
}

export interface Signed {
  readonly kind: string
  readonly version: number
  readonly payload: Uint8Array
  readonly signatures: readonly Signature[]
}

/** The form of a signed object, alone or inside a message; its signatures are checked by `openSigned`. */
export const signedSchema: z.ZodType<Signed> = z.strictObject({
  kind: z.string().max(40),
  version: z.int().min(1),
  payload: bytesSchema,
  signatures: z
    .array(z.strictObject({ signer: hexSchema, signature: bytesSchema }))
    .min(1)
    .max(MAX_SIGNATURES),
})

/** Something that signs with one key, by kind: the node's identity, or the hub's key. */
export interface Signer {
  readonly publicKey: Hex
  sign(message: Uint8Array): Uint8Array
}

export function signatureInput(kind: string, version: number, payload: Uint8Array): Uint8Array {
  return concatBytes(utf8ToBytes(`flamesh/${kind}/${version}\0`), payload)
}

export function sign(kind: string, version: number, payload: Uint8Array, signer: Signer): Signature {
  return { signer: signer.publicKey, signature: signer.sign(signatureInput(kind, version, payload)) }
}

/**
 * Encodes `body` and signs it. Throws `not-signable` for what a signed object must not hold: floats, which languages write
 * differently; links; big integers that a number can hold.
 */
export function signObject(kind: string, version: number, body: unknown, signer: Signer): Signed {
  if (!isSignable(body)) throw new FlameshError('not-signable', `a ${kind} holds a float or a link`)
  const payload = encode(body)
  return { kind, version, payload, signatures: [sign(kind, version, payload, signer)] }
}

/** Whether a value is made of null, booleans, integers in their one form, text, bytes, lists and maps alone. */
function isSignable(value: unknown): boolean {
  switch (typeof value) {
    case 'boolean':
    case 'string':
      return true
    case 'number':
      return Number.isSafeInteger(value)
    case 'bigint':
      return value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER
    case 'object':
      if (value === null || value instanceof Uint8Array) return true
      if (Array.isArray(value)) return value.every(isSignable)
      return Object.getPrototypeOf(value) === Object.prototype && Object.values(value).every(isSignable)
    default:
      return false
  }
}

/** SHA-256 of the payload: what "the hash of" a signed object means, whoever signed it. */
export function payloadHash(signed: Pick<Signed, 'payload'>): Hex {
  return alreadyOpened.get(signed)?.opened.hash ?? sha256Hex(signed.payload)
}

export function encodeSigned(signed: Signed): Uint8Array {
  return encode(signed)
}

/** The envelope in these bytes, its signatures not yet checked. Throws `encoding` or `schema`. */
export function decodeSigned(bytes: Uint8Array): Signed {
  return envelopes.read(bytes, decodeAnew)
}

/** Statements and checkpoints come again and again; a log of some thousand statements fits. */
const envelopes = new Recent<Signed>(4 * 1024 * 1024)

function decodeAnew(bytes: Uint8Array): Signed {
  const parsed = signedSchema.safeParse(decode(bytes))
  if (!parsed.success) throw new FlameshError('schema', 'not a signed object')
  return parsed.data
}

export function verifySignature(signed: Pick<Signed, 'kind' | 'version' | 'payload'>, one: Signature): boolean {
  const input = signatureInput(signed.kind, signed.version, signed.payload)
  return ed25519Verify(hexToBytes(one.signer), input, one.signature)
}

/** A kind of signed object: its name, its version, and the schema of its body. */
export interface Kind<T> {
  readonly kind: string
  readonly version: number
  readonly schema: z.ZodType<T>
}

export interface Opened<T> {
  readonly body: T
  /** the distinct keys whose signatures are valid, in the order given */
  readonly signers: readonly Hex[]
  readonly hash: Hex
}

/**
 * Opens a signed object in the order signature, strict decoding, schema. Throws `signature` (any signature is bad, or a
 * signer appears twice), `encoding` or `schema`. Who the signers are is the caller's question.
 */
export function openSigned<T>(signed: Signed, kind: Kind<T>): Opened<T> {
  const before = alreadyOpened.get(signed)
  if (before?.kind === kind) return before.opened as Opened<T>
  const name = contentName(signed)
  const same = lately.get(name)
  const opened = same?.kind === kind ? (same.opened as Opened<T>) : open(signed, kind)
  alreadyOpened.set(signed, { kind, opened })
  remember(name, { kind, opened, bytes: signed.payload.length })
  return opened
}

interface Before {
  readonly kind: Kind<unknown>
  readonly opened: Opened<unknown>
}

/** Signed objects are immutable and machines look at the same ones again and again: each is verified once. */
const alreadyOpened = new WeakMap<Pick<Signed, 'payload'>, Before>()
/** The same object comes from several peers, and inside of others: those opened last are known by their bytes, oldest first. */
const lately = new Map<string, Before & { readonly bytes: number }>()
/** Of payloads: the approvals of some thousand sites, and the specifications that name them. */
const LATELY_BYTES = 8 * 1024 * 1024
let latelyBytes = 0

function remember(name: string, one: Before & { readonly bytes: number }): void {
  if (one.bytes > LATELY_BYTES) return
  latelyBytes += one.bytes - (lately.get(name)?.bytes ?? 0)
  lately.delete(name)
  lately.set(name, one)
  for (const [oldest, { bytes }] of lately) {
    if (latelyBytes <= LATELY_BYTES) break
    lately.delete(oldest)
    latelyBytes -= bytes
  }
}

/** Equal for equal objects alone: every length is in it. */
function contentName({ kind, version, payload, signatures }: Signed): string {
  const signers = signatures.map((one) => `${one.signer} ${one.signature.length}`).join(' ')
  const content = sha256Hex(payload, ...signatures.map((one) => one.signature))
  return `${kind}/${version}/${payload.length}/${signers}/${content}`
}

function open<T>(signed: Signed, kind: Kind<T>): Opened<T> {
  if (signed.kind !== kind.kind || signed.version !== kind.version) {
    throw new FlameshError(
      'schema',
      `expected ${kind.kind} version ${kind.version}, got ${signed.kind} version ${signed.version}`,
    )
  }
  const signers = signed.signatures.map((one) => one.signer)
  if (new Set(signers).size !== signers.length) throw new FlameshError('signature', 'a signer appears twice')
  for (const one of signed.signatures) {
    if (!verifySignature(signed, one))
      throw new FlameshError('signature', `bad signature on ${signed.kind}`, { meta: { signer: one.signer } })
  }
  const body = decode(signed.payload)
  if (!isSignable(body)) throw new FlameshError('schema', `a ${signed.kind} holds a float or a link`)
  const parsed = kind.schema.safeParse(body)
  if (!parsed.success) {
    throw new FlameshError(
      'schema',
      `malformed ${kind.kind}: ${parsed.error.issues.map((i) => `${i.path.join('.')} ${i.message}`).join('; ')}`,
    )
  }
  return { body: parsed.data, signers, hash: sha256Hex(signed.payload) }
}

/** The same object with the signatures of both; one signature a signer. */
export function mergeSignatures(a: Signed, more: readonly Signature[]): Signed {
  const seen = new Set(a.signatures.map((one) => one.signer))
  return { ...a, signatures: [...a.signatures, ...more.filter((one) => !seen.has(one.signer) && seen.add(one.signer))] }
}
