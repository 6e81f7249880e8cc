import assert from 'node:assert/strict'
import { bytesToHex, hexToBytes, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { x25519 } from '@flamesh/protocol/crypto/native/index.js'
import {
  boxSchema,
  deriveKeyPair,
  isSealable,
  kemSecret,
  keySchedule,
  open,
  openSealed,
  seal,
  sealFor,
} from '@flamesh/protocol/crypto/sealing.js'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { errorCode } from '@flamesh/protocol/errors.js'
import fc from 'fast-check'
import { bytesOf, readVectors } from '../../vectors/read.js'

type Fields<K extends string> = Readonly<Record<K, string>>
interface Vectors {
  readonly rfc9180: Fields<
    'info' | 'ikmE' | 'pkEm' | 'skEm' | 'ikmR' | 'pkRm' | 'skRm' | 'enc' | 'sharedSecret' | 'key' | 'baseNonce'
  > & { readonly encryptions: readonly ({ readonly sequence: number } & Fields<'plain' | 'aad' | 'ciphertext'>)[] }
  readonly seal: readonly Fields<'recipientPublic' | 'info' | 'aad' | 'ikmE' | 'plain' | 'sealed'>[]
  readonly open: readonly (Fields<'secret' | 'info' | 'aad' | 'sealed' | 'why' | 'outcome'> & {
    readonly plain?: string
  })[]
  readonly lowOrderKeys: readonly string[]
  readonly box: Fields<'context' | 'plain' | 'info' | 'body'> & {
    readonly recipients: readonly Fields<'recipient' | 'secret' | 'aad' | 'sealedKey'>[]
  }
}
const vectors = readVectors<Vectors>('sealing')

const empty = new Uint8Array(0)
const alice = deriveKeyPair(bytesOf('alice', 32))
const bob = deriveKeyPair(bytesOf('bob', 32))
const identity = (name: string): string => bytesToHex(bytesOf(`identity of ${name}`, 32))
const recipients = [
  { key: identity('alice'), sealingKey: bytesToHex(alice.publicKey) },
  { key: identity('bob'), sealingKey: bytesToHex(bob.publicKey) },
]
function source(label: string): (length: number) => Uint8Array {
  let draws = 0
  return (length) => bytesOf(`${label} ${draws++}`, length)
}

describe('sealing', () => {
  const rfc = vectors.rfc9180

  it('derives the key pairs of RFC 9180, A.2.1', () => {
    const ephemeral = deriveKeyPair(hexToBytes(rfc.ikmE))
    assert.deepEqual([bytesToHex(ephemeral.secret), bytesToHex(ephemeral.publicKey)], [rfc.skEm, rfc.pkEm])
    const recipient = deriveKeyPair(hexToBytes(rfc.ikmR))
    assert.deepEqual([bytesToHex(recipient.secret), bytesToHex(recipient.publicKey)], [rfc.skRm, rfc.pkRm])
  })

  it('derives the shared secret, the key and the nonce of RFC 9180, A.2.1', () => {
    const shared = x25519(hexToBytes(rfc.skEm), hexToBytes(rfc.pkRm))
    const secret = kemSecret(shared, hexToBytes(rfc.enc), hexToBytes(rfc.pkRm))
    assert.equal(bytesToHex(secret), rfc.sharedSecret)
    const { key, nonce } = keySchedule(secret, hexToBytes(rfc.info))
    assert.deepEqual([bytesToHex(key), bytesToHex(nonce)], [rfc.key, rfc.baseNonce])
  })

  it('seals and opens the first message of RFC 9180, A.2.1', () => {
    const first = rfc.encryptions.find((one) => one.sequence === 0)!
    const [info, aad, plain] = [rfc.info, first.aad, first.plain].map(hexToBytes) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    const sealed = seal(hexToBytes(rfc.pkRm), info, aad, plain, hexToBytes(rfc.ikmE))
    assert.equal(bytesToHex(sealed), rfc.enc + first.ciphertext)
    assert.deepEqual(open(hexToBytes(rfc.skRm), info, aad, sealed), plain)
  })

  for (const [i, one] of vectors.seal.entries()) {
    it(`seals vector ${i}`, () => {
      const sealed = seal(
        hexToBytes(one.recipientPublic),
        hexToBytes(one.info),
        hexToBytes(one.aad),
        hexToBytes(one.plain),
        hexToBytes(one.ikmE),
      )
      assert.equal(bytesToHex(sealed), one.sealed)
    })
  }

  for (const one of vectors.open) {
    it(`${one.outcome}: ${one.why}`, () => {
      const plain = open(hexToBytes(one.secret), hexToBytes(one.info), hexToBytes(one.aad), hexToBytes(one.sealed))
      assert.equal(plain === undefined ? 'refused' : 'opened', one.outcome)
      if (plain !== undefined) assert.equal(bytesToHex(plain), one.plain)
    })
  }

  it('refuses to seal to a key that gives an all-zero secret, or is no key', () => {
    for (const key of [...vectors.lowOrderKeys, '', '09', '09'.repeat(33)]) {
      assert.throws(
        () => seal(hexToBytes(key), empty, empty, empty, bytesOf('ephemeral', 32)),
        (error) => errorCode(error) === 'sealing-key',
      )
    }
  })

  it('knows the keys to which nothing can be sealed without trying', () => {
    const random = fc.uint8Array({ minLength: 31, maxLength: 33 })
    const low = fc.constantFrom(...vectors.lowOrderKeys.map(hexToBytes))
    const near = fc.tuple(low, fc.nat(31), fc.nat(255)).map(([key, at, byte]) => key.with(at, byte))
    const highBit = low.map((key) => key.with(31, (key[31] as number) | 0x80))
    fc.assert(
      fc.property(fc.oneof(random, low, near, highBit), (key) => {
        const trying = (): boolean => {
          try {
            return seal(key, empty, empty, empty, bytesOf('ephemeral', 32)).length > 0
          } catch {
            return false
          }
        }
        assert.equal(isSealable(key), trying())
      }),
    )
  })

  it('opens everything it sealed, and nothing that was altered in one place', () => {
    const bytes = fc.uint8Array({ maxLength: 80 })
    fc.assert(
      fc.property(bytes, bytes, bytes, fc.nat(), (info, aad, plain, at) => {
        const sealed = seal(alice.publicKey, info, aad, plain, bytesOf('ephemeral', 32))
        assert.equal(sealed.length, plain.length + 48)
        assert.deepEqual(open(alice.secret, info, aad, sealed), plain)
        const altered = sealed.slice()
        altered[at % sealed.length] = altered[at % sealed.length]! ^ 0x10
        assert.equal(open(alice.secret, info, aad, altered), undefined)
        assert.equal(open(bob.secret, info, aad, sealed), undefined)
        assert.equal(open(alice.secret, Uint8Array.of(...info, 0), aad, sealed), undefined)
        assert.equal(open(alice.secret, info, Uint8Array.of(...aad, 0), sealed), undefined)
      }),
      { numRuns: 40 },
    )
  })

  it('answers arbitrary bytes with nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (sealed) => {
        assert.equal(open(alice.secret, empty, empty, sealed), undefined)
      }),
    )
  })
})

