/**
 * The public listener. Plain HTTP, so loopback only unless the operator says that something else keeps it safe: what is
 * served is signed, but who asks for what, and an enrolment on its way, deserve TLS.
 */
import { type AddressInfo, isIP } from 'node:net'
import { FlameshError } from '@flamesh/protocol/errors.js'
import Fastify, { type FastifyInstance } from 'fastify'
import type { BaseLogger } from 'pino'
import type { Hub } from '../hub.js'
import { parseInput } from '../input.js'
import { answerErrors } from './errors.js'
import { publicRoutes } from './routes.js'

/** A peer record or an enrolment in base64, and room to spare. */
const BODY_LIMIT_BYTES = 16 * 1024
const REQUEST_TIMEOUT_MS = 15_000
const MAX_CONNECTIONS = 512

export interface Address {
  readonly host: string
  readonly port: number
}

/** `HOST:PORT`, `[::1]:PORT`; port 0 picks a free one. Throws `listen-address`. */
export function parseListen(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535 || (match?.[1] !== undefined && isIP(host) !== 6)) {
    throw new FlameshError('listen-address', `${text} is not an address to listen on`, {
      hint: 'write HOST:PORT, as in 127.0.0.1:7400',
    })
  }
  return { host, port }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** Throws `insecure-listen` for an address others can reach, unless the operator allowed it. */
export function checkListen(address: Address, insecureAllowed: boolean): void {
  if (insecureAllowed || isLoopback(address.host)) return
  throw new FlameshError('insecure-listen', `plain HTTP on ${address.host} could be read and altered on its way`, {
    hint: 'listen on 127.0.0.1 behind a reverse proxy with TLS, or give --insecure-listen if the network is trusted',
  })
}

/** The public API of a hub, not yet listening. */
export function publicApp(hub: Hub, logger: BaseLogger): FastifyInstance {
  const app = Fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
  })
  app.server.maxConnections = MAX_CONNECTIONS
  answerErrors(app, logger, 400)
  for (const { method, path, input, handle } of publicRoutes(hub, logger)) {
    app.route({
      method,
      url: path,
      handler: async (request) => handle(parseInput(input, method === 'GET' ? request.query : request.body)),
    })
  }
  return app
}

/** Listens and resolves with the URL. Throws `listen-failed`. */
export async function listenPublic(app: FastifyInstance, address: Address): Promise<string> {
  try {
    await app.listen(address)
  } catch (cause) {
    throw new FlameshError('listen-failed', `cannot listen on ${address.host}:${address.port}`, {
      hint:
        (cause as { code?: string }).code === 'EADDRINUSE'
          ? 'another process uses this port: choose another'
          : 'check --listen',
      cause,
    })
  }
  const { port } = app.server.address() as AddressInfo
  return `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`
}
