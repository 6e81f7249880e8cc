/** What lies on the disks of real nodes: every byte of every file, and what opens with the keys beside them. */
import assert from 'node:assert/strict'
import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type StateFolder, stateFolder } from '@flamesh/node/config/state-folder.js'
import { openStore } from '@flamesh/node/store/level-store.js'
import { hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { decode } from '@flamesh/protocol/encoding/canonical.js'
import { decodeBase64 } from '@flamesh/protocol/identity/hub-api.js'
import { type RoundState, stateKeyName } from '@flamesh/protocol/secagg/kept-state.js'
import { type Bytes, needlesOf, openable, readable } from '../../disk-search.js'
import { SITES } from '../data.js'
import type { Federation, TestNode } from '../federation.js'
import { approve, outcomeOf, submit } from '../jobs.js'
import { eventually } from '../processes.js'

const LOGISTIC = {
  analysis: 'logistic',
  parameters: { outcome: { column: 'sex', is: 2 }, covariates: ['age'] },
}

interface Disk {
  /** as they lie there */
  readonly files: readonly (readonly [string, Uint8Array])[]
  /** values of the database, whatever its files do to them */
  readonly entries: Bytes
  readonly keys: readonly Uint8Array[]
}

/** A copy of a node's folder that nobody writes to. */
async function copyOf(node: TestNode, name: string): Promise<StateFolder> {
  const copy = `${node.dir}.${name}`
  await cp(node.dir, copy, { recursive: true, filter: (path) => !path.endsWith('.sock') })
  return stateFolder(copy)
}

async function entriesOf({ storeDir }: StateFolder) {
  const store = await openStore(storeDir)
  const entries = await store.list('')
  await store.close()
  return entries
}

const filesIn = async (folder: string) => {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = found.flatMap((one) => (one.isFile() ? [join(one.parentPath, one.name)] : []))
  return Promise.all(paths.map(async (path) => [path.slice(folder.length), await readFile(path)] as const))
}

async function readDisk(node: TestNode): Promise<Disk> {
  const folder = await copyOf(node, 'searched')
  const files = await filesIn(folder.dir)
  const secrets = (await filesIn(folder.vaultDir)).map(([, bytes]) => new Uint8Array(bytes))
  const own = (await filesIn(folder.keysDir)).map(([, bytes]) => hexToBytes(bytes.toString('utf8').trim()))
  return { files, entries: await entriesOf(folder), keys: [...secrets, ...own] }
}

/** The state that a running job's member keeps, with the key that lies in its vault as long. */
async function stateAt(node: TestNode, job: string): Promise<RoundState> {
  const folder = await copyOf(node, 'running')
  const key = await readFile(join(folder.vaultDir, stateKeyName(job)))
  const entries = await entriesOf(folder)
  const { opened } = openable(entries, job, [new Uint8Array(key)])
  const [first] = opened
  assert.ok(first !== undefined, 'a state is kept')
  const state = decode(first[1]) as unknown as RoundState
  assert.deepEqual(readable(entries, needlesOf('state', decode(state.state))), [])
  return state
}

export function disks(federation: () => Federation): void {
  it('no byte of a site’s or member’s folder shows a result or a state, and no key in it opens one', async () => {
    const member = federation().node('site-c')
    const job = await submit(federation(), LOGISTIC)
    await approve(federation(), job)
    await member.until(job, 'round-closed', { round: 2 })
    await member.kill()
    const { state, salt } = await stateAt(member, job)
    await member.start()
    const { status, result } = await outcomeOf(federation(), job)
    assert.equal(status, 'released')
    for (const name of SITES)
      await eventually(`${name} is done`, async () => (await federation().node(name).view(job))?.status === 'released')
    await Promise.all(federation().nodes.map((node) => node.stop()))

    const { proof, ...numbers } = result as { proof: { released: string; salt: string } }
    const ofResult = [
      ...needlesOf('result', numbers),
      ...needlesOf('released', decode(decodeBase64(proof.released))),
      ...needlesOf('salt', hexToBytes(proof.salt)),
    ]
    const ofState = [...needlesOf('state', decode(state)), ...needlesOf('salt of the state', salt)]
    assert.ok(ofResult.length > 10 && ofState.length > 10)
    for (const name of SITES) {
      const { files, entries, keys } = await readDisk(federation().node(name))
      assert.ok(files.length > 10 && keys.length >= 3)
      assert.deepEqual(readable([...files, ...entries], [...ofResult, ...ofState]), [], name)
      const { tried, opened } = openable([...files, ...entries], job, keys)
      assert.ok(tried > 100, `${name} has ${tried} sealed things at most`)
      assert.deepEqual(
        opened.map(([place]) => place),
        [],
        name,
      )
    }
    const hub = await filesIn(join(federation().folder, 'hub'))
    assert.ok(hub.length > 0)
    assert.deepEqual(readable(hub, [...ofResult, ...ofState]), [], 'the hub')
    // the same search finds what is there, in the database and beside it
    const recipient = await readDisk(federation().researcher)
    assert.ok(readable(recipient.entries, ofResult).length > 3, 'the recipient’s own database')
    assert.ok(readable(recipient.files, ofResult).length > 3, 'the recipient’s own files')
    const { entries } = await readDisk(member)
    assert.ok(readable(openable(entries, job, recipient.keys).opened, ofResult).length > 3, 'the recipient’s own key')
  })
}
