/** Members of the committee, and sites, that lie: each is stopped, and named where the protocol can name it. */
import assert from 'node:assert/strict'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { bytesToHex } from '@flamesh/protocol/crypto/hash.js'
import { x25519PublicKey } from '@flamesh/protocol/crypto/native/index.js'
import { openSigned, payloadHash, type Signed, signObject } from '@flamesh/protocol/encoding/signed.js'
import { DECISION, type Decision } from '@flamesh/protocol/jobs/messages.js'
import { verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import { proposerOf } from '@flamesh/protocol/secagg/committee.js'
import { VOTE } from '@flamesh/protocol/secagg/consensus-messages.js'
import {
  HAVE,
  OPENED,
  PARTIAL,
  PREKEY,
  SPECIFICATION,
  type Specification,
  SUBMISSION,
} from '@flamesh/protocol/secagg/messages.js'
import type { WireMessage } from '@flamesh/protocol/wire.js'
import type { SimulatedNode } from '@flamesh/simulations/federation.js'
import { assertExact, audited, describeJob, ending, logisticJob, pass, submit, type World, world } from './world.js'

const FOUR = [0, 1, 2, 3]
/** Who proposes the first attempt of the first round with four seats. */
const PROPOSER = 'abcd'.split('').map((letter) => `site-${letter}`)[proposerOf(FOUR, 1, 0, 0)] as string

function resign<T>(
  node: SimulatedNode,
  signed: Signed,
  kind: Parameters<typeof openSigned<T>>[1],
  change: (body: T) => T,
): Signed {
  return signObject(kind.kind, kind.version, change(openSigned(signed, kind).body), node.signer)
}

type Meddle = (from: SimulatedNode, to: SimulatedNode, message: WireMessage) => WireMessage | undefined

/** Runs a describe job over seven sites with one liar; what the liar says passes through `meddle`. */
async function against(liar: string, meddle: Meddle, seats = 4): Promise<World & { readonly job: Hex }> {
  const one = await world({ sites: 7, seats, dishonest: [liar] })
  one.watch.meddle = (from, to, message) => (from.name === liar ? meddle(from, to, message) : message)
  const job = await submit(one.federation, describeJob(one.federation))
  assert.ok(await one.federation.finish(job, 5_000_000), 'the job did not end')
  await pass(one.federation, 5)
  one.watch.check()
  return { ...one, job }
}

const kindsOf = ({ watch }: World): readonly string[] => [...new Set(watch.evidence().map((one) => one.kind))].sort()

/** The job went well for everyone, the liar included. */
async function exact(one: World & { readonly job: Hex }, without: readonly string[] = []): Promise<void> {
  await assertExact(
    one.federation,
    one.job,
    one.names.filter((name) => !without.includes(name)),
  )
}

const altered = (body: Specification): Specification => ({
  ...body,
  closesAt: body.closesAt - 1,
  openBy: body.openBy - 1,
})

describe('a malicious member of a committee of four', () => {
  it('who proposes two specifications is outvoted and named', async () => {
    const one = await against(PROPOSER, (from, to, message) => {
      if (message.type !== 'specification' || message.specification.signatures.length > 1) return message
      if (to.name !== 'site-d') return message
      return { ...message, specification: resign(from, message.specification, SPECIFICATION, altered) }
    })
    await exact(one)
    assert.deepEqual(kindsOf(one), ['second-specification'])
  })

  it('who splits the committee over two specifications loses an attempt and nothing else', async () => {
    const one = await against(PROPOSER, (from, to, message) => {
      if (message.type !== 'specification') return message
      if (to.name === 'site-a') return message
      if (openSigned(message.specification, SPECIFICATION).body.attempt > 0) return message
      const change = to.name === 'site-c' ? (body: Specification) => altered(altered(body)) : altered
      return { ...message, specification: resign(from, message.specification, SPECIFICATION, change) }
    })
    await exact(one)
  })

  const seats =
    (change: (seat: Signed | null, at: number, from: SimulatedNode) => Signed | null): Meddle =>
    (from, _to, message) =>
      message.type !== 'specification' || message.specification.signatures.length > 1
        ? message
        : {
            ...message,
            specification: resign(from, message.specification, SPECIFICATION, (body) =>
              body.attempt > 0
                ? body
                : {
                    ...body,
                    committee: {
                      ...body.committee,
                      seats: body.committee.seats.map((seat, at) => change(seat, at, from)),
                    },
                  },
            ),
          }

  it('who replaces the key of another member convinces nobody', async () => {
    const key = bytesToHex(x25519PublicKey(new Uint8Array(32).fill(7)))
    const one = await against(
      PROPOSER,
      seats((seat, at, from) =>
        at === 3 && seat !== null ? resign(from, seat, PREKEY, (body) => ({ ...body, key })) : seat,
      ),
    )
    await exact(one)
    assert.ok(audited(one.federation, 'site-a', 'attempt-abandoned') === 1)
  })

  it('who offers a key that nothing can be sealed to convinces nobody', async () => {
    const one = await against(
      PROPOSER,
      seats((seat, at, from) =>
        at === 1 && seat !== null ? resign(from, seat, PREKEY, (body) => ({ ...body, key: '00'.repeat(32) })) : seat,
      ),
    )
    await exact(one)
  })

  for (const [what, change] of [
    [
      'names an organisation twice',
      (body: Specification) => ({
        ...body,
        cohort: body.cohort.flatMap((entry, at) => (at === 0 ? [entry, entry] : [entry])),
      }),
    ],
    ['lowers the minimum', (body: Specification) => ({ ...body, minCohort: 3 })],
    ['shortens the cohort below the minimum', (body: Specification) => ({ ...body, cohort: body.cohort.slice(0, 4) })],
    ['claims more time to open', (body: Specification) => ({ ...body, openBy: body.openBy + 1 })],
    [
      'puts another approval beside a site',
      (body: Specification) => ({
        ...body,
        cohort: body.cohort.map((entry, at) => (at === 0 ? { ...entry, decision: body.job } : entry)),
      }),
    ],
    [
      'claims to have seen another log',
      (body: Specification) => ({ ...body, checkpoint: { ...body.checkpoint, root: 'ab'.repeat(32) } }),
    ],
    ['shrinks the ring', (body: Specification) => ({ ...body, ring: 64 as const })],
  ] as const) {
    it(`who ${what} convinces nobody, and the next attempt succeeds`, async () => {
      const one = await against(PROPOSER, (from, _to, message) => {
        if (message.type !== 'specification') return message
        const { body } = openSigned(message.specification, SPECIFICATION)
        return body.attempt > 0
          ? message
          : { ...message, specification: resign(from, message.specification, SPECIFICATION, change) }
      })
      await exact(one)
      assert.equal(audited(one.federation, 'site-a', 'attempt-abandoned'), 1)
    })
  }

  it('who names another approval of a site in league with it, once the cohort is fixed, convinces nobody', async () => {
    const liar = `site-${'abcd'[proposerOf(FOUR, 2, 0, 0)]}`
    const one = await world({ sites: 7, dishonest: [liar, 'site-g'] })
    const { federation, watch, names } = one
    watch.meddle = (from, _to, message) => {
      if (from.name !== liar || message.type !== 'specification') return message
      const { round, attempt, cohort } = openSigned(message.specification, SPECIFICATION).body
      const accomplice = federation.node('site-g')
      const old = message.decisions.find((signed) => signed.signatures[0]?.signer === accomplice.key)
      if (round !== 2 || attempt > 0 || old === undefined) return message
      const other = resign(accomplice, old, DECISION, (body) => ({ ...body, message: 'once more' }))
      const change = {
        cohort: cohort.map((entry) =>
          entry.site === accomplice.key ? { ...entry, decision: payloadHash(other) } : entry,
        ),
      }
      const specification = resign(from, message.specification, SPECIFICATION, (body) => ({ ...body, ...change }))
      return { ...message, specification, decisions: [...message.decisions, other] }
    }
    const job = await submit(federation, logisticJob(federation))
    assert.ok(await federation.finish(job, 5_000_000))
    await pass(federation, 5)
    watch.check()
    const { status, included, result } = await ending(federation, job)
    assert.deepEqual({ status, included }, { status: 'released', included: [...names] })
    assert.ok(verifyReceipt(result?.receipt as Uint8Array, { hubKey: federation.hubKey }).ok)
  })

  it('who sends wrong partial sums is outvoted and named', async () => {
    const one = await against('site-c', (from, _to, message) =>
      message.type !== 'partials'
        ? message
        : {
            ...message,
            partials: message.partials.map((partial) =>
              resign(from, partial, PARTIAL, (body) => ({ ...body, tag: body.roundId })),
            ),
          },
    )
    await exact(one)
    assert.deepEqual(kindsOf(one), ['wrong-partial'])
    assert.ok(one.watch.evidence().every((found) => found.against === 'site-c'))
  })

  it('who signs two Haves is named, and blocks nothing', async () => {
    const one = await against('site-c', (from, to, message) =>
      message.type === 'have' && to.name !== 'site-a'
        ? {
            ...message,
            have: resign(from, message.have, HAVE, (body) => ({
              ...body,
              sites: body.sites.slice(1),
              submissions: body.submissions.slice(1),
            })),
          }
        : message,
    )
    await exact(one)
    assert.deepEqual(
      kindsOf(one).filter((kind) => kind !== 'second-have'),
      [],
    )
  })

  it('who forges the Have of another is refused', async () => {
    const one = await against('site-c', (from, _to, message) =>
      message.type === 'have'
        ? {
            ...message,
            have: resign(from, message.have, HAVE, (body) => ({ ...body, seat: 0, sites: [], submissions: [] })),
          }
        : message,
    )
    await exact(one)
    assert.ok(audited(one.federation, 'site-b', 'message-rejected') > 0)
  })

  it('who votes for two values is named', async () => {
    const one = await against('site-c', (from, to, message) => {
      if (message.type !== 'consensus' || to.name === 'site-a') return message
      const votes = message.message.votes.map((signed) => {
        const own = signed.signatures.filter((signature) => signature.signer === from.key)
        return own.length === 0 || signed.signatures.length > 1
          ? signed
          : resign(from, signed, VOTE, (body) => ({ ...body, value: body.value === null ? body.job : null }))
      })
      return { ...message, message: { ...message.message, votes } }
    })
    await exact(one)
    assert.deepEqual(
      kindsOf(one).filter((kind) => kind !== 'second-vote'),
      [],
    )
  })

  it('who opens something else, or many things, changes nothing', async () => {
    let count = 0
    const one = await against('site-c', (from, _to, message) => {
      if (message.type !== 'opened') return message
      return {
        ...message,
        opened: resign(from, message.opened, OPENED, (body) => ({ ...body, contributors: 5 + (count++ % 3) })),
      }
    })
    await exact(one)
  })

  it('who says nothing at all is done without', async () => {
    const one = await against('site-c', () => undefined)
    await exact(one, ['site-c'])
  })
})

describe('a malicious member of a committee of three', () => {
  it('stops the opening and learns nothing', async () => {
    const one = await against(
      'site-c',
      (from, _to, message) =>
        message.type !== 'partials'
          ? message
          : {
              ...message,
              partials: message.partials.map((partial) =>
                resign(from, partial, PARTIAL, (body) => ({ ...body, tag: body.roundId })),
              ),
            },
      3,
    )
    const { status } = await ending(one.federation, one.job)
    assert.ok(status === 'expired' || status === 'failed', status)
  })
})

describe('a malicious site', () => {
  it('that gives one member a seed that fits no commitment is in the sum all the same', async () => {
    const one = await against('site-f', (_from, to, message) => {
      if (message.type !== 'submit' || to.name !== 'site-b') return message
      return {
        ...message,
        envelope: message.envelope.map((byte, at) => (at === message.envelope.length - 1 ? byte ^ 1 : byte)),
      }
    })
    await exact(one)
    assert.ok(one.watch.seen.some(({ from, message }) => from === 'site-b' && message.type === 'fetch'))
  })

  it('that submits different things to different members is left out, and nobody else is accused', async () => {
    const one = await against('site-f', (from, to, message) => {
      if (message.type !== 'submit' || to.name === 'site-a' || to.name === 'site-b') return message
      return {
        ...message,
        submission: resign(from, message.submission, SUBMISSION, (body) => ({
          ...body,
          envelopes: body.envelopes.map((hash, at) => (at === 0 ? body.roundId : hash)),
        })),
      }
    })
    await exact(one, ['site-f'])
    assert.deepEqual(one.watch.evidence(), [])
  })

  it('that approves differently towards each member takes part, or not, and blocks nothing', async () => {
    const one = await against('site-f', (from, to, message) =>
      message.type === 'decision'
        ? { ...message, decision: resign(from, message.decision, DECISION, (body) => ({ ...body, message: to.name })) }
        : message,
    )
    await exact(one, ['site-f'])
  })

  for (const [what, change] of [
    ['saw another log', (body) => ({ checkpoint: { ...body.checkpoint, root: 'ab'.repeat(32) } })],
    ['saw a longer log', (body) => ({ checkpoint: { ...body.checkpoint, size: 1_000 } })],
    ['was no member yet', (body) => ({ checkpoint: { ...body.checkpoint, size: 1 } })],
    ['decided after the job', () => ({ decidedAt: Number.MAX_SAFE_INTEGER })],
  ] as const satisfies readonly (readonly [string, (body: Decision) => Partial<Decision>])[]) {
    it(`that says it ${what} is left out, and the receipt of the others holds`, async () => {
      const one = await against('site-g', (from, _to, message) =>
        message.type === 'decision' && openSigned(message.decision, DECISION).body.site === from.key
          ? {
              ...message,
              decision: resign(from, message.decision, DECISION, (body) => ({ ...body, ...change(body) })),
            }
          : message,
      )
      await exact(one, ['site-g'])
    })
  }

  it('that speaks for another is refused', async () => {
    const one = await against('site-f', (from, _to, message) =>
      message.type === 'submit'
        ? {
            ...message,
            submission: resign(from, message.submission, SUBMISSION, (body) => ({ ...body, site: one_key(from) })),
          }
        : message,
    )
    await exact(one, ['site-f'])
  })
})

const one_key = (from: SimulatedNode): Hex => from.key.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
