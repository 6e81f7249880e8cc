import assert from 'node:assert/strict'
import { bytesToHex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import { decodeSigned, encodeSigned, sign, signObject } from '@flamesh/protocol/encoding/signed.js'
import { decodeBase32, decodeBase64, encodeBase32, encodeBase64 } from '@flamesh/protocol/identity/base.js'
import {
  type Enrolment,
  enrolmentMacFits,
  formatInvite,
  makeInvite,
  openEnrolment,
  parseInvite,
  signEnrolment,
} from '@flamesh/protocol/identity/invite.js'
import { MAX_ADDRESSES, openPeerRecord, signPeerRecord } from '@flamesh/protocol/identity/peer-record.js'
import fc from 'fast-check'
import { readVectors } from '../../vectors/read.js'
import { hub, sealingKey, signer } from './fixtures.js'

interface EnrolmentVector {
  readonly random: string
  readonly invite: string
  readonly hubKey: string
  readonly seed: string
  readonly key: string
  readonly sealingKey: string
  readonly request: string
}

const random = fc.uint8Array({ minLength: 40, maxLength: 40 })
const node = signer('a')

describe('base32 and base64', () => {
  it('agree with RFC 4648', () => {
    const texts = ['', 'f', 'fo', 'foo', 'foob', 'fooba', 'foobar']
    const base64 = ['', 'Zg==', 'Zm8=', 'Zm9v', 'Zm9vYg==', 'Zm9vYmE=', 'Zm9vYmFy']
    const base32 = ['', 'my', 'mzxq', 'mzxw6', 'mzxw6yq', 'mzxw6ytb', 'mzxw6ytboi']
    texts.forEach((text, at) => {
      const bytes = new Uint8Array(Buffer.from(text))
      assert.equal(encodeBase64(bytes), base64[at])
      assert.equal(encodeBase32(bytes), base32[at])
      assert.deepEqual(decodeBase64(base64[at]!), bytes)
      assert.deepEqual(decodeBase32(base32[at]!), bytes)
    })
  })

  it('agree with Node.js on any bytes, and come back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        assert.equal(encodeBase64(bytes), Buffer.from(bytes).toString('base64'))
        assert.deepEqual(decodeBase64(encodeBase64(bytes)), bytes)
        assert.deepEqual(decodeBase32(encodeBase32(bytes)), bytes)
      }),
    )
  })

  it('refuse what they would not have written', () => {
    for (const text of ['Zg', 'Zg=', 'Zh==', 'Zg==Zg==', 'Zm9v=', 'Zm 9v', 'Zm9v\n', '=', 'Zm-_']) {
      assert.throws(() => decodeBase64(text), { code: 'encoding' }, text)
    }
    for (const text of ['MY', 'mz', 'my======', 'm', 'm1']) {
      assert.throws(() => decodeBase32(text), { code: 'encoding' }, text)
    }
  })
})

describe('enrolment by invite', () => {
  it('agrees with the vector', () => {
    const { enrolment: vector } = readVectors<{ enrolment: EnrolmentVector }>('log')
    const key = ed25519Key(hexToBytes(vector.seed))
    const by = { publicKey: bytesToHex(key.publicKey), sign: key.sign }
    assert.equal(by.publicKey, vector.key)
    const invite = makeInvite(hexToBytes(vector.random))
    assert.equal(formatInvite(invite), vector.invite)
    assert.deepEqual(parseInvite(`  ${vector.invite}\n`), invite)
    assert.equal(bytesToHex(signEnrolment(invite, vector.hubKey, vector.sealingKey, by)), vector.request)
  })

  it('proves possession without telling the secret', () => {
    fc.assert(
      fc.property(random, random, (one, two) => {
        const invite = makeInvite(one)
        const request = signEnrolment(invite, hub.publicKey, sealingKey('a'), node)
        const enrolment = openEnrolment(request)
        assert.deepEqual([enrolment.invite, enrolment.key], [invite.id, node.publicKey])
        assert.ok(enrolmentMacFits(invite.secret, enrolment))
        assert.ok(!Buffer.from(request).includes(Buffer.from(invite.secret)))
        fc.pre(Buffer.compare(one.slice(8), two.slice(8)) !== 0)
        assert.ok(!enrolmentMacFits(makeInvite(two).secret, enrolment))
      }),
    )
  })

  it('binds the MAC to the hub, the invite and both keys', () => {
    const invite = makeInvite(new Uint8Array(40).fill(1))
    const enrolment = openEnrolment(signEnrolment(invite, hub.publicKey, sealingKey('a'), node))
    const changes: Partial<Enrolment>[] = [
      { invite: '00'.repeat(8) },
      { hubKey: signer('b').publicKey },
      { key: signer('b').publicKey },
      { sealingKey: sealingKey('b') },
    ]
    for (const change of changes) assert.ok(!enrolmentMacFits(invite.secret, { ...enrolment, ...change }))
  })

  it('is signed by the key that enrols, and by no other', () => {
    const invite = makeInvite(new Uint8Array(40).fill(1))
    const request = decodeSigned(signEnrolment(invite, hub.publicKey, sealingKey('a'), node))
    const foreign = sign(request.kind, request.version, request.payload, signer('b'))
    for (const signatures of [[foreign], [...request.signatures, foreign], [{ ...foreign, signer: node.publicKey }]]) {
      assert.throws(() => openEnrolment(encodeSigned({ ...request, signatures })), { code: 'signature' })
    }
  })

  it('knows an invite from something else', () => {
    const good = formatInvite(makeInvite(new Uint8Array(40).fill(9)))
    for (const text of [
      '',
      'hello',
      good.slice(0, -1),
      `${good}a`,
      good.toUpperCase(),
      good.replace('invite', 'inwite'),
      `${good.slice(0, -1)}1`,
    ]) {
      assert.throws(() => parseInvite(text), { code: 'invite-malformed' }, text)
    }
  })
})

describe('peer records', () => {
  it('speak for the key that signed them', () => {
    const addresses = ['/ip4/127.0.0.1/tcp/4001', '/dns4/a.example/tcp/4001']
    const record = signPeerRecord(addresses, 7, node)
    assert.deepEqual(openPeerRecord(record), { key: node.publicKey, addresses, sequence: 7 })
    const stolen = signObject('peer-record', 1, { key: node.publicKey, addresses, sequence: 8 }, signer('b'))
    assert.throws(() => openPeerRecord(encodeSigned(stolen)), { code: 'signature' })
  })

  it('are bounded and plain', () => {
    const many = Array.from({ length: MAX_ADDRESSES + 1 }, () => '/ip4/127.0.0.1/tcp/1')
    const bad: (readonly string[])[] = [many, [`/${'a'.repeat(200)}`], ['127.0.0.1'], ['/a b'], ['/a\u001b[2J']]
    for (const addresses of bad)
      assert.throws(() => openPeerRecord(signPeerRecord(addresses, 1, node)), { code: 'schema' })
    assert.throws(() => openPeerRecord(signPeerRecord([], -1, node)), { code: 'schema' })
    assert.throws(() => openPeerRecord(new Uint8Array(5000)), { code: 'schema' })
  })
})
