/** What the hub answers at one path. */
import type { z } from 'zod'

export interface Route {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly summary: string
  /** of the query string (GET) or the body (POST) */
  readonly input: z.ZodObject
  readonly answer: z.ZodType
  /** what it does with an input that fits */
  readonly handle: (input: unknown) => unknown
}
