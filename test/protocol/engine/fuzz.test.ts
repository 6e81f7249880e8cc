/** Whatever arrives, a verdict goes back and nothing is harmed: real messages of every type, mutated, and noise. */
import assert from 'node:assert/strict'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { signObject } from '@flamesh/protocol/encoding/signed.js'
import { MAX_MESSAGE_BYTES } from '@flamesh/protocol/limits.js'
import { STANDING } from '@flamesh/protocol/secagg/standing.js'
import { decodeWire, encodeWire, type WireMessage } from '@flamesh/protocol/wire.js'
import { seededRandom } from '@flamesh/simulations/kernel/random.js'
import fc from 'fast-check'
import { describeTrain, trainWorld } from '../../simulations/trains.js'
import {
  assertExact,
  audited,
  describeJob,
  logisticJob,
  pass,
  submit,
  until,
  viewAt,
  world,
} from '../../simulations/world.js'

const random = seededRandom(1, 'fuzz')

/** One of each type that a run with several rounds, a lost submission, a cancellation and a restart brings about. */
async function samples(): Promise<readonly WireMessage[]> {
  const { federation, watch } = await world()
  watch.meddle = (from, to, message) =>
    from.name === 'site-e' && to.name === 'site-a' && message.type === 'submit' ? undefined : message
  await federation.finish(await submit(federation, describeJob(federation)))
  watch.meddle = (_from, _to, message) => message
  const job = await submit(federation, logisticJob(federation))
  await until(federation, 'round 2', () => (viewAt(federation, 'site-e', job)?.round ?? 0) >= 2)
  federation.node('site-c').kill()
  await pass(federation, 1)
  await federation.node('site-c').start()
  await federation.node('researcher').up().cancel(job)
  await federation.finish(job, 60_000)
  const log = federation.node('site-a').up().checkpoint()
  assert.ok(log !== undefined)
  const checkpoint = federation.checkpoint()
  const stand = { job, round: 1, attempt: 0, view: -1, value: null }
  const more: WireMessage[] = [
    { type: 'log-request', from: 0 },
    { type: 'log', from: 0, statements: federation.statements.slice(0, 3), checkpoint },
    { type: 'checkpoint', checkpoint },
    {
      type: 'standing',
      standing: signObject(STANDING.kind, STANDING.version, stand, federation.node('site-a').signer),
      proof: null,
    },
  ]
  const hello = watch.seen.map((one) => one.message).find((one) => one.type === 'hello')
  assert.ok(hello?.datasets)
  more.push({ type: 'datasets', announcement: hello.datasets })
  const byType = new Map<string, WireMessage>()
  for (const message of [...watch.seen.map((one) => one.message), ...more]) byType.set(message.type, message)
  const signed = federation.node('site-a').disk.entries.get(`job/${job}/signed`) as Uint8Array
  byType.set('job', decodeWire(encode({ type: 'job', job: decode(signed) })))
  for (const message of [...(await samplesOfHandover()), ...(await samplesOfTrain())]) byType.set(message.type, message)
  return [...byType.values()]
}

/** What a member says that missed a job, and what the members of a committee say that is succeeded in the middle of another. */
async function samplesOfHandover(): Promise<readonly WireMessage[]> {
  const { federation, watch } = await world({ seats: 3 })
  federation.node('site-f').kill()
  await federation.finish(await submit(federation, describeJob(federation)))
  await pass(federation, 2)
  watch.meddle = (_from, _to, message) => (message.type === 'submit' ? undefined : message)
  await submit(federation, logisticJob(federation))
  await pass(federation, 12)
  federation.append({
    type: 'name-committee',
    name: 'next',
    members: ['site-c', 'site-d', 'site-e'].map((name) => federation.node(name).key),
    datasets: ['ages'],
    succeeds: [federation.statements.length - 1],
  })
  await federation.tell(...federation.nodes.keys())
  await federation.node('site-f').start()
  await pass(federation, 5)
  const wanted = ['history', 'history-offer', 'history-request', 'retirement', 'retired']
  return watch.seen.map((one) => one.message).filter((message) => wanted.includes(message.type))
}

async function samplesOfTrain(): Promise<readonly WireMessage[]> {
  const { federation, watch } = await trainWorld({ seed: 2 })
  await federation.finish(await submit(federation, describeTrain(federation)))
  await pass(federation, 2)
  const wanted = ['train', 'travelling', 'confirmation', 'delivery']
  return watch.seen.map((one) => one.message).filter((message) => wanted.includes(message.type))
}

