/**
 * Results and states at rest: who can read them, on whose disk, and until when. A stranger with everything that was ever on a
 * member's disk, and with all keys that are left on it, reads neither; every recipient can fetch what is its own from any member.
 */
import assert from 'node:assert/strict'
import { type Hex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { openSealed } from '@flamesh/protocol/crypto/sealing.js'
import { decode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned } from '@flamesh/protocol/encoding/signed.js'
import { decodeBase64 } from '@flamesh/protocol/identity/hub-api.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { KEEP_RESULT_MS } from '@flamesh/protocol/limits.js'
import { type RoundState, stateKeyName } from '@flamesh/protocol/secagg/kept-state.js'
import { openState } from '@flamesh/protocol/secagg/member/collecting.js'
import { releaseContext } from '@flamesh/protocol/secagg/member/opening.js'
import { OPENED } from '@flamesh/protocol/secagg/messages.js'
import type { Federation, SimulatedNode } from '@flamesh/simulations/federation.js'
import { FREE } from '@flamesh/simulations/network/costs.js'
import { needlesOf, openable, readable } from '../disk-search.js'
import {
  assertExact,
  audited,
  describeJob,
  ending,
  logisticJob,
  pass,
  submit,
  until,
  viewAt,
  type World,
  world,
} from './world.js'

const MEMBERS = ['site-a', 'site-b', 'site-c', 'site-d']
const HOUR_MS = 3_600_000
/** A round lasts long enough to be found in the middle of it. */
const SLOW_ANALYSES = { ...FREE, analysis: () => 20_000 }

/** A disk that forgets nothing, like the files of a log-structured store: whatever was ever written in this life. */
function recordWrites({ nodes }: Federation): (name: string) => readonly (readonly [string, Uint8Array])[] {
  const written = new Map<string, (readonly [string, Uint8Array])[]>()
  for (const node of nodes.values()) {
    const own = [...node.disk.entries]
    written.set(node.name, own)
    const before = node.disk.onWrite
    node.disk.onWrite = (key, value) => {
      before(key, value)
      // a vault overwrites what it erases
      if (value !== null && !key.startsWith('vault/')) own.push([key, value])
    }
  }
  return (name) => written.get(name) ?? []
}

/** The vault as it is now, and the keys that a node keeps for good. */
const keysOf = ({ disk, identitySeed, sealingSecret }: SimulatedNode): readonly Uint8Array[] => [
  ...disk.secrets.values(),
  identitySeed,
  sealingSecret,
]

/** Every state that a round began with, from what went to the sites. */
function statesOf({ federation, watch }: World): readonly RoundState[] {
  const found = new Map<Hex, RoundState>()
  for (const { to, message } of watch.seen) {
    if (message.type !== 'round' || message.previous === null) continue
    const { commitment } = openSigned(message.previous.opened, OPENED).body
    const { key, sealingSecret } = federation.node(to)
    const state = openState(message.previous.box, key, sealingSecret, commitment as Hex)
    if (state !== undefined) found.set(commitment as Hex, state)
  }
  return [...found.values()]
}

async function releasedTo(federation: Federation, name: string, job: Hex) {
  const outcome = await federation.node(name).up().result(job)
  assert.ok(outcome?.result !== undefined, `${name} has no result`)
  const { proof } = outcome.result as { proof: { released: string; salt: string } }
  return { shown: outcome.result, released: decodeBase64(proof.released), salt: hexToBytes(proof.salt) }
}

async function needlesFor(one: World, job: Hex) {
  const { shown, released, salt } = await releasedTo(one.federation, 'researcher', job)
  const { proof: _proof, ...numbers } = shown as { proof: unknown }
  const ofResult = [
    ...needlesOf('result', numbers),
    ...needlesOf('released', decode(released)),
    ...needlesOf('salt', salt),
  ]
  const ofStates = statesOf(one).flatMap(({ state, salt: one }, at) => [
    ...needlesOf(`state ${at}`, decode(state)),
    ...needlesOf(`salt ${at}`, one),
  ])
  return { ofResult, ofStates }
}

/** Two recipients, one of which never submits anything. */
const forBoth = (federation: Federation): Partial<Job> => ({
  recipients: ['researcher', 'reader'].map((name) => federation.node(name).key).sort(),
})

const withReader = (seed = 1): Promise<World> => world({ seed, researchers: ['reader'] })

/** The machine is replaced: the keys are all that is left. */
async function loseDisk(federation: Federation, name: string): Promise<void> {
  const node = federation.node(name)
  node.kill()
  node.disk.replace(new Map(), new Map())
  await node.start()
}

const sealedAt = (federation: Federation, name: string, job: Hex): Uint8Array | undefined =>
  federation.node(name).disk.entries.get(`job/${job}/member/sealed`)

describe('a disk', function () {
  this.timeout(180_000)

  for (const [what, make] of [
    ['one round', describeJob],
    ['several rounds', logisticJob],
  ] as const)
    it(`of a member or a site shows nothing of a job of ${what}, with all its keys`, async () => {
      const one = await world()
      const { federation, names } = one
      const written = recordWrites(federation)
      const job = await submit(federation, make(federation))
      assert.ok(await federation.finish(job))
      await pass(federation, 30)
      const { ofResult, ofStates } = await needlesFor(one, job)
      assert.ok(ofResult.length > 10)
      assert.equal(ofStates.length > 10, make === logisticJob)
      for (const name of names) {
        assert.deepEqual(readable(written(name), [...ofResult, ...ofStates]), [], name)
        const { tried, opened } = openable(written(name), job, keysOf(federation.node(name)))
        assert.ok(tried > 100, `${name} has ${tried} sealed things at most`)
        assert.deepEqual(
          opened.map(([place]) => place),
          [],
          name,
        )
        assert.ok(![...federation.node(name).disk.secrets.keys()].includes(stateKeyName(job)))
      }
      // the same search finds what is there
      assert.ok(readable(written('researcher'), ofResult).length > 3, 'the recipient’s own folder')
    })

  it('of a member gives its result to the recipient’s key, and to no other', async () => {
    const one = await world()
    const { federation } = one
    const written = recordWrites(federation)
    const job = await submit(federation, describeJob(federation))
    assert.ok(await federation.finish(job))
    const { ofResult } = await needlesFor(one, job)
    const { opened } = openable(written('site-a'), job, [federation.node('researcher').sealingSecret])
    assert.ok(readable(opened, ofResult).length > 3, 'the recipient’s own key')
  })

  it('gives the states to the vault’s key of that job as long as it runs', async () => {
    const one = await world()
    const { federation } = one
    const written = recordWrites(federation)
    const job = await submit(federation, logisticJob(federation))
    await until(federation, 'round 3', () => (viewAt(federation, 'site-a', job)?.round ?? 0) >= 3)
    const held = ['site-a', 'site-e'].map((name) => [name, [...federation.node(name).disk.secrets.values()]] as const)
    assert.ok(await federation.finish(job))
    const { ofStates } = await needlesFor(one, job)
    for (const [name, keys] of held) {
      assert.deepEqual(readable(written(name), ofStates), [], name)
      assert.ok(readable(openable(written(name), job, keys).opened, ofStates).length > 10, name)
    }
  })

  it('without its vault lets a member and a site learn the state anew, and the job ends', async () => {
    for (const name of ['site-b', 'site-e']) {
      const one = await world({ costs: SLOW_ANALYSES })
      const { federation, watch, names } = one
      const job = await submit(federation, logisticJob(federation))
      const node = federation.node(name)
      const key = `job/${job}/site/rounds/3.0`
      await until(federation, 'round 3', () => node.disk.entries.has(key))
      assert.equal((decode(node.disk.entries.get(key) as Uint8Array) as { status: string }).status, 'preparing')
      await pass(federation, 10) // all members have announced the round: only who asks hears of it again
      node.kill()
      assert.ok(node.disk.secrets.delete(stateKeyName(job)))
      await node.start()
      assert.ok(await federation.finish(job))
      const { status, included } = await ending(federation, job)
      assert.deepEqual({ status, included }, { status: 'released', included: [...names] }, name)
      await pass(federation, 20)
      watch.check()
    }
  })

  it('put back to a copy without its vault makes no trouble', async () => {
    for (const name of ['site-b', 'site-e']) {
      const one = await world()
      const { federation, watch } = one
      const change = { notAfter: federation.clock.now() + 60_000 }
      const job = await submit(federation, logisticJob(federation, change))
      const node = federation.node(name)
      await until(federation, 'round 3', () => (viewAt(federation, name, job)?.round ?? 0) >= 3)
      const copy = new Map(node.disk.entries)
      await until(federation, 'round 5', () => (viewAt(federation, name, job)?.round ?? 0) >= 5)
      watch.cutOff.add(name)
      await pass(federation, 1)
      node.kill()
      watch.cutOff.delete(name)
      node.disk.replace(copy, new Map())
      await node.start()
      assert.ok(await federation.finish(job))
      await pass(federation, 20)
      const { status } = await ending(federation, job)
      assert.equal(viewAt(federation, name, job)?.status, status, name)
      assert.ok(audited(federation, name, 'restored-from-backup') === 1)
      watch.check()
    }
  })
})

describe('a result', function () {
  this.timeout(180_000)

  it('is not sealed to a recipient that was revoked before its release', async () => {
    const one = await withReader()
    const { federation, watch } = one
    const reader = federation.node('reader')
    const job = await submit(federation, describeJob(federation, forBoth(federation)))
    await until(federation, 'submissions', () => viewAt(federation, 'site-e', job)?.status === 'submitted')
    federation.append({ type: 'revoke', key: reader.key, reason: 'left the institution' })
    await federation.tell(...federation.nodes.keys())
    assert.ok(await federation.finish(job))
    await pass(federation, 30)
    assert.equal((await ending(federation, job)).status, 'released')
    assert.equal((await reader.up().result(job))?.result, undefined)
    for (const name of MEMBERS) {
      const box = decode(sealedAt(federation, name, job) as Uint8Array) as Parameters<typeof openSealed>[0]
      assert.deepEqual(
        box.keys.map((one) => one.recipient),
        [federation.node('researcher').key],
      )
      assert.equal(openSealed(box, reader.key, reader.sealingSecret, releaseContext(job)), undefined)
      const { opened } = openable([['sealed', sealedAt(federation, name, job) as Uint8Array]], job, keysOf(reader))
      assert.deepEqual(opened, [])
    }
    watch.check()
  })

  it('reaches a recipient that never heard of the job, or of its end, from the one member that still has its disk, without the hub', async () => {
    for (const [at, left] of MEMBERS.entries()) {
      const one = await withReader()
      const { federation, watch, names } = one
      const hears = at % 2 === 1
      if (!hears) federation.node('reader').kill()
      const job = await submit(federation, describeJob(federation, forBoth(federation)))
      if (hears) await until(federation, 'news', () => viewAt(federation, 'reader', job) !== undefined)
      federation.node('reader').kill()
      assert.ok(await federation.finish(job))
      await assertExact(federation, job, names)
      federation.hubUp = false
      await pass(federation, 2 * 3_600)
      for (const name of MEMBERS.filter((one) => one !== left)) await loseDisk(federation, name)
      await pass(federation, 30)
      await federation.node('reader').start()
      await pass(federation, 60)
      assert.equal(viewAt(federation, 'reader', job)?.status, 'released', left)
      const [mine, theirs] = [
        await releasedTo(federation, 'reader', job),
        await releasedTo(federation, 'researcher', job),
      ]
      assert.deepEqual(mine.released, theirs.released)
      watch.check()
    }
  })

  it('loses nothing with a member that loses its disk while the job runs', async () => {
    const one = await withReader()
    const { federation, watch } = one
    const job = await submit(federation, describeJob(federation, forBoth(federation)))
    await until(federation, 'its Have', () => audited(federation, 'site-c', 'round-closed') === 1)
    await loseDisk(federation, 'site-c')
    assert.ok(await federation.finish(job))
    await pass(federation, 20)
    assert.equal(sealedAt(federation, 'site-c', job), undefined)
    for (const name of ['researcher', 'reader']) assert.equal(viewAt(federation, name, job)?.status, 'released', name)
    watch.check()
  })

  it('is kept for a recipient until it expires, and by nobody afterwards', async () => {
    const one = await withReader()
    const { federation, watch } = one
    const reader = federation.node('reader')
    const change = { ...forBoth(federation), notAfter: federation.clock.now() + HOUR_MS }
    const job = await submit(federation, describeJob(federation, change))
    await until(federation, 'submissions', () => viewAt(federation, 'site-e', job)?.status === 'submitted')
    reader.kill()
    assert.ok(await federation.finish(job))
    await federation.clock.run(change.notAfter + KEEP_RESULT_MS - 60_000)
    for (const name of MEMBERS) assert.ok(sealedAt(federation, name, job) !== undefined, name)
    await federation.node('site-a').stop()
    await federation.clock.run(change.notAfter + KEEP_RESULT_MS + 60_000)
    await federation.node('site-a').start()
    await pass(federation, 1)
    for (const name of MEMBERS) assert.equal(sealedAt(federation, name, job), undefined, name)
    await reader.start()
    await pass(federation, 60)
    assert.equal((await reader.up().result(job))?.result, undefined)
    assert.equal(viewAt(federation, 'reader', job)?.status, 'expired')
    watch.check()
  })
})
