/**
 * What an analysis printed, for the operator of the site: bounded, and made harmless for a terminal. Implements
 * docs/spec/containers.md, "Log and report". It stays at the site.
 */
import type Docker from 'dockerode'

/** An engine frames what comes from standard output and standard error: a byte for which, three zeros, the length. */
const FRAME_HEADER = 8

function unframed(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at + FRAME_HEADER <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4)
    parts.push(bytes.subarray(at + FRAME_HEADER, at + FRAME_HEADER + length))
    at += FRAME_HEADER + length
  }
  return Buffer.concat(parts)
}

/** Text without control characters but tabs and line feeds: no escape sequence reaches a terminal. */
export function printable(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('utf8')
    .replaceAll(/[^\t\n\P{C}]/gu, '\u{fffd}')
}

/** The end of what a stopped container printed, at most `maxBytes`; the engine itself keeps about as much. */
export async function readLog(container: Docker.Container, maxBytes: number): Promise<string> {
  const bytes = unframed(await container.logs({ stdout: true, stderr: true, follow: false }))
  return printable(bytes.subarray(Math.max(0, bytes.length - maxBytes)))
}
