import assert from 'node:assert/strict'
import { decode } from '@flamesh/protocol/encoding/canonical.js'
import { difference, type Table, withEntry } from '@flamesh/protocol/machine.js'
import fc from 'fast-check'

/** A version of the table, and a plain Map that was never shared. */
interface Version {
  readonly table: Table<number>
  readonly model: ReadonlyMap<string, number>
}

/** Each operation derives a new version from any earlier one. */
const operations = fc.array(
  fc.record({ from: fc.nat(), key: fc.constantFrom('a', 'b', 'c', 'd', 'e'), value: fc.nat(3) }),
  { maxLength: 30 },
)

function versionsOf(start: Version, steps: readonly { from: number; key: string; value: number }[]): Version[] {
  const versions = [start]
  for (const { from, key, value } of steps) {
    const { table, model } = versions[from % versions.length] as Version
    versions.push({ table: withEntry(table, key, value), model: new Map(model).set(key, value) })
  }
  return versions
}

const START: Version = { table: new Map([['z', 9]]), model: new Map([['z', 9]]) }

/** A store's entries after these writes. */
function written(model: ReadonlyMap<string, number>, before: Table, after: Table): Map<string, unknown> {
  const entries = new Map<string, unknown>([...model])
  for (const { key, value } of difference('', { table: before }, { table: after })) {
    if (value === null) entries.delete(key.slice('table/'.length))
    else entries.set(key.slice('table/'.length), decode(value))
  }
  return entries
}

const sorted = (entries: ReadonlyMap<string, unknown>) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1))

describe('tables', () => {
  it('keep every version as it was, in the order of insertion, whichever is looked at', () => {
    fc.assert(
      fc.property(operations, fc.array(fc.nat(), { maxLength: 30 }), (steps, looks) => {
        const versions = versionsOf(START, steps)
        for (const look of [...looks, ...versions.keys()]) {
          const { table, model } = versions[look % versions.length] as Version
          assert.deepEqual([...table], [...model])
          assert.deepEqual([...table.keys()], [...model.keys()])
          assert.deepEqual([...table.values()], [...model.values()])
          assert.equal(table.size, model.size)
          for (const key of 'abcdez') {
            assert.equal(table.get(key), model.get(key))
            assert.equal(table.has(key), model.has(key))
          }
        }
      }),
    )
  })

  it('differ in what a store lacks, between any two versions', () => {
    fc.assert(
      fc.property(operations, fc.nat(), fc.nat(), (steps, a, b) => {
        const versions = versionsOf(START, steps)
        const before = versions[a % versions.length] as Version
        const after = versions[b % versions.length] as Version
        assert.deepEqual(sorted(written(before.model, before.table, after.table)), sorted(after.model))
      }),
    )
  })

  it('write nothing for an entry that is the same again, and one entry for one change', () => {
    const one = withEntry(START.table, 'a', 1)
    assert.deepEqual(difference('', { table: one }, { table: withEntry(one, 'a', 1) }), [])
    assert.deepEqual(
      difference('', { table: one }, { table: withEntry(withEntry(one, 'b', 1), 'b', 2) }).map((write) => write.key),
      ['table/b'],
    )
  })

  it('may be changed by whoever goes through them', () => {
    let table = withEntry(withEntry(START.table, 'a', 1), 'b', 2)
    const seen: string[] = []
    for (const [key, value] of table) {
      seen.push(key)
      table = withEntry(table, `${key}${key}`, value)
    }
    assert.deepEqual(seen, ['z', 'a', 'b'])
    assert.deepEqual([...table.keys()], ['z', 'a', 'b', 'zz', 'aa', 'bb'])
  })
})
