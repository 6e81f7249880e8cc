/**
 * Writes values in canonical form (docs/spec/encoding.md, "Canonical form"): what `@ipld/dag-cbor` writes, at a fraction of its
 * cost, which was a fifth of everything a node does (docs/adr/0024). It never reads: bytes from outside go through the library.
 */
import { utf8ToBytes } from '../crypto/hash.js'

const UNSIGNED = 0x00
const NEGATIVE = 0x20
const BYTES = 0x40
const TEXT = 0x60
const LIST = 0x80
const MAP = 0xa0
const FALSE = 0xf4
const TRUE = 0xf5
const NULL = 0xf6
const FLOAT64 = 0xfb

const MAX_UNSIGNED = 2n ** 64n - 1n
const MIN_NEGATIVE = -(2n ** 64n)
const FIRST_BYTES = 4096
/** Up to here keys are put in order by insertion. */
const FEW_KEYS = 24
/** A larger buffer is not kept for the next value. */
const KEPT_BYTES = 1 << 20

/**
 * Lists and maps within each other. No message has half as many; without a bound how deep a value may be would depend on what
 * is left of the stack, and what is read today could not be read after a restart.
 */
export const MAX_NESTING = 48

let buffer = new Uint8Array(FIRST_BYTES)
let view = new DataView(buffer.buffer)
let at = 0
let nesting = 0
/** all of them share one buffer */
let busy = false

/**
 * What `use` makes of the canonical form; it must neither keep the bytes nor write anything else. Throws TypeError for anything
 * without a canonical form, which has what is nested deeper than MAX_NESTING.
 */
export function written<T>(value: unknown, use: (bytes: Uint8Array) => T): T {
  if (busy) throw new TypeError('a value that encodes something while it is encoded')
  busy = true
  at = 0
  nesting = 0
  try {
    writeValue(value)
    return use(buffer.subarray(0, at))
  } finally {
    busy = false
    // seeds and keys are written too, before they are sealed
    if (buffer.length > KEPT_BYTES) grow(FIRST_BYTES, 0)
    else buffer.fill(0, 0, at)
  }
}

/** The canonical form, to be kept. */
export const write = (value: unknown): Uint8Array => written(value, (bytes) => bytes.slice())

function grow(length: number, kept: number): void {
  const before = buffer
  const larger = new Uint8Array(length)
  const viewOfIt = new DataView(larger.buffer)
  buffer = larger
  view = viewOfIt
  buffer.set(before.subarray(0, kept))
  before.fill(0)
}

function reserve(bytes: number): void {
  if (at + bytes > buffer.length) grow(Math.max(2 * buffer.length, at + bytes), at)
}

function writeValue(value: unknown): void {
  switch (typeof value) {
    case 'string':
      return writeText(value)
    case 'number':
      return writeNumber(value)
    case 'boolean':
      return writeByte(value ? TRUE : FALSE)
    case 'bigint':
      return writeBigInteger(value)
    case 'object':
      return value === null ? writeByte(NULL) : writeObject(value)
    default:
      throw new TypeError(`${typeof value} has no canonical form`)
  }
}

function writeByte(byte: number): void {
  reserve(1)
  buffer[at++] = byte
}

/** The major type with its argument, in the fewest bytes; `argument` is a safe integer from 0 on. */
function writeHead(major: number, argument: number): void {
  reserve(9)
  if (argument < 24) {
    buffer[at++] = major | argument
  } else if (argument < 0x100) {
    buffer[at++] = major | 24
    buffer[at++] = argument
  } else if (argument < 0x10000) {
    buffer[at++] = major | 25
    view.setUint16(at, argument)
    at += 2
  } else if (argument < 0x1_0000_0000) {
    buffer[at++] = major | 26
    view.setUint32(at, argument)
    at += 4
  } else {
    writeLongHead(major, BigInt(argument))
  }
}

function writeLongHead(major: number, argument: bigint): void {
  reserve(9)
  buffer[at++] = major | 27
  view.setBigUint64(at, argument)
  at += 8
}

