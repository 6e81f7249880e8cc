/**
 * Messages to and from members: which may be under way at once, and what a failure is called. Implements
 * docs/spec/transport.md, "Messages" and "Limits". It sends once; trying again is the caller's.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Verdict } from '@flamesh/protocol/encoding/verdict.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { MAX_MESSAGE_BYTES } from '@flamesh/protocol/limits.js'
import type { Connection, Stream } from '@libp2p/interface'
import { type Log, reasonOf } from '../log.js'
import { Budget } from './budget.js'
import * as limits from './limits.js'
import { answer, answerTimeoutMs, Line, MESSAGE_PROTOCOL } from './message.js'

export interface MessengerOptions {
  readonly isMember: (key: Hex) => boolean
  /** the open connection, or a new one. Throws `unreachable`. */
  readonly connect: (key: Hex) => Promise<Connection>
  readonly receive: (from: Hex, message: Uint8Array) => Promise<Verdict>
  readonly penalise: (peer: Hex, why: string) => void
  /** aborted with the reason when the node stops */
  readonly stopping: AbortSignal
  readonly log: Log
}

export class Messenger {
  readonly #options: MessengerOptions
  readonly #inbound = new Budget({
    totalBytes: limits.INBOUND_BYTES,
    perPeerBytes: limits.INBOUND_BYTES_PER_PEER,
    perPeerMessages: limits.INBOUND_MESSAGES_PER_PEER,
    maxWaiting: 0,
  })
  readonly #outbound = new Budget({
    totalBytes: limits.OUTBOUND_BYTES,
    perPeerBytes: limits.OUTBOUND_BYTES_PER_PEER,
    perPeerMessages: limits.OUTBOUND_MESSAGES_PER_PEER,
    maxWaiting: limits.MAX_WAITING_SENDS,
  })
  readonly #idle = new WeakMap<Connection, IdleLine[]>()

  constructor(options: MessengerOptions) {
    this.#options = options
  }

  async send(to: Hex, message: Uint8Array): Promise<Verdict> {
    const { isMember, connect, stopping } = this.#options
    if (message.length === 0 || message.length > MAX_MESSAGE_BYTES) {
      const meta = { bytes: message.length, limit: MAX_MESSAGE_BYTES }
      throw new FlameshError('message-too-large', `a message has 1 to ${MAX_MESSAGE_BYTES} bytes`, { meta })
    }
    if (!isMember(to)) throw new FlameshError('not-a-member', `${to} is not in the roster`, { meta: { peer: to } })
    try {
      // Connect first: whoever is not there shall not take the turn of those who are.
      const connection = await connect(to)
      const release = await this.#outbound.take(to, message.length, stopping)
      try {
        return await within(answerTimeoutMs(message.length), stopping, async (signal) => {
          const line = this.#takeLine(connection) ?? (await openLine(connection, signal))
          const verdict = await line.ask(message, signal)
          this.#keepLine(connection, line)
          return verdict
        })
      } finally {
        release()
      }
    } catch (error) {
      throw stopping.aborted ? stopping.reason : sendError(to, error)
    }
  }

  /** Handles a stream that a peer opened. Never throws. */
  async serve(stream: Stream, from: Hex): Promise<void> {
    const { receive, penalise, log } = this.#options
    try {
      await answer(stream, {
        admit: (length) => this.#inbound.tryTake(from, length),
        receive: (message) => receive(from, message),
        answered: (verdict) => {
          if (verdict.verdict === 'reject') penalise(from, verdict.code)
        },
      })
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error('the message failed'))
      log('debug', 'message-not-received', { peer: from, reason: reasonOf(error) })
    }
  }

  #takeLine(connection: Connection): Line | undefined {
    const idle = this.#idle.get(connection) ?? []
    for (let last = idle.pop(); last !== undefined; last = idle.pop()) {
      clearTimeout(last.timer)
      if (last.line.open) return last.line
    }
    return undefined
  }

  /** For the next message. The one used last goes first, so that others are closed when they are not needed. */
  #keepLine(connection: Connection, line: Line): void {
    if (!line.open) return
    const idle = this.#idle.get(connection) ?? []
    if (idle.length >= limits.KEEP_STREAMS) return line.close()
    const timer = setTimeout(() => {
      idle.splice(
        idle.findIndex((one) => one.line === line),
        1,
      )
      line.close()
    }, limits.KEEP_STREAM_MS).unref()
    this.#idle.set(connection, idle)
    idle.push({ line, timer })
  }
}

interface IdleLine {
  readonly line: Line
  readonly timer: NodeJS.Timeout
}

async function openLine(connection: Connection, signal: AbortSignal): Promise<Line> {
  return new Line(await connection.newStream(MESSAGE_PROTOCOL, { signal, maxOutboundStreams: limits.MAX_STREAMS }))
}

/** Runs with a signal that fires after a time or when `stopping` does, and leaves neither timer nor listener behind. */
async function within<T>(ms: number, stopping: AbortSignal, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const patience = new AbortController()
  const stop = () => patience.abort(stopping.reason)
  const timer = setTimeout(() => patience.abort(new Error(`no verdict within ${ms} ms`)), ms)
  stopping.addEventListener('abort', stop, { once: true })
  try {
    return await run(patience.signal)
  } finally {
    clearTimeout(timer)
    stopping.removeEventListener('abort', stop)
  }
}

function sendError(to: Hex, cause: unknown): FlameshError {
  const meta = { peer: to }
  if (cause instanceof Error && cause.name === 'UnsupportedProtocolError') {
    return new FlameshError('version-mismatch', `the peer does not speak ${MESSAGE_PROTOCOL}`, {
      cause,
      meta,
      hint: 'one of the two nodes runs another version of flamesh: compare "flamesh --version" on both',
    })
  }
  if (cause instanceof FlameshError && (cause.code === 'unreachable' || cause.code === 'busy')) return cause
  return new FlameshError('unreachable', `no answer from the peer: ${reasonOf(cause)}`, { cause, meta })
}
