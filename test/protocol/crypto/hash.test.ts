import assert from 'node:assert/strict'
import {
  bytesToHex,
  equalBytes,
  hexToBytes,
  hkdfSha256,
  hmacSha256,
  sha256,
  sha256Hex,
  utf8ToBytes,
} from '@flamesh/protocol/crypto/hash.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 as noble } from '@noble/hashes/sha2.js'
import fc from 'fast-check'

const bytes = fc.uint8Array({ maxLength: 200 })

describe('hashes', () => {
  it('gives the published SHA-256 of "abc" (FIPS 180-4)', () => {
    const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    assert.equal(sha256Hex(utf8ToBytes('abc')), expected)
    assert.equal(sha256Hex(utf8ToBytes('a'), new Uint8Array(0), utf8ToBytes('bc')), expected)
  })

  it('gives the published HMAC of RFC 4231, case 2', () => {
    assert.equal(
      bytesToHex(hmacSha256(utf8ToBytes('Jefe'), utf8ToBytes('what do ya want '), utf8ToBytes('for nothing?'))),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
  })

  it('gives the published HKDF of RFC 5869, case 1', () => {
    const out = hkdfSha256(
      new Uint8Array(22).fill(0x0b),
      hexToBytes('000102030405060708090a0b0c'),
      hexToBytes('f0f1f2f3f4f5f6f7f8f9'),
      42,
    )
    assert.equal(
      bytesToHex(out),
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    )
  })

  it('agrees with another implementation on any input', () => {
    fc.assert(
      fc.property(bytes, bytes, bytes, fc.integer({ min: 1, max: 100 }), (a, b, c, length) => {
        assert.equal(sha256Hex(a, b), bytesToHex(noble(Uint8Array.of(...a, ...b))))
        assert.deepEqual(sha256(a), noble(a))
        assert.deepEqual(hmacSha256(a, b, c), hmac(noble, a, Uint8Array.of(...b, ...c)))
        assert.deepEqual(hkdfSha256(a, b, c, length), hkdf(noble, a, b, c, length))
      }),
    )
  })

  it('compares bytes by content and length', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        assert.equal(equalBytes(a, b), Buffer.from(a).equals(b))
        assert.equal(equalBytes(a, a.slice()), true)
        assert.equal(equalBytes(a, Uint8Array.of(...a, 0)), false)
      }),
    )
  })
})
