/**
 * The control socket: how the commands reach the process that serves a folder. A Unix socket inside the folder, mode 0600:
 * whoever can open it is the operator.
 */
import { request } from 'node:http'
import { relative } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { errorAnswerSchema } from '@flamesh/protocol/identity/hub-api.js'
import { folderPaths } from '../folder.js'
import type { Operation, OperationResult } from '../operations.js'

export const OPERATION_PATH = '/operation'
/** The kernel's limit on the path of a socket (sun_path), less the final zero. */
const MAX_SOCKET_PATH_BYTES = 107

/** Long folders are reached by the shorter of both ways to write them. Throws `folder-path` if neither fits. */
export function socketPath(dir: string): string {
  const absolute = folderPaths(dir).socket
  const near = relative(process.cwd(), absolute)
  const path = near.length > 0 && near.length < absolute.length ? near : absolute
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new FlameshError('folder-path', `the path ${absolute} is too long for a socket`, {
      hint: 'use a folder with a shorter path',
    })
  }
  return path
}

/** Hands an operation to the process that serves the folder; undefined if there is none. Throws what it answers. */
export function askServing(dir: string, operation: Operation): Promise<OperationResult | undefined> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify(operation)
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const call = request({ socketPath: socketPath(dir), path: OPERATION_PATH, method: 'POST', headers }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        try {
          const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
          if (answer.statusCode === 200) resolve(value as OperationResult)
          else reject(answeredError(value))
        } catch (cause) {
          reject(new FlameshError('daemon-unreachable', 'the serving hub gave no readable answer', { cause }))
        }
      })
    })
    call.on('error', (cause: Error & { code?: string }) => {
      if (cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED') resolve(undefined)
      else reject(new FlameshError('daemon-unreachable', 'the serving hub cannot be reached', { cause }))
    })
    call.end(body)
  })
}

function answeredError(value: unknown): FlameshError {
  const parsed = errorAnswerSchema.safeParse(value)
  if (!parsed.success) return new FlameshError('daemon-unreachable', 'the serving hub gave no readable answer')
  const { code, message, hint } = parsed.data
  return new FlameshError(code, message, hint === undefined ? {} : { hint })
}
