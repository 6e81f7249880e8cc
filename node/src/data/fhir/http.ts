/**
 * One GET of a FHIR server: whole, of bounded size, or not at all. `node:https` and not `fetch`: the authorities of a hospital
 * are a file, which `fetch` of Node.js takes only with another library. No redirect is followed, it could carry the token away.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { createGunzip } from 'node:zlib'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { IDLE_TIMEOUT_MS, MAX_PAGE_BYTES } from './limits.js'

/** Secrets: never in an error, a log or a version. */
export interface Access {
  readonly authorization?: string
  readonly ca?: string
}

export interface Answer {
  readonly status: number
  /** milliseconds, if the server said how long to wait */
  readonly retryAfterMs: number | undefined
  readonly body: Buffer
}

export interface HttpGet {
  /** Throws `Broken`, and `fhir-answer` for one that is too large. */
  (url: URL): Promise<Answer>
  close(): void
}

/** No answer, or half of one: may go better another time. `code` is that of Node.js. */
export class Broken extends Error {
  constructor(readonly code: string) {
    super(`the connection failed (${code})`)
  }
}

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? 'interrupted')

function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now())
}

async function wholeBody(response: IncomingMessage): Promise<Buffer> {
  const zipped = response.headers['content-encoding'] === 'gzip'
  const parts: Buffer[] = []
  let size = 0
  const stream = zipped ? response.pipe(createGunzip()) : response
  // a pipe does not pass on that its source broke off
  if (zipped) response.once('error', (error) => stream.destroy(error))
  for await (const part of stream as AsyncIterable<Buffer>) {
    size += part.length
    if (size > MAX_PAGE_BYTES) {
      response.destroy()
      throw new FlameshError('fhir-answer', `an answer of more than ${MAX_PAGE_BYTES} bytes`, {
        hint: 'ask for fewer resources at once: page_size',
      })
    }
    parts.push(part)
  }
  if (!response.complete) throw new Broken('interrupted')
  return Buffer.concat(parts)
}

export function openHttp({ authorization, ca }: Access): HttpGet {
  const plain = new HttpAgent({ keepAlive: true, maxSockets: 1 })
  // said here, so that no variable of the environment turns the check off
  const secure = new HttpsAgent({
    keepAlive: true,
    maxSockets: 1,
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
  })
  const headers = {
    accept: 'application/fhir+json',
    'accept-encoding': 'gzip',
    // a parameter that the server does not know is an error, and does not widen the search in silence
    prefer: 'handling=strict',
    'user-agent': 'flamesh',
    ...(authorization === undefined ? {} : { authorization }),
  }
  const get = async (url: URL): Promise<Answer> => {
    const isSecure = url.protocol === 'https:'
    const options = { agent: isSecure ? secure : plain, headers, timeout: IDLE_TIMEOUT_MS }
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const sent = (isSecure ? httpsRequest : httpRequest)(url, options, resolve)
        sent.once('error', reject)
        sent.once('timeout', () => sent.destroy(Object.assign(new Error('idle'), { code: 'ETIMEDOUT' })))
        sent.end()
      })
      const { statusCode = 0, headers: received } = response
      return {
        status: statusCode,
        retryAfterMs: retryAfterMs(received['retry-after']),
        body: await wholeBody(response),
      }
    } catch (error) {
      if (error instanceof FlameshError || error instanceof Broken) throw error
      throw new Broken(codeOf(error))
    }
  }
  return Object.assign(get, {
    close: () => {
      plain.destroy()
      secure.destroy()
    },
  })
}