function writeNumber(value: number): void {
  if (Number.isSafeInteger(value)) return value >= 0 ? writeHead(UNSIGNED, value) : writeHead(NEGATIVE, -1 - value)
  if (!Number.isFinite(value)) throw new TypeError(`${value} has no canonical form`)
  writeByte(FLOAT64)
  reserve(8)
  view.setFloat64(at, value)
  at += 8
}

function writeBigInteger(value: bigint): void {
  if (value > MAX_UNSIGNED || value < MIN_NEGATIVE) throw new TypeError('an integer of more than 64 bits')
  const argument = value >= 0n ? value : -1n - value
  const major = value >= 0n ? UNSIGNED : NEGATIVE
  if (argument <= 0xffff_ffffn) writeHead(major, Number(argument))
  else writeLongHead(major, argument)
}

function writeBytes(major: number, bytes: Uint8Array): void {
  writeHead(major, bytes.length)
  reserve(bytes.length)
  buffer.set(bytes, at)
  at += bytes.length
}

/** ASCII character by character, which is faster than any call for the short texts that messages are made of. */
function writeText(text: string): void {
  const { length } = text
  writeHead(TEXT, length)
  reserve(length)
  const begin = at
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code >= 0x80) {
      // the head is in front of `begin`, and was for another length
      at = begin - headBytes(length)
      return writeBytes(TEXT, utf8ToBytes(text))
    }
    buffer[begin + index] = code
  }
  at = begin + length
}

const headBytes = (argument: number): number =>
  argument < 24 ? 1 : argument < 0x100 ? 2 : argument < 0x10000 ? 3 : argument < 0x1_0000_0000 ? 5 : 9

function writeObject(value: object): void {
  if (value instanceof Uint8Array) return writeBytes(BYTES, value)
  if (++nesting > MAX_NESTING) throw new TypeError(`nested deeper than ${MAX_NESTING}`)
  if (Array.isArray(value)) writeList(value)
  else writeMap(value)
  nesting--
}

function writeList(value: readonly unknown[]): void {
  writeHead(LIST, value.length)
  for (let index = 0; index < value.length; index++) writeValue(value[index])
}

function writeMap(value: object): void {
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null)
    throw new TypeError('only plain objects have a canonical form')
  const keys = Object.keys(value)
  if (keys.length > 1) sortKeys(keys)
  writeHead(MAP, keys.length)
  for (const key of keys) {
    writeText(key)
    writeValue((value as Readonly<Record<string, unknown>>)[key])
  }
}

/** Shorter ones first, then bytewise (RFC 7049, section 3.9, as DAG-CBOR has it). Records have few keys. */
function sortKeys(keys: string[]): void {
  if (keys.every(isAscii)) {
    if (keys.length <= FEW_KEYS) insertInOrder(keys)
    else keys.sort((a, b) => (comesBefore(a, b) ? -1 : 1))
    return
  }
  const bytes = new Map(keys.map((key) => [key, utf8ToBytes(key)]))
  keys.sort((a, b) => compareBytes(bytes.get(a) as Uint8Array, bytes.get(b) as Uint8Array))
}

const comesBefore = (a: string, b: string): boolean => (a.length === b.length ? a < b : a.length < b.length)

/** The sort of the language copies what it sorts, which was a seventh of all memory that a simulation asked for. */
function insertInOrder(keys: string[]): void {
  for (let next = 1; next < keys.length; next++) {
    const key = keys[next] as string
    let at = next
    for (; at > 0 && comesBefore(key, keys[at - 1] as string); at--) keys[at] = keys[at - 1] as string
    keys[at] = key
  }
}

const ASCII = /^[\x00-\x7f]*$/
const isAscii = (text: string): boolean => ASCII.test(text)

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length
  for (let index = 0; index < a.length; index++) {
    if (a[index] !== b[index]) return (a[index] as number) - (b[index] as number)
  }
  return 0
}
