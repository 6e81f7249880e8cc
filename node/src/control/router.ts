/**
 * A small JSON router on node:http, for the control socket: exact segments and `:name` segments, bodies checked by a
 * schema before a handler sees them, every error a JSON document. It authenticates nobody: the socket's permissions do.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { z } from 'zod'
import { toJson } from './json.js'

/** A job is a page of YAML and a policy too; rows never pass here. */
const MAX_BODY_BYTES = 1024 * 1024

export interface Call<B> {
  readonly parameters: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly body: B
  /** fires when the caller hangs up */
  readonly signal: AbortSignal
}

/** A response that goes on: one JSON document a line, the next only when the caller has room for it. */
export interface Lines {
  readonly lines: AsyncIterable<unknown>
}

export interface Route {
  readonly method: 'GET' | 'POST'
  readonly segments: readonly string[]
  readonly body: z.ZodType | undefined
  readonly handle: (call: Call<never>) => Promise<unknown>
}

export function route<B>(
  method: Route['method'],
  path: string,
  body: z.ZodType<B> | undefined,
  handle: (call: Call<B>) => Promise<unknown>,
): Route {
  return { method, segments: path.split('/').slice(1), body, handle: handle as Route['handle'] }
}

/** The request listener that serves these routes. */
export function serveRoutes(routes: readonly Route[]) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    answer(routes, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else sendJson(response, statusOf(error), { error: errorDocument(error) })
    })
  }
}

async function answer(routes: readonly Route[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://control')
  const segments = url.pathname.split('/').slice(1).map(decodeSegment)
  for (const candidate of routes) {
    if (candidate.method !== request.method) continue
    const parameters = match(candidate.segments, segments)
    if (parameters === undefined) continue
    const body = candidate.body === undefined ? undefined : checked(candidate.body, await readBody(request))
    const hangUp = new AbortController()
    response.once('close', () => hangUp.abort())
    const call = { parameters, query: url.searchParams, body, signal: hangUp.signal }
    const result = await candidate.handle(call as Call<never>)
    if (isLines(result)) await sendLines(response, result.lines)
    else sendJson(response, 200, result ?? {})
    return
  }
  throw new FlameshError('no-such-call', `the daemon has no call ${request.method} ${url.pathname}`, {
    hint: 'the command and the daemon may be of different versions: restart the daemon',
  })
}

function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new FlameshError('bad-call', `"${text}" is not a part of a path`, { cause })
  }
}

function match(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined
  const parameters: Record<string, string> = {}
  for (const [i, expected] of pattern.entries()) {
    const segment = segments[i] as string
    if (expected.startsWith(':')) parameters[expected.slice(1)] = segment
    else if (expected !== segment) return undefined
  }
  return parameters
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) throw new FlameshError('too-large', `a request may have ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  if (size === 0) return {}
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (cause) {
    throw new FlameshError('bad-call', 'the body is not JSON', { cause })
  }
}

function checked(schema: z.ZodType, body: unknown): unknown {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
  throw new FlameshError('bad-call', `the request is not well formed: ${problems}`)
}

function isLines(result: unknown): result is Lines {
  return (
    typeof result === 'object' && result !== null && 'lines' in result && Symbol.asyncIterator in Object(result.lines)
  )
}

async function sendLines(response: ServerResponse, lines: AsyncIterable<unknown>): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.flushHeaders()
  for await (const line of lines) {
    if (response.destroyed) return
    if (!response.write(`${toJson(line)}\n`)) await drained(response)
  }
  response.end()
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once('drain', resolve)
    response.once('close', resolve)
  })
}

function sendJson(response: ServerResponse, status: number, document: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(toJson(document))
}

function statusOf(error: unknown): number {
  if (!(error instanceof FlameshError) || error.code === 'internal') return 500
  return error.code === 'no-such-call' || error.code === 'not-found' ? 404 : 400
}

export function errorDocument(error: unknown): {
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly meta?: unknown
} {
  if (!(error instanceof FlameshError)) {
    return { code: 'internal', message: error instanceof Error ? error.message : String(error) }
  }
  return {
    code: error.code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(Object.keys(error.meta).length === 0 ? {} : { meta: error.meta }),
  }
}
