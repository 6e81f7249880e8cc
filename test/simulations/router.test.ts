/** The production gossip router in virtual time: announcements arrive everywhere, and a seed says everything. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { router } from '@flamesh/node/network/announce.js'
import { Penalties } from '@flamesh/node/network/penalties.js'
import type { RouterBroadcast } from '@flamesh/simulations/network/router.js'
import { ROUTER_PARAMETERS } from '@flamesh/simulations/network/router-parameters.js'
import { describeJob, pass, submit, world } from './world.js'

const realNow = Date.now
const realTimeout = globalThis.setTimeout
const running: { stop(): Promise<void> }[] = []

async function routed(sites: number, seed = 1) {
  const made = await world({ sites, seats: 4, seed, gossip: 'router' })
  running.push(made.federation)
  return made
}

describe('the gossip router in virtual time', () => {
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop()
  })

  it('takes a job to each of fifty sites that are not all connected', async () => {
    const { federation, watch, names } = await routed(50)
    await pass(federation, 3)
    const { links, broadcast } = federation.network
    const degrees = names.map((name) => links.peersOf(federation.node(name).key).size)
    assert.ok(Math.max(...degrees) < 49, 'a full mesh proves nothing about gossip')
    const meshes = [...(broadcast as RouterBroadcast).meshDegrees().values()]
    assert.ok(Math.min(...meshes) >= 4, `a router with ${Math.min(...meshes)} links`)
    const job = await submit(federation, describeJob(federation))
    await pass(federation, 3)
    assert.deepEqual(
      names.filter((name) => federation.node(name).up().job(job) === undefined),
      [],
    )
    const duplicates = names.map((name) => federation.network.counters.of(federation.node(name).key).duplicates)
    assert.ok(duplicates.some((count) => count > 0))
    assert.ok(await federation.finish(job))
    watch.check()
  }).timeout(60_000)

  it('takes announcements to a node that was killed and is back', async () => {
    const { federation } = await routed(8)
    federation.node('site-h').kill()
    await pass(federation, 5)
    await federation.node('site-h').start()
    await pass(federation, 3)
    const job = await submit(federation, describeJob(federation))
    await pass(federation, 1)
    assert.notEqual(federation.node('site-h').up().job(job), undefined)
    await federation.node('site-g').stop()
    assert.equal(federation.network.links.peersOf(federation.node('site-g').key).size, 0)
    assert.ok(await federation.finish(job))
  })

  it('puts real time back', async () => {
    const { federation } = await routed(3)
    assert.equal(Date.now(), federation.clock.now())
    await assert.rejects(routed(3), /stop it first/)
    await running.pop()?.stop()
    assert.equal(Date.now, realNow)
    assert.equal(globalThis.setTimeout, realTimeout)
  })

  it('has the parameters of the production node', () => {
    const key = {
      privateKey: undefined,
      peerId: undefined,
      registrar: {},
      logger: { forComponent: () => () => undefined },
    }
    const { opts } = router(new Penalties())(key as never) as unknown as { opts: Record<string, unknown> }
    const { allowedTopics: _, ...own } = ROUTER_PARAMETERS
    /** Every value given here is the production router's, which has its own where none is given. */
    const same = (ours: unknown, theirs: unknown, where: string): void => {
      if (typeof ours === 'function') return
      if (typeof ours !== 'object' || ours === null) return assert.equal(theirs, ours, where)
      for (const [name, value] of Object.entries(ours))
        same(value, (theirs as Record<string, unknown>)[name], `${where}.${name}`)
    }
    same(own, opts, 'router')
    const thresholds = Object.keys(opts['scoreThresholds'] as object).filter((name) => name in own.scoreThresholds)
    assert.equal(thresholds.length, 3)
  })
})

describe('a seed', () => {
  const program = fileURLToPath(new URL('seeded-run.ts', import.meta.url))
  const run = async (seed: number): Promise<string> =>
    (await promisify(execFile)(process.execPath, [...process.execArgv, program, String(seed)])).stdout.trim()

  it('gives the same hash in another process, and another seed another hash', async () => {
    const [first, second, other] = [await run(7), await run(7), await run(8)]
    assert.match(first, /^released [0-9a-f]{64}$/)
    assert.equal(second, first)
    assert.notEqual(other, first)
  }).timeout(120_000)
})
