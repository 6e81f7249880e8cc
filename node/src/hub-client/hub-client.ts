/**
 * Talks to the hub over HTTP. Implements the node's end of docs/spec/identity.md, hub API. What the hub answers is
 * bounded in size and time and decoded strictly; the log, the checkpoints and the peer records are verified by whoever
 * folds them (protocol/src/identity/log.ts), the enrolment here, because it is the first thing a hub ever says to a
 * node.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Signer } from '@flamesh/protocol/encoding/signed.js'
import { errorCode, FlameshError } from '@flamesh/protocol/errors.js'
import type { Certificate } from '@flamesh/protocol/identity/certificate.js'
import { openCheckpoint } from '@flamesh/protocol/identity/checkpoint.js'
import {
  checkpointAnswerSchema,
  decodeBase64,
  encodeBase64,
  enrolAnswerSchema,
  errorAnswerSchema,
  HUB_PATHS,
  peerAnswerSchema,
  peersAnswerSchema,
  statementsAnswerSchema,
} from '@flamesh/protocol/identity/hub-api.js'
import { parseInvite, signEnrolment } from '@flamesh/protocol/identity/invite.js'
import { openStatement } from '@flamesh/protocol/identity/statements.js'
import { MAX_STATEMENT_BYTES, MAX_STATEMENTS_PER_REQUEST } from '@flamesh/protocol/limits.js'
import type { z } from 'zod'
import { isLoopback } from '../config/host-port.js'

const DEFAULT_TIMEOUT_MS = 10_000
/** The largest answer the API allows: a full page of statements in base64, or a record a member. */
const MAX_ANSWER_BYTES = Math.ceil((MAX_STATEMENTS_PER_REQUEST * MAX_STATEMENT_BYTES * 4) / 3) + (1 << 20)
/** What a hub may say about an error; it ends up on a terminal. */
const MAX_MESSAGE_CHARACTERS = 300

export interface HubClientOptions {
  /** such as https://hub.example.org or http://127.0.0.1:7400 */
  readonly url: string
  /** Ed25519 key of the hub: what makes its answers worth anything */
  readonly hubKey: Hex
  /** allow plain HTTP to another machine; who listens learns who asks, and can withhold or delay answers */
  readonly allowInsecure?: boolean
  /** of one request, its answer included (milliseconds) */
  readonly timeoutMs?: number
}

export interface Enrolled {
  readonly certificate: Certificate
  /** of the enrolment in the log */
  readonly index: number
  /** encoded Signed objects */
  readonly statement: Uint8Array
  readonly checkpoint: Uint8Array
}

export interface LogUpdate {
  /** encoded statements following those asked from, up to the checkpoint's size */
  readonly statements: readonly Uint8Array[]
  readonly checkpoint: Uint8Array
}

export interface HubClient {
  /**
   * Proves possession of an invite, which never travels. The same call may be repeated: the request is the same bytes.
   */
  enrol(invite: string, sealingKey: Hex, signer: Signer): Promise<Enrolled>
  /** The newest checkpoint, as signed. */
  fetchCheckpoint(): Promise<Uint8Array>
  /** Everything after the first `from` statements, ready for `learnLog`. */
  fetchLog(from: number): Promise<LogUpdate>
  /** Encoded peer records; each is a hint and still to be verified. */
  peers(): Promise<readonly Uint8Array[]>
  /** Resolves with false if the hub holds one at least as new. */
  publishPeerRecord(record: Uint8Array): Promise<boolean>
}

function checkedUrl(text: string, allowInsecure: boolean): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new FlameshError('hub-url', 'this is not the address of a hub', {
      meta: { url: text },
      hint: 'it looks like https://hub.example.org',
    })
  }
  if (url.protocol === 'http:' && !allowInsecure && !isLoopback(url.hostname)) {
    throw new FlameshError('insecure-hub', 'plain HTTP to a hub on another machine is refused', {
      meta: { url: text },
      hint: 'put the hub behind HTTPS; on a network you trust, allow it in the node’s configuration',
    })
  }
  return url
}

function malformed(url: URL, what: string, cause?: unknown): FlameshError {
  return new FlameshError('hub-answer', `the hub’s answer ${what}`, {
    meta: { url: url.href },
    hint: 'is this address a hub, and of the same version of flamesh?',
    cause,
  })
}

async function readBounded(response: Response, url: URL): Promise<string> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of response.body ?? []) {
    size += part.length
    if (size > MAX_ANSWER_BYTES) throw malformed(url, 'is too large')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function parseJson(text: string, url: URL): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw malformed(url, 'is not JSON', cause)
  }
}

/** The hub's own words for what it refused, cut to what a terminal can bear. */
function refusal(status: number, text: string, url: URL): FlameshError {
  const parsed = errorAnswerSchema.safeParse(parseJson(text, url))
  if (!parsed.success || !/^[a-z][a-z0-9-]{0,63}$/.test(parsed.data.code))
    return malformed(url, `is an error (${status}) without a reason`)
  const printable = (words: string): string =>
    words.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, ' ').slice(0, MAX_MESSAGE_CHARACTERS)
  const { code, message, hint } = parsed.data
  return new FlameshError(code, printable(message), {
    meta: { url: url.href, status },
    ...(hint === undefined ? {} : { hint: printable(hint) }),
  })
}

