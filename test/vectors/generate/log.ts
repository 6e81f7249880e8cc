/**
 * Writes log.json: `node --conditions=source --import=tsx test/vectors/generate/log.ts`. Run it only when a format changes
 * on purpose. Roots and proofs come from the definitions of RFC 6962, section 2.1, spelled out below with node:crypto and
 * nothing of the product. The eight leaves and their roots are the test data every Certificate Transparency implementation
 * shares. Signed logs and the enrolment come from the product and pin its formats.
 */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { bytesToHex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import { decodeSigned, encodeSigned, payloadHash, type Signer, sign } from '@flamesh/protocol/encoding/signed.js'
import { signCheckpoint } from '@flamesh/protocol/identity/checkpoint.js'
import { formatInvite, makeInvite, signEnrolment } from '@flamesh/protocol/identity/invite.js'
import type { Entry } from '@flamesh/protocol/identity/statements.js'
import {
  checkpointOver,
  committee,
  enrol,
  hub,
  leavesOf,
  START_MS,
  sealingKey,
  signAll,
  signer,
} from '../../protocol/identity/fixtures.js'
import { attestImage, description, floorOf, reviewBy, withdrawImage } from '../../protocol/images/fixtures.js'

const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

const hash = (...parts: string[]) =>
  createHash('sha256')
    .update(Buffer.from(parts.join(''), 'hex'))
    .digest('hex')

/** MTH of RFC 6962, section 2.1. */
function root(leaves: string[]): string {
  if (leaves.length === 0) return hash('')
  if (leaves.length === 1) return hash('00', leaves[0]!)
  const k = splitAt(leaves.length)
  return hash('01', root(leaves.slice(0, k)), root(leaves.slice(k)))
}

function splitAt(n: number): number {
  return 2 ** Math.floor(Math.log2(n - 1))
}

/** PATH of RFC 6962, section 2.1.1. */
function path(m: number, leaves: string[]): string[] {
  if (leaves.length === 1) return []
  const k = splitAt(leaves.length)
  return m < k
    ? [...path(m, leaves.slice(0, k)), root(leaves.slice(k))]
    : [...path(m - k, leaves.slice(k)), root(leaves.slice(0, k))]
}

/** SUBPROOF of RFC 6962, section 2.1.2. */
function subproof(m: number, leaves: string[], whole: boolean): string[] {
  if (m === leaves.length) return whole ? [] : [root(leaves)]
  const k = splitAt(leaves.length)
  return m <= k
    ? [...subproof(m, leaves.slice(0, k), whole), root(leaves.slice(k))]
    : [...subproof(m - k, leaves.slice(k), false), root(leaves.slice(0, k))]
}

const head = (size: number) => LEAVES.slice(0, size)
const sizes = LEAVES.map((_, at) => at + 1)
const flip = (hex: string) => (hex.startsWith('0') ? '1' : '0') + hex.slice(1)

function inclusionVectors() {
  const good = sizes.flatMap((size) =>
    head(size).map((leaf, index) => ({
      index,
      size,
      leafHash: hash('00', leaf),
      proof: path(index, head(size)),
      root: root(head(size)),
      valid: true,
    })),
  )
  const [one] = good.filter((vector) => vector.index === 5 && vector.size === 8)
  const bad = [
    { why: 'another leaf', ...one!, leafHash: hash('00', LEAVES[4]!) },
    { why: 'another index', ...one!, index: 4 },
    { why: 'an index beyond the tree', ...one!, index: 8 },
    { why: 'another size', ...one!, size: 4 },
    { why: 'a step missing', ...one!, proof: one!.proof.slice(1) },
    { why: 'a step too many', ...one!, proof: [...one!.proof, one!.root] },
    { why: 'steps in another order', ...one!, proof: [...one!.proof].reverse() },
    { why: 'a step altered', ...one!, proof: [flip(one!.proof[0]!), ...one!.proof.slice(1)] },
    { why: 'another root', ...one!, root: ROOTS[7]! },
    { why: 'an empty tree', index: 0, size: 0, leafHash: hash('00'), proof: [], root: ROOTS[0]! },
    {
      why: 'an inner node passed off as a leaf',
      index: 0,
      size: 4,
      leafHash: ROOTS[2]!,
      proof: path(0, head(4)).slice(1),
      root: ROOTS[4]!,
    },
  ]
  return [...good, ...bad.map((vector) => ({ ...vector, valid: false }))]
}

function consistencyVectors() {
  const good = sizes.flatMap((to) =>
    sizes
      .filter((from) => from <= to)
      .map((from) => ({
        from,
        to,
        fromRoot: root(head(from)),
        toRoot: root(head(to)),
        proof: from === to ? [] : subproof(from, head(to), true),
        valid: true,
      })),
  )
  const empty = { from: 0, to: 8, fromRoot: ROOTS[0]!, toRoot: ROOTS[8]!, proof: [], valid: true }
  const [one] = good.filter((vector) => vector.from === 6 && vector.to === 8)
  const bad = [
    { why: 'another old root', ...one!, fromRoot: ROOTS[5]! },
    { why: 'another new root', ...one!, toRoot: ROOTS[7]! },
    { why: 'another old size', ...one!, from: 5 },
    { why: 'another new size', ...one!, to: 9 },
    { why: 'a tree that shrank', ...one!, from: 8, to: 6, fromRoot: ROOTS[8]!, toRoot: ROOTS[6]! },
    { why: 'no proof', ...one!, proof: [] },
    { why: 'a step altered', ...one!, proof: [flip(one!.proof[0]!), ...one!.proof.slice(1)] },
    { why: 'a step too many', ...one!, proof: [...one!.proof, one!.fromRoot] },
    { why: 'two roots of one size', from: 8, to: 8, fromRoot: ROOTS[8]!, toRoot: ROOTS[7]!, proof: [] },
    { why: 'an empty log with a root', from: 0, to: 8, fromRoot: ROOTS[1]!, toRoot: ROOTS[8]!, proof: [] },
  ]
  return [...good, empty, ...bad.map((vector) => ({ ...vector, valid: false }))]
}

const flipBit = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))

