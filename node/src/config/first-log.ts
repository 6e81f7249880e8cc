/**
 * The log as `flamesh init` fetched and verified it, kept until the first start has it in the store: a node whose hub goes
 * off in between still starts. What is read here is verified again like anything from outside.
 */
import { readFile, rm } from 'node:fs/promises'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { decodeBase64, encodeBase64 } from '@flamesh/protocol/identity/base.js'
import { z } from 'zod'
import { hasCode, replaceSynced } from '../store/files.js'
import type { StateFolder } from './state-folder.js'

const schema = z.strictObject({ statements: z.array(z.string()), checkpoint: z.string() })

export interface FirstLog {
  readonly statements: readonly Uint8Array[]
  readonly checkpoint: Uint8Array
}

export async function keepFirstLog(folder: StateFolder, log: FirstLog): Promise<void> {
  const document = { statements: log.statements.map(encodeBase64), checkpoint: encodeBase64(log.checkpoint) }
  await replaceSynced(folder.firstLogFile, `${JSON.stringify(document)}\n`)
}

/** Undefined once the store has it. Throws `config-invalid` for a file that was not written here. */
export async function readFirstLog(folder: StateFolder): Promise<FirstLog | undefined> {
  try {
    const { statements, checkpoint } = schema.parse(JSON.parse(await readFile(folder.firstLogFile, 'utf8')))
    return { statements: statements.map(decodeBase64), checkpoint: decodeBase64(checkpoint) }
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined
    throw new FlameshError('config-invalid', `${folder.firstLogFile} is not as "flamesh init" wrote it`, {
      cause,
      hint: 'remove the file: the daemon fetches the log from the hub',
    })
  }
}

export async function dropFirstLog(folder: StateFolder): Promise<void> {
  await rm(folder.firstLogFile, { force: true })
}
