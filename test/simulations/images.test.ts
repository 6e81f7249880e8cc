/** Jobs of images through the whole protocol; what a container computes is computed here, in the test's own process. */
import assert from 'node:assert/strict'
import type { Rows } from '@flamesh/protocol/analyses/analysis.js'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { mergeSignatures, openSigned, type Signed, signObject } from '@flamesh/protocol/encoding/signed.js'
import { IMAGE_ANALYSIS } from '@flamesh/protocol/images/analysis.js'
import { descriptionHash, type ImageDescription } from '@flamesh/protocol/images/description.js'
import { signReview } from '@flamesh/protocol/images/review.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { policySchema } from '@flamesh/protocol/jobs/policy.js'
import { verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import { OPENED } from '@flamesh/protocol/secagg/messages.js'
import { Federation } from '@flamesh/simulations/federation.js'
import type { SimulatedImages } from '@flamesh/simulations/federation-options.js'
import { type Costs, FREE } from '@flamesh/simulations/network/costs.js'
import { signer } from '../protocol/identity/fixtures.js'
import { Watch } from './watch.js'
import { audited, ending, pass, patients, siteName, submit, until, viewAt } from './world.js'

const REVIEWERS = ['ana', 'bo', 'cleo']
const SITES = Array.from({ length: 6 }, (_, at) => siteName(at))

const describing = (changes: Partial<ImageDescription> = {}): ImageDescription => ({
  contract: 1,
  image: `registry.example.org/cohorts/logistic@sha256:${'1f'.repeat(32)}`,
  source: { location: 'https://git.example.org/cohorts/logistic', commit: 'c0'.repeat(20) },
  sbom: '5b'.repeat(32),
  output: [
    { name: 'weight', kind: 'count', length: 1, lower: '0', upper: '100000' },
    { name: 'gradient', kind: 'sum', length: 2, lower: '-1000000', upper: '1000000' },
    { name: 'hessian', kind: 'sum', length: 3, lower: '-1000000000', upper: '1000000000' },
  ],
  maxRounds: 12,
  combine: 'reduce',
  resources: [],
  ...changes,
})

const numbers = (rows: Rows, column: string): Float64Array => rows.columns.get(column) as Float64Array

/** Of Newton's method for event ~ age / 100: what the sites add up. */
function scores(rows: Rows, [intercept = 0, slope = 0]: readonly number[]): Float64Array {
  const out = new Float64Array(6)
  const [age, event] = [numbers(rows, 'age'), numbers(rows, 'event')]
  out[0] = rows.count
  age.forEach((years, at) => {
    const x = years / 100
    const p = 1 / (1 + Math.exp(-(intercept + slope * x)))
    const [w, r] = [p * (1 - p), (event[at] as number) - p]
    for (const [slot, value] of [r, r * x, w, w * x, w * x * x].entries())
      out[slot + 1] = (out[slot + 1] as number) + value
  })
  return out
}

function newtonStep([a = 0, b = 0]: readonly number[], sums: Float64Array): Float64Array {
  const [g0, g1, h00, h01, h11] = [...sums.subarray(1)] as [number, number, number, number, number]
  const determinant = h00 * h11 - h01 * h01
  return Float64Array.of(a + (h11 * g0 - h01 * g1) / determinant, b + (h00 * g1 - h01 * g0) / determinant)
}

const stateOf = (state: unknown): readonly number[] =>
  (state as { values: readonly number[] } | undefined)?.values ?? []

const LOGISTIC: SimulatedImages = {
  map: (_node, rows, { state }) => scores(rows, stateOf(state)),
  reduce: (_node, { state, sums }) => newtonStep(stateOf(state), sums),
}

/** These members come to other bytes, each to its own. */
const wrongAt = (nodes: readonly string[]): SimulatedImages => ({
  ...LOGISTIC,
  reduce: (node, request) => {
    const values = LOGISTIC.reduce(node, request)
    return nodes.includes(node) ? values.map((one) => one + SITES.indexOf(node) * 1e-9) : values
  },
})

const DIFFERS = { status: 'suppressed', code: 'reduce-differs' }
const NOTHING = { outcome: 'suppressed' as const, code: 'reduce-differs', commitment: null, contributors: null }

interface Options {
  readonly dishonest?: readonly string[]
  readonly images?: SimulatedImages
  readonly description?: ImageDescription
  readonly attested?: boolean
  readonly grants?: readonly string[]
  readonly costs?: Costs
}

async function federate(options: Options = {}) {
  const { images = LOGISTIC, description = describing(), attested = true, grants = [], dishonest = [] } = options
  const { costs = FREE } = options
  const federation = new Federation({
    seed: 1,
    dataset: 'ages',
    columns: [
      { name: 'age', type: 'integer' },
      { name: 'event', type: 'integer', levels: ['0', '1'] },
    ],
    sites: SITES.map((name, at) => ({ name, rows: patients(at, 20 + at) })),
    committee: SITES.slice(0, 4),
    policy: policySchema.parse({ version: 1, approve: [{ images: 'any' }], grants }),
    images,
    costs,
  })
  if (attested) {
    const floor = federation.statements.length
    federation.append({
      type: 'set-policy-floor',
      threshold: 2,
      reviewers: REVIEWERS,
      keys: REVIEWERS.map((name) => signer(name).publicKey),
    })
    const [first, second] = REVIEWERS.slice(0, 2).map((name) => signReview(description, signer(name))) as [
      Signed,
      Signed,
    ]
    federation.append({ type: 'attest-image', review: mergeSignatures(first, second.signatures), floor })
  }
  const watch = new Watch(federation, new Set(dishonest))
  await federation.startAll()
  return { federation, watch, description }
}

function imageJob(federation: Federation, image: ImageDescription, change: Partial<Job> = {}): Job {
  const rounds = change.maxRounds ?? image.maxRounds
  return federation.job(
    'describe',
    { columns: ['age', 'event'], values: {} },
    {
      analysis: { name: IMAGE_ANALYSIS, version: 1, hash: descriptionHash(image) },
      image,
      dropout: rounds > 1 ? 'pause' : 'drop',
      maxRounds: rounds,
      ...change,
    },
  )
}

async function withdraw(federation: Federation, { image }: ImageDescription): Promise<void> {
  federation.append({ type: 'withdraw-image', digest: image.split('@')[1] as string, reason: 'a mistake in it' })
  await federation.tell(...federation.nodes.keys())
}

const outcomeOf = (result: unknown): readonly number[] => (result as { outcome: readonly number[] }).outcome

/** Newton's method on all rows at once. */
function pooled(rounds: number): readonly number[] {
  const all = SITES.map((_, at) => patients(at, 20 + at))
  const rows: Rows = {
    count: all.reduce((sum, one) => sum + one.count, 0),
    columns: new Map(
      ['age', 'event'].map((name) => [name, Float64Array.from(all.flatMap((one) => [...numbers(one, name)]))]),
    ),
  }
  let at: readonly number[] = []
  for (let round = 0; round < rounds; round++) at = [...newtonStep(at, scores(rows, at))]
  return at
}

function assertReceipt(
  federation: Federation,
  result: { receipt?: Uint8Array | undefined; result?: unknown } | undefined,
) {
  const report = verifyReceipt(result?.receipt as Uint8Array, {
    hubKey: federation.hubKey,
    result: JSON.parse(JSON.stringify(result?.result)),
  })
  assert.ok(report.ok, JSON.stringify(report.findings.filter((one) => !one.ok)))
  return report
}

async function released(federation: Federation, job: Hex) {
  await federation.finish(job)
  const end = await ending(federation, job)
  assert.deepEqual({ status: end.status, code: end.code }, { status: 'released', code: 'released' })
  return end
}

describe('jobs of images', () => {
  it('go over several rounds to what one computation over all rows gives, with a receipt that names the reviewers', async () => {
    const { federation, watch, description } = await federate()
    const job = await submit(federation, imageJob(federation, description, { maxRounds: 7 }))
    const { result, included } = await released(federation, job)
    assert.deepEqual(included, SITES)
    const found = outcomeOf(result?.result)
    for (const [at, wanted] of pooled(7).entries()) assert.ok(Math.abs((found[at] as number) - wanted) < 1e-9)
    const report = assertReceipt(federation, result)
    assert.match(report.findings.map((one) => one.message).join('\n'), /registry\.example\.org.*reviewed by ana, bo/)
    watch.check()
  })

  it('release sums, and means by weight, as their description says', async () => {
    const output: ImageDescription['output'] = [
      { name: 'weight', kind: 'count', length: 1, lower: '0', upper: '1000' },
      { name: 'age', kind: 'sum', length: 1, lower: '0', upper: '100000' },
    ]
    const images: SimulatedImages = {
      map: (_node, rows) =>
        Float64Array.of(
          rows.count,
          numbers(rows, 'age').reduce((sum, one) => sum + one, 0),
        ),
      reduce: () => assert.fail('there is nothing to reduce'),
    }
    const ages = SITES.flatMap((_, at) => [...numbers(patients(at, 20 + at), 'age')])
    const total = ages.reduce((sum, one) => sum + one, 0)
    for (const combine of ['sum', 'weighted-mean'] as const) {
      const description = describing({ output, combine, maxRounds: 1 })
      const { federation } = await federate({ images, description })
      const { result } = await released(federation, await submit(federation, imageJob(federation, description)))
      const age = combine === 'sum' ? total : total / ages.length
      assert.ok(result?.result)
      assert.deepEqual((result.result as { slots: unknown }).slots, { weight: ages.length, age })
      assertReceipt(federation, result)
    }
  })

  it('withhold everything if any count is small', async () => {
    const output: ImageDescription['output'] = [{ name: 'old', kind: 'count', length: 1, lower: '0', upper: '1000' }]
    const images = { ...LOGISTIC, map: (node: string) => Float64Array.of(node === 'site-a' ? 2 : 0) }
    const description = describing({ output, combine: 'sum', maxRounds: 1 })
    const { federation } = await federate({ images, description })
    const job = await submit(federation, imageJob(federation, description))
    await federation.finish(job)
    const { status, code } = await ending(federation, job)
    assert.deepEqual({ status, code }, { status: 'suppressed', code: 'small-cell' })
  })

  it('come to no result where members reduce to different bytes, and do without one that differs', async () => {
    const one = await federate({ images: wrongAt(['site-b']) })
    const { result } = await released(
      one.federation,
      await submit(one.federation, imageJob(one.federation, one.description, { maxRounds: 7 })),
    )
    assert.ok(Math.abs((outcomeOf(result?.result)[1] as number) - (pooled(7)[1] as number)) < 1e-9)
    const all = await federate({ images: wrongAt(SITES) })
    const job = await submit(all.federation, imageJob(all.federation, all.description))
    await all.federation.finish(job, 600_000)
    await pass(all.federation, 20)
    const { status, code, result: none } = await ending(all.federation, job)
    assert.deepEqual({ status, code, result: none?.result }, { ...DIFFERS, result: undefined })
    const { ok, summary } = verifyReceipt(none?.receipt as Uint8Array, { hubKey: all.federation.hubKey })
    assert.deepEqual([ok, summary?.outcome, summary?.code], [true, 'suppressed', 'reduce-differs'])
    for (const name of SITES) assert.equal(viewAt(all.federation, name, job)?.status, 'suppressed', name)
    assert.deepEqual(all.watch.evidence(), [], 'nobody is accused of a second opening')
    all.watch.check()
  })

  it('wait while a quorum may still come to the same bytes, over a kill', async () => {
    const split = await federate({ images: wrongAt(['site-b', 'site-c']) })
    const job = await submit(split.federation, imageJob(split.federation, split.description, { maxRounds: 1 }))
    await split.federation.finish(job, 600_000)
    assert.equal((await ending(split.federation, job)).status, 'submitted', 'a liar among those two may yet make three')
    const four = await federate({ images: wrongAt(SITES) })
    const other = await submit(four.federation, imageJob(four.federation, four.description, { maxRounds: 1 }))
    const late = four.federation.node('site-d')
    await until(four.federation, 'openings', () => audited(four.federation, 'site-a', 'opened') > 0)
    late.kill()
    await four.federation.finish(other, 600_000)
    assert.equal((await ending(four.federation, other)).status, 'submitted', 'one that is silent may yet make three')
    await late.start()
    await four.federation.finish(other, 600_000)
    const { status, code } = await ending(four.federation, other)
    assert.deepEqual({ status, code }, DIFFERS)
    await pass(four.federation, 20)
    for (const name of SITES.slice(0, 4))
      assert.ok(!four.federation.node(name).disk.entries.has(`job/${other}/member/sealed`), `${name} keeps a result`)
    four.watch.check()
  })

  it('are not ended by a liar who opens something of its own towards each', async () => {
    const one = await federate({ dishonest: ['site-c'] })
    let count = 0
    one.watch.meddle = (from, _to, message) => {
      if (from.name !== 'site-c' || message.type !== 'opened') return message
      const { body } = openSigned(message.opened, OPENED)
      const change = count++ % 2 === 0 ? { commitment: count.toString(16).padStart(64, '0') } : NOTHING
      return { ...message, opened: signObject(OPENED.kind, OPENED.version, { ...body, ...change }, from.signer) }
    }
    const job = await submit(one.federation, imageJob(one.federation, one.description, { maxRounds: 3 }))
    await released(one.federation, job)
    assert.ok(count > 0)
  })

  it('go on where one member has no engine', async () => {
    const images: SimulatedImages = {
      ...LOGISTIC,
      reduce: (node, request) => (node === 'site-c' ? assert.fail('no engine') : LOGISTIC.reduce(node, request)),
    }
    const { federation, description } = await federate({ images })
    await released(federation, await submit(federation, imageJob(federation, description, { maxRounds: 3 })))
    assert.ok(audited(federation, 'site-c', 'reduce-failed') >= 1)
  })

  it('are unknown to everyone without an attestation, and to the researcher', async () => {
    const { federation, description } = await federate({ attested: false })
    await assert.rejects(submit(federation, imageJob(federation, description)), { code: 'image-not-attested' })
  })

  it('are refused by sites that do not grant what they need', async () => {
    const description = describing({ resources: ['gpu'] })
    const { federation } = await federate({ description })
    const job = await submit(federation, imageJob(federation, description))
    await federation.finish(job)
    const view = federation.node('researcher').up().job(job)
    assert.deepEqual(
      new Set(Object.values(view?.sites ?? {}).map((one) => one.code)),
      new Set(['resource-not-granted']),
    )
  })

  it('count a site as without rows whose image writes no vector, and bring what is beyond the bounds to them', async () => {
    const contributors = async (wrong: (values: Float64Array) => Float64Array) => {
      const images: SimulatedImages = {
        ...LOGISTIC,
        map: (node, rows, request) => {
          const values = LOGISTIC.map(node, rows, request)
          return node === 'site-f' ? wrong(values) : values
        },
      }
      const description = describing({ combine: 'sum', maxRounds: 1 })
      const { federation } = await federate({ images, description })
      const job = await submit(federation, imageJob(federation, description))
      const { included, result } = await released(federation, job)
      // nobody but its operator hears which site it was
      assert.deepEqual(included, SITES)
      assert.notEqual(federation.node('site-f').up().job(job)?.status, 'failed')
      return result?.result as { contributors: number; slots: { gradient: readonly number[] } }
    }
    assert.equal((await contributors((values) => values.fill(0.5, 0, 1))).contributors, 5)
    assert.equal((await contributors((values) => values.subarray(1))).contributors, 5)
    assert.equal((await contributors((values) => values.fill(Number.NaN, 2))).contributors, 5)
    const beyond = await contributors((values) => values.fill(1e12, 1, 2))
    assert.equal(beyond.contributors, 6)
    const others = SITES.slice(0, 5).map((_, at) => scores(patients(at, 20 + at), [])[1] as number)
    const clipped = others.reduce((sum, one) => sum + one, 1_000_000)
    assert.ok(Math.abs((beyond.slots.gradient[0] as number) - clipped) < 1e-6)
  })

  it('are asked once a round: a further attempt adds up the same numbers, whatever the image would write now', async () => {
    let maps = 0
    const images: SimulatedImages = {
      map: (node, rows, request) => {
        maps++
        return LOGISTIC.map(node, rows, request)
      },
      reduce: LOGISTIC.reduce,
    }
    const description = describing({ combine: 'sum', maxRounds: 1 })
    const { federation, watch } = await federate({ images, description })
    // nobody hears of any vote: the first attempts come to nothing
    let quiet = true
    watch.meddle = (_from, _to, message) => (quiet && message.type === 'partials' ? undefined : message)
    const job = await submit(federation, imageJob(federation, description))
    await until(federation, 'opening', () => audited(federation, 'site-a', 'partials-sent') > 0)
    await until(federation, 'another attempt', () => audited(federation, 'site-a', 'submitted') > 1)
    quiet = false
    await released(federation, job)
    assert.equal(maps, SITES.length)
  })

  it('withhold counts that few sites have', async () => {
    const output: ImageDescription['output'] = [{ name: 'rare', kind: 'count', length: 1, lower: '0', upper: '1000' }]
    const images = { ...LOGISTIC, map: (node: string) => Float64Array.of(node === 'site-a' ? 20 : 0) }
    const description = describing({ output, combine: 'sum', maxRounds: 1 })
    const { federation } = await federate({ images, description })
    const job = await submit(federation, imageJob(federation, description))
    await federation.finish(job)
    const { status, code } = await ending(federation, job)
    assert.deepEqual({ status, code }, { status: 'suppressed', code: 'too-few-contributors' })
  })

  it('are one question whatever their parameters: another value is no way around the guard', async () => {
    const { federation, description } = await federate()
    const all = await submit(federation, imageJob(federation, description, { maxRounds: 2 }))
    await released(federation, all)
    const sites = SITES.slice(0, 5)
      .map((name) => federation.node(name).key)
      .sort()
    const parameters = { columns: ['age', 'event'], values: { nonce: 7 } }
    const cohort = { sites, minimum: 5, approveWithinMs: 10_000 }
    const fewer = await submit(federation, imageJob(federation, description, { maxRounds: 2, parameters, cohort }))
    await federation.finish(fewer)
    const { status, code } = await ending(federation, fewer)
    assert.deepEqual({ status, code }, { status: 'failed', code: 'guard' })
  })

  it('run no more once the hub has withdrawn the image, at a site or at a member', async () => {
    let maps = 0
    const images: SimulatedImages = {
      ...LOGISTIC,
      map: (...given) => {
        maps++
        return LOGISTIC.map(...given)
      },
    }
    const { federation, description } = await federate({ images })
    const notAfter = federation.clock.now() + 900_000
    const job = await submit(federation, imageJob(federation, description, { notAfter }))
    await until(federation, 'round 2', () => (federation.node('researcher').up().job(job)?.round ?? 0) >= 2)
    await withdraw(federation, description)
    const before = maps
    await federation.finish(job)
    const { status, result } = await ending(federation, job)
    assert.notEqual(status, 'released')
    assert.equal(result?.result, undefined)
    assert.ok(maps <= before + SITES.length, `${maps - before} runs after the withdrawal`)
  })

  it('are broken off where they run when the hub withdraws the image', async () => {
    const slow: Costs = { ...FREE, analysis: () => 60_000 }
    const { federation, description } = await federate({ costs: slow })
    const job = await submit(federation, imageJob(federation, description))
    await until(federation, 'all are at work', () => SITES.every((name) => viewAt(federation, name, job)?.round === 1))
    await withdraw(federation, description)
    for (const name of SITES) {
      const { cancelled } = federation.node(name)
      assert.deepEqual(
        [cancelled, viewAt(federation, name, job)?.status, viewAt(federation, name, job)?.code],
        [1, 'failed', 'policy'],
        name,
      )
    }
    await federation.finish(job)
    assert.notEqual((await ending(federation, job)).status, 'released')
    for (const name of SITES) assert.equal(audited(federation, name, 'submitted'), 0)
  })

  it('are broken off where they reduce when the hub withdraws the image', async () => {
    const slow: Costs = { ...FREE, analysis: (rows) => (rows === 0 ? 60_000 : 0) }
    const { federation, description } = await federate({ costs: slow })
    await submit(federation, imageJob(federation, description))
    const members = SITES.slice(0, 4)
    await until(federation, 'all reduce', () => members.every((name) => audited(federation, name, 'partials-sent') > 0))
    await pass(federation, 5)
    await withdraw(federation, description)
    for (const name of members)
      assert.deepEqual([federation.node(name).cancelled, audited(federation, name, 'reduce-refused')], [1, 1], name)
    await pass(federation, 120)
    for (const name of members) assert.equal(audited(federation, name, 'opened'), 0)
  })

  it('keep a receipt that verifies when their image is withdrawn afterwards', async () => {
    const { federation, description } = await federate()
    const job = await submit(federation, imageJob(federation, description, { maxRounds: 2 }))
    await released(federation, job)
    await withdraw(federation, description)
    assertReceipt(federation, await federation.node('researcher').up().result(job))
  })

  it('take no consent, which would cover whatever the image is asked', async () => {
    const { federation, description } = await federate()
    const site = federation.node('site-f')
    await site.up().setPolicy(policySchema.parse({ version: 1 }))
    const job = await submit(federation, imageJob(federation, description, { maxRounds: 1, dropout: 'drop' }))
    await until(federation, 'site-f waits', () => site.up().job(job)?.status === 'waiting')
    await assert.rejects(site.up().approve(job, { consent: true }), { code: 'consent-not-offered' })
  })
})

it('an image is no built-in analysis', () => assert.equal(findAnalysis(IMAGE_ANALYSIS), undefined))
