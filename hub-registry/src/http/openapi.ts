/** The OpenAPI 3.1 document of the public API, made from the same table as the listener. */
import { errorAnswerSchema } from '@flamesh/protocol/identity/hub-api.js'
import { z } from 'zod'
import type { Route } from './route.js'

/** Query strings arrive as text, so inputs are described before they are transformed. */
const jsonSchema = (schema: z.ZodType) => {
  const { $schema: _dialect, ...described } = z.toJSONSchema(schema, { io: 'input' })
  return described
}

const json = (schema: z.ZodType) => ({ content: { 'application/json': { schema: jsonSchema(schema) } } })

function operation({ method, summary, input, answer }: Route) {
  const parameters = Object.entries(input.shape as Record<string, z.ZodType>).map(([name, schema]) => {
    return { name, in: 'query', required: !schema.safeParse(undefined).success, schema: jsonSchema(schema) }
  })
  return {
    summary,
    ...(method === 'GET' ? { parameters } : { requestBody: { required: true, ...json(input) } }),
    responses: {
      200: { description: 'Done', ...json(answer) },
      default: { description: 'Refused; the code says why', ...json(errorAnswerSchema) },
    },
  }
}

export function openApiDocument(routes: readonly Route[]) {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'flamesh hub',
      version: '1',
      description:
        'Signed statements, checkpoints, proofs and peer records. Verify what is inside; believe nothing else.',
    },
    paths,
  }
}
