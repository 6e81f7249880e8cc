/**
 * What a dishonest member or site says instead of what its engine would: each lie is signed with its own real key, so only
 * the protocol's rules can stop it. Its engine runs on underneath and tells it what an honest one would know.
 */
import { type Hex, hexToBytes, sha256, sha256Hex, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned, type Signed, sign, signObject } from '@flamesh/protocol/encoding/signed.js'
import { DECISION } from '@flamesh/protocol/jobs/messages.js'
import { profileOf, sliceRange } from '@flamesh/protocol/secagg/committee.js'
import { partialMac } from '@flamesh/protocol/secagg/mask.js'
import {
  HAVE,
  OPENED,
  PARTIAL,
  PREKEY,
  SPECIFICATION,
  type Specification,
  SUBMISSION,
} from '@flamesh/protocol/secagg/messages.js'
import { MASKED, sealPartials } from '@flamesh/protocol/secagg/opening.js'
import type { WireMessage, WireOf } from '@flamesh/protocol/wire.js'
import type { SimulatedNode } from '../federation.js'
import type { LieName } from './case.js'
import type { Director } from './director.js'
import type { Liar, LieDeed, Says } from './liar.js'
import { puppet } from './puppet.js'
import { resign } from './resign.js'
import { otherState, privateRound } from './rounds-of-liars.js'

/** Its own specification, while nobody else has signed it. */
function specifying(
  change: (body: Specification) => Specification,
  towards: (to: SimulatedNode) => boolean = () => true,
): Says {
  return (from, to, message) => {
    if (message.type !== 'specification' || !towards(to)) return message
    const { signatures } = message.specification
    if (signatures.length > 1 || signatures[0]?.signer !== from.key) return message
    return { ...message, specification: resign(from, message.specification, SPECIFICATION, change) }
  }
}

const sooner = (body: Specification): Specification => ({
  ...body,
  closesAt: body.closesAt - 1,
  openBy: body.openBy - 1,
})

/** A Have that forgets a site. */
const having =
  (forgets: (to: SimulatedNode) => boolean): Says =>
  (from, to, message) =>
    message.type !== 'have' || !forgets(to) || openSigned(message.have, HAVE).signers[0] !== from.key
      ? message
      : {
          ...message,
          have: resign(from, message.have, HAVE, (body) => ({
            ...body,
            sites: body.sites.slice(1),
            submissions: body.submissions.slice(1),
          })),
        }

/** Partial sums that fit their own MACs and nothing else: who takes one member's word for them opens nonsense. */
function wrongPartials(director: Director): Says {
  return (from, to, message) => {
    if (message.type !== 'partials' || message.partials.length === 0) return message
    const specification = specificationAt(director, from, message)
    if (specification === undefined) return message
    return forgePartials(from, to, message, specification) ?? message
  }
}

function specificationAt(director: Director, node: SimulatedNode, { job }: { job: Hex }): Specification | undefined {
  const signed = director.scene.read<Signed>(node, `job/${job}/member/specification`)
  return signed === undefined ? undefined : openSigned(signed, SPECIFICATION).body
}

function forgePartials(
  from: SimulatedNode,
  to: SimulatedNode,
  message: WireOf<'partials'>,
  specification: Specification,
): WireMessage | undefined {
  const prekeys = specification.committee.seats.map((seat) => (seat === null ? null : openSigned(seat, PREKEY).body))
  const theirs = prekeys.find((one) => one?.member === to.key)
  if (!theirs) return undefined
  const profile = profileOf(specification.committee.seats.length)
  if (profile === undefined) return undefined
  const sums = message.partials.map((partial) => {
    const { body } = openSigned(partial, PARTIAL)
    const { from: first, to: last } = sliceRange(specification.dimension, specification.slices, body.slice)
    const data = new Uint8Array(((last - first) * specification.ring) / 8).fill(1)
    const macKey = body.part === MASKED ? null : sha256(utf8ToBytes('a key of its own'))
    const tag =
      macKey === null
        ? sha256Hex(utf8ToBytes(`flamesh-sa-1 masked sum ${body.roundId} ${body.survivors} ${body.slice}\0`), data)
        : partialMac(macKey, body, data)
    return { body: { ...body, tag }, sum: { part: body.part, slice: body.slice, data, macKey, tag } }
  })
  const bodies = sums.map((one) => one.body)
  return {
    ...message,
    partials: bodies.map((body) => signObject(PARTIAL.kind, PARTIAL.version, body, from.signer)),
    sealed: sealPartials(
      hexToBytes(theirs.key),
      (bodies[0] as { roundId: Hex }).roundId,
      bodies,
      sums.map((one) => one.sum),
      sha256(encode([from.key, to.key, bodies[0]?.roundId ?? ''])),
    ),
  }
}