function unreachable(url: URL, timeoutMs: number, cause: unknown): FlameshError {
  const silent = cause instanceof Error && cause.name === 'TimeoutError'
  return new FlameshError(
    'hub-unreachable',
    silent ? `the hub did not answer within ${timeoutMs} ms` : 'the hub cannot be reached',
    {
      meta: { url: url.href },
      hint: 'jobs go on without the hub; check its address and whether it runs (flamesh-hub serve)',
      cause,
    },
  )
}

interface Hub {
  readonly base: URL
  readonly hubKey: Hex
  readonly timeoutMs: number
}

/** One request: a POST if there is a body. */
async function call<T>({ base, timeoutMs }: Hub, path: string, schema: z.ZodType<T>, body?: unknown): Promise<T> {
  const target = new URL(base.pathname.replace(/\/$/, '') + path, base)
  const headers = { 'content-type': 'application/json' }
  let status: number
  let text: string
  try {
    const response = await fetch(target, {
      // a redirect could lead to another machine over plain HTTP
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body), headers }),
    })
    status = response.status
    text = await readBounded(response, target)
  } catch (error) {
    throw error instanceof FlameshError ? error : unreachable(target, timeoutMs, error)
  }
  if (status >= 400) throw refusal(status, text, target)
  const parsed = schema.safeParse(parseJson(text, target))
  if (!parsed.success) throw malformed(target, 'is not of the agreed form', parsed.error)
  return parsed.data
}

/** Reads something the hub must have encoded or signed; its every failure is the hub's, never an internal error. */
function opened<T>({ base, hubKey }: Hub, open: () => T): T {
  try {
    return open()
  } catch (cause) {
    if (errorCode(cause) !== 'signature') throw malformed(base, 'cannot be decoded', cause)
    throw new FlameshError('hub-key', 'whoever answers at this address does not hold the hub’s key', {
      meta: { url: base.href, hubKey },
      hint: 'compare --hub-key with what flamesh-hub init printed',
      cause,
    })
  }
}

async function enrol(hub: Hub, invite: string, sealingKey: Hex, signer: Signer): Promise<Enrolled> {
  const enrolment = encodeBase64(signEnrolment(parseInvite(invite), hub.hubKey, sealingKey, signer))
  const answer = await call(hub, HUB_PATHS.enrol, enrolAnswerSchema, { enrolment })
  return opened(hub, () => {
    const statement = decodeBase64(answer.statement)
    const checkpoint = decodeBase64(answer.checkpoint)
    const { index, entry } = openStatement(statement, hub.hubKey).statement
    const certificate = entry.type === 'enrol' ? entry.certificate : undefined
    const covered = index < openCheckpoint(checkpoint, hub.hubKey).size
    if (certificate?.key !== signer.publicKey || certificate.sealingKey !== sealingKey || !covered) {
      throw new FlameshError('schema', 'not the enrolment that was asked for')
    }
    return { certificate, index, statement, checkpoint }
  })
}

async function fetchCheckpoint(hub: Hub): Promise<Uint8Array> {
  const { checkpoint } = await call(hub, HUB_PATHS.checkpoint, checkpointAnswerSchema)
  return opened(hub, () => decodeBase64(checkpoint))
}

async function fetchLog(hub: Hub, from: number): Promise<LogUpdate> {
  const checkpoint = await fetchCheckpoint(hub)
  // the signed size bounds what is fetched
  const { size } = opened(hub, () => openCheckpoint(checkpoint, hub.hubKey))
  const statements: Uint8Array[] = []
  while (from + statements.length < size) {
    const at = from + statements.length
    const page = await call(hub, `${HUB_PATHS.statements}?from=${at}&to=${size}`, statementsAnswerSchema)
    if (page.from !== at || page.statements.length === 0) {
      throw malformed(hub.base, 'lacks statements that its checkpoint covers')
    }
    statements.push(...opened(hub, () => page.statements.map(decodeBase64)))
  }
  return { statements: statements.slice(0, Math.max(0, size - from)), checkpoint }
}

/**
 * A client of one hub. Throws `hub-url` and `insecure-hub` at once; its calls throw `hub-unreachable`, `hub-answer`
 * (malformed, too large, or not what was asked for), `hub-key` (signed by another key), or the code of the hub's
 * refusal; `enrol` also `invite-malformed`.
 */
export function createHubClient(options: HubClientOptions): HubClient {
  const { url, hubKey, allowInsecure = false, timeoutMs = DEFAULT_TIMEOUT_MS } = options
  const hub: Hub = { base: checkedUrl(url, allowInsecure), hubKey, timeoutMs }
  return {
    enrol: (invite, sealingKey, signer) => enrol(hub, invite, sealingKey, signer),
    fetchCheckpoint: () => fetchCheckpoint(hub),
    fetchLog: (from) => fetchLog(hub, from),
    async peers() {
      const { records } = await call(hub, HUB_PATHS.peers, peersAnswerSchema)
      return opened(hub, () => records.map(decodeBase64))
    },
    async publishPeerRecord(record) {
      return (await call(hub, HUB_PATHS.peers, peerAnswerSchema, { record: encodeBase64(record) })).kept
    },
  }
}
