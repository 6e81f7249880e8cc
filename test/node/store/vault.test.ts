import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { link, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openVault } from '@flamesh/node/store/vault.js'
import type { Vault } from '@flamesh/protocol/ports.js'
import fc from 'fast-check'

const secret = (fill: number, length = 32): Uint8Array => new Uint8Array(length).fill(fill)

describe('vault', () => {
  let root: string
  let folder: string
  let vault: Vault
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'flamesh-vault-'))
    folder = join(root, 'vault')
    vault = openVault(folder)
  })
  afterEach(() => rm(root, { recursive: true }))

  it('keeps secrets until they are erased, over a restart', async () => {
    await vault.put('prekey/1', secret(1))
    await vault.put('prekey/2', secret(2))
    await vault.erase('prekey/1')
    vault = openVault(folder)
    assert.equal(await vault.get('prekey/1'), undefined)
    assert.deepEqual(await vault.get('prekey/2'), secret(2))
    assert.deepEqual(await vault.list(), ['prekey/2'])
    await vault.erase('never there')
  })

  it('lets nobody else read', async () => {
    await vault.put('k', secret(1))
    assert.equal((await stat(folder)).mode & 0o777, 0o700)
    for (const file of await readdir(folder)) assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600)
  })

  it('keeps names apart on every file system, and inside its folder', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }), { minLength: 2, maxLength: 4 }),
        async (names) => {
          for (const [index, name] of names.entries()) await vault.put(name, secret(index))
          for (const [index, name] of names.entries()) assert.deepEqual(await vault.get(name), secret(index))
          assert.deepEqual(new Set(await vault.list()), new Set(names))
          const files = await readdir(folder)
          assert.equal(new Set(files.map((file) => file.toLowerCase())).size, names.length)
          for (const name of names) await vault.erase(name)
        },
      ),
      { numRuns: 15 },
    )
    await vault.put('../outside', secret(1))
    assert.deepEqual(await readdir(root), ['vault'])
  })

  // A second hard link reaches the blocks after the file's own name is gone.
  it('overwrites what it erases and what it replaces', async () => {
    for (const leave of [() => vault.erase('k'), () => vault.put('k', secret(9))]) {
      await vault.put('k', secret(5))
      const [file] = await readdir(folder)
      await link(join(folder, file!), join(root, 'link'))
      await leave()
      assert.deepEqual(new Uint8Array(await readFile(join(root, 'link'))), secret(0))
      await rm(join(root, 'link'))
    }
    assert.deepEqual(await vault.get('k'), secret(9))
  })

  it('scrubs what a crash left half done', async () => {
    await writeFile(join(folder, '.unfinished-k-00'), secret(3))
    await link(join(folder, '.unfinished-k-00'), join(root, 'link'))
    vault = openVault(folder)
    assert.deepEqual(await vault.list(), [])
    assert.deepEqual(await readdir(folder), [])
    assert.deepEqual(new Uint8Array(await readFile(join(root, 'link'))), secret(0))
  })

  it('holds whole secrets or none after a kill at any moment', async () => {
    const script = `
      import { openVault } from '@flamesh/node/store/vault.js'
      const vault = openVault(process.argv[1])
      process.stdout.write('ready')
      for (let i = 0; ; i++) {
        const name = 'k' + (i % 3)
        await vault.put(name, new Uint8Array(4096).fill(1 + (i % 255)))
        if (i % 2 === 0) await vault.erase(name)
      }`
    for (let round = 0; round < 4; round++) {
      const child = spawn(process.execPath, [
        '--conditions=source',
        '--import=tsx',
        '--input-type=module',
        '-e',
        script,
        folder,
      ])
      await once(child.stdout, 'data')
      await new Promise((resolve) => setTimeout(resolve, 20 + 17 * round))
      child.kill('SIGKILL')
      await once(child, 'exit')
      vault = openVault(folder)
      for (const name of await vault.list()) {
        const found = (await vault.get(name))!
        assert.equal(found.length, 4096)
        assert.ok(found[0] !== 0 && found.every((byte) => byte === found[0]), 'a secret is whole')
      }
      assert.ok((await readdir(folder)).every((file) => !file.startsWith('.')))
    }
  })
})
