/**
 * One request to a FHIR server: whole, of bounded size or into a file, or not at all. `node:https` and not `fetch`: the authorities of a hospital
 * are a file, which `fetch` of Node.js takes only with another library. No redirect is followed, it could carry the token away.
 */
import { open } from 'node:fs/promises'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { PRIVATE_FILE } from '../../store/files.js'
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
  /** where what was begun is asked about */
  readonly contentLocation: string | undefined
  /** empty, if it went into a file */
  readonly body: Buffer
  /** of the file: its lines with anything in them */
  readonly lines: number
}

export interface HttpOptions {
  readonly method?: 'GET' | 'DELETE'
  readonly accept?: string
  readonly prefer?: string
  /** the file that an answer with status 200 goes into, of any size; what is there is written over */
  readonly into?: string
}

export interface HttpGet {
  /** Throws `Broken`, `fhir-answer` for an answer that is too large, and what a full disk throws. */
  (url: URL, options?: HttpOptions): Promise<Answer>
  close(): void
}

/** No answer, or half of one: may go better another time. `code` is that of Node.js. */
export class Broken extends Error {
  constructor(readonly code: string) {
    super(`the connection failed (${code})`)
  }
}

/** Of this machine, not of the connection: asking again does not help. */
class Local extends Error {
  constructor(readonly error: unknown) {
    super()
  }
}

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? 'interrupted')

function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now())
}

/** Unpacked, if it is packed. */
function bodyOf(response: IncomingMessage): Readable {
  if (response.headers['content-encoding'] !== 'gzip') return response
  // an error of either end is thrown to whoever reads
  return pipeline(response, createGunzip(), () => undefined)
}

async function wholeBody(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of bodyOf(response) as AsyncIterable<Buffer>) {
    size += part.length
    if (size > MAX_PAGE_BYTES) {
      response.destroy()
      throw new FlameshError('fhir-answer', `an answer of more than ${MAX_PAGE_BYTES} bytes`, {
        hint: 'ask for fewer resources at once: pageSize',
      })
    }
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** Resolves with the number of lines that have anything in them. */
async function intoFile(response: IncomingMessage, file: string): Promise<number> {
  const handle = await open(file, 'w', PRIVATE_FILE)
  let lines = 0
  let blank = true
  try {
    for await (const part of bodyOf(response) as AsyncIterable<Buffer>) {
      for (const byte of part) {
        if (byte === 10) blank = true
        else if (blank && byte > 32) {
          blank = false
          lines++
        }
      }
      await handle.appendFile(part).catch((error: unknown) => {
        throw new Local(error)
      })
    }
  } finally {
    response.destroy()
    await handle.close()
  }
  return lines
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
  const common = {
    'accept-encoding': 'gzip',
    'user-agent': 'flamesh',
    ...(authorization === undefined ? {} : { authorization }),
  }
  const get = async (url: URL, given: HttpOptions = {}): Promise<Answer> => {
    const isSecure = url.protocol === 'https:'
    // a parameter that the server does not know is an error, and does not widen the search in silence
    const { method = 'GET', accept = 'application/fhir+json', prefer = 'handling=strict', into } = given
    const headers = { accept, prefer, ...common }
    const options = { agent: isSecure ? secure : plain, method, headers, timeout: IDLE_TIMEOUT_MS }
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const sent = (isSecure ? httpsRequest : httpRequest)(url, options, resolve)
        sent.once('error', reject)
        sent.once('timeout', () => sent.destroy(Object.assign(new Error('idle'), { code: 'ETIMEDOUT' })))
        sent.end()
      })
      const { statusCode = 0, headers: received } = response
      const answer = {
        status: statusCode,
        retryAfterMs: retryAfterMs(received['retry-after']),
        contentLocation: received['content-location'],
      }
      return into !== undefined && statusCode === 200
        ? { ...answer, body: Buffer.alloc(0), lines: await intoFile(response, into) }
        : { ...answer, body: await wholeBody(response), lines: 0 }
    } catch (error) {
      if (error instanceof Local) throw error.error
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
