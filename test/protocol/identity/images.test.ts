/** Attestations of images: what the fold takes and what it refuses, and what a hub that breaks the rules achieves. */
import assert from 'node:assert/strict'
import { type Signed, sign, signObject } from '@flamesh/protocol/encoding/signed.js'
import { extendRoster } from '@flamesh/protocol/identity/fold.js'
import { emptyLog, extendLog, type LogState } from '@flamesh/protocol/identity/log.js'
import {
  attestationOf,
  emptyRoster,
  imageAttestation,
  imageByDigest,
  type Roster,
} from '@flamesh/protocol/identity/roster.js'
import { type Entry, signStatement } from '@flamesh/protocol/identity/statements.js'
import { descriptionHash, descriptionSchema } from '@flamesh/protocol/images/description.js'
import { REVIEW } from '@flamesh/protocol/images/review.js'
import { MAX_DESCRIPTION_BYTES, MAX_SIGNATURES, MAX_STATEMENT_BYTES } from '@flamesh/protocol/limits.js'
import { attestImage, DIGEST, description, floorOf, reviewBy, withdrawImage } from '../images/fixtures.js'
import { checkpointOver, hub, START_MS, signAll, signer } from './fixtures.js'

const fold = (entries: readonly Entry[], from: Roster = emptyRoster) =>
  extendRoster(
    from,
    entries.map((entry, at) => ({ index: from.size + at, timestamp: START_MS, entry })),
  )

function roster(...entries: readonly Entry[]): Roster {
  const folded = fold(entries)
  assert.ok(folded.ok, JSON.stringify(folded))
  return folded.roster
}

/** The code with which the last of these is refused; the others must be fine. */
function refusal(...entries: readonly Entry[]): string {
  const folded = fold(entries.slice(-1), roster(...entries.slice(0, -1)))
  return folded.ok ? 'accepted' : folded.code
}

const HASH = descriptionHash(description())
const floor = floorOf(2, 'ana', 'bo', 'cy')
const { type: _floor, ...policyFloor } = floor as Extract<Entry, { type: 'set-policy-floor' }>
const both = attestImage(['ana', 'cy'])
const withReview = (review: Signed): Entry => ({ type: 'attest-image', review, floor: 0 })
const under = (index: number): Entry => attestImage(['ana', 'cy'], undefined, index)
const other = description({ maxRounds: 9 })

