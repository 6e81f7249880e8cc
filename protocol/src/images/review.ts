/**
 * A review: a person's signature under the description of an image, made offline with a key of their own. Several people sign
 * one payload, and their signatures are collected in one object. Implements docs/spec/images.md, "Review". It says who
 * signed what, not how well they looked.
 */
import { type Kind, openSigned, type Signed, type Signer, signObject } from '../encoding/signed.js'
import { descriptionSchema, type ImageDescription } from './description.js'

export const REVIEW: Kind<ImageDescription> = { kind: 'review', version: 1, schema: descriptionSchema }

/** Throws `schema` if the description is not one. */
export function signReview(description: ImageDescription, reviewer: Signer): Signed {
  const signed = signObject(REVIEW.kind, REVIEW.version, description, reviewer)
  openSigned(signed, REVIEW)
  return signed
}
