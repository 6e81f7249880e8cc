/**
 * The commands' side of the control socket: one JSON call, or a stream of JSON lines. Implements docs/reference/cli.md,
 * "The daemon". Errors of the daemon are thrown here as they were thrown there.
 */
import { type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { StateFolder } from '../config/state-folder.js'
import { findSocket } from './socket-path.js'

export interface Control {
  get<T>(path: string): Promise<T>
  post<T>(path: string, body?: unknown): Promise<T>
  /** One document a line until the daemon ends the stream. Throws `daemon-unreachable` if it dies meanwhile. */
  lines<T>(path: string, signal?: AbortSignal): AsyncGenerator<T>
}

export function openControl(folder: StateFolder): Control {
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    return (await readJson(folder, await send(folder, method, path, body))) as T
  }
  return {
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, body ?? {}),
    lines: (path, signal) => readLines(folder, path, signal),
  }
}

/** Whether a daemon answers on the folder's socket. */
export async function daemonRuns(folder: StateFolder): Promise<boolean> {
  try {
    await openControl(folder).get('/status')
    return true
  } catch (error) {
    if (error instanceof FlameshError && error.code === 'daemon-unreachable') return false
    throw error
  }
}

function unreachable(folder: StateFolder, cause: unknown): FlameshError {
  return new FlameshError('daemon-unreachable', `no daemon answers for ${folder.dir}`, {
    cause,
    meta: { dir: folder.dir },
    hint: `start it: flamesh start --dir ${folder.dir} --detach`,
  })
}

function send(
  folder: StateFolder,
  method: string,
  path: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      socketPath: findSocket(folder),
      method,
      path,
      headers: { 'content-type': 'application/json', connection: 'close' },
      ...(signal === undefined ? {} : { signal }),
    })
    outgoing.once('response', resolve)
    outgoing.once('error', (cause) => reject(signal?.aborted === true ? signal.reason : unreachable(folder, cause)))
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

async function readJson(folder: StateFolder, response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  } catch (cause) {
    throw unreachable(folder, cause)
  }
  const document: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  if (response.statusCode === 200) return document
  throw errorFrom(document)
}

function errorFrom(document: unknown): FlameshError {
  const { error } = document as {
    error: { code: string; message: string; hint?: string; meta?: Record<string, unknown> }
  }
  return new FlameshError(error.code, error.message, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.meta === undefined ? {} : { meta: error.meta }),
  })
}

async function* readLines<T>(folder: StateFolder, path: string, signal?: AbortSignal): AsyncGenerator<T> {
  const response = await send(folder, 'GET', path, undefined, signal)
  if (response.statusCode !== 200) {
    await readJson(folder, response)
    return
  }
  try {
    for await (const line of createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })) {
      yield JSON.parse(line) as T
    }
  } catch (cause) {
    throw signal?.aborted === true ? signal.reason : unreachable(folder, cause)
  }
  // The end of a stream is told from its breaking off by the closing chunk, which sets `complete`.
  if (!response.complete) throw unreachable(folder, undefined)
}
