/**
 * An engine on another machine of the site: there a process of flamesh runs beside the engine and does everything that a node
 * does with one of its own, by the same code; the node hands it the files of a run over TLS and is told how the run ended.
 * Both ends show a certificate of the site's own authority. Implements docs/spec/containers.md, "Another machine".
 */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, request, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { z } from 'zod'
import type { ContainerEngine, RunOutcome, RunRequest } from './engine.js'

/** What a node needs of an engine, wherever it is. */
export type Engine = Pick<ContainerEngine, 'check' | 'run' | 'sweep'>

export interface TlsFiles {
  /** PEM: the site's own authority, and nobody else's */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** Of one run: rows as CSV, a state, a sum. */
const MAX_BODY_BYTES = 512 * 1024 * 1024
const CONNECT_LIMIT_MS = 10_000
const CALL_LIMIT_MS = 60_000

const vectorSchema = z.array(z.number())
const commonSchema = {
  round: z.int().min(1),
  parameters: z.unknown(),
  state: vectorSchema,
  output: z.strictObject({ dimension: z.int().min(1).nullable(), bound: z.number().positive() }),
}
const runSchema = z.strictObject({
  image: z.string(),
  input: z.discriminatedUnion('entry', [
    z.strictObject({
      ...commonSchema,
      entry: z.literal('map'),
      data: z.strictObject({ csv: z.string(), schema: z.unknown() }),
    }),
    z.strictObject({ ...commonSchema, entry: z.literal('reduce'), sum: vectorSchema }),
  ]),
  limits: z.unknown(),
  grants: z.unknown(),
})

// ---- beside the engine

export interface EngineServer {
  readonly port: number
  close(): Promise<void>
}

/** Serves `engine` to whoever shows a certificate of the authority. Throws what listening throws. */
export async function serveEngine(
  engine: Engine,
  { host, port, tls }: { readonly host: string; readonly port: number; readonly tls: TlsFiles },
): Promise<EngineServer> {
  const options = { ...tls, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const
  const server = createServer(options, (incoming, response) => {
    answer(engine, incoming, response).catch(() => response.destroy())
  })
  server.listen(port, host)
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => closed(server) }
}

async function closed(server: Server): Promise<void> {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}

async function answer(engine: Engine, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  // whoever asked hangs up: nobody waits for the run any more
  response.on('close', () => gone.abort())
  const say = (status: number, document: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(document))
  }
  try {
    if (incoming.method !== 'POST') return say(405, { code: 'bad-call' })
    const body = await bodyOf(incoming)
    switch (incoming.url) {
      case '/check':
        return say(200, await engine.check(gone.signal))
      case '/sweep':
        return say(200, await engine.sweep(gone.signal))
      case '/run':
        return say(200, wire(await engine.run(requestOf(body), gone.signal)))
      default:
        return say(404, { code: 'bad-call' })
    }
  } catch (error) {
    const told = error instanceof FlameshError ? error : new FlameshError('internal', 'the engine could not be asked')
    say(500, { code: told.code, message: told.message, hint: told.hint })
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw new FlameshError('bad-call', `more than ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString('utf8')
  try {
    return text === '' ? undefined : (JSON.parse(text) as unknown)
  } catch (cause) {
    throw new FlameshError('bad-call', 'not JSON', { cause })
  }
}

function requestOf(body: unknown): RunRequest {
  const parsed = runSchema.safeParse(body)
  if (!parsed.success) throw new FlameshError('bad-call', 'not a run')
  const { image, input, limits, grants } = parsed.data
  const { round, parameters, state, output } = input
  const common = {
    round,
    parameters,
    state: Float64Array.from(state),
    output: { dimension: output.dimension ?? undefined, bound: output.bound },
  }
  // limits and grants are checked where they are used
  const rest = { image, limits: limits as NonNullable<RunRequest['limits']>, grants }
  return input.entry === 'map'
    ? { ...rest, input: { ...common, entry: 'map', data: input.data as { csv: string; schema: unknown } } }
    : { ...rest, input: { ...common, entry: 'reduce', sum: Float64Array.from(input.sum) } }
}

const wire = (outcome: RunOutcome): unknown =>
  outcome.ok ? { ok: true, values: [...outcome.values], operator: outcome.operator } : outcome

// ---- at the node

/** The engine of another machine, as if it were here. */
export class RemoteEngine implements Engine {
  constructor(
    private readonly host: string,
    private readonly port: number,
    private readonly tls: TlsFiles,
  ) {}

  check(signal?: AbortSignal): Promise<{ readonly version: string; readonly processors: number }> {
    return this.#post('/check', undefined, signal, CALL_LIMIT_MS) as Promise<{ version: string; processors: number }>
  }

  sweep(signal?: AbortSignal): Promise<{ readonly containers: number; readonly folders: number }> {
    return this.#post('/sweep', undefined, signal, CALL_LIMIT_MS) as Promise<{ containers: number; folders: number }>
  }

  /** Never rejects. */
  async run({ image, input, limits = {}, grants = {} }: RunRequest, signal?: AbortSignal): Promise<RunOutcome> {
    try {
      const { round, parameters, state, output } = input
      const common = {
        round,
        parameters,
        state: [...state],
        output: { ...output, dimension: output.dimension ?? null },
      }
      const rest =
        input.entry === 'map'
          ? { entry: 'map', data: { csv: await textOf(input.data.csv), schema: input.data.schema } }
          : { entry: 'reduce', sum: [...input.sum] }
      const said = await this.#post('/run', { image, input: { ...common, ...rest }, limits, grants }, signal, undefined)
      const outcome = said as RunOutcome
      if (!outcome.ok) return outcome
      const values = Float64Array.from(outcome.values)
      return { ok: true, values, bytes: new Uint8Array(values.buffer), operator: outcome.operator }
    } catch (error) {
      const told = error instanceof FlameshError ? error : new FlameshError('internal', 'the engine could not be asked')
      const operator = { log: '', report: '', detail: '' }
      return { ok: false, code: told.code, message: told.message, hint: told.hint, operator }
    }
  }

  async #post(
    path: string,
    body: unknown,
    signal: AbortSignal | undefined,
    limitMs: number | undefined,
  ): Promise<unknown> {
    const limit = limitMs === undefined ? [] : [AbortSignal.timeout(limitMs)]
    const ends = AbortSignal.any([...limit, ...(signal === undefined ? [] : [signal])])
    const { host, port, tls } = this
    const asked = request({
      host,
      port,
      path,
      method: 'POST',
      ...tls,
      minVersion: 'TLSv1.3',
      signal: ends,
      agent: false,
    })
    const connecting = setTimeout(() => asked.destroy(new Error('no connection')), CONNECT_LIMIT_MS)
    asked.once('socket', (socket) => socket.once('secureConnect', () => clearTimeout(connecting)))
    try {
      asked.end(body === undefined ? '' : JSON.stringify(body))
      const [response] = (await once(asked, 'response')) as [IncomingMessage]
      const document = (await bodyOf(response)) as { code?: string; message?: string; hint?: string }
      if (response.statusCode === 200) return document
      throw new FlameshError(document.code ?? 'internal', document.message ?? 'the engine could not be asked', {
        ...(document.hint === undefined ? {} : { hint: document.hint }),
      })
    } catch (error) {
      if (error instanceof FlameshError) throw error
      if (signal?.aborted) throw new FlameshError('cancelled', 'the run was cancelled')
      throw new FlameshError('engine-unreachable', `the container engine at ${host}:${port} cannot be reached`, {
        hint: 'is "flamesh engine serve" running there, and do both certificates come from the authority in ca.pem?',
        cause: error,
      })
    } finally {
      clearTimeout(connecting)
    }
  }
}

async function textOf(csv: string | Uint8Array | AsyncIterable<string> | Iterable<string>): Promise<string> {
  if (typeof csv === 'string') return csv
  if (csv instanceof Uint8Array) return Buffer.from(csv).toString('utf8')
  let text = ''
  for await (const piece of csv) text += piece
  return text
}
