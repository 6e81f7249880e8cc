/** Exit codes of `flamesh-sim`: those of every flamesh command. A code that is not listed is unexpected. */
import { errorCode } from '@flamesh/protocol/errors.js'

export const EXIT = { ok: 0, unexpected: 1, usage: 2, configuration: 3, notFound: 5, interrupted: 130 } as const

const CODES: Readonly<Record<number, readonly string[]>> = {
  [EXIT.usage]: ['usage', 'yaml-invalid', 'scenario-invalid', 'trace-invalid', 'file-unusable'],
  [EXIT.configuration]: ['folder-not-empty', 'folder-unusable', 'latency-matrix'],
  [EXIT.notFound]: ['file-not-found', 'scenario-unknown'],
}

export function exitOf(error: unknown): number {
  const code = errorCode(error)
  const found = Object.entries(CODES).find(([, codes]) => codes.includes(code))
  return found === undefined ? EXIT.unexpected : Number(found[0])
}
