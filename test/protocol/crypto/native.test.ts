import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { bytesToHex, hexToBytes, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import {
  aes128CtrStream,
  chacha20Poly1305Open,
  chacha20Poly1305Seal,
  ed25519Key,
  ed25519Verify,
  x25519,
  x25519PublicKey,
} from '@flamesh/protocol/crypto/native/index.js'
import fc from 'fast-check'
import { bytesOf, readVectors } from '../../vectors/read.js'

/** Key stream block by block with the block cipher alone: the counter is added as one 128-bit number. */
function referenceStream(key: Uint8Array, iv: Uint8Array, length: number): Uint8Array {
  const out: Buffer[] = []
  for (let block = 0n; block * 16n < BigInt(length); block++) {
    const counter = BigInt.asUintN(128, BigInt(`0x${bytesToHex(iv)}`) + block)
    const ecb = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
    out.push(ecb.update(counter.toString(16).padStart(32, '0'), 'hex'))
  }
  return new Uint8Array(Buffer.concat(out).subarray(0, length))
}

describe('native primitives', () => {
  it('signs as RFC 8032, section 7.1, test 1', () => {
    const key = ed25519Key(hexToBytes('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'))
    assert.equal(bytesToHex(key.publicKey), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
    const signature = key.sign(new Uint8Array(0))
    assert.equal(
      bytesToHex(signature),
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    )
    assert.equal(ed25519Verify(key.publicKey, new Uint8Array(0), signature), true)
  })

  it('verifies nothing else, and answers malformed keys and signatures with false', () => {
    const key = ed25519Key(bytesOf('key', 32))
    const message = utf8ToBytes('message')
    const signature = key.sign(message)
    assert.equal(ed25519Verify(key.publicKey, message, signature), true)
    assert.equal(ed25519Verify(key.publicKey, utf8ToBytes('massage'), signature), false)
    assert.equal(ed25519Verify(ed25519Key(bytesOf('other', 32)).publicKey, message, signature), false)
    assert.equal(ed25519Verify(key.publicKey, message, signature.subarray(1)), false)
    assert.equal(ed25519Verify(key.publicKey.subarray(1), message, signature), false)
    assert.equal(ed25519Verify(new Uint8Array(32).fill(0xff), message, signature), false)
  })

  it('agrees as RFC 7748, section 6.1', () => {
    const alice = hexToBytes('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a')
    const bob = hexToBytes('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb')
    assert.equal(bytesToHex(x25519PublicKey(alice)), '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
    assert.equal(bytesToHex(x25519PublicKey(bob)), 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
    const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'
    assert.equal(bytesToHex(x25519(alice, x25519PublicKey(bob))), shared)
    assert.equal(bytesToHex(x25519(bob, x25519PublicKey(alice))), shared)
  })

  it('refuses an all-zero shared secret', () => {
    for (const key of readVectors<{ lowOrderKeys: readonly string[] }>('sealing').lowOrderKeys) {
      assert.throws(() => x25519(bytesOf('secret', 32), hexToBytes(key)), key)
    }
  })

  it('gives the key stream of SP 800-38A, F.5.1', () => {
    const stream = aes128CtrStream(
      hexToBytes('2b7e151628aed2a6abf7158809cf4f3c'),
      hexToBytes('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'),
      32,
    )
    assert.equal(bytesToHex(stream), 'ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae')
  })

  for (const start of [0n, 2n ** 32n - 2n, 2n ** 64n - 2n, 2n ** 96n - 2n, 2n ** 128n - 2n]) {
    it(`carries the counter from ${start.toString(16)}`, () => {
      const [key, iv] = [bytesOf('key', 16), hexToBytes(start.toString(16).padStart(32, '0'))]
      assert.deepEqual(aes128CtrStream(key, iv, 80), referenceStream(key, iv, 80))
    })
  }

  it('gives the same stream whatever its length, beyond one chunk too', () => {
    const [key, iv] = [bytesOf('key', 16), bytesOf('iv', 16)]
    const long = aes128CtrStream(key, iv, 200_001)
    assert.deepEqual(long, referenceStream(key, iv, 200_001))
    for (const length of [0, 1, 65_536, 65_537, 131_072]) {
      assert.deepEqual(aes128CtrStream(key, iv, length), long.subarray(0, length))
    }
  })

  it('seals as RFC 8439, section 2.8.2', () => {
    const plain = utf8ToBytes(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    )
    const sealed = chacha20Poly1305Seal(
      hexToBytes('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'),
      hexToBytes('070000004041424344454647'),
      hexToBytes('50515253c0c1c2c3c4c5c6c7'),
      plain,
    )
    assert.equal(bytesToHex(sealed.subarray(0, 16)), 'd31a8d34648e60db7b86afbc53ef7ec2')
    assert.equal(bytesToHex(sealed.subarray(-16)), '1ae10b594f09e26a7e902ecbd0600691')
  })

  it('opens what it sealed and nothing else', () => {
    const bytes = fc.uint8Array({ maxLength: 100 })
    fc.assert(
      fc.property(bytes, bytes, fc.nat(), (aad, plain, at) => {
        const [key, nonce] = [bytesOf('key', 32), bytesOf('nonce', 12)]
        const sealed = chacha20Poly1305Seal(key, nonce, aad, plain)
        assert.deepEqual(chacha20Poly1305Open(key, nonce, aad, sealed), plain)
        const altered = sealed.slice()
        altered[at % sealed.length] = altered[at % sealed.length]! ^ 0x80
        assert.equal(chacha20Poly1305Open(key, nonce, aad, altered), undefined)
        assert.equal(chacha20Poly1305Open(key, nonce, Uint8Array.of(...aad, 0), sealed), undefined)
        assert.equal(chacha20Poly1305Open(key, nonce, aad, sealed.subarray(0, 15)), undefined)
      }),
    )
  })
})
