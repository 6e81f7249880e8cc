/**
 * A simulated disk: what was written stays when a node is killed. `failAfter` kills at a chosen write, before or after it
 * reached the disk, which is how every persist point of the production code is crashed in the tests.
 */
import type { Store, Vault, Write } from '@flamesh/protocol/ports.js'

export class Killed extends Error {
  constructor() {
    super('the simulated node was killed')
    this.name = 'Killed'
  }
}

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

  private arrive(apply: () => void): Promise<void> {
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

  store(): Store {
    return {
      write: (writes: readonly Write[]) =>
        this.arrive(() => {
          for (const { key, value } of writes) {
            if (value === null) this.entries.delete(key)
            else this.entries.set(key, value.slice())
            this.onWrite(key, value)
          }
        }),
      get: async (key) => this.entries.get(key),
      list: async (prefix) =>
        [...this.entries].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)),
    }
  }

  vault(): Vault {
    return {
      put: (name, secret) =>
        this.arrive(() => {
          this.secrets.set(name, secret.slice())
          this.onWrite(`vault/${name}`, secret)
        }),
      get: async (name) => this.secrets.get(name),
      erase: (name) =>
        this.arrive(() => {
          this.secrets.delete(name)
          this.onWrite(`vault/${name}`, null)
        }),
      list: async () => [...this.secrets.keys()].sort(),
    }
  }
}
