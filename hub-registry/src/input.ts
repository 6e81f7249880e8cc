/** Input from outside: the value that fits, or one sentence with everything that does not. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { z } from 'zod'

/** Throws `bad-request`. */
export function parseInput<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const complaints = parsed.error.issues.map(({ path, message }) =>
    [path.join('.'), message].filter(Boolean).join(': '),
  )
  throw new FlameshError('bad-request', complaints.join('; '))
}