/** One change somewhere in the tree: a leaf replaced, an entry dropped, doubled or renamed. */
function mutate(value: unknown): unknown {
  const pick = <T>(list: readonly T[]): T => list[random.integer(list.length)] as T
  if (Array.isArray(value) && value.length > 0 && random.fraction() < 0.9) {
    const at = random.integer(value.length)
    const kind = random.integer(6)
    if (kind === 0) return value.filter((_, index) => index !== at)
    if (kind === 1) return [...value, value[at]]
    return value.map((one, index) => (index === at ? mutate(one) : one))
  }
  if (value instanceof Uint8Array) {
    if (value.length === 0) return new Uint8Array(3)
    const copy = value.slice()
    const at = random.integer(copy.length)
    copy[at] = (copy[at] as number) ^ (1 << random.integer(8))
    return random.fraction() < 0.2 ? copy.slice(0, at) : copy
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const entries = Object.entries(value)
    if (entries.length === 0) return null
    const [name] = pick(entries)
    const kind = random.integer(12)
    if (kind === 0) return Object.fromEntries(entries.filter(([other]) => other !== name))
    if (kind === 1) return { ...value, [`${name}x`]: 1 }
    return Object.fromEntries(entries.map(([other, one]) => [other, other === name ? mutate(one) : one]))
  }
  if (typeof value === 'number') return pick([value + 1, -1, 0, 2 ** 40, 0.5])
  if (typeof value === 'string') return pick(['', 'ab'.repeat(32), value.slice(1), `${value}a`])
  return pick([null, true, 7, 'x', []])
}

describe('the engine and what peers send', () => {
  let all: readonly WireMessage[]
  before(async () => {
    all = await samples()
  })

  it('has a round trip for every type of message', () => {
    const types = all.map((one) => one.type).sort()
    assert.deepEqual(types, [
      'behind',
      'cancel',
      'checkpoint',
      'confirmation',
      'consensus',
      'datasets',
      'decision',
      'delivery',
      'ended',
      'fetch',
      'have',
      'hello',
      'history',
      'history-offer',
      'history-request',
      'job',
      'log',
      'log-request',
      'opened',
      'outcome',
      'partials',
      'prekeys',
      'progress',
      'release',
      'retired',
      'retirement',
      'round',
      'seen',
      'specification',
      'standing',
      'submit',
      'supply',
      'train',
      'travelling',
    ])
    for (const message of all) assert.deepEqual(decodeWire(encodeWire(message)), message)
  })

  it('refuses what is too large before it looks at it', () => {
    assert.throws(() => decodeWire(new Uint8Array(MAX_MESSAGE_BYTES + 1)), { code: 'too-large' })
  })

  it('answers everything with a verdict and stays able to work', async () => {
    const { federation, watch, names } = await world()
    const quiet = describeJob(federation)
    const job = await submit(federation, quiet)
    await pass(federation, 0.02)
    const counts = new Map<string, number>()
    const feed = async (bytes: Uint8Array): Promise<void> => {
      for (const [to, from] of [
        ['site-a', 'site-b'],
        ['site-e', 'site-b'],
        ['researcher', 'site-e'],
      ] as const) {
        const peer = federation.node(to).up()
        const { verdict } = await peer.receive(
          federation.node(from).key,
          bytes,
          random.fraction() < 0.5 ? 'direct' : 'gossip',
        )
        counts.set(verdict, (counts.get(verdict) ?? 0) + 1)
      }
    }
    // the same messages, but of this federation's job: everything that is signed fits no longer
    const here = all.map((message) =>
      'job' in message && typeof message.job === 'string' ? { ...message, job } : message,
    )
    for (let i = 0; i < 400; i++) {
      const message = here[i % here.length] as WireMessage
      await feed(encode(mutate(mutate(message))))
      if (i % 8 === 0) await federation.clock.run(federation.clock.now() + 1)
    }
    // and those that this very job brings about
    for (const { message } of watch.seen.slice(-150)) {
      let changed: unknown = mutate(message)
      if (random.fraction() < 0.3) changed = mutate(changed)
      await feed(encode(changed))
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (bytes) => feed(bytes)),
      { numRuns: 60, seed: 1 },
    )
    assert.ok((counts.get('reject') ?? 0) > 100)
    assert.ok(await federation.finish(job, 60_000))
    await pass(federation, 2)
    watch.check()
    await assertExact(federation, job, names)
  })

  it('answers everything about a train while one is under way', async () => {
    const { federation, watch, names } = await trainWorld()
    federation.node('site-d').kill()
    const job = await submit(federation, describeTrain(federation))
    await until(federation, 'it waits', () => audited(federation, 'site-c', 'train-handed-on') > 0)
    const about = ['train', 'travelling', 'confirmation', 'delivery']
    const here = [...all.filter(({ type }) => about.includes(type)), ...watch.seen.map(({ message }) => message)]
    const messages = here.filter(({ type }) => about.includes(type)).map((message) => ({ ...message, job }))
    for (let i = 0; i < 300; i++) {
      const bytes = encode(mutate(messages[i % messages.length]))
      const from = federation.node(i % 2 === 0 ? 'site-b' : 'site-c').key
      for (const to of ['site-a', 'site-b', 'site-c', 'site-e', 'researcher'])
        assert.ok((await federation.node(to).up().receive(from, bytes, 'direct')).verdict)
    }
    await federation.node('site-d').start()
    assert.ok(await federation.finish(job))
    await pass(federation, 2)
    watch.check()
    await assertExact(federation, job, names)
  })
})
