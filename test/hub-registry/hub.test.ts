import assert from 'node:assert/strict'
import { chmod, cp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { initHub, openHub } from '@flamesh/hub-registry/hub.js'
import { openStore, statementKey } from '@flamesh/hub-registry/store.js'
import { openCheckpoint } from '@flamesh/protocol/identity/checkpoint.js'
import { emptyLog, extendLog } from '@flamesh/protocol/identity/log.js'
import { signPeerRecord } from '@flamesh/protocol/identity/peer-record.js'
import { activeMember, memberByName } from '@flamesh/protocol/identity/roster.js'
import { attest, START_MS, signer } from '../protocol/identity/fixtures.js'
import { DAY_MS, enrolMember, invitation, requestFor, withFolder, withHub } from './fixtures.js'

const now = () => START_MS
const coded = (code: string) => ({ code })

describe('the hub', () => {
  it('keeps its folder and its key to its owner, and never replaces them', () =>
    withFolder(async (dir) => {
      const key = await initHub(dir, now)
      assert.match(key, /^[0-9a-f]{64}$/)
      assert.equal((await stat(dir)).mode & 0o777, 0o700)
      assert.equal((await stat(join(dir, 'hub.key'))).mode & 0o777, 0o600)
      await assert.rejects(initHub(dir, now), coded('hub-exists'))
      await rm(join(dir, 'hub.key'))
      await assert.rejects(initHub(dir, now), coded('hub-exists'))
      await assert.rejects(openHub(dir, now), coded('hub-not-initialised'))
    }))

  it('appends what a reader accepts, and finds it again', () =>
    withHub(async (test) => {
      await enrolMember(test.hub, 'a')
      await enrolMember(test.hub, 'b')
      await test.hub.append(attest('cox', 'ana'))
      const { hub } = test
      const read = extendLog(emptyLog, hub.statements(0, 3), hub.checkpoint, hub.key)
      assert.equal(read.outcome, 'extended')
      assert.deepEqual((read as { state: unknown }).state, hub.state)
      const { state } = hub
      await test.reopen()
      assert.deepEqual(test.hub.state, state)
      assert.equal((await test.hub.verify(hub.key)).leaves.length, 3)
    }))

  it('says nothing that breaks a rule', () =>
    withHub(async ({ hub }) => {
      await enrolMember(hub, 'a')
      const { state } = hub
      const key = signer('a').publicKey
      await assert.rejects(
        hub.append({ type: 'revoke', key: signer('x').publicKey, reason: 'x' }),
        coded('not-a-member'),
      )
      const committee = { type: 'name-committee' as const, name: 'one', members: [key], datasets: ['lung'] }
      await assert.rejects(hub.append(committee), coded('committee-size'))
      await assert.rejects(hub.append({ ...committee, name: 'No Name' }), coded('schema'))
      assert.equal(hub.state, state)
    }))

  it('appends one at a time whatever is asked at once', () =>
    withHub(async (test) => {
      const names = Array.from({ length: 20 }, (_, at) => `m${at}`)
      const indices = await Promise.all(names.map((name) => enrolMember(test.hub, name)))
      assert.deepEqual(
        [...indices].sort((a, b) => a - b),
        names.map((_, at) => at),
      )
      await test.reopen()
      for (const name of names) assert.ok(memberByName(test.hub.state.roster, name))
    }))

  it('signs its checkpoint anew, and never back in time', () =>
    withHub(async (test) => {
      const signedAt = () => openCheckpoint(test.hub.checkpoint, test.hub.key).timestamp
      test.now += DAY_MS
      await test.hub.refreshCheckpoint()
      assert.equal(signedAt(), START_MS + DAY_MS)
      test.now -= 5 * DAY_MS
      await test.hub.append(attest('cox', 'ana'))
      assert.equal(signedAt(), START_MS + DAY_MS)
      await test.reopen()
      assert.equal(signedAt(), START_MS + DAY_MS)
    }))

  it('holds its folder for one process', () =>
    withHub(async ({ dir }) => {
      await assert.rejects(openHub(dir, now), coded('already-running'))
    }))
})

describe('invites', () => {
  it('enrol who holds them, as the operator said', () =>
    withHub(async ({ hub, now: at }) => {
      await enrolMember(hub, 'a', { roles: ['researcher'], organisation: 'clinic' })
      const member = memberByName(hub.state.roster, 'a')
      assert.deepEqual(
        [member?.organisation, member?.roles, member?.key],
        ['clinic', ['researcher'], signer('a').publicKey],
      )
      assert.ok(activeMember(hub.state.roster, signer('a').publicKey, at))
      assert.ok(!activeMember(hub.state.roster, signer('a').publicKey, at + 100 * DAY_MS))
    }))

  it('serve once, but an answer that was lost is given again', () =>
    withHub(async (test) => {
      const { invite } = await test.hub.invite(invitation('a'))
      const request = requestFor(invite, test.hub.key, 'a')
      assert.deepEqual(await test.hub.enrol(request), { index: 0, repeated: false })
      for (const reopen of [false, true]) {
        if (reopen) await test.reopen()
        assert.deepEqual(await test.hub.enrol(request), { index: 0, repeated: true })
        await assert.rejects(test.hub.enrol(requestFor(invite, test.hub.key, 'b')), coded('invite-used'))
      }
      assert.equal(test.hub.state.leaves.length, 1)
    }))

  it('serve one of two who use them at once', () =>
    withHub(async ({ hub }) => {
      const { invite } = await hub.invite(invitation('a'))
      const outcomes = await Promise.allSettled(['x', 'y'].map((name) => hub.enrol(requestFor(invite, hub.key, name))))
      assert.deepEqual(outcomes.map((one) => one.status).sort(), ['fulfilled', 'rejected'])
      assert.equal(hub.state.leaves.length, 1)
    }))

  it('are refused when wrong, foreign, expired or replaced', () =>
    withHub(async (test) => {
      const { hub } = test
      const { invite } = await hub.invite(invitation('a'))
      const { invite: other } = await hub.invite(invitation('b'))
      // the id of one invite with the secret of another
      const mixed = requestFor(mixInvites(invite, other), hub.key, 'a')
      await assert.rejects(hub.enrol(mixed), coded('invite-mac'))
      await assert.rejects(hub.enrol(requestFor(invite, signer('other hub').publicKey, 'a')), coded('hub-key-mismatch'))
      await assert.rejects(hub.enrol(new Uint8Array([1, 2, 3])), coded('encoding'))
      const { invite: newer } = await hub.invite(invitation('a'))
      await assert.rejects(hub.enrol(requestFor(invite, hub.key, 'a')), coded('invite-unknown'))
      test.now += 7 * DAY_MS
      await assert.rejects(hub.enrol(requestFor(newer, hub.key, 'a')), coded('invite-expired'))
      assert.equal(hub.state.leaves.length, 0)
      assert.deepEqual(
        hub
          .openInvites()
          .map((one) => one.name)
          .sort(),
        ['a', 'b'],
      )
    }))

  it('are not given for a name or a key that is taken', () =>
    withHub(async ({ hub }) => {
      await enrolMember(hub, 'a')
      await assert.rejects(hub.invite(invitation('a')), coded('name-taken'))
      const { invite } = await hub.invite(invitation('b'))
      await assert.rejects(hub.enrol(requestFor(invite, hub.key, 'a')), coded('key-taken'))
      // the invite was not used up by a refusal
      assert.equal((await hub.enrol(requestFor(invite, hub.key, 'b'))).repeated, false)
    }))

  it('leave no secret behind once used', () =>
    withHub(async ({ hub, dir }) => {
      await enrolMember(hub, 'a')
      await hub.invite(invitation('b'))
      await hub.close()
      const store = await openStore(join(dir, 'log'), false)
      const kept = await store.list('invite/')
      await store.close()
      const secrets = kept.filter(([, bytes]) => Buffer.from(bytes).includes('secret'))
      assert.deepEqual([kept.length, secrets.length], [2, 1])
    }))
})

function mixInvites(one: string, other: string): string {
  // 8 bytes of id are 12.8 characters of base32: the first 12 are the id's alone, so the 13th stays with the id
  return one.slice(0, 'flamesh-invite-'.length + 13) + other.slice('flamesh-invite-'.length + 13)
}

describe('peer records at the hub', () => {
  const record = (name: string, sequence: number) =>
    signPeerRecord([`/ip4/127.0.0.1/tcp/${1000 + sequence}`], sequence, signer(name))

  it('are kept for members, the newest of each', () =>
    withHub(async (test) => {
      await enrolMember(test.hub, 'a')
      await enrolMember(test.hub, 'b')
      assert.equal(await test.hub.keepPeer(record('a', 2)), true)
      assert.equal(await test.hub.keepPeer(record('a', 2)), false)
      assert.equal(await test.hub.keepPeer(record('a', 1)), false)
      assert.equal(await test.hub.keepPeer(record('a', 3)), true)
      assert.equal(await test.hub.keepPeer(record('b', 1)), true)
      await test.reopen()
      assert.equal(await test.hub.keepPeer(record('a', 3)), false)
      assert.deepEqual(
        test.hub
          .peerRecords()
          .map((bytes) => Buffer.from(bytes).toString('hex'))
          .sort(),
        [record('a', 3), record('b', 1)].map((bytes) => Buffer.from(bytes).toString('hex')).sort(),
      )
    }))

  it('are refused from strangers and hidden after a revocation', () =>
    withHub(async ({ hub }) => {
      await assert.rejects(hub.keepPeer(record('x', 1)), coded('not-a-member'))
      await enrolMember(hub, 'a')
      await hub.keepPeer(record('a', 1))
      await hub.append({ type: 'revoke', key: signer('a').publicKey, reason: 'left' })
      assert.deepEqual(hub.peerRecords(), [])
      await assert.rejects(hub.keepPeer(record('a', 2)), coded('not-a-member'))
    }))
})

describe('a damaged folder', () => {
  /** Makes a log of three, closes it, damages it and expects a refusal to open. */
  const damaged = (code: string, damage: (dir: string) => Promise<void>) =>
    withFolder(async (dir) => {
      await initHub(dir, now)
      const hub = await openHub(dir, now)
      await hub.append(attest('cox', 'ana'))
      await cp(dir, `${dir}.old`, { recursive: true })
      await hub.append(attest('describe', 'ana'))
      await hub.append(attest('table', 'ana'))
      await hub.close()
      await damage(dir)
      await assert.rejects(openHub(dir, now), coded(code))
    })

  const rewrite = (index: number, change: (bytes: Uint8Array) => Uint8Array | null) => async (dir: string) => {
    const store = await openStore(join(dir, 'log'), false)
    const key = statementKey(index)
    await store.write([{ key, value: change((await store.get(key))!) }])
    await store.close()
  }

  it('is refused when a statement is missing', async () => {
    for (const index of [0, 1, 2])
      await damaged(
        'log-damaged',
        rewrite(index, () => null),
      )
  })

  it('is refused when a statement was edited', () =>
    damaged(
      'log-damaged',
      rewrite(1, (bytes) => bytes.map((byte, at) => (at === 80 ? byte ^ 1 : byte))),
    ))

  it('is refused when a statement was added', () =>
    damaged('log-damaged', async (dir) => {
      const store = await openStore(join(dir, 'log'), false)
      await store.write([{ key: statementKey(3), value: (await store.get(statementKey(2)))! }])
      await store.close()
    }))

  it('is refused when the log is older than the checkpoint beside it', () =>
    damaged('log-damaged', async (dir) => {
      await rm(join(dir, 'log'), { recursive: true })
      await cp(join(`${dir}.old`, 'log'), join(dir, 'log'), { recursive: true })
    }))

  it('is refused when the log or the checkpoint is gone', async () => {
    await damaged('log-damaged', (dir) => rm(join(dir, 'log'), { recursive: true }))
    await damaged('log-damaged', (dir) => rm(join(dir, 'checkpoint')))
    await damaged('log-damaged', (dir) => writeFile(join(dir, 'checkpoint'), 'nonsense'))
  })

  it('is refused with another key, or half a key', async () => {
    await damaged('hub-key-mismatch', (dir) => writeFile(join(dir, 'hub.key'), new Uint8Array(32).fill(1)))
    await damaged('hub-key-mismatch', async (dir) => {
      const path = join(dir, 'hub.key')
      await writeFile(path, (await readFile(path)).subarray(0, 16))
    })
    await damaged('key-permissions', (dir) => chmod(join(dir, 'hub.key'), 0o644))
  })

  it('opens when only the last write of the checkpoint beside it was lost', () =>
    withFolder(async (dir) => {
      await initHub(dir, now)
      const before = await readFile(join(dir, 'checkpoint'))
      const hub = await openHub(dir, now)
      await hub.append(attest('cox', 'ana'))
      await hub.close()
      await writeFile(join(dir, 'checkpoint'), before)
      const again = await openHub(dir, now)
      assert.equal(again.state.leaves.length, 1)
      await again.close()
    }))
})
