/**
 * Named pipes through which a container hands out what it computed. Implements docs/spec/containers.md, "Output". A folder that
 * a container may write to would have no size limit, and neither has a file on many file systems: attributes need no room
 * in it. A pipe puts nothing on a disk, holds no link or device, and is read no further than the limit. Both ends have
 * to be on one kernel.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { Socket } from 'node:net'
import { promisify } from 'node:util'
import { FlameshError } from '@flamesh/protocol/errors.js'

/** Only the node reads; the container's user owns nothing and writes. */
const EVERYONE_WRITES = 0o622
/** When the last writer is gone, the end of a pipe is there at once (milliseconds). */
const END_LIMIT_MS = 10_000
const FIRST_BYTES = 4096

/** Node.js has no call for it. */
export async function makePipe(path: string): Promise<void> {
  await promisify(execFile)('mkfifo', [path])
  await chmod(path, EVERYONE_WRITES)
}

/** Reads one pipe from before the container starts until after it is gone. Owns two file descriptors. */
export class PipeReader {
  readonly #socket: Socket
  readonly #maxBytes: number
  /** grows by doubling: an object for every write would cost a hundred times what a byte does */
  #bytes = Buffer.alloc(FIRST_BYTES)
  #size = 0
  /** an end for writing, kept open so that the pipe does not end before the container has opened it */
  #writer: number | undefined

  /** `onTooLarge` is called once, when more than `maxBytes` came; nothing is read after that. */
  constructor(path: string, maxBytes: number, onTooLarge: () => void) {
    this.#maxBytes = maxBytes
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    this.#socket = new Socket({ fd: reader, readable: true, writable: false })
    this.#writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
    this.#socket.on('error', () => undefined)
    this.#socket.on('data', (chunk: Buffer) => {
      const size = this.#size + chunk.length
      if (size <= maxBytes) return this.#append(chunk, size)
      this.#size = size
      this.close()
      onTooLarge()
    })
  }

  get tooLarge(): boolean {
    return this.#size > this.#maxBytes
  }

  /** Everything that was written, once nobody writes any more. Throws `output-too-large`. */
  async finish(): Promise<Uint8Array> {
    this.#closeWriter()
    if (!this.#socket.closed) {
      try {
        await once(this.#socket, 'close', { signal: AbortSignal.timeout(END_LIMIT_MS) })
      } catch (cause) {
        this.close()
        throw new FlameshError('engine-failed', 'something still writes after the container is gone', { cause })
      }
    }
    if (this.tooLarge) throw new FlameshError('output-too-large', `the output has more than ${this.#maxBytes} bytes`)
    return this.#bytes.subarray(0, this.#size)
  }

  #append(chunk: Buffer, size: number): void {
    if (size > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(size, 2 * this.#bytes.length))
      larger.set(this.#bytes.subarray(0, this.#size))
      this.#bytes = larger
    }
    this.#bytes.set(chunk, this.#size)
    this.#size = size
  }

  close(): void {
    this.#closeWriter()
    this.#socket.destroy()
  }

  #closeWriter(): void {
    if (this.#writer !== undefined) closeSync(this.#writer)
    this.#writer = undefined
  }
}
