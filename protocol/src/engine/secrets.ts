/**
 * What this node's vault holds, at hand: secrets of prekeys, and keys of states. Implements docs/spec/secure-aggregation.md,
 * "Prekeys" and "At rest". What nothing needs any more is erased at the next start at the latest.
 */
import type { Vault } from '../ports.js'

export class Secrets {
  private readonly held = new Map<string, Uint8Array>()

  constructor(private readonly vault: Vault) {}

  /** At a start: a kill may have come between a secret and what needs it, or between the end of that and the erasure. */
  async load(inUse: ReadonlySet<string>): Promise<void> {
    for (const name of await this.vault.list()) {
      const secret = inUse.has(name) ? await this.vault.get(name) : undefined
      if (secret === undefined) await this.vault.erase(name)
      else this.held.set(name, secret)
    }
  }

  get(name: string): Uint8Array | undefined {
    return this.held.get(name)
  }

  /** In the vault when it resolves. */
  async keep(name: string, secret: Uint8Array): Promise<void> {
    await this.vault.put(name, secret)
    this.held.set(name, secret)
  }

  async erase(name: string): Promise<void> {
    this.held.delete(name)
    await this.vault.erase(name)
  }

  /** Where there may be none. */
  async eraseIfHeld(name: string): Promise<void> {
    if (this.held.has(name)) await this.erase(name)
  }
}
