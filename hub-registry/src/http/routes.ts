/**
 * The public API, one table: what each route takes, gives and does. The listener (public.ts) and the OpenAPI document
 * (openapi.ts) are both made from it. Implements docs/spec/identity.md, hub API. Everything served is signed by whom it
 * concerns; the answers themselves prove nothing.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import {
  checkpointAnswerSchema,
  consistencyQuerySchema,
  decodeBase64,
  encodeBase64,
  enrolAnswerSchema,
  enrolRequestSchema,
  HUB_PATHS,
  healthAnswerSchema,
  inclusionQuerySchema,
  peerAnswerSchema,
  peerRequestSchema,
  peersAnswerSchema,
  proofAnswerSchema,
  statementsAnswerSchema,
  statementsQuerySchema,
} from '@flamesh/protocol/identity/hub-api.js'
import { consistencyProof, inclusionProof } from '@flamesh/protocol/identity/merkle.js'
import { MAX_STATEMENTS_PER_REQUEST } from '@flamesh/protocol/limits.js'
import type { BaseLogger } from 'pino'
import { z } from 'zod'
import type { Hub } from '../hub.js'
import { openApiDocument } from './openapi.js'
import type { Route } from './route.js'

type Handler<I extends z.ZodObject> = (input: z.output<I>) => unknown

const noInput = z.strictObject({})

function route<I extends z.ZodObject>(
  method: Route['method'],
  path: string,
  summary: string,
  input: I,
  answer: z.ZodType,
  handle: Handler<I>,
): Route {
  return { method, path, summary, input, answer, handle: handle as Route['handle'] }
}

/** Answers of this size are the largest the hub gives (bytes of statements before base64). */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

export function publicRoutes(hub: Hub, logger: BaseLogger): readonly Route[] {
  const routes: Route[] = [
    route('GET', HUB_PATHS.health, 'Is the hub up, and how long is its log?', noInput, healthAnswerSchema, () => ({
      status: 'ok',
      size: hub.state.leaves.length,
    })),
    route('GET', HUB_PATHS.checkpoint, 'The newest signed checkpoint', noInput, checkpointAnswerSchema, () => ({
      checkpoint: encodeBase64(hub.checkpoint),
    })),
    route(
      'GET',
      HUB_PATHS.statements,
      'Signed statements by index; possibly fewer than asked for',
      statementsQuerySchema,
      statementsAnswerSchema,
      ({ from, to }) => statements(hub, from, to),
    ),
    route(
      'GET',
      HUB_PATHS.inclusion,
      'Proof that a statement is in the log (RFC 6962, section 2.1.1)',
      inclusionQuerySchema,
      proofAnswerSchema,
      ({ index, size }) => {
        within(hub, index < size && size <= hub.state.leaves.length)
        return { proof: inclusionProof(hub.state.leaves, index, size) }
      },
    ),
    route(
      'GET',
      HUB_PATHS.consistency,
      'Proof that the log only grew (RFC 6962, section 2.1.2)',
      consistencyQuerySchema,
      proofAnswerSchema,
      ({ from, to }) => {
        within(hub, from <= to && to <= hub.state.leaves.length)
        return { proof: consistencyProof(hub.state.leaves, from, to) }
      },
    ),
    route('POST', HUB_PATHS.enrol, 'Enrol with an invite', enrolRequestSchema, enrolAnswerSchema, async (body) => {
      const { index, repeated } = await hub.enrol(decodeBase64(body.enrolment))
      logger.info({ event: repeated ? 'enrolment-repeated' : 'enrolled', index })
      const [statement] = hub.statements(index, index + 1)
      return { index, statement: encodeBase64(statement as Uint8Array), checkpoint: encodeBase64(hub.checkpoint) }
    }),
    route('GET', HUB_PATHS.peers, 'Signed peer records: untrusted hints', noInput, peersAnswerSchema, () => ({
      records: hub.peerRecords().map(encodeBase64),
    })),
    route('POST', HUB_PATHS.peers, 'Leave a signed peer record', peerRequestSchema, peerAnswerSchema, async (body) => ({
      kept: await hub.keepPeer(decodeBase64(body.record)),
    })),
  ]
  const described = route('GET', HUB_PATHS.openapi, 'This document', noInput, z.looseObject({}), () => document)
  const document = openApiDocument([...routes, described])
  return [...routes, described]
}

function statements(hub: Hub, from: number, to: number | undefined) {
  const size = hub.state.leaves.length
  const end = Math.min(to ?? size, size, from + MAX_STATEMENTS_PER_REQUEST)
  within(hub, from <= size && from <= end)
  const found: string[] = []
  let bytes = 0
  for (const statement of hub.statements(from, end)) {
    bytes += statement.length
    if (bytes > MAX_ANSWER_BYTES) break
    found.push(encodeBase64(statement))
  }
  return { from, statements: found, size }
}

function within(hub: Hub, condition: boolean): void {
  if (!condition) throw new FlameshError('log-range', `no such part of a log of ${hub.state.leaves.length} statements`)
}
