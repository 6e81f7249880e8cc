/**
 * What an analysis printed, for the operator of the site: bounded, and made harmless for a terminal. Implements
 * docs/spec/containers.md, "Log and report". It stays at the site.
 */
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import type Docker from 'dockerode'

/** An engine frames what comes from standard output and standard error: a byte for which, three zeros, the length. */
const FRAME_HEADER = 8
/** In the place of that byte: the engine's own word, not the container's. */
const OF_THE_ENGINE = 3

/** What the whole frames hold, and what is left over: the beginning of a further one. */
function unframed(bytes: Buffer): { readonly text: Buffer; readonly rest: Buffer } {
  const parts: Buffer[] = []
  let at = 0
  while (at + FRAME_HEADER <= bytes.length) {
    const end = at + FRAME_HEADER + bytes.readUInt32BE(at + 4)
    if (end > bytes.length) break
    if (bytes[at] !== OF_THE_ENGINE) parts.push(bytes.subarray(at + FRAME_HEADER, end))
    at = end
  }
  return { text: Buffer.concat(parts), rest: bytes.subarray(at) }
}

/** Text without control characters but tabs and line feeds: no escape sequence reaches a terminal. */
export function printable(bytes: Uint8Array): string {
  return harmless(Buffer.from(bytes).toString('utf8'))
}

const harmless = (text: string): string => text.replaceAll(/[^\t\n\P{C}]/gu, '\u{fffd}')

/** The end of what a stopped container printed, at most `maxBytes`; the engine itself keeps about as much. */
export async function readLog(container: Docker.Container, maxBytes: number): Promise<string> {
  const { text } = unframed(await container.logs({ stdout: true, stderr: true, follow: false }))
  return printable(text.subarray(Math.max(0, text.length - maxBytes)))
}

/**
 * Tells what a started container prints as it comes, the first `maxBytes` of it, until it ends or `signal` is aborted. Never
 * rejects: whatever is missed stands in the log.
 */
export async function followLog(
  container: Docker.Container,
  maxBytes: number,
  tell: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const decoder = new StringDecoder('utf8')
  let left = maxBytes
  let kept: Buffer = Buffer.alloc(0)
  try {
    const options = { stdout: true, stderr: true, follow: true, abortSignal: signal } as const
    const stream = (await container.logs(options)) as unknown as Readable
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const { text, rest } = unframed(Buffer.concat([kept, chunk]))
      kept = rest
      if (signal.aborted) return
      const told = harmless(decoder.write(text.subarray(0, left)))
      if (told !== '') tell(told)
      left -= text.length
      if (left <= 0) return
    }
  } catch {
    // broken off, or the engine has gone: then the run fails by itself
  }
}
