/** The content of encoding.json. See main.ts. */
import { bytesToHex as hex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { encodeSigned, sign, signatureInput } from '@flamesh/protocol/encoding/signed.js'
import { bytesOf } from '../read.js'

const tagged = (value: unknown): unknown => {
  if (typeof value === 'bigint') return { $integer: value.toString() }
  return value instanceof Uint8Array ? { $bytes: hex(value) } : value
}
const canonical = (value: unknown): unknown => ({ value: tagged(value), bytes: hex(encode(value)) })
const refused = (why: string, bytes: string): unknown => ({ why, bytes, outcome: 'encoding' })
const [first, second] = ['first', 'second'].map((name) => ed25519Key(bytesOf(`signer ${name}`, 32)))
const signer = (key: typeof first) => ({ publicKey: hex(key!.publicKey), sign: key!.sign })
const payload = encode({ text: 'hello', count: 1 })
const kind = 'greeting'
const one = sign(kind, 1, payload, signer(first))
const two = sign(kind, 1, payload, signer(second))
const envelope = (change: object): string =>
  hex(encode({ kind, version: 1, payload, signatures: [one, two], ...change }))
const bad = (why: string, bytes: string, outcome: string): unknown => ({ why, bytes, outcome })
const loose = hexToBytes('a265636f756e740164746578746161')
const wrongBody = encode({ text: 'hello' })
const broken = { ...one, signature: one.signature.map((byte, i) => (i === 63 ? byte ^ 1 : byte)) }
export const encodingVectors = {
  description:
    'Canonical CBOR: RFC 8949 section 4.2 with shortest integers, keys by length and then bytes, doubles only as 64 bits, no tags. In "value", $bytes and $integer stand for what JSON cannot write. Signed objects: Ed25519 over "flamesh/<kind>/<version>", a zero byte and the payload. The body of kind "greeting" is {text: string, count: integer}.',
  canonical: [
    canonical(0),
    canonical(23),
    canonical(24),
    canonical(255),
    canonical(256),
    canonical(65536),
    canonical(4294967296),
    canonical(Number.MAX_SAFE_INTEGER),
    canonical(-1),
    canonical(Number.MIN_SAFE_INTEGER),
    canonical(18446744073709551615n),
    canonical(1.5),
    canonical(''),
    canonical('grün'),
    canonical(new Uint8Array(0)),
    canonical(Uint8Array.of(0, 255)),
    canonical([]),
    canonical({}),
    canonical(null),
    canonical([true, false]),
    canonical({ b: 1, aa: 2, a: 3 }),
  ],
  refused: [
    refused('keys out of order', 'a2616201616102'),
    refused('a longer key first', 'a262616102616201'),
    refused('a key twice', 'a2616101616102'),
    refused('a key that is no string', 'a10102'),
    refused('float16', 'f93e00'),
    refused('float32', 'fa3fc00000'),
    refused('a whole number as float64', 'fbbff0000000000000'),
    refused('minus zero', 'fb8000000000000000'),
    refused('NaN', 'fb7ff8000000000000'),
    refused('infinity', 'fb7ff0000000000000'),
    refused('undefined', 'f7'),
    refused('undefined inside', 'a1616181f7'),
    refused('a simple value', 'e0'),
    refused('an integer in two bytes that fits one', '1817'),
    refused('an integer in three bytes that fits two', '1900ff'),
    refused('an integer in five bytes that fits three', '1a0000ffff'),
    refused('an integer in nine bytes that fits five', '1b00000000ffffffff'),
    refused('a length in two bytes that fits one', '580100'),
    refused('indefinite bytes', '5f4100ff'),
    refused('indefinite text', '7f6161ff'),
    refused('an indefinite array', '9f01ff'),
    refused('an indefinite map', 'bf616101ff'),
    refused('a tag', 'c001'),
    refused('a link', `d82a58250001711220${'ab'.repeat(32)}`),
    refused('a bignum', 'c2410a'),
    refused('invalid UTF-8', '61ff'),
    refused('trailing bytes', '0000'),
    refused('cut short', '8201'),
    refused('nothing', ''),
    refused('a break alone', 'ff'),
  ],
  signed: [
    {
      kind,
      version: 1,
      payload: hex(payload),
      signatureInput: hex(signatureInput(kind, 1, payload)),
      secrets: ['first', 'second'].map((name) => hex(bytesOf(`signer ${name}`, 32))),
      signers: [one.signer, two.signer],
      signatures: [hex(one.signature), hex(two.signature)],
      bytes: hex(encodeSigned({ kind, version: 1, payload, signatures: [one, two] })),
    },
  ],
  signedRefused: [
    bad('a signer twice', envelope({ signatures: [one, one] }), 'signature'),
    bad('one bit of a signature', envelope({ signatures: [two, broken] }), 'signature'),
    bad('a signature by the other key', envelope({ signatures: [{ ...one, signer: two.signer }] }), 'signature'),
    bad(
      'a short signature',
      envelope({ signatures: [{ ...one, signature: one.signature.subarray(0, 63) }] }),
      'signature',
    ),
    bad('another payload', envelope({ payload: encode({ text: 'hello', count: 2 }) }), 'signature'),
    bad(
      'a signature made for another version',
      envelope({ signatures: [sign(kind, 2, payload, signer(first))] }),
      'signature',
    ),
    bad(
      'a signature made for another kind',
      envelope({ signatures: [sign('greetings', 1, payload, signer(first))] }),
      'signature',
    ),
    bad(
      'a signature over the bare payload',
      envelope({ signatures: [{ ...one, signature: first!.sign(payload) }] }),
      'signature',
    ),
    bad('another kind', envelope({ kind: 'farewell' }), 'schema'),
    bad('another version', envelope({ version: 2 }), 'schema'),
    bad('no signature', envelope({ signatures: [] }), 'schema'),
    bad('seventeen signatures', envelope({ signatures: Array(17).fill(one) }), 'schema'),
    bad('an unknown field', envelope({ extra: 1 }), 'schema'),
    bad('an uppercase signer', envelope({ signatures: [{ ...one, signer: one.signer.toUpperCase() }] }), 'schema'),
    bad('a payload that is text', envelope({ payload: 'text' }), 'schema'),
    bad('version zero', envelope({ version: 0 }), 'schema'),
    bad('trailing bytes', `${envelope({})}00`, 'encoding'),
    bad(
      'a signed payload that is not canonical',
      envelope({ payload: loose, signatures: [sign(kind, 1, loose, signer(first))] }),
      'encoding',
    ),
    bad(
      'a signed payload that lacks a field',
      envelope({ payload: wrongBody, signatures: [sign(kind, 1, wrongBody, signer(first))] }),
      'schema',
    ),
  ],
}
