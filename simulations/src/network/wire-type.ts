/** The type of an encoded message without decoding it: a walk over the heads of its outermost map (RFC 8949, section 3). */

const TYPE = 'type'

/** undefined unless the bytes are a map with a text under "type". */
export function wireType(bytes: Uint8Array): string | undefined {
  const at = { offset: 0 }
  const { major, value: entries } = head(bytes, at)
  if (major !== 5) return undefined
  for (let entry = 0; entry < entries; entry++) {
    const name = text(bytes, at)
    if (name === undefined) return undefined
    if (name === TYPE) return text(bytes, at)
    skip(bytes, at)
  }
  return undefined
}

interface Cursor {
  offset: number
}

/** Major type and argument of the item that starts here; the cursor is behind its head. */
function head(bytes: Uint8Array, at: Cursor): { readonly major: number; readonly value: number } {
  const first = bytes[at.offset++] ?? 0
  const info = first & 31
  let value = info
  if (info >= 24 && info <= 27) {
    value = 0
    for (let left = 2 ** (info - 24); left > 0; left--) value = value * 256 + (bytes[at.offset++] ?? 0)
  }
  return { major: first >> 5, value }
}

function text(bytes: Uint8Array, at: Cursor): string | undefined {
  const { major, value } = head(bytes, at)
  if (major !== 3) return undefined
  const start = at.offset
  at.offset += value
  return String.fromCharCode(...bytes.subarray(start, Math.min(at.offset, start + 64)))
}

function skip(bytes: Uint8Array, at: Cursor): void {
  const { major, value } = head(bytes, at)
  if (major === 2 || major === 3) at.offset += value
  const items = major === 4 ? value : major === 5 ? 2 * value : major === 6 ? 1 : 0
  for (let item = 0; item < items && at.offset < bytes.length; item++) skip(bytes, at)
}