function resigned(bytes: Uint8Array, by: Signer): Uint8Array {
  const signed = decodeSigned(bytes)
  return encodeSigned({ ...signed, signatures: [sign(signed.kind, signed.version, signed.payload, by)] })
}

function logVectors() {
  const sites = ['a', 'b', 'c']
  const statements = signAll([...sites.map((name) => enrol(name)), committee('default', sites, ['lung'])])
  const checkpoint = checkpointOver(statements)
  const twice = signAll([enrol('a'), enrol('a', { key: signer('x').publicKey, sealingKey: sealingKey('x') })])
  const other = signer('another hub')
  const [first, ...rest] = statements
  const wrongRoot = signCheckpoint(4, checkpointRoot(statements.slice(0, 3)), START_MS, hub)
  const vectors = [
    { what: 'three sites and a committee', statements, checkpoint, outcome: 'extended' },
    { what: 'an empty log', statements: [], checkpoint: checkpointOver([]), outcome: 'current' },
    { what: 'a statement altered', statements: [flipBit(first!, 60), ...rest], checkpoint, outcome: 'refused' },
    { what: 'a statement missing', statements: rest, checkpoint, outcome: 'refused', code: 'log-incomplete' },
    {
      what: 'statements in another order',
      statements: [...statements].reverse(),
      checkpoint,
      outcome: 'refused',
      code: 'log-incomplete',
    },
    {
      what: 'a statement signed by another hub',
      statements: [resigned(first!, other), ...rest],
      checkpoint,
      outcome: 'refused',
      code: 'signature',
    },
    {
      what: 'a checkpoint signed by another hub',
      statements,
      checkpoint: resigned(checkpoint, other),
      outcome: 'refused',
      code: 'signature',
    },
    { what: 'a checkpoint of another root', statements, checkpoint: wrongRoot, outcome: 'refused', code: 'log-fork' },
    {
      what: 'two members of one name',
      statements: twice,
      checkpoint: checkpointOver(twice),
      outcome: 'refused',
      code: 'log-invalid',
    },
  ]
  return [...vectors, ...imageVectors()].map((vector) => ({
    ...vector,
    statements: vector.statements.map(bytesToHex),
    checkpoint: bytesToHex(vector.checkpoint),
  }))
}

