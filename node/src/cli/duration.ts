/** Durations on the command line: 500ms, 30s, 10m, 2h, 7d. */
import { FlameshError } from '@flamesh/protocol/errors.js'

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds. Throws `usage`. */
export function parseDuration(option: string, text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)?$/.exec(text)
  if (match === null) {
    throw new FlameshError('usage', `${option}: "${text}" is not a duration`, {
      hint: 'write 500ms, 30s, 10m, 2h or 7d',
    })
  }
  return Number(match[1]) * (UNITS_MS[match[2] ?? 's'] as number)
}
