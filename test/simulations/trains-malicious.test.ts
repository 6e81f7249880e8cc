/** Stations that tamper with a train: refused by name, put on record where a signature shows who it was, never taken for a result. */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { openSigned, payloadHash, type Signed, signObject } from '@flamesh/protocol/encoding/signed.js'
import { ignore } from '@flamesh/protocol/encoding/verdict.js'
import { DECISION } from '@flamesh/protocol/jobs/messages.js'
import { verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import { MAX_STATIONS } from '@flamesh/protocol/limits.js'
import { commitmentOf, openFromLast, sealToNext } from '@flamesh/protocol/trains/holding.js'
import { CONFIRMATION, HOP, type Hop } from '@flamesh/protocol/trains/messages.js'
import { decodeWire, encodeWire, type WireMessage, type WireOf } from '@flamesh/protocol/wire.js'
import type { SimulatedNode } from '@flamesh/simulations/federation.js'
import { signer } from '../protocol/identity/fixtures.js'
import { assertFit, linearTrain, trainWorld } from './trains.js'
import { ending, pass, submit, until, viewAt, type World } from './world.js'

type Train = WireOf<'train'>
type Outgoing = WireMessage | undefined

const random = (length: number): Uint8Array => new Uint8Array(length).fill(3)
const hopIn = (hops: readonly Signed[], at = -1): Hop => openSigned(hops.at(at) as Signed, HOP).body

/** The last hop said otherwise, and the state sealed anew under it: everything that a station can do with its own key. */
function rewritten(
  from: SimulatedNode,
  to: SimulatedNode,
  train: Train,
  change: Partial<Hop>,
  hops = train.hops,
): Train {
  const hop = signObject(HOP.kind, HOP.version, { ...hopIn(train.hops), ...change }, from.signer)
  const was = payloadHash(train.hops.at(-1) as Signed)
  const held = openFromLast(train.box, train.job, was, to.key, to.sealingSecret)
  assert.ok(held !== undefined)
  const next = to
    .up()
    .roster()
    .members.get(change.next ?? to.key)
  assert.ok(next !== undefined)
  const box = sealToNext(held, train.job, payloadHash(hop), next, random)
  return { ...train, hops: [...hops.slice(0, -1), hop], box }
}

interface Run extends World {
  readonly job: Hex
}

/** A linear train over five stations, one of which lies with every train that it hands on. */
async function against(
  liar: string,
  meddle: (train: Train, from: SimulatedNode, to: SimulatedNode) => Outgoing,
  options = {},
): Promise<Run> {
  const one = await trainWorld({ dishonest: [liar] })
  one.watch.meddle = (from, to, message) =>
    from.name === liar && message.type === 'train' ? meddle(message, from, to) : message
  const job = await submit(one.federation, linearTrain(one.federation, options))
  await one.federation.finish(job, 5_000_000)
  await pass(one.federation, 5)
  one.watch.check()
  return { ...one, job }
}

const refusals = ({ federation }: World, at: string): readonly string[] => [
  ...new Set(
    federation
      .node(at)
      .audit.flatMap(({ event, fields }) => (event === 'message-rejected' ? [String(fields.code)] : [])),
  ),
]

/** The train went nowhere, and nobody has a result. */
async function assertStopped(one: Run, at: string, code: string): Promise<void> {
  assert.deepEqual(refusals(one, at), [code])
  const { status, result } = await ending(one.federation, one.job)
  assert.deepEqual([status, result], ['expired', undefined])
}

const kindsOf = ({ watch }: World) => [...new Set(watch.evidence().map(({ kind, against: name }) => `${kind} ${name}`))]

describe('a malicious station', function () {
  this.timeout(60_000)

  it('that drops a hop of another is refused by the next', async () => {
    const one = await against('site-c', (train, from, to) =>
      rewritten(from, to, train, { previous: payloadHash(train.hops[0] as Signed) }, [
        train.hops[0] as Signed,
        train.hops[2] as Signed,
      ]),
    )
    await assertStopped(one, 'site-d', 'chain')
  })

  it('that starts a chain of its own is refused by the next', async () => {
    const one = await against('site-c', (train, from, to) =>
      rewritten(from, to, train, { previous: null }, [train.hops[2] as Signed]),
    )
    await assertStopped(one, 'site-d', 'chain')
  })

  it('that puts hops in another order is refused by the next', async () => {
    const one = await against('site-c', ({ hops, ...train }) => ({
      ...train,
      hops: [hops[1], hops[0], hops[2]] as Signed[],
    }))
    await assertStopped(one, 'site-d', 'chain')
  })

  it('that changes what another signed is refused by the next', async () => {
    const one = await against('site-c', (train) => {
      const [first, ...rest] = train.hops as [Signed, ...Signed[]]
      const payload = first.payload.slice()
      payload[payload.length - 1] = (payload[payload.length - 1] as number) ^ 1
      return { ...train, hops: [{ ...first, payload }, ...rest] }
    })
    await assertStopped(one, 'site-d', 'signature')
  })

  it('that hands on another state than it signed is refused by the next', async () => {
    const one = await against('site-c', (train, _from, to) => {
      const hop = payloadHash(train.hops.at(-1) as Signed)
      const held = openFromLast(train.box, train.job, hop, to.key, to.sealingSecret)
      const next = to.up().roster().members.get(to.key)
      assert.ok(held !== undefined && next !== undefined)
      const state = held.state.slice()
      state[0] = (state[0] as number) ^ 1
      return { ...train, box: sealToNext({ ...held, state }, train.job, hop, next, random) }
    })
    await assertStopped(one, 'site-d', 'state')
  })

  it('that replays an older state is refused by the next', async () => {
    let old: Train | undefined
    const one = await trainWorld({ dishonest: ['site-c'] })
    const { federation, watch } = one
    watch.meddle = (from, to, message) => {
      if (message.type !== 'train') return message
      if (from.name === 'site-b') old = message
      if (from.name !== 'site-c' || old === undefined) return message
      const hop = payloadHash(message.hops.at(-1) as Signed)
      const site = federation.node('site-c')
      const given = openFromLast(old.box, old.job, payloadHash(old.hops.at(-1) as Signed), site.key, site.sealingSecret)
      const next = to.up().roster().members.get(to.key)
      assert.ok(given !== undefined && next !== undefined)
      return { ...message, box: sealToNext(given, message.job, hop, next, random) }
    }
    const job = await submit(federation, linearTrain(federation))
    await federation.finish(job, 5_000_000)
    await assertStopped({ ...one, job }, 'site-d', 'state')
  })

  it('that passes on the train of another as it came is refused', async () => {
    let old: Train | undefined
    const one = await trainWorld({ dishonest: ['site-c'] })
    one.watch.meddle = (from, _to, message) => {
      if (message.type !== 'train') return message
      if (from.name === 'site-b') old = message
      return from.name === 'site-c' ? old : message
    }
    const job = await submit(one.federation, linearTrain(one.federation))
    await one.federation.finish(job, 5_000_000)
    await assertStopped({ ...one, job }, 'site-d', 'not-the-station')
  })

  it('that leaves out a station which did not refuse, or was to be waited for, is refused', async () => {
    for (const code of ['refused', 'unreachable'] as const) {
      const one = await trainWorld({ dishonest: ['site-c'] })
      const { federation, watch } = one
      const verdicts: Promise<{ verdict: string; code?: string }>[] = []
      watch.meddle = (from, to, message) => {
        if (from.name !== 'site-c' || message.type !== 'train') return message
        const last = federation.node('site-e')
        const skipped = [{ position: 3, code }]
        const train = rewritten(from, to, message, { next: last.key, skipped })
        verdicts.push(last.up().receive(from.key, encodeWire(train), 'direct'))
        return undefined
      }
      const job = await submit(federation, linearTrain(federation))
      await federation.finish(job, 5_000_000)
      const [verdict] = await Promise.all(verdicts)
      assert.deepEqual([verdict?.verdict, verdict?.code], ['reject', 'chain'])
      assert.equal((await ending(federation, job)).result, undefined)
    }
  })

  it('that sends two different trains is named, and one of them is taken', async () => {
    const one = await trainWorld({ dishonest: ['site-c'] })
    const { federation, watch, names } = one
    const verdicts: Promise<{ verdict: string; code?: string }>[] = []
    watch.meddle = (from, to, message) => {
      if (from.name !== 'site-c' || message.type !== 'train') return message
      const held = { state: new Uint8Array(16), salt: random(32) }
      const state = commitmentOf(held, message.job, 2)
      const second = rewritten(from, to, message, { state })
      federation.clock.setTimer(federation.clock.now() + 500, () => {
        verdicts.push(to.up().receive(from.key, encodeWire(second), 'direct'))
      })
      return message
    }
    const job = await submit(federation, linearTrain(federation))
    await federation.finish(job, 5_000_000)
    await pass(federation, 5)
    await assertFit(federation, job, names)
    const [verdict] = await Promise.all(verdicts)
    assert.deepEqual([verdict?.verdict, verdict?.code], ['ignore', 'two-hops'])
    assert.deepEqual(kindsOf(one), ['two-hops site-c'])
    watch.check()
  })

  it('that fills a train with approvals of its own, which no hop names, stops nobody', async () => {
    const one = await against('site-b', (train, from) => {
      const own = train.decisions.find(({ signatures }) => signatures[0]?.signer === from.key) as Signed
      const named = train.hops.map((hop) => openSigned(hop, HOP).body.decision)
      const needed = train.decisions.filter((signed) => named.includes(payloadHash(signed)))
      const others = Array.from({ length: 2 * MAX_STATIONS - needed.length }, (_, at) =>
        signObject(
          DECISION.kind,
          DECISION.version,
          { ...openSigned(own, DECISION).body, message: `${at}` },
          from.signer,
        ),
      )
      return { ...train, decisions: [...needed, ...others] }
    })
    await assertFit(one.federation, one.job, one.names)
  })

  it('that says it was passed already, and tells of no other train, is left out like one that is silent', async () => {
    const one = await trainWorld({ dishonest: ['site-c'] })
    const { federation, watch } = one
    watch.meddle = (from, _to, message) =>
      from.name === 'site-c' && ['train', 'travelling'].includes(message.type) ? undefined : message
    const liar = federation.node('site-c').up()
    const before = liar.receive.bind(liar)
    liar.receive = async (from, bytes, via) =>
      decodeWire(bytes).type === 'train' ? ignore('station-passed') : before(from, bytes, via)
    const job = await submit(federation, linearTrain(federation, { unreachable: 'skip', minimum: 3 }))
    await federation.finish(job, 5_000_000)
    await assertFit(federation, job, ['site-a', 'site-b', 'site-d', 'site-e'])
    watch.check()
  })

  it('that ends a train which it never had, for want of stations that are all there, ends nothing', async () => {
    for (const [unreachable, skipped, code, rows] of [
      ['wait', [], 'cohort-below-minimum', 5],
      ['wait', [], 'station-revoked', 5],
      ['skip', [], 'cohort-below-minimum', 5],
      // its own rows are out once it has signed something that might be
      ['skip', [0, 1, 2, 3], 'cohort-below-minimum', 4],
      ['skip', [0, 1, 2, 3], 'station-revoked', 4],
    ] as const) {
      const one = await trainWorld({ dishonest: ['site-e'] })
      const { federation, watch, names } = one
      let told = false
      watch.meddle = (from, _to, message) => {
        if (from.name !== 'site-a' || message.type !== 'travelling' || told) return message
        told = true
        const liar = federation.node('site-e')
        const own = message.decisions.find(({ signatures }) => signatures[0]?.signer === liar.key) as Signed
        const body: Hop = {
          job: message.job,
          position: 4,
          station: liar.key,
          decision: payloadHash(own),
          previous: null,
          failed: 'gone',
          state: 'ab'.repeat(32),
          skipped: skipped.map((position) => ({ position, code: 'unreachable' as const })),
          next: null,
          arrival: { outcome: 'failed', code, commitment: null },
        }
        const end = encodeWire({ ...message, hops: [signObject(HOP.kind, HOP.version, body, liar.signer)] })
        for (const name of names.slice(0, 4)) void federation.node(name).up().receive(liar.key, end, 'direct')
        return message
      }
      const job = await submit(federation, linearTrain(federation, { unreachable, minimum: 3 }))
      await federation.finish(job, 5_000_000)
      assert.ok(told)
      await assertFit(federation, job, names.slice(0, rows))
    }
  })

  it('cannot make another take the train twice', async () => {
    const one = await trainWorld({ dishonest: ['site-b'] })
    const { federation, watch } = one
    federation.node('site-e').kill()
    watch.meddle = (from, to, message) => {
      if (from.name !== 'site-b' || message.type !== 'train' || to.name !== 'site-c') return message
      const third = federation.node('site-d')
      const train = rewritten(from, to, message, { next: third.key, skipped: [{ position: 2, code: 'unreachable' }] })
      void third.up().receive(from.key, encodeWire(train), 'direct')
      return message
    }
    const job = await submit(federation, linearTrain(federation, { unreachable: 'skip', minimum: 3 }))
    await federation.finish(job, 5_000_000)
    await assertFit(federation, job, ['site-a', 'site-b', 'site-d'])
    const taken = federation
      .node('site-d')
      .audit.filter(({ event }) => event.startsWith('train-'))
      .map(({ event }) => event)
    assert.deepEqual(taken.slice(0, 3), ['train-taken', 'train-handed-on', 'train-not-taken'])
    watch.check()
  })

  it('that sends its train two ways gets one end confirmed at most', async () => {
    const one = await trainWorld({ dishonest: ['site-c'] })
    const { federation, watch } = one
    watch.meddle = (from, to, message) => {
      if (from.name !== 'site-c' || message.type !== 'train' || to.name !== 'site-d') return message
      const last = federation.node('site-e')
      const train = rewritten(from, to, message, { next: last.key, skipped: [{ position: 3, code: 'unreachable' }] })
      void last.up().receive(from.key, encodeWire(train), 'direct')
      return message
    }
    const job = await submit(federation, linearTrain(federation, { unreachable: 'skip', minimum: 3 }))
    await federation.finish(job, 5_000_000)
    await pass(federation, 120)
    const { status, included } = await ending(federation, job)
    if (status === 'released') await assertFit(federation, job, included)
    const delivered = watch.seen.flatMap(({ message }) => (message.type === 'delivery' ? [message.hops.at(-1)] : []))
    assert.equal(new Set(delivered.map((hop) => payloadHash(hop as Signed))).size, 1)
    watch.check()
  })
})

describe('refusals of keys that are no stations’', () => {
  it('are not kept by the researcher, and do not look like the end of the job', async () => {
    const one = await trainWorld({ dishonest: ['site-b'] })
    const { federation, watch, names } = one
    const job = await submit(federation, linearTrain(federation))
    await until(federation, 'an approval', () => viewAt(federation, 'researcher', job)?.status === 'approved')
    const heard = watch.seen.find(({ message }) => message.type === 'decision')?.message as WireOf<'decision'>
    const { body } = openSigned(heard.decision, DECISION)
    for (let at = 0; at < 5; at++) {
      const stranger = signer(`stranger ${at}`)
      const refusal = { ...body, site: stranger.publicKey, decision: 'refuse' as const, datasetVersion: null }
      const decision = signObject(DECISION.kind, DECISION.version, refusal, stranger)
      const bytes = encodeWire({ type: 'decision', decision })
      await federation.node('researcher').up().receive(federation.node('site-b').key, bytes, 'direct')
    }
    assert.notEqual(viewAt(federation, 'researcher', job)?.status, 'failed')
    const entries = [...federation.node('researcher').disk.entries.keys()]
    assert.ok(entries.filter((entry) => entry.startsWith(`job/${job}/request/decisions/`)).length <= names.length)
    await federation.finish(job, 5_000_000)
    await assertFit(federation, job, names)
  })
})

describe('a malicious last station', function () {
  this.timeout(60_000)

  async function delivering(meddle: (message: WireOf<'delivery'>, from: SimulatedNode) => Outgoing) {
    const one = await trainWorld({ dishonest: ['site-e'] })
    one.watch.meddle = (from, _to, message) => (message.type === 'delivery' ? meddle(message, from) : message)
    const job = await submit(one.federation, linearTrain(one.federation))
    await one.federation.finish(job, 5_000_000)
    one.watch.check()
    return { ...one, job }
  }

  it('delivers nothing that most stations did not confirm', async () => {
    const one = await delivering((message) => ({ ...message, confirmations: message.confirmations.slice(0, 2) }))
    await assertStopped(one, 'researcher', 'chain')
  })

  it('counts no station twice', async () => {
    const one = await delivering((message) => ({
      ...message,
      confirmations: Array(5).fill(message.confirmations[0]) as Signed[],
    }))
    await assertStopped(one, 'researcher', 'chain')
  })

  it('makes a receipt say nothing of stations that it names twice', async () => {
    const { federation, job } = await delivering((message) => ({
      ...message,
      confirmations: [...message.confirmations.slice(0, 3), ...message.confirmations.slice(0, 3)],
    }))
    const { result } = await ending(federation, job)
    const { findings } = verifyReceipt(result?.receipt as Uint8Array, { hubKey: federation.hubKey })
    assert.match(findings.find(({ check }) => check === 'rounds')?.message ?? '', /; 3 of 5 stations confirmed/)
  })

  it('delivers no other end than the one that was confirmed', async () => {
    const one = await delivering((message, from) => {
      const other = signObject(HOP.kind, HOP.version, { ...hopIn(message.hops), failed: 'gone' }, from.signer)
      return { ...message, hops: [...message.hops.slice(0, -1), other] }
    })
    await assertStopped(one, 'researcher', 'chain')
  })

  it('that tells stations of two ends gets one of them confirmed at most', async () => {
    const one = await trainWorld({ dishonest: ['site-e'] })
    const { federation, watch, names } = one
    watch.meddle = (from, to, message) => {
      if (from.name !== 'site-e' || message.type !== 'travelling' || !['site-a', 'site-b'].includes(to.name))
        return message
      const body = hopIn(message.hops)
      if (body.arrival === null) return message
      const arrival = { ...body.arrival, commitment: 'ab'.repeat(32) }
      const other = signObject(HOP.kind, HOP.version, { ...body, arrival }, from.signer)
      const honest = encodeWire(message)
      federation.clock.setTimer(federation.clock.now() + 9, () => void to.up().receive(from.key, honest, 'direct'))
      return { ...message, hops: [...message.hops.slice(0, -1), other] }
    }
    const job = await submit(federation, linearTrain(federation))
    await federation.finish(job, 5_000_000)
    await pass(federation, 5)
    await assertFit(federation, job, names)
    const confirmed = watch.seen.flatMap(({ message }) =>
      message.type === 'confirmation' ? [message.confirmation] : [],
    )
    const ends = new Map<Hex, Set<Hex>>()
    for (const signed of confirmed) {
      const { station, last } = openSigned(signed, CONFIRMATION).body
      ends.set(station, new Set([...(ends.get(station) ?? []), last]))
    }
    assert.equal(ends.size, 4)
    assert.ok([...ends.values()].every(({ size }) => size === 1))
    watch.check()
  })
})

describe('the receipt of a train', () => {
  it('shows a hop that was left out, an end that too few confirmed, and other numbers', async () => {
    const { federation } = await trainWorld()
    const job = await submit(federation, linearTrain(federation))
    await federation.finish(job)
    const { result } = await ending(federation, job)
    assert.ok(result?.result !== undefined)
    const receipt = JSON.parse(new TextDecoder().decode(result.receipt)) as {
      train: { hops: string[]; confirmations: string[] } | null
      decisions: string[]
    }
    const numbers = JSON.parse(JSON.stringify(result.result)) as { coef: number[] }
    const failing = (change: object, given: unknown = numbers): readonly string[] => {
      const bytes = new TextEncoder().encode(JSON.stringify({ ...receipt, ...change }))
      const { findings } = verifyReceipt(bytes, { hubKey: federation.hubKey, result: given })
      return findings.flatMap(({ check, ok }) => (ok ? [] : [check]))
    }
    const { hops, confirmations } = receipt.train as { hops: string[]; confirmations: string[] }
    assert.deepEqual(failing({}), [])
    assert.deepEqual(failing({ train: null }), ['rounds'])
    assert.deepEqual(failing({ train: { hops: hops.toSpliced(1, 1), confirmations } }), ['rounds'])
    assert.deepEqual(failing({ train: { hops: hops.toReversed(), confirmations } }), ['rounds'])
    assert.deepEqual(failing({ train: { hops: hops.slice(0, -1), confirmations } }), ['rounds'])
    assert.deepEqual(failing({ train: { hops, confirmations: confirmations.slice(0, 2) } }), ['rounds'])
    const repeated = Array(5).fill(confirmations[0]) as string[]
    assert.deepEqual(failing({ train: { hops, confirmations: repeated } }), ['rounds'])
    assert.deepEqual(failing({ decisions: receipt.decisions.slice(1) }), ['rounds'])
    const [first = 0, ...rest] = numbers.coef
    assert.deepEqual(failing({}, { ...numbers, coef: [first + 1, ...rest] }), ['result'])
  })
})
