/** Files named on the command line: descriptions of images in YAML, and reviews as base64. */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { decodeSigned, encodeSigned, openSigned, type Signed } from '@flamesh/protocol/encoding/signed.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { decodeBase64, encodeBase64 } from '@flamesh/protocol/identity/base.js'
import type { ImageDescription } from '@flamesh/protocol/images/description.js'
import { readDescription } from '@flamesh/protocol/images/document.js'
import { REVIEW } from '@flamesh/protocol/images/review.js'

/** A description with its comments; a review is shorter. */
const MAX_FILE_BYTES = 256 * 1024

/** Throws `file-not-found` or `file-unusable`. */
async function readText(file: string): Promise<string> {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined) throw new FlameshError('file-not-found', `there is no file ${file}`)
  if (!found.isFile() || found.size > MAX_FILE_BYTES)
    throw new FlameshError('file-unusable', `${file} is no file of at most ${MAX_FILE_BYTES} bytes`)
  return readFile(file, 'utf8').catch((cause) => {
    throw new FlameshError('file-unusable', `${file} cannot be read`, { cause, hint: 'check its permissions' })
  })
}

/** What went wrong, with the name of the file it went wrong in. */
function inFile(file: string, error: unknown): unknown {
  if (!(error instanceof FlameshError)) return error
  const { code, message, meta, hint } = error
  return new FlameshError(code, `${file}: ${message}`, { meta, cause: error, ...(hint === undefined ? {} : { hint }) })
}

async function parseYaml(text: string): Promise<unknown> {
  const { parseDocument } = await import('yaml')
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true })
  const [mistake] = document.errors
  if (mistake !== undefined)
    throw new FlameshError('yaml-invalid', (mistake.message.split('\n')[0] ?? '').replace(/:$/, ''), {
      hint: 'the file should be YAML: "field: value" lines, indented with spaces',
    })
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch (cause) {
    throw new FlameshError('yaml-invalid', 'aliases are not allowed', { cause, hint: 'write the value out' })
  }
}

/** Throws `description-invalid`, `yaml-invalid`, or what reading throws. */
export async function readDescriptionFile(file: string): Promise<ImageDescription> {
  const text = await readText(file)
  try {
    return readDescription(await parseYaml(text))
  } catch (error) {
    throw inFile(file, error)
  }
}

export const reviewText = (review: Signed): string => encodeBase64(encodeSigned(review))

export async function writeReview(file: string, review: Signed): Promise<void> {
  await writeFile(file, `${reviewText(review)}\n`).catch((cause) => {
    throw new FlameshError('file-unusable', `${file} cannot be written`, { cause, hint: 'does its folder exist?' })
  })
}

export interface OpenedReview {
  readonly signed: Signed
  readonly description: ImageDescription
}

/** Throws `encoding`, `schema` or `signature`, or what reading throws. */
export async function readReviewFile(file: string): Promise<OpenedReview> {
  const text = await readText(file)
  try {
    const signed = decodeSigned(decodeBase64(text.trim()))
    return { signed, description: openSigned(signed, REVIEW).body }
  } catch (error) {
    throw inFile(file, error)
  }
}
