/**
 * What a stranger finds who has a node's whole disk: numbers in every form they could lie there, and whatever opens with the
 * keys that lie beside it. Knows the product's formats of sealed things, and assumes nothing about where they are.
 */
import { type Hex, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { type Box, boxSchema, openSealed, openUnder } from '@flamesh/protocol/crypto/sealing.js'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { keptContext } from '@flamesh/protocol/secagg/kept-state.js'
import { stateContext } from '@flamesh/protocol/secagg/member/collecting.js'
import { releaseContext } from '@flamesh/protocol/secagg/member/opening.js'

/** Byte strings by where they were found. */
export type Bytes = Iterable<readonly [string, Uint8Array]>

export interface Needle {
  readonly name: string
  readonly bytes: Uint8Array
}

/** A nonce and a tag, and nothing between them. */
const LEAST_SEALED_BYTES = 28
/** Shorter ones are found by chance. */
const LEAST_BYTES = 6

const text = (name: string, written: string): Needle => ({ name: `${name} as text`, bytes: utf8ToBytes(written) })

function ofNumber(name: string, value: number): readonly Needle[] {
  // a small whole number is on every disk; what is special about a result is not whole
  if (Number.isInteger(value)) return Math.abs(value) < 1e6 ? [] : [text(name, String(value))]
  const big = new Uint8Array(8)
  new DataView(big.buffer).setFloat64(0, value)
  const rounded = Math.abs(value) >= 1e-3 ? [text(`${name} to 9 digits`, value.toPrecision(9))] : []
  return [
    { name: `${name}, big-endian`, bytes: big },
    { name: `${name}, little-endian`, bytes: big.slice().reverse() },
    text(name, String(value)),
    ...rounded,
  ]
}

function ofBigInt(name: string, value: bigint): readonly Needle[] {
  const little = new Uint8Array(16)
  let rest = BigInt.asUintN(128, value)
  for (let at = 0; at < 16; at++, rest >>= 8n) little[at] = Number(rest & 255n)
  const length = value < 0n ? 16 : 1 + little.findLastIndex((byte) => byte !== 0)
  const bytes = little.slice(0, length)
  return [
    text(name, String(value)),
    { name: `${name}, little-endian`, bytes },
    { name: `${name}, big-endian`, bytes: bytes.slice().reverse() },
  ]
}

/** Bytes as such and in base64, at each of the three places where they could begin in a longer text. */
function ofBytes(name: string, bytes: Uint8Array): readonly Needle[] {
  const inBase64 = [0, 1, 2].map((lead) => {
    const written = Buffer.concat([new Uint8Array(lead), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    // the first characters belong to what stands before, the last one to what follows
    return text(`${name} in base64`, written.slice(lead === 0 ? 0 : lead + 1, -1))
  })
  const inHex = text(`${name} in hex`, Buffer.from(bytes).toString('hex'))
  return [{ name, bytes }, inHex, ...inBase64]
}

function ofLeaves(name: string, value: unknown): readonly Needle[] {
  if (typeof value === 'number') return ofNumber(name, value)
  if (typeof value === 'bigint') return ofBigInt(name, value)
  if (value instanceof Uint8Array) return ofBytes(name, value)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([field, one]) => ofLeaves(`${name}.${field}`, one))
}

/** Every number and byte string in a value, and its canonical bytes, in every form. */
export function needlesOf(name: string, value: unknown): readonly Needle[] {
  const all = [...ofLeaves(name, value), ...ofBytes(`${name}, canonical`, encode(value))]
  return all.filter(({ bytes }) => bytes.length >= LEAST_BYTES)
}

/** Which of them lie where, readable. */
export function readable(bytes: Bytes, needles: readonly Needle[]): readonly string[] {
  const sought = needles.map(({ name, bytes: part }) => [name, Buffer.from(part)] as const)
  return [...bytes].flatMap(([place, all]) => {
    const here = Buffer.from(all.buffer, all.byteOffset, all.length)
    return sought.flatMap(([name, part]) => (here.includes(part) ? [`${place}: ${name}`] : []))
  })
}

/** Everything inside canonical bytes, and inside byte strings that are canonical bytes themselves. */
function* inside(value: unknown): Generator<unknown> {
  yield value
  if (value instanceof Uint8Array) {
    const found = decoded(value)
    if (typeof found === 'object' && found !== null) yield* inside(found)
  } else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) yield* inside(one)
}

function decoded(bytes: Uint8Array): unknown {
  try {
    return decode(bytes)
  } catch {
    return undefined
  }
}

const isCommitment = (value: unknown): value is { readonly commitment: Hex } =>
  typeof value === 'object' && value !== null && typeof (value as { commitment?: unknown }).commitment === 'string'

/** What boxes and kept states of a job, among these bytes, hold for whoever has these keys. */
export function openable(
  bytes: Bytes,
  job: Hex,
  keys: readonly Uint8Array[],
): { readonly tried: number; readonly opened: readonly (readonly [string, Uint8Array])[] } {
  const all = [...bytes].flatMap(([place, one]) => [...inside(one)].map((value) => [place, value] as const))
  const commitments = new Set(all.flatMap(([, value]) => (isCommitment(value) ? [value.commitment] : [])))
  const contexts = [releaseContext(job), ...[...commitments].map(stateContext)]
  const opened: (readonly [string, Uint8Array])[] = []
  let tried = 0
  const attempt = (place: string, open: () => Uint8Array | undefined): void => {
    tried++
    const plain = open()
    if (plain !== undefined) opened.push([place, plain])
  }
  const seen = new Set<string>()
  for (const [place, value] of all) {
    if (value instanceof Uint8Array) {
      const written = Buffer.from(value).toString('latin1')
      if (value.length >= LEAST_SEALED_BYTES && !seen.has(written))
        for (const key of keys) attempt(place, () => openUnder(key, keptContext(job), value))
      seen.add(written)
      continue
    }
    const box = boxSchema.safeParse(value)
    if (!box.success) continue
    for (const key of keys)
      for (const context of contexts)
        for (const { recipient } of (box.data as Box).keys)
          attempt(place, () => openSealed(box.data, recipient, key, context))
  }
  return { tried, opened }
}
