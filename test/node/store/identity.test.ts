import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIdentity, loadIdentity } from '@flamesh/node/store/identity.js'
import { bytesToHex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Verify, x25519PublicKey } from '@flamesh/protocol/crypto/native/index.js'

describe('identity', () => {
  let root: string
  let folder: string
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'flamesh-identity-'))
    folder = join(root, 'keys')
  })
  afterEach(() => rm(root, { recursive: true }))

  it('is the same after a restart, and signs', async () => {
    const created = await createIdentity(folder)
    const loaded = await loadIdentity(folder)
    assert.equal(loaded.publicKey, created.publicKey)
    assert.deepEqual(loaded.datasetSalt, created.datasetSalt)
    const message = Uint8Array.from([1, 2, 3])
    assert.ok(ed25519Verify(hexToBytes(created.publicKey), message, loaded.signer.sign(message)))
    assert.equal(loaded.signer.publicKey, loaded.publicKey)
    assert.equal(bytesToHex(x25519PublicKey(loaded.sealingSecret)), created.sealingKey)
  })

  it('draws every secret afresh', async () => {
    const a = await createIdentity(folder)
    const b = await createIdentity(join(root, 'other'))
    const secrets = [a, b].flatMap(({ seed, sealingSecret, datasetSalt }) => [seed, sealingSecret, datasetSalt])
    assert.equal(new Set(secrets.map(bytesToHex)).size, 6)
  })

  it('writes files that only the owner can read, and nothing else', async () => {
    await createIdentity(folder)
    assert.deepEqual(await readdir(root), ['keys'])
    assert.equal((await stat(folder)).mode & 0o777, 0o700)
    for (const file of await readdir(folder)) assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600)
  })

  it('never replaces keys', async () => {
    const { publicKey } = await createIdentity(folder)
    await assert.rejects(createIdentity(folder), { code: 'keys-exist' })
    assert.equal((await loadIdentity(folder)).publicKey, publicKey)
  })

  it('refuses keys that others can read, and says what to type', async () => {
    await createIdentity(folder)
    for (const file of await readdir(folder)) {
      await chmod(join(folder, file), 0o640)
      await assert.rejects(loadIdentity(folder), (error: { code: string; hint: string }) => {
        assert.equal(error.code, 'key-permissions')
        assert.match(error.hint, /chmod 600 .*\.(key|salt)/)
        return true
      })
      await chmod(join(folder, file), 0o600)
    }
    await chmod(folder, 0o755)
    await assert.rejects(loadIdentity(folder), { code: 'key-permissions' })
  })

  it('names a missing and a damaged key', async () => {
    await assert.rejects(loadIdentity(folder), { code: 'key-missing' })
    await createIdentity(folder)
    await writeFile(join(folder, 'signing.key'), 'abc\n')
    await assert.rejects(loadIdentity(folder), { code: 'key-malformed' })
    await rm(join(folder, 'signing.key'))
    await assert.rejects(loadIdentity(folder), { code: 'key-missing' })
  })
})
