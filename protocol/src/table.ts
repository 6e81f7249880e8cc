/**
 * Tables of records as values: a table with one more entry is another table, and the one before stays as it was. A machine
 * changes its tables with every step and there may be thousands of entries, so a table shares them with its predecessor:
 * the newest version holds them all, an older one what to undo (H. Baker's shallow binding). Both a change and what
 * differs between two versions cost the number of changes.
 */

export type Table<T = unknown> = ReadonlyMap<string, T>

/** The same table with an entry more, or another value in its place. */
export function withEntry<T>(table: Table<T>, key: string, value: T): Table<T> {
  return (table instanceof VersionedTable ? table : new VersionedTable(new Map(table))).with(key, value)
}

export const isTable = (value: unknown): value is Table => value instanceof Map || value instanceof VersionedTable

/** Keys whose entries may differ, each once; undefined if the two have no history in common. */
export function changedKeys(before: Table, after: Table): ReadonlySet<string> | undefined {
  if (!(before instanceof VersionedTable && after instanceof VersionedTable)) return undefined
  return before.keysUntil(after) ?? after.keysUntil(before)
}

interface Undo<T> {
  readonly next: VersionedTable<T>
  readonly key: string
  /** what this version has there: undefined for nothing */
  readonly value: T | undefined
}

class VersionedTable<T> implements Table<T> {
  /** in the version that was looked at last; every other leads there */
  private entriesHere: Map<string, T> | undefined
  private undo: Undo<T> | undefined

  constructor(entries: Map<string, T> | undefined) {
    this.entriesHere = entries
  }

  with(key: string, value: T): VersionedTable<T> {
    const entries = this.current()
    const after = new VersionedTable<T>(entries)
    this.entriesHere = undefined
    this.undo = { next: after, key, value: entries.get(key) }
    entries.set(key, value)
    return after
  }

  /** Brings the entries here, one change after the other; an undone entry was the last one, so that the order stays. */
  private current(): Map<string, T> {
    const path: VersionedTable<T>[] = []
    let at: VersionedTable<T> = this
    while (at.undo !== undefined) {
      path.push(at)
      at = at.undo.next
    }
    const entries = at.entriesHere as Map<string, T>
    for (const version of path.reverse()) {
      const { next, key, value } = version.undo as Undo<T>
      next.undo = { next: version, key, value: entries.get(key) }
      next.entriesHere = undefined
      if (value === undefined) entries.delete(key)
      else entries.set(key, value)
      version.undo = undefined
      version.entriesHere = entries
    }
    return entries
  }

  keysUntil(other: VersionedTable<T>): ReadonlySet<string> | undefined {
    const keys = new Set<string>()
    let at: VersionedTable<T> = this
    while (at !== other) {
      if (at.undo === undefined) return undefined
      keys.add(at.undo.key)
      at = at.undo.next
    }
    return keys
  }

  get size(): number {
    return this.current().size
  }

  get(key: string): T | undefined {
    return this.current().get(key)
  }

  has(key: string): boolean {
    return this.current().has(key)
  }

  // whoever goes through a table may change it meanwhile, so it goes through a copy

  entries(): MapIterator<[string, T]> {
    return new Map(this.current()).entries()
  }

  keys(): MapIterator<string> {
    return new Map(this.current()).keys()
  }

  values(): MapIterator<T> {
    return new Map(this.current()).values()
  }

  [Symbol.iterator](): MapIterator<[string, T]> {
    return this.entries()
  }

  forEach(visit: (value: T, key: string, table: Table<T>) => void): void {
    for (const [key, value] of this) visit(value, key, this)
  }
}
