/**
 * What reviewers do, without a hub: make a key, see what a description says, sign it. And what the hub's operator does with
 * what they signed: collect it under one description. Implements docs/spec/images.md, "Review".
 */
import { mergeSignatures, payloadHash, type Signed } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { descriptionHash, type ImageDescription } from '@flamesh/protocol/images/description.js'
import { dimensionOf } from '@flamesh/protocol/images/layout.js'
import { signReview } from '@flamesh/protocol/images/review.js'
import { pathText } from '@flamesh/protocol/jobs/document.js'
import { readReviewerKey } from '../key-file.js'
import type { OperationResult } from '../operations.js'
import { readDescriptionFile, readReviewFile, reviewText, writeReview } from './files.js'

const COMBINED: Readonly<Record<ImageDescription['combine'], string>> = {
  sum: 'each value summed over the sites',
  'weighted-mean': 'each sum divided by the total of "weight"',
  reduce: 'by the image itself, from the sums over the sites, without patient data',
}

/** Everything that a signature is put under, in words. */
export function descriptionText(description: ImageDescription): string {
  const { image, source, sbom, output, maxRounds, combine, resources } = description
  const width = Math.max(...output.map(({ name }) => name.length))
  const slots = output.map(({ name, kind, length, lower, upper }) => {
    const what = length === 1 ? kind : `${length} ${kind}s, each`
    return `    ${name.padEnd(width)}  ${what} from ${lower} to ${upper}`
  })
  const rounds = maxRounds === 1 ? 'in one round' : `in each of up to ${maxRounds} rounds`
  const values = dimensionOf(description)
  return [
    `  image      ${image}`,
    `  source     ${source.location}`,
    `  commit     ${source.commit}`,
    `  SBOM       SHA-256 ${sbom}`,
    `  contract   version ${description.contract}`,
    `  resources  ${resources.length === 0 ? 'none beside the contract' : resources.join(', ')}`,
    `  combined   ${COMBINED[combine]}`,
    `  output     ${values} value${values === 1 ? '' : 's'} of each site, ${rounds}:`,
    ...slots,
    `  hash       ${descriptionHash(description)}`,
  ].join('\n')
}

const CLAIM =
  "this image was built from this source, holds what this SBOM lists, and gives out these values about a site's rows and nothing else"

export interface ReviewOptions {
  readonly key?: string
  readonly out?: string
}

/** Shows a description and, with a key, signs it. The text of the result is the review itself, unless it goes to a file. */
export async function review(file: string, { key, out }: ReviewOptions): Promise<OperationResult> {
  const description = await readDescriptionFile(file)
  const said = { image: description.image, hash: descriptionHash(description), description }
  if (key === undefined) {
    if (out !== undefined)
      throw new FlameshError('bad-request', 'nothing is signed without a key, and so there is nothing to write', {
        hint: 'give your key: --key FILE',
      })
    return said
  }
  const reviewer = await readReviewerKey(key)
  const signed = signReview(description, reviewer)
  if (out !== undefined) await writeReview(out, signed)
  return { ...said, reviewer: reviewer.publicKey, review: reviewText(signed) }
}

/** For standard error: what was signed, and what that means. */
export function signedText(result: OperationResult): string {
  const text = descriptionText(result['description'] as ImageDescription)
  return `${text}\nSigned with the key ${result['reviewer']}: ${CLAIM}.`
}

export function shownText(result: OperationResult): string {
  const text = descriptionText(result['description'] as ImageDescription)
  return `${text}\nNothing is signed. With --key FILE you sign that ${CLAIM}.`
}

/** Where two descriptions differ first; undefined if they do not. */
function difference(a: unknown, b: unknown, path: readonly PropertyKey[] = []): string | undefined {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return a === b ? undefined : pathText(path)
  const key = (text: string) => (Array.isArray(a) ? Number(text) : text)
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const found = difference((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name], [
      ...path,
      key(name),
    ])
    if (found !== undefined) return found
  }
  return undefined
}

/** Reviews of one description as one object. Throws `review-differs`, or what reading throws. */
export async function collectReviews(file: string, reviews: readonly string[]): Promise<Signed> {
  const description = await readDescriptionFile(file)
  const hash = descriptionHash(description)
  const opened = await Promise.all(reviews.map(async (name) => ({ name, ...(await readReviewFile(name)) })))
  for (const one of opened) {
    if (payloadHash(one.signed) === hash) continue
    const where = difference(description, one.description)
    throw new FlameshError('review-differs', `${one.name} is a review of another description: ${where} differs`, {
      meta: { path: where },
      hint: 'its reviewer has to see this description and sign it',
    })
  }
  const [first, ...rest] = opened.map(({ signed }) => signed)
  if (first === undefined)
    throw new FlameshError('bad-request', 'an image is attested by its reviews', {
      hint: 'give each: --review FILE',
    })
  return rest.reduce((all, one) => mergeSignatures(all, one.signatures), first)
}