const spoilt = (bytes: Uint8Array): Uint8Array => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte))

/** What one node says to some about a signed object of its own, it contradicts to others. */
const otherwise =
  (victims: ReadonlySet<string>, change: (from: SimulatedNode, message: WireMessage) => WireMessage): Says =>
  (from, to, message) =>
    victims.has(to.name) ? change(from, message) : message

const SAYS: Readonly<Record<Exclude<LieName, 'puppet'>, (director: Director, deed: LieDeed) => Says>> = {
  silent: () => (from, to, message) => (from === to ? message : undefined),
  selective:
    (_, { victims }) =>
    (_from, to, message) =>
      victims.includes(to.name) ? undefined : message,
  'two-haves': (_, { victims }) => having((to) => victims.includes(to.name)),
  'biased-have': () => having(() => true),
  'forged-have': () => (from, _to, message) =>
    message.type === 'have'
      ? {
          ...message,
          have: resign(from, message.have, HAVE, (body) => ({
            ...body,
            seat: body.seat === 0 ? 1 : 0,
            sites: [],
            submissions: [],
          })),
        }
      : message,
  'wrong-partials': (director) => wrongPartials(director),
  'wrong-tags': () => (from, _to, message) =>
    message.type === 'partials'
      ? {
          ...message,
          partials: message.partials.map((one) =>
            resign(from, one, PARTIAL, (body) => ({ ...body, tag: body.roundId })),
          ),
        }
      : message,
  'wrong-opening': () => {
    let count = 0
    return (from, _to, message) =>
      message.type === 'opened' && message.opened.signatures.some((one) => one.signer === from.key)
        ? {
            ...message,
            opened: resign(from, message.opened, OPENED, (body) => ({ ...body, contributors: 3 + (count++ % 3) })),
          }
        : message
  },
  'second-specification': (_, { victims }) => specifying(sooner, (to) => victims.includes(to.name)),
  'shortened-history': () => specifying((body) => ({ ...body, history: [] })),
  'stale-checkpoint': () => specifying((body) => ({ ...body, checkpoint: { size: 1, root: body.job } })),
  'shortened-cohort': () => specifying((body) => ({ ...body, cohort: body.cohort.slice(1) })),
  'private-round': (director, { victims }) => privateRound(director, new Set(victims), sooner),
  'other-state': (director, { victims }) => otherState(director, new Set(victims)),
  'wrong-seeds': (_, { victims }) =>
    otherwise(new Set(victims), (_from, message) =>
      message.type === 'submit' ? { ...message, envelope: spoilt(message.envelope) } : message,
    ),
  'two-submissions': (_, { victims }) =>
    otherwise(new Set(victims), (from, message) =>
      message.type === 'submit'
        ? {
            ...message,
            submission: resign(from, message.submission, SUBMISSION, (body) => ({
              ...body,
              envelopes: body.envelopes.map((hash, at) => (at === 0 ? body.roundId : hash)),
            })),
          }
        : message,
    ),
  'later-submission': () => laterSubmission(),
  'two-decisions': (_, { victims }) =>
    otherwise(new Set(victims), (from, message) =>
      message.type === 'decision'
        ? { ...message, decision: resign(from, message.decision, DECISION, (body) => ({ ...body, message: 'other' })) }
        : message,
    ),
  noise: () => noise(),
}

/** Once it has submitted, it submits something else in the same place, to everyone. */
function laterSubmission(): Says {
  const before = new Set<string>()
  return (from, to, message) => {
    if (message.type !== 'submit') return message
    const name = `${message.job}/${message.round}.${message.attempt}/${to.name}`
    if (!before.has(name)) {
      before.add(name)
      return message
    }
    return {
      ...message,
      submission: resign(from, message.submission, SUBMISSION, (body) => ({ ...body, enrolment: body.enrolment + 1 })),
    }
  }
}

/** Signs what it says with another's name, or changes what is signed: the signature cannot hold. */
function noise(): Says {
  let count = 0
  return (from, to, message) => {
    if (count++ % 3 !== 0 || message.type !== 'have') return message
    const other = to.key
    const signature = sign(HAVE.kind, HAVE.version, message.have.payload, from.signer)
    return { ...message, have: { ...message.have, signatures: [{ ...signature, signer: other }] } }
  }
}

export function liarOf(director: Director, deed: LieDeed): Liar {
  if (deed.lie === 'puppet') return puppet(director, deed)
  const says = SAYS[deed.lie](director, deed)
  return { says, hears: () => undefined }
}
