/** A description of an image, and reviews of it. */
import { mergeSignatures, type Signed } from '@flamesh/protocol/encoding/signed.js'
import type { Entry } from '@flamesh/protocol/identity/statements.js'
import type { ImageDescription } from '@flamesh/protocol/images/description.js'
import { signReview } from '@flamesh/protocol/images/review.js'
import { signer } from '../identity/fixtures.js'

export const DIGEST = `sha256:${'1f'.repeat(32)}`

export const description = (changes: Partial<ImageDescription> = {}): ImageDescription => ({
  contract: 1,
  image: `registry.example.org/cohorts/tree@${DIGEST}`,
  source: { location: 'https://git.example.org/cohorts/tree', commit: 'c0'.repeat(20) },
  sbom: '5b'.repeat(32),
  output: [
    { name: 'weight', kind: 'count', length: 1, lower: '0', upper: '100000' },
    { name: 'events', kind: 'count', length: 3, lower: '0', upper: '100000' },
    { name: 'score', kind: 'sum', length: 2, lower: '-2.5', upper: '0.125' },
  ],
  maxRounds: 8,
  combine: 'weighted-mean',
  resources: ['gpu', 'memory-8g'],
  ...changes,
})

/** One object with the signatures of all of these, in this order. */
export function reviewBy(names: readonly string[], of: ImageDescription = description()): Signed {
  const [first, ...rest] = names.map((name) => signReview(of, signer(name)))
  return rest.reduce((all, one) => mergeSignatures(all, one.signatures), first as Signed)
}

/** A floor whose reviewers sign with the keys of their names. */
export const floorOf = (threshold: number, ...reviewers: string[]): Entry => ({
  type: 'set-policy-floor',
  threshold,
  reviewers,
  keys: reviewers.map((name) => signer(name).publicKey),
})

/** Under the floor at an index of the log. */
export const attestImage = (names: readonly string[], of?: ImageDescription, floor = 0): Entry => ({
  type: 'attest-image',
  review: reviewBy(names, of),
  floor,
})

export const withdrawImage = (digest = DIGEST): Entry => ({ type: 'withdraw-image', digest, reason: 'a mistake in it' })
