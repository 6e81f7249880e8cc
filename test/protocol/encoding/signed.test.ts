import assert from 'node:assert/strict'
import { bytesToHex, hexToBytes, sha256Hex } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import {
  decodeSigned,
  encodeSigned,
  type Kind,
  mergeSignatures,
  openSigned,
  payloadHash,
  type Signer,
  sign,
  signatureInput,
  signObject,
} from '@flamesh/protocol/encoding/signed.js'
import { errorCode } from '@flamesh/protocol/errors.js'
import fc from 'fast-check'
import { z } from 'zod'
import { bytesOf, readVectors } from '../../vectors/read.js'

interface Vectors {
  readonly signed: readonly {
    readonly kind: string
    readonly version: number
    readonly payload: string
    readonly signatureInput: string
    readonly secrets: readonly string[]
    readonly signers: readonly string[]
    readonly signatures: readonly string[]
    readonly bytes: string
  }[]
  readonly signedRefused: readonly { readonly why: string; readonly bytes: string; readonly outcome: string }[]
}
const vectors = readVectors<Vectors>('encoding')

interface Greeting {
  readonly text: string
  readonly count: number
}
const GREETING: Kind<Greeting> = {
  kind: 'greeting',
  version: 1,
  schema: z.strictObject({ text: z.string(), count: z.int() }),
}

function signerOf(secret: Uint8Array): Signer {
  const key = ed25519Key(secret)
  return { publicKey: bytesToHex(key.publicKey), sign: key.sign }
}
const alice = signerOf(bytesOf('alice', 32))
const bob = signerOf(bytesOf('bob', 32))
const carol = signerOf(bytesOf('carol', 32))

function outcome(bytes: Uint8Array): string {
  try {
    openSigned(decodeSigned(bytes), GREETING)
    return 'opened'
  } catch (error) {
    return errorCode(error)
  }
}

describe('signed objects', () => {
  for (const one of vectors.signed) {
    it(`signs and opens a ${one.kind} as its vector says`, () => {
      const payload = hexToBytes(one.payload)
      const signatures = one.secrets.map((secret) => sign(one.kind, one.version, payload, signerOf(hexToBytes(secret))))
      assert.equal(bytesToHex(signatureInput(one.kind, one.version, payload)), one.signatureInput)
      assert.deepEqual(
        signatures.map((s) => [s.signer, bytesToHex(s.signature)]),
        one.signers.map((signer, i) => [signer, one.signatures[i]]),
      )
      assert.equal(bytesToHex(encodeSigned({ kind: one.kind, version: one.version, payload, signatures })), one.bytes)
      const opened = openSigned(decodeSigned(hexToBytes(one.bytes)), GREETING)
      assert.deepEqual(opened, { body: { text: 'hello', count: 1 }, signers: one.signers, hash: sha256Hex(payload) })
    })
  }

  for (const one of vectors.signedRefused) {
    it(`refuses ${one.why}`, () => {
      assert.equal(outcome(hexToBytes(one.bytes)), one.outcome)
    })
  }

  it('opens what was signed, by one or several', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.maxSafeInteger(), (text, count) => {
        const signed = signObject('greeting', 1, { text, count }, alice)
        const both = mergeSignatures(signed, [sign('greeting', 1, signed.payload, bob)])
        const opened = openSigned(decodeSigned(encodeSigned(both)), GREETING)
        assert.deepEqual(opened.body, { text, count })
        assert.deepEqual(opened.signers, [alice.publicKey, bob.publicKey])
        assert.equal(opened.hash, payloadHash(signed))
      }),
      { numRuns: 20 },
    )
  })

  it('opens no object with any single byte altered', () => {
    const bytes = encodeSigned(signObject('greeting', 1, { text: 'hello', count: 1 }, alice))
    for (let at = 0; at < bytes.length; at++) {
      const altered = bytes.slice()
      altered[at] = altered[at]! ^ 0x01
      assert.match(outcome(altered), /^(encoding|schema|signature)$/, `byte ${at}`)
    }
  })

  it('answers arbitrary bytes with a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.match(outcome(bytes), /^(encoding|schema|signature)$/)
      }),
    )
  })

  it('separates kinds and versions, however their names are cut', () => {
    const payload = encode({ text: 'a', count: 1 })
    const inputs = [
      signatureInput('have', 1, payload),
      signatureInput('have', 11, payload),
      signatureInput('have', 2, payload),
      signatureInput('hav', 1, payload),
      signatureInput('have', 1, encode({ text: 'a', count: 2 })),
    ].map(bytesToHex)
    assert.equal(new Set(inputs).size, inputs.length)
  })

  it('merges to one signature a signer and keeps the order', () => {
    const payload = encode({ text: 'a', count: 1 })
    const from = (signer: Signer) => sign('greeting', 1, payload, signer)
    const start = { kind: 'greeting', version: 1, payload, signatures: [from(bob)] }
    const merged = mergeSignatures(start, [from(alice), from(bob), from(alice), from(carol)])
    assert.deepEqual(
      merged.signatures.map((one) => one.signer),
      [bob.publicKey, alice.publicKey, carol.publicKey],
    )
    assert.deepEqual(openSigned(merged, GREETING).signers, [bob.publicKey, alice.publicKey, carol.publicKey])
    assert.equal(start.signatures.length, 1)
  })

  it('signs no floats, links or needless big integers, and opens none', () => {
    const open: Kind<unknown> = { kind: 'open', version: 1, schema: z.unknown() }
    const key = ed25519Key(new Uint8Array(32).fill(9))
    const signer: Signer = { publicKey: bytesToHex(key.publicKey), sign: (message) => key.sign(message) }
    for (const body of [0.5, { deep: [{ x: 1.25 }] }, [2 ** 60], { n: 5n }, new Date(0), Number.NaN]) {
      assert.throws(() => signObject('open', 1, body, signer), { code: 'not-signable' })
    }
    const payload = encode({ parameters: { share: 0.25 } })
    const smuggled = { kind: 'open', version: 1, payload, signatures: [sign('open', 1, payload, signer)] }
    assert.throws(() => openSigned(smuggled, open), { code: 'schema' })
    const fine = { n: 7, big: 2n ** 60n, list: [null, true, 'x', new Uint8Array(2)] }
    assert.deepEqual(openSigned(signObject('open', 1, fine, signer), open).body, fine)
  })

  it('does not take an object for one it opened before, whatever the split of its bytes', () => {
    const open: Kind<unknown> = { kind: 'open', version: 1, schema: z.unknown() }
    const key = ed25519Key(new Uint8Array(32).fill(9))
    const signer: Signer = { publicKey: bytesToHex(key.publicKey), sign: (message) => key.sign(message) }
    const genuine = signObject('open', 1, ['text'], signer)
    openSigned(genuine, open)
    const [one] = genuine.signatures
    assert.ok(one !== undefined)
    const altered = {
      ...genuine,
      signatures: [{ ...one, signature: one.signature.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) }],
    }
    assert.throws(() => openSigned(altered, open), { code: 'signature' })
    assert.throws(() => openSigned({ ...genuine, kind: 'other' }, { ...open, kind: 'other' }), { code: 'signature' })
    const shifted = { ...genuine, signatures: [{ signer: `${one.signer}0`, signature: one.signature.slice(1) }] }
    assert.throws(() => openSigned(shifted, open))
  })
})
