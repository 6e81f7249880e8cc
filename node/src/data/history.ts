/**
 * The file that names a dataset's versions, newest first, one a line with the time it was added; above them a line `retired`
 * with a time, if it was. Local to a node, so no part of docs/spec fixes it.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'

export const VERSION = /^[0-9a-f]{64}$/
const RETIRED = 'retired'
/** Longer than anybody looks back: a version a day for ten years. */
const MAX_VERSIONS = 4096

export interface HistoryEntry {
  readonly version: Hex
  /** ISO 8601 */
  readonly at: string
}

export interface History {
  /** newest first, at least one */
  readonly versions: readonly HistoryEntry[]
  readonly retiredAt: string | undefined
}

/** Throws `dataset-damaged`. */
export function parseHistory(text: string, name: string): History {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
  const retiredAt = lines[0]?.[0] === RETIRED ? lines.shift()?.[1] : undefined
  const versions = lines.map(([version = '', at = '']) => ({ version, at }))
  if (versions.length === 0 || versions.some(({ version }) => !VERSION.test(version))) {
    throw new FlameshError('dataset-damaged', `dataset ${name} names no version`, {
      meta: { dataset: name },
      hint: 'add the dataset again from its source',
    })
  }
  return { versions, retiredAt }
}

export function formatHistory({ versions, retiredAt }: History): string {
  const lines = versions.slice(0, MAX_VERSIONS).map(({ version, at }) => `${version} ${at}`)
  return `${[...(retiredAt === undefined ? [] : [`${RETIRED} ${retiredAt}`]), ...lines].join('\n')}\n`
}
