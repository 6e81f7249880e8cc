/**
 * Messages to one peer over one stream, one after the other, each with its verdict: header, chunks, digest; then the
 * answer. Implements docs/spec/transport.md, "Messages". A stream can end quietly after a reset, so the header's length and
 * the digest are what says that a message is whole. Whoever the peer is was settled by the connection; what the bytes mean is
 * not known here.
 */
import { createHash } from 'node:crypto'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { later, reject, type Verdict } from '@flamesh/protocol/encoding/verdict.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { MAX_MESSAGE_BYTES } from '@flamesh/protocol/limits.js'
import type { Stream } from '@libp2p/interface'
import { messageStreamToDuplex } from '@libp2p/utils'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { z } from 'zod'
import type { Release } from './budget.js'
import {
  ANSWER_TIMEOUT_MS,
  CHUNK_BYTES,
  IDLE_STREAM_MS,
  MAX_HEADER_BYTES,
  MAX_VERDICT_BYTES,
  SLOWEST_BYTES_PER_SECOND,
  WRITE_BYTES,
} from './limits.js'

export const MESSAGE_PROTOCOL = '/flamesh/message/1'

const MAX_CODE_CHARS = 64
const MAX_EXPLANATION_CHARS = 500
const DIGEST_BYTES = 32
/** A sender that was answered closes its end at once. */
const LINGER_MS = 5000
const OPEN: ReadonlySet<string> = new Set(['open', 'closing'])

const headerSchema = z.strictObject({ length: z.int().min(1).max(MAX_MESSAGE_BYTES) })
const codeSchema = z.string().max(MAX_CODE_CHARS)
const verdictSchema = z.discriminatedUnion('verdict', [
  z.strictObject({ verdict: z.literal('accept') }),
  z.strictObject({ verdict: z.literal('ignore'), code: codeSchema }),
  z.strictObject({ verdict: z.literal('later'), code: codeSchema }),
  z.strictObject({ verdict: z.literal('reject'), code: codeSchema, message: z.string().max(MAX_EXPLANATION_CHARS) }),
])

type Frame = ReturnType<typeof lengthPrefixed.encode.single>

/** How long a message of this size may take, from the opened stream to its verdict. */
export function answerTimeoutMs(length: number): number {
  return ANSWER_TIMEOUT_MS + Math.ceil((length / SLOWEST_BYTES_PER_SECOND) * 1000)
}

const broken = (why: string) => new FlameshError('bad-frame', why)

function encodeVerdict(verdict: Verdict): Uint8Array {
  if (verdict.verdict === 'accept') return encode(verdict)
  const code = verdict.code.slice(0, MAX_CODE_CHARS)
  if (verdict.verdict !== 'reject') return encode({ ...verdict, code })
  return encode({ ...verdict, code, message: verdict.message.slice(0, MAX_EXPLANATION_CHARS) })
}

function* requestFrames(message: Uint8Array): Generator<Uint8Array> {
  yield encode({ length: message.length })
  const hash = createHash('sha256')
  for (let at = 0; at < message.length; at += CHUNK_BYTES) {
    const chunk = message.subarray(at, at + CHUNK_BYTES)
    hash.update(chunk)
    yield chunk
  }
  yield hash.digest()
}

/** As few writes as can be without copying much: each is a frame of the multiplexer, encrypted on its own. */
function* written(frames: Iterable<Uint8Array>): Generator<Frame> {
  let write: Frame | undefined
  for (const frame of frames) {
    const next = lengthPrefixed.encode.single(frame)
    if (write === undefined) write = next
    else if (write.byteLength + next.byteLength <= WRITE_BYTES) write.appendAll([next])
    else {
      yield write
      write = next
    }
  }
  if (write !== undefined) yield write
}

function readVerdict(frame: Frame): Verdict {
  const parsed = verdictSchema.safeParse(decode(frame.subarray()))
  if (!parsed.success) throw broken('not a verdict')
  return parsed.data
}

/** Such a verdict may be on a message that was not read to its end: nothing after it would be read. */
const endsStream = (verdict: Verdict): boolean =>
  verdict.verdict === 'reject' || (verdict.verdict === 'later' && verdict.code === 'busy')

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error('given up'))

/** A stream of our own to one peer. Messages go over it one after the other, each answered before the next. */
export class Line {
  readonly #stream: Stream
  readonly #answers: AsyncIterator<Frame>

  constructor(stream: Stream) {
    this.#stream = stream
    const { source } = messageStreamToDuplex(stream)
    this.#answers = lengthPrefixed.decode(source, { maxDataLength: MAX_VERDICT_BYTES })[Symbol.asyncIterator]()
  }

  /** Whether another message can go over it. */
  get open(): boolean {
    return this.#stream.status === 'open' && this.#stream.remoteWriteStatus === 'writable'
  }

