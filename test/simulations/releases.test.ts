/** What a member hands over at the end of a job, altered in every way: refused, or as good as the honest one. */
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned, type Signed, type Signer, signObject } from '@flamesh/protocol/encoding/signed.js'
import type { Kernel } from '@flamesh/protocol/engine/kernel.js'
import { resultOf } from '@flamesh/protocol/engine/results.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { checkSeen, type LogState } from '@flamesh/protocol/identity/log.js'
import { DECISION, type Decision } from '@flamesh/protocol/jobs/messages.js'
import { policySchema } from '@flamesh/protocol/jobs/policy.js'
import { verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import { stepRequest } from '@flamesh/protocol/jobs/request.js'
import { newRequest, type RequestState } from '@flamesh/protocol/jobs/request-state.js'
import type { Context } from '@flamesh/protocol/machine.js'
import type { JobResult } from '@flamesh/protocol/peer.js'
import { decodeWire, type WireMessage, type WireOf } from '@flamesh/protocol/wire.js'
import type { SimulatedNode } from '@flamesh/simulations/federation.js'
import fc from 'fast-check'
import { signer } from '../protocol/identity/fixtures.js'
import { describeTrain, trainWorld } from './trains.js'
import { assertExact, audited, describeJob, pass, submit, type World, world } from './world.js'

type Ending = WireOf<'release'> | WireOf<'delivery'>
const LIAR = 'site-a'

const redecided = (by: Signer, signed: Signed, change: Partial<Decision>): Signed =>
  signObject(DECISION.kind, DECISION.version, { ...openSigned(signed, DECISION).body, ...change }, by)

/** What a member and the sites it is in league with could put beside a decision: no receipt may hold any of these. */
function brokenOnes(node: SimulatedNode, signed: Signed, log: LogState): Readonly<Record<string, Signed>> {
  const { body } = openSigned(signed, DECISION)
  const other = redecided(node.signer, signed, { message: 'on second thoughts' })
  return {
    'a second approval': other,
    'a refusal as well': redecided(node.signer, signed, { decision: 'refuse', datasetVersion: null, consents: [] }),
    'another log': redecided(node.signer, signed, { checkpoint: { size: log.leaves.length, root: 'ab'.repeat(32) } }),
    'a log before it was a member': redecided(node.signer, signed, { checkpoint: { ...body.checkpoint, size: 1 } }),
    'after the job': redecided(node.signer, signed, { decidedAt: Number.MAX_SAFE_INTEGER }),
    'another job': redecided(node.signer, signed, { job: 'ab'.repeat(32) }),
    'a consent of another site': redecided(node.signer, signed, {
      consents: [{ site: 'ab'.repeat(32), key: 'ab'.repeat(32) }],
    }),
    'an operator who did not sign': redecided(node.signer, signed, {
      by: 'operator',
      operators: [{ name: 'eve', key: signer('eve').publicKey, consent: false, signature: new Uint8Array(64) }],
    }),
    'a stranger': redecided(signer('stranger'), signed, { site: signer('stranger').publicKey }),
    'a signature that does not hold': { ...other, signatures: signed.signatures },
    'signed by a second one': { ...signed, signatures: [...signed.signatures, ...other.signatures] },
  }
}

/** The end of a job as an honest node told the researcher. */
interface Told {
  readonly message: Ending
  readonly broken: Readonly<Record<string, Signed>>
  /** what receipt and result say to whoever is told this instead; undefined if it is refused */
  readonly take: (message: Ending) => unknown
}

async function told({ federation, watch }: World, job: Hex): Promise<Told> {
  const researcher = federation.node('researcher')
  const { key: self } = researcher
  const heard = watch.seen.flatMap(({ to, message }) => (to === 'researcher' ? [message] : []))
  const message = heard.find(
    (one): one is Ending => (one.type === 'release' || one.type === 'delivery') && one.job === job,
  )
  const { state: log, statements } = federation.verifiedLog() ?? {}
  const signed = decode(researcher.disk.entries.get(`job/${job}/signed`) as Uint8Array) as Signed
  assert.ok(message !== undefined && log !== undefined)
  const context = {
    nowMs: federation.clock.now(),
    self,
    signer: researcher.signer,
    sealingSecret: researcher.sealingSecret,
    roster: log.roster,
    checkSeen: (seen) => checkSeen(log, seen),
  } as Context
  const told = (state: RequestState, one: WireMessage) =>
    stepRequest(state, { type: 'message', from: self, message: one }, context)
  const decisions = heard.filter(
    (one) => one.type === 'decision' && openSigned(one.decision, DECISION).body.job === job,
  )
  const before = decisions.reduce((state, one) => told(state, one).state, newRequest(signed))
  const take = (altered: Ending) => {
    try {
      const { state, verdict } = told(before, decodeWire(encode(altered)))
      if (verdict.verdict !== 'accept' || state.release === undefined) return undefined
      const kernel = { known: new Map([[job, { request: state }]]), log, statements, options: federation }
      return shown(resultOf(kernel as unknown as Kernel, job), federation.hubKey)
    } catch (error) {
      if (error instanceof FlameshError && error.code !== 'internal') return undefined
      throw error
    }
  }
  const site = federation.node('site-b')
  const one = message.decisions.find(({ signatures }) => signatures[0]?.signer === site.key)
  assert.ok(one !== undefined)
  return { message, broken: brokenOnes(site, one, log), take }
}

/** A receipt that verifies, whatever it was made of. */
function shown(held: JobResult | undefined, hubKey: Hex): unknown {
  assert.ok(held !== undefined)
  const result = JSON.parse(JSON.stringify(held.result ?? null))
  const { ok, findings, summary } = verifyReceipt(held.receipt, { hubKey, result })
  assert.ok(ok, JSON.stringify(findings.filter((finding) => !finding.ok)))
  const { decisions, consents } = JSON.parse(Buffer.from(held.receipt).toString())
  return { summary, result, decisions, consents, status: held.status }
}

// ---- jobs with everything in their end that it can hold

const STRICT = policySchema.parse({ version: 1, minimumCohort: 9, approve: [{ analyses: 'builtin' }] })
const CONSENTING = policySchema.parse({
  version: 1,
  approve: [{ analyses: 'builtin' }],
  consents: [{ datasets: ['ages'], analyses: ['describe'] }],
})

/** site-g refuses, a consent of an earlier job counts, and the first attempt comes to nothing. */
async function afterAnother(): Promise<Told> {
  const one = await world({ sites: 8, dishonest: [LIAR] })
  const { federation, watch } = one
  await federation.node('site-g').up().setPolicy(STRICT)
  await federation.node('site-h').up().setPolicy(CONSENTING)
  const first = await submit(federation, describeJob(federation))
  assert.ok(await federation.finish(first))
  federation.node('site-h').kill()
  watch.meddle = (from, _to, message) =>
    message.type === 'submit' && message.attempt === 0 && ['site-c', 'site-d'].includes(from.name) ? undefined : message
  const job = await submit(federation, describeJob(federation))
  assert.ok(await federation.finish(job))
  await pass(federation, 5)
  assert.ok(audited(federation, 'site-b', 'attempt-abandoned') > 0)
  return told(one, job)
}

async function afterTrain(): Promise<Told> {
  const one = await trainWorld({ sites: 6 })
  const { federation } = one
  await federation.node('site-d').up().setPolicy(STRICT)
  const job = await submit(federation, describeTrain(federation, { minimum: 4 }))
  assert.ok(await federation.finish(job))
  await pass(federation, 5)
  return told(one, job)
}

// ---- changes

type Path = readonly (string | number)[]

/** Every place in a message, the message itself but not its type. */
function placesIn(value: unknown, path: Path = []): readonly Path[] {
  if (value instanceof Uint8Array || value === null || typeof value !== 'object') return [path]
  const own = Object.entries(value).filter(([name]) => path.length > 0 || name !== 'type')
  return [path, ...own.flatMap(([name, one]) => placesIn(one, [...path, Array.isArray(value) ? Number(name) : name]))]
}

const at = (value: unknown, path: Path): unknown =>
  path.reduce((one, name) => (one as Record<string | number, unknown>)[name], value)

function withValue(value: unknown, [name, ...path]: Path, change: (old: unknown) => unknown): unknown {
  if (name === undefined) return change(value)
  const changed = withValue((value as Record<string | number, unknown>)[name], path, change)
  if (!Array.isArray(value)) return { ...(value as object), [name]: changed }
  return value.map((one, index) => (index === name ? changed : one))
}

/** Something else in the place of `old`: `n` chooses. */
function altered(old: unknown, n: number, others: readonly unknown[]): unknown {
  const other = others[n % others.length]
  if (n % 3 === 0) return other
  if (old instanceof Uint8Array)
    return old.map((byte, index) => (index === n % Math.max(1, old.length) ? byte ^ 1 : byte))
  if (typeof old === 'number') return old + 1
  if (typeof old === 'string') return old.replace(/[0-9a-f]/, (digit) => (digit === '0' ? '1' : '0'))
  if (!Array.isArray(old)) return null
  const index = n % Math.max(1, old.length)
  switch (n % 5) {
    case 0:
      return old.filter((_, place) => place !== index)
    case 1:
      return [...old, old[index] ?? other]
    case 2:
      return [...old].reverse()
    case 3:
      return [other, ...old]
    default:
      return [...old.slice(index), ...old.slice(0, index)]
  }
}

const change = fc.record({ where: fc.nat(), n: fc.nat(1_000_000) })

function changed(message: Ending, changes: readonly { where: number; n: number }[], pool: readonly unknown[]): Ending {
  let one: unknown = message
  for (const { where, n } of changes) {
    const places = placesIn(one)
    // lists are few, and what they hold is much
    const lists = places.filter((path) => Array.isArray(at(one, path)))
    const among = where % 2 === 0 && lists.length > 0 ? lists : places
    const path = among[Math.floor(where / 2) % among.length] as Path
    const others = [...pool, at(one, places[n % places.length] as Path)]
    one = withValue(one, path, (old) => altered(old, n, others))
  }
  return one as Ending
}

describe('the end of a job, as a dishonest node hands it over,', function () {
  this.timeout(120_000)

  for (const [what, make] of [
    ['of a masked sum', afterAnother],
    ['of a train', afterTrain],
  ] as const) {
    it(`${what} adds nothing to a receipt that nobody relied on`, async () => {
      const { message, broken, take } = await make()
      const honest = take(message)
      assert.ok(honest !== undefined)
      for (const [name, one] of Object.entries(broken)) {
        for (const decisions of [
          [one, ...message.decisions],
          [...message.decisions, one],
        ]) {
          const taken = take({ ...message, decisions })
          if (message.type === 'release') assert.deepEqual(taken, honest, name)
          else assert.ok(taken === undefined || isDeepStrictEqual(taken, honest), name)
        }
        // in the place of the approval that the rounds name
        const decisions = message.decisions.map((old) =>
          old.signatures[0]?.signer === one.signatures[0]?.signer ? one : old,
        )
        const taken = take({ ...message, decisions })
        assert.ok(taken === undefined || isDeepStrictEqual(taken, honest), name)
      }
    })

    it(`${what} is refused, or as good as the honest one, whatever is changed in it`, async () => {
      const { message, broken, take } = await make()
      const honest = take(message)
      let taken = 0
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
          const after = take(changed(message, changes, [...Object.values(broken), null]))
          if (after === undefined) return
          taken++
          assert.deepEqual(after, honest)
        }),
        { numRuns: 400, seed: 4 },
      )
      assert.ok(taken > 20 && taken < 380, String(taken))
    })
  }

  it('is refused with an opening of an attempt that came to nothing, which nobody signed and a receipt would have to hold', async () => {
    const { message, take } = await afterAnother()
    assert.ok(message.type === 'release')
    const records = message.records.map((record) => {
      const { certificate, specification } = record
      if (certificate.value.kind !== 'abandon' || specification === null) return record
      return { ...record, opened: { ...specification, payload: new Uint8Array(100) } }
    })
    assert.notDeepEqual(records, message.records)
    assert.equal(take({ ...message, records }), undefined)
  })

  it('is refused without an approval that a round names, and taken from the next member', async () => {
    const one = await world({ dishonest: [LIAR] })
    const { federation, watch, names } = one
    let lied = 0
    watch.meddle = (from, _to, message) => {
      if (message.type !== 'release') return message
      // the others' come later
      if (from.name !== LIAR) return lied > 0 ? message : undefined
      lied++
      return { ...message, decisions: message.decisions.slice(1) }
    }
    const job = await submit(federation, describeJob(federation))
    assert.ok(await federation.finish(job))
    await pass(federation, 5)
    await assertExact(federation, job, names)
    assert.ok(lied > 0)
    watch.check()
  })
})
