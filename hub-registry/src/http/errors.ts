/** Errors as answers: a status, a stable code, a sentence, a hint. What went wrong inside stays inside. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { FastifyInstance } from 'fastify'
import type { BaseLogger } from 'pino'

const STATUS: Readonly<Record<string, number>> = {
  'bad-request': 400,
  encoding: 400,
  schema: 400,
  signature: 400,
  'log-range': 400,
  'hub-key-mismatch': 400,
  'invite-mac': 403,
  'not-a-member': 403,
  'invite-unknown': 404,
  'not-found': 404,
  'name-taken': 409,
  'key-taken': 409,
  'invite-used': 409,
  'invite-expired': 410,
  'too-many-records': 507,
}

/** The same error shape for everything that can go wrong; unknown errors are logged and say nothing outside. */
export function answerErrors(app: FastifyInstance, logger: BaseLogger, fallbackStatus: number): void {
  app.setNotFoundHandler((request, reply) => {
    void reply
      .code(404)
      .send({ code: 'not-found', message: `there is no ${request.method} ${request.url.split('?')[0]}` })
  })
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof FlameshError && error.code !== 'internal') {
      const { code, message, hint } = error
      void reply.code(STATUS[code] ?? fallbackStatus).send({ code, message, ...(hint === undefined ? {} : { hint }) })
    } else if (error.statusCode !== undefined && error.statusCode < 500) {
      void reply.code(error.statusCode).send({ code: 'bad-request', message: error.message })
    } else {
      logger.error({ event: 'request-failed', error: error.message })
      void reply.code(500).send({ code: 'internal', message: 'the hub failed to answer; its log says why' })
    }
  })
}
