/**
 * What was read lately, by the hash of its bytes. The same message comes from several peers and the same statement with
 * many messages; what is read is never changed, so one reading serves all. Bounded by bytes, oldest first.
 */
import { type Hex, sha256Hex } from '../crypto/hash.js'

export class Recent<T> {
  private readonly known = new Map<Hex, { readonly value: T; readonly bytes: number }>()
  private bytes = 0

  constructor(private readonly mostBytes: number) {}

  /** What these bytes were read as, or what `read` makes of them; what it throws is not remembered. */
  read(bytes: Uint8Array, read: (bytes: Uint8Array) => T): T {
    if (bytes.length > this.mostBytes) return read(bytes)
    const name = sha256Hex(bytes)
    const found = this.known.get(name)
    if (found !== undefined) return found.value
    const value = read(bytes)
    this.known.set(name, { value, bytes: bytes.length })
    this.bytes += bytes.length
    for (const [oldest, one] of this.known) {
      if (this.bytes <= this.mostBytes) break
      this.known.delete(oldest)
      this.bytes -= one.bytes
    }
    return value
  }
}