  /** Sends a message and resolves with the peer's verdict; rejects, and ends the stream, when there is none. */
  async ask(message: Uint8Array, signal: AbortSignal): Promise<Verdict> {
    const giveUp = () => this.#stream.abort(asError(signal.reason))
    let whole = false
    try {
      signal.throwIfAborted()
      signal.addEventListener('abort', giveUp, { once: true })
      const answered = this.#answer()
      const sent = this.#write(message, signal).then(() => {
        whole = true
      })
      // whichever fails first is what is told; the other fails with the stream
      for (const one of [answered, sent]) one.catch(() => undefined)
      await Promise.race([sent, answered])
      const verdict = await answered
      if (endsStream(verdict)) this.close()
      return verdict
    } catch (error) {
      this.#stream.abort(asError(error))
      throw error
    } finally {
      signal.removeEventListener('abort', giveUp)
      // An early verdict (no room, a refused header) leaves the rest of the message unsent.
      if (!whole) this.#stream.abort(new Error('the verdict came early'))
    }
  }

  close(): void {
    this.#stream.close().catch((error) => this.#stream.abort(asError(error)))
  }

  async #write(message: Uint8Array, signal: AbortSignal): Promise<void> {
    for (const write of written(requestFrames(message))) {
      if (!this.#stream.send(write)) await this.#stream.onDrain({ signal })
    }
  }

  async #answer(): Promise<Verdict> {
    const { done, value } = await this.#answers.next()
    if (done === true) throw broken('the stream ended without a verdict')
    return readVerdict(value)
  }
}

export interface Receiver {
  /** Room for a message of this length, or undefined: the sender is asked to come again. */
  readonly admit: (length: number) => Release | undefined
  readonly receive: (message: Uint8Array) => Promise<Verdict>
  /** told of every verdict, those on unread messages too */
  readonly answered: (verdict: Verdict) => void
}

/**
 * Reads messages from a stream that a peer opened and answers each with its verdict, until the peer closes it or a message is
 * refused unread. Throws when the stream fails or a message breaks off.
 */
export async function answer(stream: Stream, receiver: Receiver): Promise<void> {
  const duplex = messageStreamToDuplex(stream)
  const deadline = new Deadline(stream)
  try {
    await pipe(
      duplex,
      (source) => lengthPrefixed.decode(source, { maxDataLength: CHUNK_BYTES, maxLengthLength: 4 }),
      async function* (frames) {
        const reader = frames[Symbol.asyncIterator]()
        for (;;) {
          deadline.set(IDLE_STREAM_MS)
          const { done, value: header } = await reader.next()
          if (done === true) return
          const { verdict, whole } = await decide(header, reader, receiver, deadline)
          // What still arrives of a refused message waits in the multiplexer's bounded window until the sender gives up.
          if (!whole && stream.readStatus === 'readable') stream.pause()
          receiver.answered(verdict)
          yield* written([encodeVerdict(verdict)])
          if (!whole) return
        }
      },
      duplex,
    )
  } finally {
    deadline.set(LINGER_MS)
  }
}

/** The time a sender has to deliver, and to hang up; deciding upon what was delivered is our own time. */
class Deadline {
  readonly #stream: Stream
  #timer: NodeJS.Timeout | undefined

  constructor(stream: Stream) {
    this.#stream = stream
    stream.addEventListener('close', () => this.clear(), { once: true })
  }

  set(ms: number): void {
    this.clear()
    if (!OPEN.has(this.#stream.status)) return
    this.#timer = setTimeout(() => this.#stream.abort(new Error('the message took too long')), ms)
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}

interface Decided {
  readonly verdict: Verdict
  /** false when the rest of the message was not read: nothing after it can be */
  readonly whole: boolean
}

const refused = (verdict: Verdict): Decided => ({ verdict, whole: false })

async function decide(
  header: Frame,
  reader: AsyncIterator<Frame>,
  receiver: Receiver,
  deadline: Deadline,
): Promise<Decided> {
  if (header.byteLength > MAX_HEADER_BYTES) return refused(reject('bad-frame', 'the header is too large'))
  const length = readLength(header.subarray())
  if (length === undefined) return refused(reject('bad-frame', 'not a header'))
  const release = receiver.admit(length)
  if (release === undefined) return refused(later('busy'))
  try {
    deadline.set(answerTimeoutMs(length))
    const message = await readMessage(length, async () => {
      const { done, value } = await reader.next()
      if (done === true) throw broken('the message ended early')
      return value
    })
    if (message === undefined) return refused(reject('bad-frame', 'frames and digest do not add up'))
    deadline.clear()
    return { verdict: await receiver.receive(message), whole: true }
  } finally {
    release()
  }
}

function readLength(header: Uint8Array): number | undefined {
  try {
    return headerSchema.parse(decode(header)).length
  } catch {
    return undefined
  }
}

/** Exactly `length` bytes in full chunks, and their digest; undefined when the frames say something else. */
async function readMessage(length: number, next: () => Promise<Frame>): Promise<Uint8Array | undefined> {
  const message = new Uint8Array(length)
  const hash = createHash('sha256')
  for (let at = 0; at < length; ) {
    const frame = await next()
    if (frame.byteLength !== Math.min(CHUNK_BYTES, length - at)) return undefined
    const chunk = frame.subarray()
    message.set(chunk, at)
    hash.update(chunk)
    at += chunk.length
  }
  const digest = await next()
  return digest.byteLength === DIGEST_BYTES && hash.digest().equals(digest.subarray()) ? message : undefined
}
