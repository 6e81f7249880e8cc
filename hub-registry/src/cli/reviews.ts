/** The commands about reviews and attestations: what reviewers do offline, and what the hub says of it. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { digestOf, digestSchema } from '@flamesh/protocol/images/description.js'
import { type Command, InvalidArgumentError } from 'commander'
import { makeReviewerKey } from '../key-file.js'
import { add, type Common, collect, hex, list, operate, whole } from './command.js'
import { readDescriptionFile, reviewText } from './files.js'
import { print } from './print.js'
import { collectReviews, type ReviewOptions, review, shownText, signedText } from './reviewing.js'

interface Reviewer {
  readonly name: string
  readonly key: string
}

/** NAME=KEY, one after the other. */
function reviewer(text: string, held: readonly Reviewer[] = []): readonly Reviewer[] {
  const at = text.lastIndexOf('=')
  if (at < 1) throw new InvalidArgumentError('It must be NAME=KEY, the key as "flamesh-hub reviewer-key" prints it.')
  return [...held, { name: text.slice(0, at), key: hex(text.slice(at + 1)) }]
}

function wrong(message: string, hint: string): never {
  throw new FlameshError('bad-request', message, { hint })
}

function addOffline(program: Command): void {
  program
    .command('reviewer-key')
    .description("make a reviewer's key and print its public half; needs no hub")
    .argument('<file>', 'where the key will be kept, for its owner alone')
    .option('--json', 'print the result as JSON')
    .action(async (file: string, { json }: { json?: boolean }) => {
      const { publicKey } = await makeReviewerKey(file)
      print({ file, key: publicKey }, json === true, () => publicKey, `Keep ${file} to yourself and back it up.`)
    })
  program
    .command('review')
    .description('show the description of an image and, with a key, sign that it was reviewed; needs no hub')
    .argument('<description>', 'the description, in YAML')
    .option('--key <file>', 'the key to sign with')
    .option('--out <file>', 'write the review there')
    .option('--json', 'print the result as JSON')
    .action(async (file: string, options: ReviewOptions & { json?: boolean }) => {
      const result = await review(file, options)
      const signed = options.key !== undefined
      print(
        result,
        options.json === true,
        () => {
          if (!signed) return shownText(result)
          return options.out === undefined ? String(result['review']) : `the review is in ${options.out}`
        },
        signed ? signedText(result) : undefined,
      )
    })
}

interface Attest extends Common {
  readonly analysis?: string
  readonly hash?: string
  readonly reviewer?: readonly string[]
  readonly image?: string
  readonly review?: readonly string[]
}

async function attestation({ analysis, hash, reviewer: reviewers, image, review: reviews }: Attest): Promise<object> {
  if (image !== undefined) {
    if (analysis !== undefined || hash !== undefined || reviewers !== undefined)
      wrong(
        'an image is attested by reviews alone',
        'give --image and --review, and no --analysis, --hash or --reviewer',
      )
    return { operation: 'attest-image', review: reviewText(await collectReviews(image, reviews ?? [])) }
  }
  if (reviews !== undefined) wrong('reviews are of an image', 'give its description: --image FILE')
  if (analysis === undefined || reviewers === undefined)
    wrong('what was reviewed, by whom?', 'give --analysis and --reviewer, or of an image --image and --review')
  return { operation: 'attest', analysis, analysisHash: hash, reviewers }
}

interface Withdraw extends Common {
  readonly analysis?: string
  readonly hash?: string
  readonly image?: string
  readonly reason: string
}

async function withdrawal({ analysis, hash, image, reason }: Withdraw): Promise<object> {
  if (image !== undefined) {
    if (analysis !== undefined || hash !== undefined)
      wrong('one attestation is withdrawn at a time', 'give --image, or --analysis, and not both')
    const digest = digestSchema.safeParse(image).success ? image : digestOf(await readDescriptionFile(image))
    return { operation: 'withdraw-image', digest, reason }
  }
  if (analysis === undefined) wrong('what is withdrawn?', 'give --analysis NAME, or --image DIGEST')
  return { operation: 'withdraw', analysis, analysisHash: hash, reason }
}

interface Floor extends Common {
  readonly threshold: number
  readonly reviewers?: readonly string[]
  readonly reviewer?: readonly Reviewer[]
}

function floor({ threshold, reviewers, reviewer: keyed }: Floor): object {
  if ((reviewers === undefined) === (keyed === undefined))
    wrong('who reviews?', 'give --reviewer NAME=KEY for each, or --reviewers NAMES if no image is to be attested')
  if (keyed === undefined) return { operation: 'floor', threshold, reviewers }
  const names = keyed.map(({ name }) => name)
  return { operation: 'floor', threshold, reviewers: names, keys: keyed.map(({ key }) => key) }
}

export function addReviews(program: Command): void {
  addOffline(program)
  operate<Attest>(
    add(program, 'attest', 'state that an analysis or an image was reviewed')
      .option('--analysis <name>', 'name of the analysis')
      .option('--hash <hex>', 'its content hash; known already for a built-in analysis', hex)
      .option('--reviewer <name>', 'who reviewed it; repeat for more', collect)
      .option('--image <description>', 'the description of an image, in YAML')
      .option('--review <file>', 'what a reviewer signed; repeat for more', collect),
    (result) => {
      const { image, analysis, reviewers, index } = result
      const by = image === undefined ? '' : `, reviewed by ${(reviewers as string[]).join(', ')}`
      return `${image ?? analysis} is attested${by} (statement ${index})`
    },
    attestation,
  )
  operate<Withdraw>(
    add(program, 'withdraw', 'take an attestation back')
      .option('--analysis <name>', 'name of the analysis')
      .option('--hash <hex>', 'its content hash; known already for a built-in analysis', hex)
      .option('--image <image>', 'the digest of an image, sha256:…, or its description')
      .requiredOption('--reason <text>', 'why; every node can read it'),
    (result) =>
      `the attestation of ${result['image'] ?? result['analysis']} is withdrawn (statement ${result['index']})`,
    withdrawal,
  )
  operate<Floor>(
    add(program, 'floor', 'ask for so many reviewers of every attestation from now on')
      .requiredOption('--threshold <number>', 'how many', whole)
      .option('--reviewer <name=key>', 'of whom, and the key they sign with; repeat for more', reviewer)
      .option('--reviewers <names>', 'comma-separated: of whom, without keys; then no image can be attested', list),
    (result) => `an attestation now needs ${result['threshold']} reviewers (statement ${result['index']})`,
    floor,
  )
}
