/**
 * A simulated disk: what was written stays when a node is killed. `killAt` kills at a chosen write, before or after it
 * reached the disk, which is how every persist point of the production code is crashed. A write that is acknowledged is
 * synced (ports.ts), so at a kill exactly the write under way can be lost, and nothing that relies on it may have left.
 */
import type { Store, Vault, Write } from '@flamesh/protocol/ports.js'

export class SimulatedDisk {
  readonly entries = new Map<string, Uint8Array>()
  readonly secrets = new Map<string, Uint8Array>()
  writes = 0
  /** kill at this write (counted from 0); undefined: never */
  killAt: number | undefined
  /** whether the write at which the node is killed still reaches the disk */
  killAfterWrite = false
  onKill: () => void = () => {}
  /** told of every write that reached the disk, key by key */
  onWrite: (key: string, value: Uint8Array | null) => void = () => {}

  /** counts the lives of whoever writes: nothing that an earlier one still has under way arrives */
  private life = 0

  /** Power is cut: what was not written by now never will be. */
  cut(): void {
    this.life++
  }

  private arrive(life: number, apply: () => void): Promise<void> {
    if (life !== this.life) return new Promise(() => {})
    const now = this.writes++
    if (this.killAt !== now) {
      if (this.killAt !== undefined && now > this.killAt) return new Promise(() => {})
      apply()
      return Promise.resolve()
    }
    if (this.killAfterWrite) apply()
    this.onKill()
    return new Promise(() => {}) // nothing after a kill ever happens
  }

  /** Another disk is put in the place of this one: an old backup. */
  replace(entries: ReadonlyMap<string, Uint8Array>, secrets: ReadonlyMap<string, Uint8Array>): void {
    this.entries.clear()
    this.secrets.clear()
    for (const [key, value] of entries) this.entries.set(key, value)
    for (const [name, secret] of secrets) this.secrets.set(name, secret)
  }

  store(): Store {
    const { life } = this
    return {
      write: (writes: readonly Write[]) =>
        this.arrive(life, () => {
          for (const { key, value } of writes) {
            if (value === null) this.entries.delete(key)
            else this.entries.set(key, value) // encoded for this write, or a statement of the log: nobody changes it
            this.onWrite(key, value)
          }
        }),
      get: async (key) => this.entries.get(key),
      list: async (prefix) =>
        [...this.entries].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)),
    }
  }

  vault(): Vault {
    const { life } = this
    return {
      put: (name, secret) =>
        this.arrive(life, () => {
          this.secrets.set(name, secret.slice())
          this.onWrite(`vault/${name}`, secret)
        }),
      get: async (name) => this.secrets.get(name),
      erase: (name) =>
        this.arrive(life, () => {
          this.secrets.delete(name)
          this.onWrite(`vault/${name}`, null)
        }),
      list: async () => [...this.secrets.keys()].sort(),
    }
  }
}
