/**
 * From the reviews of an image to its attestation, or the rule they break: the fold asks this, and whoever checks a receipt
 * asks it again. Implements docs/spec/identity.md, rule 9.
 */
import { openSigned } from '../encoding/signed.js'
import { FlameshError } from '../errors.js'
import { REVIEW } from '../images/review.js'
import { type Broken, broken } from './broken.js'
import type { ImageAttestation, PolicyFloor } from './roster.js'
import type { Entry } from './statements.js'

type AttestImage = Extract<Entry, { type: 'attest-image' }>

/** The attestation that a statement at `index` makes under the floor in force. */
export function attestImage(
  { review, floor: named }: Omit<AttestImage, 'type'>,
  floor: PolicyFloor | undefined,
  index: number,
): ImageAttestation | Broken {
  if (floor?.keys === undefined)
    return broken(
      'no-policy-floor',
      'an image is attested by the signatures of its reviewers, and no policy floor names their keys',
    )
  if (floor.index !== named)
    return broken('floor-not-in-force', `the policy floor in force is statement ${floor.index}, not ${named}`)
  const { keys, threshold, reviewers: names } = floor
  try {
    const { body: description, hash, signers } = openSigned(review, REVIEW)
    const seats = signers.map((key) => keys.indexOf(key))
    const unknown = signers.find((_, at) => seats[at] === -1)
    if (unknown !== undefined)
      return broken('reviewer-unknown', `a review is signed with ${unknown}, which is no reviewer's key`)
    if (signers.length < threshold)
      return broken(
        'reviewers-missing',
        `the policy floor asks for ${threshold} of ${names.join(', ')}; ${signers.length} reviewed`,
      )
    const reviewers = seats.map((at) => names[at] as string)
    return { index, hash, description, reviewers, floor, withdrawn: false }
  } catch (error) {
    if (error instanceof FlameshError) return broken(error.code, `the review does not hold: ${error.message}`)
    throw error
  }
}
