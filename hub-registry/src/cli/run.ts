/** Runs one operation wherever the hub is: in the process that serves the folder, or else opened here for a moment. */
import { setTimeout as sleep } from 'node:timers/promises'
import { errorCode, FlameshError } from '@flamesh/protocol/errors.js'
import { folderPaths, readKey } from '../folder.js'
import { askServing } from '../http/control-socket.js'
import { type Hub, openHub } from '../hub.js'
import { parseInput } from '../input.js'
import { type Operation, type OperationResult, operationSchema, perform, verifyView } from '../operations.js'
import { openStore } from '../store.js'
import { loadLog } from '../stored-log.js'

/** Another command holds the folder for a moment only; a serving process answers its socket. */
const PATIENCE_MS = 5000
const RETRY_MS = 50

async function whileLocked<T>(attempt: () => Promise<T>): Promise<T> {
  for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
    try {
      return await attempt()
    } catch (error) {
      if (errorCode(error) !== 'already-running' || waitedMs >= PATIENCE_MS) throw error
      await sleep(RETRY_MS)
    }
  }
}

/** Throws `bad-request`, what the operation throws, or `already-running` if the folder stays in use. */
export async function run(dir: string, asked: unknown): Promise<OperationResult> {
  const operation = parseInput(operationSchema, asked)
  return whileLocked(async () => (await askServing(dir, operation)) ?? (await runHere(dir, operation)))
}

/** The hub, for the process that will serve it. Throws `already-running` if one does. */
export async function openToServe(dir: string): Promise<Hub> {
  if ((await askServing(dir, { operation: 'roster' })) !== undefined) {
    throw new FlameshError('already-running', `the hub in ${dir} is being served already`)
  }
  return whileLocked(() => openHub(dir, Date.now))
}

async function runHere(dir: string, operation: Operation): Promise<OperationResult> {
  // A copy of the log can be verified without the hub's secret key.
  if (operation.operation === 'verify') return verifyHere(dir, operation.hubKey)
  const hub = await openHub(dir, Date.now)
  try {
    return await perform(hub, operation)
  } finally {
    await hub.close()
  }
}

async function verifyHere(dir: string, expected: string | undefined): Promise<OperationResult> {
  const hubKey = expected ?? (await readKey(dir)).publicKey
  const store = await openStore(folderPaths(dir).log, false)
  try {
    return verifyView((await loadLog(dir, store, hubKey)).state, hubKey)
  } finally {
    await store.close()
  }
}