/** Logs that attest an image, or try to. */
function imageVectors() {
  const floor = floorOf(2, 'ana', 'bo', 'cy')
  const both = attestImage(['ana', 'cy'])
  const forged = reviewBy(['ana', 'bo'])
  const last = forged.signatures.length - 1
  const signatures = forged.signatures.map((one, at) =>
    at === last ? { ...one, signature: flipBit(one.signature, 0) } : one,
  )
  const renamed: Entry = {
    ...(floor as Extract<Entry, { type: 'set-policy-floor' }>),
    reviewers: ['dee', 'eve', 'flo'],
  }
  const names: Entry = { type: 'set-policy-floor', threshold: 2, reviewers: ['ana', 'bo', 'cy'] }
  const logs: [string, Entry[], string?][] = [
    ['an image attested by two of three reviewers, and withdrawn', [floor, both, withdrawImage()]],
    ['an image attested by one of three reviewers', [floor, attestImage(['ana'])], 'log-invalid'],
    ['an image attested by one who is no reviewer', [floor, attestImage(['ana', 'dee'])], 'log-invalid'],
    ['a forged review', [floor, { type: 'attest-image', review: { ...forged, signatures }, floor: 0 }], 'log-invalid'],
    ['an image attested under a floor without keys', [names, both], 'log-invalid'],
    ['an image attested under a floor that was replaced', [floor, renamed, both], 'log-invalid'],
    ['an image attested again after it was withdrawn', [floor, both, withdrawImage(), both], 'log-invalid'],
  ]
  return logs.map(([what, entries, code]) => {
    const statements = signAll(entries)
    const found = code === undefined ? { outcome: 'extended' } : { outcome: 'refused', code }
    return { what, statements, checkpoint: checkpointOver(statements), ...found }
  })
}

function reviewVector() {
  const review = reviewBy(['ana', 'cy'])
  return {
    description: description(),
    payload: bytesToHex(review.payload),
    hash: payloadHash(review),
    review: bytesToHex(encodeSigned(review)),
  }
}

function checkpointRoot(statements: readonly Uint8Array[]): string {
  const leaves = leavesOf(statements)
  return leaves.length === 3 ? hash('01', hash('01', leaves[0]!, leaves[1]!), leaves[2]!) : ''
}

function enrolmentVector() {
  const random = hexToBytes('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627')
  const invite = makeInvite(random)
  const seed = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'
  const key = ed25519Key(hexToBytes(seed))
  const by = { publicKey: bytesToHex(key.publicKey), sign: key.sign }
  return {
    random: bytesToHex(random),
    invite: formatInvite(invite),
    hubKey: hub.publicKey,
    seed,
    key: by.publicKey,
    sealingKey: sealingKey('a'),
    request: bytesToHex(signEnrolment(invite, hub.publicKey, sealingKey('a'), by)),
  }
}

sizes.forEach((size) => {
  if (root(head(size)) !== ROOTS[size]) throw new Error(`the definition does not give the known root of size ${size}`)
})
const document = {
  description:
    'docs/spec/identity.md. Bytes are in hex. "inclusion" and "consistency": a verifier says whether each is valid. "logs": a reader that knows hubKey and nothing else is given the statements and the checkpoint. "review": a description of an image, its canonical encoding, and the review of two. "enrolment": the request that the invite, the seed of the key and the sealing key make.',
  leaves: LEAVES,
  roots: ROOTS.map((value, size) => ({ size, root: value })),
  inclusion: inclusionVectors(),
  consistency: consistencyVectors(),
  hubKey: hub.publicKey,
  logs: logVectors(),
  review: reviewVector(),
  enrolment: enrolmentVector(),
}
writeFileSync(new URL('../log.json', import.meta.url), `${JSON.stringify(document, null, 2)}\n`)
