/**
 * One error type for the whole product. `code` is stable and documented in docs/reference/errors.md; `hint` says what a
 * person can do about it. Peers' bad input never surfaces as an exception outside the decoder that met it: it becomes a
 * verdict (see encoding/verdict.ts).
 */
export interface FlameshErrorOptions {
  readonly meta?: Readonly<Record<string, unknown>>
  readonly hint?: string
  readonly cause?: unknown
}

export class FlameshError extends Error {
  readonly code: string
  readonly meta: Readonly<Record<string, unknown>>
  readonly hint: string | undefined

  constructor(code: string, message: string, options: FlameshErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'FlameshError'
    this.code = code
    this.meta = options.meta ?? {}
    this.hint = options.hint
  }
}

/** A broken invariant of our own code: never caused by what a peer or a user sent. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new FlameshError('internal', message)
}

export function errorCode(error: unknown): string {
  return error instanceof FlameshError ? error.code : 'internal'
}

/** For a log: with the stack, where there is one. */
export const textOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)
