import assert from 'node:assert/strict'
import { bytesToHex, type Hex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import {
  appendLeaf,
  consistencyProof,
  EMPTY_FRONTIER,
  EMPTY_ROOT,
  frontierRoot,
  inclusionProof,
  leafHash,
  merkleRoot,
  verifyConsistency,
  verifyInclusion,
} from '@flamesh/protocol/identity/merkle.js'
import fc from 'fast-check'
import { readVectors } from '../../vectors/read.js'

interface Vectors {
  readonly leaves: readonly string[]
  readonly roots: readonly { size: number; root: Hex }[]
  readonly inclusion: readonly {
    why?: string
    index: number
    size: number
    leafHash: Hex
    proof: Hex[]
    root: Hex
    valid: boolean
  }[]
  readonly consistency: readonly {
    why?: string
    from: number
    to: number
    fromRoot: Hex
    toRoot: Hex
    proof: Hex[]
    valid: boolean
  }[]
}

const vectors = readVectors<Vectors>('log')
const known = vectors.leaves.map((leaf) => leafHash(hexToBytes(leaf)))

/** Leaf hashes of a tree of a few dozen leaves, and one place in it. */
const trees = fc
  .integer({ min: 1, max: 70 })
  .map((size) => Array.from({ length: size }, (_, at) => leafHash(Uint8Array.of(at))))

/** One bit of one hash among those given. */
function withOneBitFlipped(hashes: readonly Hex[], which: number, bit: number): Hex[] {
  return hashes.map((hash, at) => {
    if (at !== which % hashes.length) return hash
    const bytes = hexToBytes(hash)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    return bytesToHex(bytes)
  })
}

describe('Merkle tree', () => {
  it('gives the known roots', () => {
    for (const { size, root } of vectors.roots) {
      assert.equal(merkleRoot(known, 0, size), root)
      assert.equal(frontierRoot(known.slice(0, size).reduce(appendLeaf, EMPTY_FRONTIER)), root)
    }
    assert.equal(vectors.roots[0]!.root, EMPTY_ROOT)
  })

  it('makes the known inclusion proofs and tells good from bad', () => {
    for (const { why, index, size, leafHash: leaf, proof, root, valid } of vectors.inclusion) {
      assert.equal(verifyInclusion(leaf, index, size, proof, root), valid, why ?? `leaf ${index} of ${size}`)
      if (valid) assert.deepEqual(inclusionProof(known, index, size), proof)
    }
  })

  it('makes the known consistency proofs and tells good from bad', () => {
    for (const { why, from, to, fromRoot, toRoot, proof, valid } of vectors.consistency) {
      assert.equal(verifyConsistency(from, to, fromRoot, toRoot, proof), valid, why ?? `${from} to ${to}`)
      if (valid) assert.deepEqual(consistencyProof(known, from, to), proof)
    }
  })

  it('proves every leaf of any tree, and no proof survives a flipped bit', () => {
    fc.assert(
      fc.property(trees, fc.nat(), fc.nat(), fc.nat(255), (leaves, at, which, bit) => {
        const size = leaves.length
        const index = at % size
        const root = merkleRoot(leaves)
        const proof = inclusionProof(leaves, index, size)
        assert.ok(verifyInclusion(leaves[index]!, index, size, proof, root))
        const [badRoot, badLeaf, ...badProof] = withOneBitFlipped([root, leaves[index]!, ...proof], which, bit)
        assert.ok(!verifyInclusion(badLeaf!, index, size, badProof, badRoot!))
      }),
    )
  })

  it('proves every extension of any tree, and no proof survives a flipped bit', () => {
    fc.assert(
      fc.property(trees, fc.nat(), fc.nat(), fc.nat(255), (leaves, at, which, bit) => {
        const to = leaves.length
        const from = at % (to + 1)
        const [fromRoot, toRoot] = [merkleRoot(leaves, 0, from), merkleRoot(leaves)]
        const proof = consistencyProof(leaves, from, to)
        assert.ok(verifyConsistency(from, to, fromRoot, toRoot, proof))
        const [badFrom, badTo, ...badProof] = withOneBitFlipped([fromRoot, toRoot, ...proof], which, bit)
        // Every log extends the empty one, whatever its root.
        if (from > 0) assert.ok(!verifyConsistency(from, to, badFrom!, badTo!, badProof))
      }),
    )
  })

  it('refuses what is no proof at all without throwing', () => {
    const root = merkleRoot(known)
    const junk = ['', 'zz', root.toUpperCase(), 7, null] as Hex[]
    for (const hash of junk) {
      assert.ok(!verifyInclusion(known[0]!, 0, 8, [hash], root))
      assert.ok(!verifyInclusion(hash, 0, 1, [], hash))
      assert.ok(!verifyConsistency(4, 8, merkleRoot(known, 0, 4), root, [hash]))
    }
    for (const size of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.ok(!verifyInclusion(known[0]!, 0, size, [], known[0]!))
      assert.ok(!verifyConsistency(size, 8, root, root, []))
    }
  })
})