describe('boxes for several recipients', () => {
  const context = utf8ToBytes('results of a job')
  const plain = utf8ToBytes('numbers')

  it('opens for each recipient of the vector', () => {
    const { box } = vectors
    const keys = box.recipients.map(({ recipient, sealedKey }) => ({ recipient, sealedKey: hexToBytes(sealedKey) }))
    for (const one of box.recipients) {
      const opened = openSealed(
        { body: hexToBytes(box.body), keys },
        one.recipient,
        hexToBytes(one.secret),
        hexToBytes(box.context),
      )
      assert.equal(opened && bytesToHex(opened), box.plain)
      // The same by the parts, as another implementation would do it.
      const dataKey = open(hexToBytes(one.secret), hexToBytes(box.info), hexToBytes(one.aad), hexToBytes(one.sealedKey))
      assert.equal(dataKey?.length, 32)
    }
  })

  it('survives the wire, and fits its schema', () => {
    const box = sealFor(recipients, context, plain, source('a'))
    const received = boxSchema.parse(decode(encode(box)))
    assert.deepEqual(openSealed(received, recipients[0]!.key, alice.secret, context), plain)
    assert.deepEqual(openSealed(received, recipients[1]!.key, bob.secret, context), plain)
  })

  it('opens for nobody else, in no other context, and not altered', () => {
    const box = sealFor(recipients, context, plain, source('a'))
    const [first, second] = [box.keys[0]!, box.keys[1]!]
    const opens = (change: Partial<typeof box>, recipient = first.recipient, secret = alice.secret, within = context) =>
      openSealed({ ...box, ...change }, recipient, secret, within)
    assert.deepEqual(opens({}), plain)
    assert.equal(opens({}, identity('carol')), undefined)
    assert.equal(opens({}, first.recipient, bob.secret), undefined)
    assert.equal(opens({}, first.recipient, alice.secret, utf8ToBytes('results of a jab')), undefined)
    assert.equal(opens({ keys: [second] }), undefined)
    // A key sealed to one recipient does not pass under the name of another.
    assert.equal(
      opens({ keys: [{ ...first, recipient: second.recipient }] }, second.recipient, alice.secret),
      undefined,
    )
    assert.equal(opens({ body: sealFor(recipients, context, plain, source('b')).body }), undefined)
    assert.equal(opens({ body: box.body.subarray(0, 27) }), undefined)
    for (let at = 0; at < box.body.length; at++) {
      const body = box.body.slice()
      body[at] = body[at]! ^ 1
      assert.equal(opens({ body }), undefined, `byte ${at}`)
    }
  })

  it('draws the data key, the nonce and each encapsulation separately', () => {
    const drawn: string[] = []
    const random = source('c')
    sealFor(recipients, context, plain, (length) => {
      const bytes = random(length)
      drawn.push(bytesToHex(bytes))
      return bytes
    })
    assert.deepEqual(
      drawn.map((hex) => hex.length / 2),
      [32, 12, 32, 32],
    )
    const box = sealFor(recipients, context, plain, source('c'))
    assert.notDeepEqual(box.keys[0]!.sealedKey.subarray(0, 32), box.keys[1]!.sealedKey.subarray(0, 32))
  })

  it('has a schema that refuses malformed boxes', () => {
    const box = sealFor(recipients, context, plain, source('a'))
    const [first, second] = [box.keys[0]!, box.keys[1]!]
    const malformed: Record<string, unknown> = {
      'no recipient': { ...box, keys: [] },
      'a recipient twice': { ...box, keys: [first, { ...second, recipient: first.recipient }] },
      'a short sealed key': { ...box, keys: [{ ...first, sealedKey: first.sealedKey.subarray(1) }] },
      'a body without a tag': { ...box, body: box.body.subarray(0, 27) },
      'a body that is text': { ...box, body: 'text' },
      'a recipient in capitals': { ...box, keys: [{ ...first, recipient: first.recipient.toUpperCase() }] },
      'an unknown field': { ...box, extra: 1 },
      nothing: null,
    }
    assert.equal(boxSchema.safeParse(box).success, true)
    for (const [why, value] of Object.entries(malformed)) assert.equal(boxSchema.safeParse(value).success, false, why)
  })
})