describe('attestations of images', () => {
  it('stand under enough signatures of the reviewers', () => {
    for (const names of [
      ['ana', 'cy'],
      ['cy', 'bo'],
      ['bo', 'ana', 'cy'],
    ]) {
      const made = roster(floor, attestImage(names))
      const expected = {
        index: 1,
        hash: HASH,
        description: description(),
        reviewers: names,
        floor: { index: 0, ...policyFloor },
        withdrawn: false,
      }
      assert.deepEqual(imageAttestation(made, HASH), expected)
      assert.deepEqual(imageByDigest(made, DIGEST), expected)
      assert.deepEqual(attestationOf(made, HASH), expected)
    }
  })

  it('need a floor that names keys', () => {
    const names: Entry = { type: 'set-policy-floor', threshold: 1, reviewers: ['ana', 'bo'] }
    assert.equal(refusal(both), 'no-policy-floor')
    assert.equal(refusal(names, both), 'no-policy-floor')
    assert.equal(refusal(floor, names, both), 'no-policy-floor')
    assert.equal(refusal(names, floor, under(1)), 'accepted')
  })

  it('are refused with too few reviewers, whoever else signs', () => {
    assert.equal(refusal(floor, attestImage(['ana'])), 'reviewers-missing')
    assert.equal(refusal(floor, attestImage(['ana', 'dee'])), 'reviewer-unknown')
    assert.equal(refusal(floor, attestImage(['ana', 'bo', 'dee'])), 'reviewer-unknown')
    assert.equal(refusal(floor, withReview(signObject('review', 1, description(), hub))), 'reviewer-unknown')
    assert.equal(refusal(floorOf(3, 'ana', 'bo', 'cy'), both), 'reviewers-missing')
  })

  it('are refused with one reviewer who signs twice', () => {
    const once = reviewBy(['ana'])
    const twice = { ...once, signatures: [...once.signatures, ...once.signatures] }
    assert.equal(refusal(floor, withReview(twice)), 'signature')
  })

  it('are refused with a forged review', () => {
    const good = reviewBy(['ana', 'bo'])
    const [first, second] = good.signatures as [Signed['signatures'][0], Signed['signatures'][0]]
    const flipped = { ...second, signature: second.signature.map((byte, at) => (at === 5 ? byte ^ 1 : byte)) }
    const renamed = { ...second, signer: signer('cy').publicKey }
    const byHub = { ...sign(good.kind, good.version, good.payload, hub), signer: second.signer }
    const short = { ...second, signature: second.signature.slice(1) }
    for (const forged of [flipped, renamed, byHub, short])
      assert.equal(refusal(floor, withReview({ ...good, signatures: [first, forged] })), 'signature')
  })

  it('are refused with a review of another description, or of something else', () => {
    const good = reviewBy(['ana', 'bo'])
    const borrowed = reviewBy(['bo'], other).signatures
    assert.equal(
      refusal(floor, withReview({ ...reviewBy(['ana']), signatures: [...reviewBy(['ana']).signatures, ...borrowed] })),
      'signature',
    )
    assert.equal(refusal(floor, withReview({ ...good, payload: reviewBy(['ana'], other).payload })), 'signature')
    assert.equal(refusal(floor, withReview({ ...good, version: 2 })), 'schema')
    assert.equal(refusal(floor, withReview(signObject('checkpoint', 1, description(), signer('ana')))), 'schema')
    const loose = { ...description(), maxRounds: 0 }
    assert.equal(refusal(floorOf(1, 'ana'), withReview(signObject('review', 1, loose, signer('ana')))), 'schema')
  })

  it('are one at a time of an image', () => {
    assert.equal(refusal(floor, both, both), 'already-attested')
    assert.equal(refusal(floor, both, attestImage(['ana', 'bo'], other)), 'already-attested')
    const moved = description({ image: `mirror.example.org/tree@${DIGEST}` })
    assert.equal(refusal(floor, both, attestImage(['ana', 'bo'], moved)), 'already-attested')
    const another = description({ image: `registry.example.org/cohorts/tree@sha256:${'2e'.repeat(32)}` })
    assert.equal(refusal(floor, both, attestImage(['ana', 'bo'], another)), 'accepted')
  })

  it('are withdrawn for good, since reviews bear no date', () => {
    const gone = roster(floor, both, withdrawImage())
    assert.equal(imageAttestation(gone, HASH), undefined)
    assert.equal(imageByDigest(gone, DIGEST), undefined)
    assert.equal(attestationOf(gone, HASH), undefined)
    assert.equal(gone.images.get(HASH)?.withdrawn, true)
    assert.equal(refusal(floor, withdrawImage()), 'not-attested')
    assert.equal(refusal(floor, both, withdrawImage(`sha256:${'00'.repeat(32)}`)), 'not-attested')
    assert.equal(refusal(floor, both, withdrawImage(), withdrawImage()), 'not-attested')
    assert.equal(refusal(floor, both, withdrawImage(), both), 'image-withdrawn')
    assert.equal(refusal(floor, both, withdrawImage(), attestImage(['ana', 'bo', 'cy'])), 'image-withdrawn')
    const again = roster(floor, both, withdrawImage(), attestImage(['bo', 'cy'], other))
    assert.equal(imageByDigest(again, DIGEST)?.hash, descriptionHash(other))
    assert.equal(imageAttestation(again, HASH), undefined)
  })

  it('outlive the floor they were made under, and nobody reviews under another', () => {
    const later = roster(floor, both, floorOf(1, 'dee'))
    assert.deepEqual(imageAttestation(later, HASH)?.reviewers, ['ana', 'cy'])
    assert.equal(imageAttestation(later, HASH)?.floor.index, 0)
    assert.equal(refusal(floor, floorOf(1, 'dee'), under(1)), 'reviewer-unknown')
    assert.equal(refusal(floor, floorOf(3, 'ana', 'bo', 'cy'), under(1)), 'reviewers-missing')
    assert.equal(refusal(floor, floorOf(1, 'dee'), attestImage(['dee'], undefined, 1)), 'accepted')
  })

  it('name the floor in force, and no other', () => {
    // the same keys under other names, and the very same floor once more
    for (const next of [{ ...floor, reviewers: ['dee', 'eve', 'flo'] } as Entry, floor]) {
      for (const index of [0, 2, 3]) assert.equal(refusal(floor, next, under(index)), 'floor-not-in-force')
      assert.equal(imageAttestation(roster(floor, next, under(1)), HASH)?.floor.index, 1)
    }
    assert.equal(refusal(floor, under(1)), 'floor-not-in-force')
    assert.equal(refusal(under(0)), 'no-policy-floor')
  })

  it('are not made by naming names', () => {
    const named: Entry = { type: 'attest-analysis', analysis: 'tree', analysisHash: HASH, reviewers: ['ana', 'bo'] }
    const made = roster(floor, named)
    assert.equal(imageAttestation(made, HASH), undefined)
    assert.equal(imageByDigest(made, DIGEST), undefined)
    assert.deepEqual(attestationOf(roster(floor, named, both), HASH)?.index, 2)
  })

  it('leave the rules for built-in analyses as they were', () => {
    const cox = (...reviewers: string[]): Entry => ({
      type: 'attest-analysis',
      analysis: 'cox',
      analysisHash: 'ab'.repeat(32),
      reviewers,
    })
    assert.equal(refusal(floor, cox('ana', 'bo')), 'accepted')
    assert.equal(refusal(floor, cox('ana', 'dee')), 'reviewers-missing')
  })

  it('fit a statement, with the longest description and as many reviews as an object may have', () => {
    const reviewers = Array.from({ length: MAX_SIGNATURES }, (_, at) => `reviewer-${at}`)
    const slots = Array.from({ length: 256 }, (_, at) => ({
      ...description().output[2]!,
      length: 1,
      name: `s${at}`.padEnd(12, 'x'),
    }))
    const sizes = slots.map((_, count) => ({ output: slots.slice(0, count + 1), combine: 'sum' as const }))
    const longest = sizes
      .map((changes) => description(changes))
      .findLast((one) => descriptionSchema.safeParse(one).success)!
    const statement = (count: number) =>
      signStatement(
        { index: 2 ** 40, timestamp: START_MS, entry: attestImage(reviewers.slice(0, count), longest, 2 ** 40) },
        hub,
      )
    assert.ok(reviewBy(['ana'], longest).payload.length > MAX_DESCRIPTION_BYTES - 200)
    assert.ok(statement(7).length <= MAX_STATEMENT_BYTES)
    assert.ok(statement(MAX_SIGNATURES).length <= MAX_STATEMENT_BYTES)
    const names = reviewers.map((_, at) => `${'\u{1F600}'.repeat(98)}${10 + at}`)
    const wide = { ...floorOf(7, ...reviewers), reviewers: names } as Entry
    assert.ok(signStatement({ index: 2 ** 40, timestamp: START_MS, entry: wide }, hub).length <= MAX_STATEMENT_BYTES)
  })

  it('are not signed if malformed, and neither is a floor', () => {
    const [ana, bo] = ['ana', 'bo'].map((name) => signer(name).publicKey) as [string, string]
    const floorWith = (reviewers: string[], keys: string[]): Entry => ({
      type: 'set-policy-floor',
      threshold: 1,
      reviewers,
      keys,
    })
    const many = Array.from({ length: MAX_SIGNATURES + 1 }, (_, at) => `r${at}`)
    const malformed: Entry[] = [
      floorWith(['ana', 'bo'], [ana]),
      floorWith(['ana'], [ana, bo]),
      floorWith(['ana', 'bo'], [ana, ana]),
      floorWith(['ana'], ['AB'.repeat(32)]),
      floorOf(1, ...many),
      withReview({ ...reviewBy(['ana']), signatures: [] }),
      under(-1),
      under(0.5),
      { type: 'attest-image', review: reviewBy(['ana']) } as Entry,
      { type: 'withdraw-image', digest: HASH, reason: 'x' },
      withdrawImage(DIGEST.toUpperCase()),
      { type: 'withdraw-image', digest: DIGEST, reason: '' },
    ]
    for (const entry of malformed) {
      assert.throws(
        () => signStatement({ index: 0, timestamp: START_MS, entry }, hub),
        { code: 'schema' },
        JSON.stringify(entry),
      )
    }
  })
})

