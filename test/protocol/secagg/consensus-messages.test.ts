import assert from 'node:assert/strict'
import { bytesToHex, hexToBytes, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { mergeSignatures, type Signed, type Signer, sign, signObject } from '@flamesh/protocol/encoding/signed.js'
import { profileOf } from '@flamesh/protocol/secagg/committee.js'
import { begin, step } from '@flamesh/protocol/secagg/consensus.js'
import {
  type ConsensusMessage,
  certificateSchema,
  consensusMessageSchema,
  decisionSchema,
  type Electorate,
  PROPOSAL,
  proposalBody,
  readMessage,
  VOTE,
  type Vote,
  valueId,
  verifyCertificate,
} from '@flamesh/protocol/secagg/consensus-messages.js'
import { survivors } from './consensus-harness.js'

const signers: readonly Signer[] = [1, 2, 3, 4, 5].map((fill) => {
  const key = ed25519Key(new Uint8Array(32).fill(fill))
  return { publicKey: bytesToHex(key.publicKey), sign: (message) => key.sign(message) }
})
const [one, two, three, four, stranger] = signers as [Signer, Signer, Signer, Signer, Signer]
const instance = { job: 'cd'.repeat(32), round: 1, attempt: 0 }
const electorate: Electorate = {
  instance,
  seats: [one, two, three, four].map(({ publicKey }) => publicKey),
  profile: profileOf(4)!,
}
const v = survivors(0, 1, 2)
const V = valueId(v)

const vote = (change: Partial<Vote>, ...by: readonly Signer[]): Signed => {
  const body = { ...instance, phase: 'precommit' as const, view: 0, value: V, ...change }
  const [first, ...more] = by.map((signer) => signObject(VOTE.kind, VOTE.version, body, signer)) as [
    Signed,
    ...Signed[],
  ]
  return mergeSignatures(
    first,
    more.flatMap(({ signatures }) => signatures),
  )
}
const proposal = (view: number, by: Signer, validView = -1): Signed =>
  signObject(
    PROPOSAL.kind,
    PROPOSAL.version,
    proposalBody(electorate, { view, validView, value: v, attachments: [] }),
    by,
  )
const said = (message: Partial<ConsensusMessage>) =>
  readMessage(electorate, { proposal: null, votes: [], value: null, ...message })

describe('reading consensus messages', () => {
  it('opens votes of several members and the proposal of the view', () => {
    const reading = said({
      proposal: proposal(0, two),
      votes: [vote({ phase: 'prevote' }, one, three), vote({}, four)],
      value: v,
    })
    assert.ok(reading.verdict === 'accept')
    assert.deepEqual(
      reading.ballots.map(({ phase, view, value, seat }) => [phase, view, value, seat]),
      [
        ['prevote', 0, V, 0],
        ['prevote', 0, V, 2],
        ['precommit', 0, V, 3],
      ],
    )
    assert.deepEqual([reading.proposal?.seat, reading.proposal?.id, reading.value], [1, V, v])
  })

  const altered = (signed: Signed): Signed => ({
    ...signed,
    payload: encode({ ...instance, phase: 'precommit', view: 1, value: V }),
  })
  const twice = vote({}, one)
  const open = (payload: Uint8Array): Signed => ({ ...twice, payload, signatures: [sign('vote', 1, payload, one)] })
  const bad: readonly (readonly [string, Partial<ConsensusMessage>, string])[] = [
    ['a vote altered after signing', { votes: [altered(vote({}, one))] }, 'signature'],
    [
      'one bad signature among good ones',
      {
        votes: [
          {
            ...vote({}, one, two),
            signatures: [...vote({}, one).signatures, { ...vote({}, one).signatures[0]!, signer: two.publicKey }],
          },
        ],
      },
      'signature',
    ],
    ['a signer twice', { votes: [{ ...twice, signatures: [...twice.signatures, ...twice.signatures] }] }, 'signature'],
    ['a key without a seat', { votes: [vote({}, one, stranger)] }, 'not-a-member'],
    ['another attempt', { votes: [vote({ attempt: 1 }, one)] }, 'wrong-instance'],
    ['another job', { votes: [vote({ job: 'ee'.repeat(32) }, one)] }, 'wrong-instance'],
    ['a proposal in place of a vote', { votes: [proposal(0, two)] }, 'schema'],
    ['a proposal by another than the proposer', { proposal: proposal(0, one) }, 'not-proposer'],
    [
      'a proposal by two',
      { proposal: mergeSignatures(proposal(0, two), proposal(0, three).signatures) },
      'not-proposer',
    ],
    ['a proposal justified by its own view', { proposal: proposal(0, two, 0) }, 'schema'],
    ['bytes that are no CBOR', { votes: [open(utf8ToBytes('no'))] }, 'encoding'],
    [
      'an unknown field',
      { votes: [open(encode({ ...instance, phase: 'prevote', view: 0, value: V, seat: 1 }))] },
      'schema',
    ],
  ]
  for (const [name, message, code] of bad) {
    it(`rejects ${name}`, () => {
      const reading = said({ votes: [vote({}, three)], ...message })
      assert.equal(reading.verdict === 'reject' && reading.code, code)
    })
  }

  it('believes nothing because something like it is known', () => {
    const reading = said({ votes: [vote({}, one)] })
    assert.ok(reading.verdict === 'accept')
    const forged = readMessage(
      electorate,
      { proposal: null, votes: [altered(vote({}, one))], value: null },
      reading.ballots,
    )
    assert.equal(forged.verdict, 'reject')
    const again = readMessage(electorate, { proposal: null, votes: [vote({}, one, two)], value: null }, reading.ballots)
    assert.equal(again.verdict === 'accept' && again.ballots.length, 2)
  })

  it('knows one form of each value', () => {
    const survivorsOf = (indices: readonly number[]) =>
      decisionSchema.safeParse({ ...survivors(...indices), survivors: indices }).success
    assert.deepEqual([[0, 2, 5], [2, 0], [1, 1], [], [-1], [2048]].map(survivorsOf), [
      true,
      false,
      false,
      false,
      false,
      false,
    ])
    assert.equal(decisionSchema.safeParse({ kind: 'abandon', code: 'Because!' }).success, false)
  })
})

describe('quorum certificates', () => {
  const verdict = (precommits: Signed, value = v, by = electorate) => {
    const checked = verifyCertificate(by, { value, precommits })
    return checked.verdict === 'accept' ? checked.seats : checked.code
  }

  it('prove a value by q precommits in one view', () => {
    assert.deepEqual(verdict(vote({ view: 4 }, four, one, two)), [0, 1, 3])
    assert.deepEqual(verdict(vote({}, one, two, three, four)), [0, 1, 2, 3])
  })

  it('prove nothing else', () => {
    assert.equal(verdict(vote({}, one, two)), 'certificate')
    assert.equal(verdict(vote({ phase: 'prevote' }, one, two, three)), 'certificate')
    assert.equal(verdict(vote({}, one, two, three), survivors(0, 1)), 'certificate')
    assert.equal(verdict(vote({ value: null }, one, two, three)), 'certificate')
    assert.equal(verdict(vote({ round: 2 }, one, two, three)), 'wrong-instance')
    const absent = { ...electorate, seats: electorate.seats.map((key, seat) => (seat === 2 ? null : key)) }
    assert.equal(verdict(vote({}, one, two, three), v, absent), 'not-a-member')
  })

  it('come out of four members with keys, and pass their schema', () => {
    const timeouts = { proposeMs: 1, voteMs: 1, viewStepMs: 1 }
    const states = signers.slice(0, 4).map((_, seat) => begin({ ...electorate, seat, timeouts }))
    const inbox: { readonly from: number; readonly message: ConsensusMessage }[] = []
    const certified: unknown[] = []
    const apply = (seat: number, event: Parameters<typeof step>[1]): void => {
      const next = step(states[seat]!, event, { signer: signers[seat]! })
      states[seat] = next.state
      for (const effect of next.effects) {
        if (effect.type === 'broadcast') inbox.push({ from: seat, message: effect.message })
        if (effect.type === 'decided') certified.push(effect.certificate)
        if (effect.type === 'need-value')
          apply(seat, { type: 'value', view: 0, value: v, attachments: [hexToBytes('00ff')] })
        if (effect.type === 'need-verdict') apply(seat, { type: 'verdict', view: 0, admissible: true })
      }
    }
    for (const seat of states.keys()) apply(seat, { type: 'start' })
    for (let next = inbox.shift(); next !== undefined; next = inbox.shift()) {
      const message = consensusMessageSchema.parse(next.message)
      for (const [seat, state] of states.entries()) {
        if (seat === next.from) continue
        const reading = readMessage(state.config, message, state.ballots)
        assert.ok(reading.verdict === 'accept')
        apply(seat, { type: 'message', from: next.from, reading })
      }
    }
    assert.equal(certified.length, 4)
    for (const one of certified) {
      const checked = verifyCertificate(electorate, certificateSchema.parse(one))
      assert.deepEqual(checked.verdict === 'accept' && [checked.value, checked.view], [v, 0])
    }
  })
})
