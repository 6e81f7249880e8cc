/** The serving end of the control socket (control-socket.ts). */
import { chmod, rm } from 'node:fs/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import type { BaseLogger } from 'pino'
import type { Hub } from '../hub.js'
import { parseInput } from '../input.js'
import { operationSchema, perform } from '../operations.js'
import { OPERATION_PATH, socketPath } from './control-socket.js'
import { answerErrors } from './errors.js'

/** Serves the control socket. Only the holder of the store calls this, so a socket file that is there is a dead one. */
export async function serveControl(hub: Hub, logger: BaseLogger): Promise<FastifyInstance> {
  const app = Fastify({ forceCloseConnections: true, exposeHeadRoutes: false })
  answerErrors(app, logger, 422)
  app.post(OPERATION_PATH, async ({ body }) => {
    const operation = parseInput(operationSchema, body)
    const result = await perform(hub, operation)
    logger.info({ event: 'operation', operation: operation.operation, size: hub.state.leaves.length })
    return result
  })
  const path = socketPath(hub.dir)
  await rm(path, { force: true })
  await app.listen({ path })
  await chmod(path, 0o600)
  return app
}