describe('a hub that attests an image by itself', () => {
  const own = signer('made up by the hub')
  const forms: [string, readonly Entry[]][] = [
    ['with too few reviews', [floor, attestImage(['ana'])]],
    ['with a review of its own', [floor, withReview(signObject(REVIEW.kind, REVIEW.version, description(), own))]],
    [
      'with reviews under another name',
      [
        floor,
        withReview({
          ...reviewBy(['ana']),
          signatures: [
            reviewBy(['bo']).signatures[0]!,
            { ...reviewBy(['bo']).signatures[0]!, signer: signer('ana').publicKey },
          ],
        }),
      ],
    ],
    ['without a floor', [both]],
    ['under a floor that was replaced', [floor, floor, both]],
    ['after it was withdrawn', [floor, both, withdrawImage(), both]],
  ]
  for (const [how, entries] of forms) {
    it(`is refused by whoever follows its log: ${how}`, () => {
      const statements = signAll(entries)
      const sound = statements.slice(0, -1)
      const before = extendLog(emptyLog, sound, checkpointOver(sound), hub.publicKey) as { state: LogState }
      for (const state of [emptyLog, before.state]) {
        const extended = extendLog(state, statements, checkpointOver(statements), hub.publicKey)
        assert.equal(extended.outcome === 'refused' ? extended.code : extended.outcome, 'log-invalid')
      }
      const had = entries.slice(0, -1).some((entry) => entry.type === 'withdraw-image')
      assert.equal(before.state.roster.images.size, had ? 1 : 0)
    })
  }
})
