import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LevelStore, openStore } from '@flamesh/node/store/level-store.js'
import fc from 'fast-check'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

describe('level store', () => {
  let folder: string
  let store: LevelStore
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-store-'))
    store = await openStore(join(folder, 'state'))
  })
  afterEach(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })

  it('keeps what was written, over a restart', async () => {
    await store.write([
      { key: 'a', value: bytes(1, 2) },
      { key: 'b', value: bytes() },
    ])
    await store.write([{ key: 'a', value: null }])
    await store.close()
    store = await openStore(join(folder, 'state'))
    assert.equal(await store.get('a'), undefined)
    assert.deepEqual(await store.get('b'), bytes())
  })

  it('hands out plain byte arrays', async () => {
    await store.write([{ key: 'a', value: bytes(1) }])
    assert.equal(Object.getPrototypeOf(await store.get('a')), Uint8Array.prototype)
    assert.equal(Object.getPrototypeOf((await store.list(''))[0]?.[1]), Uint8Array.prototype)
  })

  it('lists exactly the keys with a prefix, in order', async () => {
    const key = fc
      .string({ unit: fc.constantFrom('a', 'b', '/', '~', 'é', '\u{10ffff}'), maxLength: 4 })
      .map((text) => `k${text}`)
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key, { maxLength: 12 }), key, async (keys, prefix) => {
        await store.write((await store.list('')).map(([old]) => ({ key: old, value: null })))
        await store.write(keys.map((one) => ({ key: one, value: bytes(7) })))
        const listed = (await store.list(prefix)).map(([one]) => one)
        const expected = keys
          .filter((one) => one.startsWith(prefix))
          .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        assert.deepEqual(listed, expected)
      }),
      { numRuns: 40 },
    )
  })

  it('writes a batch whole or not at all', async () => {
    const broken = [
      { key: 'a', value: bytes(1) },
      { key: undefined as unknown as string, value: bytes(2) },
    ]
    await assert.rejects(store.write(broken))
    assert.equal(await store.get('a'), undefined)
  })

  it('refuses a folder that another process uses', async () => {
    await assert.rejects(openStore(join(folder, 'state')), { code: 'already-running' })
    const script = `
      import { openStore } from '@flamesh/node/store/level-store.js'
      await openStore(process.argv[1]).then(() => process.exit(0), (error) => { console.log(error.code); process.exit(9) })`
    const child = spawnSync(
      process.execPath,
      ['--conditions=source', '--import=tsx', '--input-type=module', '-e', script, join(folder, 'state')],
      { encoding: 'utf8' },
    )
    assert.deepEqual([child.status, child.stdout.trim()], [9, 'already-running'])
  })

  it('says so when the database is damaged', async () => {
    await store.write([{ key: 'a', value: bytes(1) }])
    await store.close()
    await writeFile(join(folder, 'state', 'CURRENT'), 'rubbish')
    await assert.rejects(openStore(join(folder, 'state')), { code: 'store-damaged' })
    await rm(join(folder, 'state'), { recursive: true })
    store = await openStore(join(folder, 'state'))
  })

  it('keeps others out of its folder', async () => {
    assert.equal((await stat(join(folder, 'state'))).mode & 0o777, 0o700)
  })
})
