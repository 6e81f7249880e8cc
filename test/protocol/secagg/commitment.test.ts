import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { bytesToHex, hexToBytes, sha256Hex } from '@flamesh/protocol/crypto/hash.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { errorCode } from '@flamesh/protocol/errors.js'
import { commitResult, envelopeHash, seedCommitment, sliceHash } from '@flamesh/protocol/secagg/commitment.js'
import { bytesOf, readVectors } from '../../vectors/read.js'

interface Place {
  readonly roundId: string
  readonly frame: string
}
interface Vectors {
  readonly seedCommitments: readonly (Place & {
    readonly seed: string
    readonly site: string
    readonly subsetIndex: number
    readonly commitment: string
  })[]
  readonly results: readonly (Place & {
    readonly salt: string
    readonly released: string
    readonly commitment: string
  })[]
  readonly slices: readonly (Place & {
    readonly data: string
    readonly site: string
    readonly slice: number
    readonly hash: string
  })[]
  readonly envelopes: readonly (Place & {
    readonly envelope: string
    readonly site: string
    readonly seat: number
    readonly hash: string
  })[]
}
const vectors = readVectors<Vectors>('mask')

const roundId = bytesToHex(bytesOf('round', 32))
const otherRound = bytesToHex(bytesOf('other round', 32))
const site = bytesToHex(bytesOf('site', 32))
const otherSite = bytesToHex(bytesOf('other site', 32))
const secret = bytesOf('secret', 32)
const data = bytesOf('data', 100)

const hmac = (key: string, ...parts: string[]): string =>
  createHmac('sha256', hexToBytes(key)).update(parts.join(''), 'hex').digest('hex')
const hash = (...parts: string[]): string => createHash('sha256').update(parts.join(''), 'hex').digest('hex')

describe('commitments', () => {
  it('match their vectors, computed here from frame and secret', () => {
    for (const one of vectors.seedCommitments) {
      assert.equal(seedCommitment(hexToBytes(one.seed), one.roundId, one.site, one.subsetIndex), one.commitment)
      assert.equal(hmac(one.seed, one.frame), one.commitment)
    }
    for (const one of vectors.results) {
      assert.equal(commitResult(hexToBytes(one.salt), hexToBytes(one.released), one.roundId), one.commitment)
      assert.equal(hmac(one.salt, one.frame, one.released), one.commitment)
    }
    for (const one of vectors.slices) {
      assert.equal(sliceHash(hexToBytes(one.data), one.roundId, one.site, one.slice), one.hash)
      assert.equal(hash(one.frame, one.data), one.hash)
    }
    for (const one of vectors.envelopes) {
      assert.equal(envelopeHash(hexToBytes(one.envelope), one.roundId, one.site, one.seat), one.hash)
      assert.equal(hash(one.frame, one.envelope), one.hash)
    }
  })

  it('bind the secret, the content and every part of the place', () => {
    const changed = data.slice()
    changed[99] = changed[99]! ^ 1
    const all = [
      seedCommitment(secret, roundId, site, 0),
      seedCommitment(bytesOf('another', 32), roundId, site, 0),
      seedCommitment(secret, otherRound, site, 0),
      seedCommitment(secret, roundId, otherSite, 0),
      seedCommitment(secret, roundId, site, 1),
      commitResult(secret, data, roundId),
      commitResult(bytesOf('another', 32), data, roundId),
      commitResult(secret, changed, roundId),
      commitResult(secret, data.subarray(0, 99), roundId),
      commitResult(secret, new Uint8Array(0), roundId),
      commitResult(secret, data, otherRound),
      sliceHash(data, roundId, site, 0),
      sliceHash(changed, roundId, site, 0),
      sliceHash(data, otherRound, site, 0),
      sliceHash(data, roundId, otherSite, 0),
      sliceHash(data, roundId, site, 1),
      envelopeHash(data, roundId, site, 0),
      envelopeHash(changed, roundId, site, 0),
      envelopeHash(data, otherRound, site, 0),
      envelopeHash(data, roundId, otherSite, 0),
      envelopeHash(data, roundId, site, 1),
    ]
    assert.equal(new Set(all).size, all.length)
  })

  it('keep content and frame apart: bytes cannot move from one into the other', () => {
    const frame = encode(['flamesh/result/1', roundId, data.length])
    assert.notEqual(
      commitResult(secret, new Uint8Array([...frame, ...data]), roundId),
      commitResult(secret, data, roundId),
    )
    assert.notEqual(sliceHash(data.subarray(1), roundId, site, data[0]!), sliceHash(data, roundId, site, data[0]!))
  })

  it('hide a guessable result from whoever lacks the salt', () => {
    const salt = bytesOf('salt', 32)
    const commitment = commitResult(salt, encode({ n: 7 }), roundId)
    const guesses = Array.from({ length: 500 }, (_, n) => encode({ n }))
    assert.equal(
      guesses.findIndex((guess) => commitResult(salt, guess, roundId) === commitment),
      7,
    )
    for (const guess of guesses) {
      assert.notEqual(commitResult(new Uint8Array(32), guess, roundId), commitment)
      assert.notEqual(sha256Hex(guess), commitment)
    }
  })

  it('take no secret that is not 32 bytes: HMAC pads keys, so two lengths could stand for one', () => {
    for (const length of [0, 31, 33, 64]) {
      assert.throws(
        () => commitResult(new Uint8Array(length), data, roundId),
        (error) => errorCode(error) === 'internal',
      )
      assert.throws(
        () => seedCommitment(new Uint8Array(length), roundId, site, 0),
        (error) => errorCode(error) === 'internal',
      )
    }
  })
})
