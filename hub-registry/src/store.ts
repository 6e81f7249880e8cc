/**
 * The hub's store: level, one process at a time, every write synced. Keys: `statement/<index>`, `checkpoint`,
 * `invite/<id>`, `peer/<key>`.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { Store, Write } from '@flamesh/protocol/ports.js'
import { Level } from 'level'

const INDEX_DIGITS = 12
export const statementKey = (index: number) => `statement/${String(index).padStart(INDEX_DIGITS, '0')}`
export const CHECKPOINT_KEY = 'checkpoint'
export const inviteKey = (id: string) => `invite/${id}`
export const peerKey = (key: string) => `peer/${key}`

export interface HubStore extends Store {
  close(): Promise<void>
}

/** Throws `already-running` if another process holds the store, `log-damaged` if it cannot be read. */
export async function openStore(path: string, create: boolean): Promise<HubStore> {
  const level = new Level<string, Uint8Array>(path, {
    valueEncoding: 'view',
    createIfMissing: create,
    errorIfExists: create,
  })
  try {
    await level.open()
  } catch (cause) {
    throw openError(path, cause)
  }
  return {
    async write(writes: readonly Write[]) {
      const operations = writes.map(({ key, value }) =>
        value === null ? { type: 'del' as const, key } : { type: 'put' as const, key, value },
      )
      await level.batch(operations, { sync: true })
    },
    async get(key) {
      const value = await level.get(key)
      return value === undefined ? undefined : plain(value)
    },
    async list(prefix) {
      const entries = await level.iterator({ gte: prefix, lt: `${prefix}\uffff` }).all()
      return entries.map(([key, value]) => [key, plain(value)] as const)
    },
    close: () => level.close(),
  }
}

/** level hands out Node.js Buffers, whose `slice` shares memory where that of a Uint8Array copies. */
const plain = (bytes: Uint8Array) => new Uint8Array(bytes)

function openError(path: string, error: unknown): FlameshError {
  const { cause } = error as { cause?: { code?: string } }
  if (cause?.code === 'LEVEL_LOCKED') {
    return new FlameshError('already-running', 'another flamesh-hub is using this folder', { cause: error })
  }
  return new FlameshError('log-damaged', `the log in ${path} cannot be opened`, { hint: RESTORE_HINT, cause: error })
}

export const RESTORE_HINT = 'do not run init again: restore the folder from a backup that holds the newest checkpoint'
