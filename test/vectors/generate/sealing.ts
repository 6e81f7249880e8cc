/** The content of sealing.json: the numbers of RFC 9180 in it are kept as they are. See main.ts. */
import { bytesToHex as hex, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { deriveKeyPair, seal, sealFor } from '@flamesh/protocol/crypto/sealing.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { bytesOf, readVectors } from '../read.js'

const { rfc9180 } = readVectors<{ rfc9180: unknown }>('sealing')
const recipient = deriveKeyPair(bytesOf('recipient', 32))
const other = deriveKeyPair(bytesOf('other', 32))
const info = utf8ToBytes('a context')
const aad = utf8ToBytes('associated data')
const plain = utf8ToBytes('what is sealed')
const ikm = bytesOf('ephemeral', 32)
const sealed = seal(recipient.publicKey, info, aad, plain, ikm)
const base = { secret: hex(recipient.secret), info: hex(info), aad: hex(aad) }
const flipped = (at: number): string => {
  const copy = sealed.slice()
  copy[at] = copy[at]! ^ 1
  return hex(copy)
}
const refused = (why: string, change: Record<string, string>): unknown => ({
  ...base,
  sealed: hex(sealed),
  ...change,
  why,
  outcome: 'refused',
})
let draws = 0
const context = utf8ToBytes('results of a job')
const recipients = [recipient, other].map((pair, i) => ({
  key: hex(bytesOf(`identity ${i}`, 32)),
  sealingKey: hex(pair.publicKey),
}))
const box = sealFor(recipients, context, plain, (length) => bytesOf(`draw ${draws++}`, length))
export const sealingVectors = {
  description:
    'RFC 9180 base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305; sealed = enc ‖ ciphertext ‖ tag. rfc9180 holds the numbers of the RFC, appendix A.2.1.',
  rfc9180,
  seal: [
    { ...base, recipientPublic: hex(recipient.publicKey), ikmE: hex(ikm), plain: hex(plain), sealed: hex(sealed) },
  ],
  open: [
    { ...base, sealed: hex(sealed), why: 'as sealed', outcome: 'opened', plain: hex(plain) },
    refused('one bit of the encapsulated key', { sealed: flipped(0) }),
    refused('one bit of the ciphertext', { sealed: flipped(32) }),
    refused('one bit of the tag', { sealed: flipped(sealed.length - 1) }),
    refused('cut by one byte', { sealed: hex(sealed.subarray(0, -1)) }),
    refused('one byte too many', { sealed: `${hex(sealed)}00` }),
    refused('empty', { sealed: '' }),
    refused('shorter than key and tag', { sealed: hex(sealed.subarray(0, 47)) }),
    refused('another info', { info: hex(utf8ToBytes('b context')) }),
    refused('bytes moved from info to associated data', {
      info: hex(info.subarray(0, -1)),
      aad: hex(info.subarray(-1)) + hex(aad),
    }),
    refused('another recipient', { secret: hex(other.secret) }),
    refused('encapsulated key zero', { sealed: '00'.repeat(32) + hex(sealed.subarray(32)) }),
    refused('encapsulated key one', { sealed: `01${'00'.repeat(31)}${hex(sealed.subarray(32))}` }),
    refused('encapsulated key p', { sealed: `ed${'ff'.repeat(30)}7f${hex(sealed.subarray(32))}` }),
    refused('encapsulated key of order eight', {
      sealed: `e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800${hex(sealed.subarray(32))}`,
    }),
  ],
  lowOrderKeys: [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    `ec${'ff'.repeat(30)}7f`,
    `ed${'ff'.repeat(30)}7f`,
    `ee${'ff'.repeat(30)}7f`,
  ],
  box: {
    context: hex(context),
    plain: hex(plain),
    info: hex(utf8ToBytes('flamesh/box/1')),
    body: hex(box.body),
    recipients: box.keys.map((entry, i) => ({
      recipient: entry.recipient,
      secret: hex([recipient, other][i]!.secret),
      aad: hex(encode([context, entry.recipient])),
      sealedKey: hex(entry.sealedKey),
    })),
  },
}
