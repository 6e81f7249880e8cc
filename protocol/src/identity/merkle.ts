/**
 * The Merkle tree of RFC 6962, section 2.1: hashes, inclusion and consistency proofs, over leaf hashes held in memory (a
 * log has a few thousand). Implements docs/spec/identity.md, log. Hashes are lowercase hex; vectors in
 * test/vectors/log.json. It does not know what a leaf says or who signed a root.
 */
import { type Hex, hexToBytes, sha256Hex } from '../crypto/hash.js'
import { assert } from '../errors.js'

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

/** The root of a tree without leaves: the hash of nothing. */
export const EMPTY_ROOT: Hex = sha256Hex(new Uint8Array())

export function leafHash(data: Uint8Array): Hex {
  return sha256Hex(LEAF, data)
}

function nodeHash(left: Hex, right: Hex): Hex {
  return sha256Hex(NODE, hexToBytes(left), hexToBytes(right))
}

/** The largest power of two below `size` (at least 2): where RFC 6962 splits a tree. */
function split(size: number): number {
  let half = 1
  while (half * 2 < size) half *= 2
  return half
}

/** Root over leaf hashes (RFC 6962, section 2.1). */
export function merkleRoot(leaves: readonly Hex[], from = 0, to = leaves.length): Hex {
  if (from === to) return EMPTY_ROOT
  if (to - from === 1) return leaves[from] as Hex
  const middle = from + split(to - from)
  return nodeHash(merkleRoot(leaves, from, middle), merkleRoot(leaves, middle, to))
}

/** Roots of the perfect subtrees that make up a tree, largest first: all that appending needs. */
export interface Frontier {
  readonly size: number
  readonly subtrees: readonly Hex[]
}

export const EMPTY_FRONTIER: Frontier = { size: 0, subtrees: [] }

export function appendLeaf(frontier: Frontier, leaf: Hex): Frontier {
  const subtrees = [...frontier.subtrees]
  let hash = leaf
  for (let size = frontier.size; size % 2 === 1; size = (size - 1) / 2) hash = nodeHash(subtrees.pop() as Hex, hash)
  return { size: frontier.size + 1, subtrees: [...subtrees, hash] }
}

export function frontierRoot(frontier: Frontier): Hex {
  return frontier.size === 0 ? EMPTY_ROOT : frontier.subtrees.reduceRight((right, left) => nodeHash(left, right))
}

/** Roots of parts of a list of leaves that only grows: a receipt of a thousand sites has a thousand audit paths. */
const partRoots = new WeakMap<readonly Hex[], Map<string, Hex>>()

function rootOfPart(leaves: readonly Hex[], from: number, to: number): Hex {
  if (to - from === 1) return leaves[from] as Hex
  const known = partRoots.get(leaves) ?? new Map<string, Hex>()
  partRoots.set(leaves, known)
  const name = `${from}/${to}`
  const middle = from + split(to - from)
  const root = known.get(name) ?? nodeHash(rootOfPart(leaves, from, middle), rootOfPart(leaves, middle, to))
  known.set(name, root)
  return root
}

/** Audit path of leaf `index` in the tree of the first `size` leaves (RFC 6962, section 2.1.1), leaf to root. */
export function inclusionProof(leaves: readonly Hex[], index: number, size: number): readonly Hex[] {
  assert(index >= 0 && index < size && size <= leaves.length, 'no such leaf')
  const path = (from: number, to: number): Hex[] => {
    if (to - from === 1) return []
    const middle = from + split(to - from)
    return index < middle
      ? [...path(from, middle), rootOfPart(leaves, middle, to)]
      : [...path(middle, to), rootOfPart(leaves, from, middle)]
  }
  return path(0, size)
}

/** Proof that the tree of `to` leaves extends that of `from` leaves (RFC 6962, section 2.1.2). Empty if either is trivial. */
export function consistencyProof(leaves: readonly Hex[], from: number, to: number): readonly Hex[] {
  assert(from >= 0 && from <= to && to <= leaves.length, 'no such trees')
  const path = (start: number, end: number, known: boolean): Hex[] => {
    if (from === end) return known ? [] : [merkleRoot(leaves, start, end)]
    const middle = start + split(end - start)
    return from <= middle
      ? [...path(start, middle, known), merkleRoot(leaves, middle, end)]
      : [...path(middle, end, false), merkleRoot(leaves, start, middle)]
  }
  return from === 0 || from === to ? [] : path(0, to, true)
}

const isSize = (size: number) => Number.isSafeInteger(size) && size >= 0
const areHashes = (hashes: readonly unknown[]) =>
  hashes.every((hash) => typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash))
const halve = (n: number) => Math.floor(n / 2)

/** Checks an audit path (RFC 9162, section 2.1.3.2). Never throws. */
export function verifyInclusion(leaf: Hex, index: number, size: number, proof: readonly Hex[], root: Hex): boolean {
  if (!isSize(index) || !isSize(size) || index >= size || !areHashes([leaf, root, ...proof])) return false
  let node = index
  let last = size - 1
  let hash = leaf
  for (const step of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(step, hash)
      for (; node % 2 === 0 && node !== 0; node = halve(node)) last = halve(last)
    } else {
      hash = nodeHash(hash, step)
    }
    node = halve(node)
    last = halve(last)
  }
  return last === 0 && hash === root
}

/** Checks that `toRoot` extends `fromRoot` (RFC 9162, section 2.1.4.2). Never throws. */
export function verifyConsistency(
  from: number,
  to: number,
  fromRoot: Hex,
  toRoot: Hex,
  proof: readonly Hex[],
): boolean {
  if (!isSize(from) || !isSize(to) || from > to || !areHashes([fromRoot, toRoot, ...proof])) return false
  if (from === to) return proof.length === 0 && fromRoot === toRoot
  if (from === 0) return proof.length === 0 && fromRoot === EMPTY_ROOT
  let node = from - 1
  let last = to - 1
  for (; node % 2 === 1; node = halve(node)) last = halve(last)
  // A first tree that is one perfect subtree is its own starting point and is left out of the proof.
  const steps = node === 0 ? [fromRoot, ...proof] : proof
  const [first, ...rest] = steps
  if (first === undefined) return false
  let oldHash = first
  let newHash = first
  for (const step of rest) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      oldHash = nodeHash(step, oldHash)
      newHash = nodeHash(step, newHash)
      for (; node % 2 === 0 && node !== 0; node = halve(node)) last = halve(last)
    } else {
      newHash = nodeHash(newHash, step)
    }
    node = halve(node)
    last = halve(last)
  }
  return last === 0 && oldHash === fromRoot && newHash === toRoot
}
