/**
 * The text of a file, piece by piece: UTF-8, UTF-16 and the eight-bit encodings of Western Europe. Implements docs/spec/jobs.md,
 * "Datasets". A byte that is no character is refused by line number, never replaced. Of the eight-bit encodings nothing
 * can be proved: any text is some text in each of them.
 */
import type { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { hasCode } from '../store/files.js'

export const ENCODINGS = ['utf-8', 'windows-1252', 'iso-8859-15', 'utf-16le', 'utf-16be'] as const
export type Encoding = (typeof ENCODINGS)[number]

/** A guess and what speaks for it. */
export interface EncodingGuess {
  readonly encoding: Encoding
  readonly because: string
}

/**
 * What windows-1252 has in the place of the control characters 80 to 9F; a zero where it has nothing. Here because the
 * decoder of Node.js 20 gives the control characters instead.
 */
const WINDOWS_1252 = '€\0‚ƒ„…†‡ˆ‰Š‹Œ\0Ž\0\0‘’“”•–—˜™š›œ\0žŸ'
const HIGH_CONTROLS = /[\x80-\x9f]/g
const LINE_BREAK = /\r\n|\n|\r/g

/** Read at once. */
const CHUNK_BYTES = 1 << 18

type Decode = (bytes: Uint8Array, last: boolean) => string

/** Throws anything at all at bytes that are not in the encoding. */
function decoderOf(encoding: Encoding): Decode {
  if (encoding === 'windows-1252') {
    return (bytes) => {
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
      return text.replace(HIGH_CONTROLS, (one) => WINDOWS_1252[one.charCodeAt(0) - 0x80] as string)
    }
  }
  const decoder = new TextDecoder(encoding, { fatal: true })
  return (bytes, last) => decoder.decode(bytes, { stream: !last })
}

/** No table has a zero character: it is a byte that windows-1252 lacks, or a file of another kind. */
const strict =
  (decode: Decode): Decode =>
  (bytes, last) => {
    const text = decode(bytes, last)
    if (text.includes('\0')) throw new TypeError('a zero character')
    return text
  }

/** Counts line breaks over pieces of a text. */
export function lineCounter(): (text: string) => number {
  let lines = 1
  let afterReturn = false
  return (text) => {
    if (text === '') return lines
    lines += (text.match(LINE_BREAK) ?? []).length
    // the second half of a break that was counted with the piece before
    if (afterReturn && text.startsWith('\n')) lines--
    afterReturn = text.endsWith('\r')
    return lines
  }
}

interface Mistake {
  readonly line: number
  /** whether the byte is a zero, which no encoding of a text has */
  readonly zero: boolean
}

/**
 * The first byte that is not in the encoding: a second reading of a file that failed the first. Two decoders, so that one is
 * still before the mistake when the other has met it.
 */
async function mistakeIn(file: string, encoding: Encoding): Promise<Mistake | undefined> {
  const ahead = strict(decoderOf(encoding))
  const behind = strict(decoderOf(encoding))
  const count = lineCounter()
  let line = 1
  const fails = (run: () => unknown): boolean => {
    try {
      run()
      return false
    } catch {
      return true
    }
  }
  for await (const chunk of bytesOf(file)) {
    if (fails(() => ahead(chunk, false))) {
      let zero = false
      fails(() => {
        for (const byte of chunk) {
          zero = byte === 0
          line = count(behind(Uint8Array.of(byte), false))
        }
      })
      return { line, zero }
    }
    line = count(behind(chunk, false))
  }
  return fails(() => ahead(new Uint8Array(0), true)) ? { line, zero: false } : undefined
}

async function notInEncoding(file: string, encoding: Encoding): Promise<FlameshError> {
  const { line, zero = false } = (await mistakeIn(file, encoding)) ?? {}
  const where = line === undefined ? '' : `line ${line}: `
  return new FlameshError('csv-encoding', `${where}${zero ? 'a zero byte' : `a byte that is not ${encoding}`}`, {
    meta: { file, ...(line === undefined ? {} : { line }) },
    hint: zero
      ? 'is it a table, and whole? if it is UTF-16 without a mark: --encoding utf-16le'
      : 'save the file as "CSV UTF-8", or name its encoding with --encoding',
  })
}

/**
 * The text of the file, without its byte order mark. `hash` is given every byte. Throws `csv-unreadable`, and
 * `csv-encoding` with the line.
 */
export async function* textOf(
  file: string,
  encoding: Encoding,
  hash?: ReturnType<typeof createHash>,
): AsyncGenerator<string> {
  const decode = strict(decoderOf(encoding))
  const checked = async (bytes: Uint8Array, last: boolean): Promise<string> => {
    try {
      return decode(bytes, last)
    } catch {
      throw await notInEncoding(file, encoding)
    }
  }
  try {
    for await (const chunk of bytesOf(file)) {
      hash?.update(chunk)
      yield await checked(chunk, false)
    }
    yield await checked(new Uint8Array(0), true)
  } catch (cause) {
    throw cause instanceof FlameshError ? cause : unreadable(file, cause)
  }
}

export function unreadable(file: string, cause: unknown): FlameshError {
  const packed = cause instanceof Error && 'code' in cause && String(cause.code).startsWith('Z_')
  const message = hasCode(cause, 'ENOENT') ? 'there is no such file' : 'the file cannot be read'
  return new FlameshError('csv-unreadable', packed ? 'the file is no gzip file, or not to its end' : message, {
    meta: { file },
    hint: packed ? 'pack it again, or give it as it was before' : 'check the path and the rights',
    cause,
  })
}

/** The bytes of a file, unpacked if its name says that it is packed. */
export function bytesOf(file: string): AsyncIterable<Buffer> {
  const stream = createReadStream(file, { highWaterMark: CHUNK_BYTES })
  if (!file.endsWith('.gz')) return stream
  // an error of either end is thrown to whoever reads
  return pipeline(stream, createGunzip({ chunkSize: CHUNK_BYTES }), () => undefined)
}

async function firstBytes(file: string): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  try {
    for await (const chunk of bytesOf(file)) {
      bytes = Buffer.concat([bytes, chunk])
      if (bytes.length >= 3) break
    }
    return bytes.subarray(0, 3)
  } catch (cause) {
    throw unreadable(file, cause)
  }
}

/**
 * Reads a file until something speaks against UTF-8: by its mark, else UTF-8 if all of it is, else windows-1252, which
 * is what spreadsheets write in Western Europe. Throws `csv-unreadable`.
 */
export async function guessEncoding(file: string): Promise<EncodingGuess> {
  const mark = await firstBytes(file)
  const begins = (...bytes: number[]): boolean => bytes.every((byte, at) => mark[at] === byte)
  if (begins(0xef, 0xbb, 0xbf)) return { encoding: 'utf-8', because: 'its byte order mark' }
  if (begins(0xff, 0xfe)) return { encoding: 'utf-16le', because: 'its byte order mark' }
  if (begins(0xfe, 0xff)) return { encoding: 'utf-16be', because: 'its byte order mark' }
  try {
    for await (const _ of textOf(file, 'utf-8'));
    return { encoding: 'utf-8', because: 'every byte fits' }
  } catch (error) {
    if (!(error instanceof FlameshError) || error.code !== 'csv-encoding') throw error
    return { encoding: 'windows-1252', because: `${error.message.split(':')[0]} is not UTF-8` }
  }
}
