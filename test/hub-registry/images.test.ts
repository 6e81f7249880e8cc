/** Reviewing and attesting an image, by the commands: reviewers who have no hub, and the hub's operator. */
import assert from 'node:assert/strict'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeBase64 } from '@flamesh/protocol/identity/base.js'
import { HUB_PATHS } from '@flamesh/protocol/identity/hub-api.js'
import { emptyLog, extendLog, type LogState } from '@flamesh/protocol/identity/log.js'
import { imageAttestation } from '@flamesh/protocol/identity/roster.js'
import { descriptionHash, type ImageDescription } from '@flamesh/protocol/images/description.js'
import { json, run, whileServed, withNewHub } from './commands.js'
import { withFolder } from './fixtures.js'

const EXAMPLE = fileURLToPath(new URL('../../docs/examples/images/description.yaml', import.meta.url))

interface Desk {
  readonly dir: string
  readonly hubKey: string
  readonly path: (name: string) => string
  /** public keys */
  readonly keys: Readonly<Record<string, string>>
}

/** A hub, three reviewers with keys of their own, and the reviews of two of them. */
const withReviews = (use: (desk: Desk) => Promise<void>) =>
  withNewHub((dir, hubKey) =>
    withFolder(async (folder) => {
      await mkdir(folder)
      const path = (name: string) => join(folder, name)
      const keys: Record<string, string> = {}
      for (const name of ['ana', 'bo', 'cy']) {
        keys[name] = (await json<{ key: string }>('reviewer-key', path(`${name}.key`))).key
        if (name !== 'cy') await json('review', EXAMPLE, '--key', path(`${name}.key`), '--out', path(`${name}.review`))
      }
      await use({ dir, hubKey, path, keys })
    }),
  )

const floor = ({ dir, keys }: Desk, threshold: number, ...names: string[]) =>
  run(
    'floor',
    '--dir',
    dir,
    '--threshold',
    String(threshold),
    ...names.flatMap((name) => ['--reviewer', `${name}=${keys[name]}`]),
  )

const attest = ({ dir, path }: Desk, description: string, ...names: string[]) =>
  run('attest', '--dir', dir, '--image', description, ...names.flatMap((name) => ['--review', path(`${name}.review`)]))

interface Roster {
  readonly images: readonly {
    image: string
    hash: string
    reviewers: string[]
    withdrawn: boolean
    description: ImageDescription
  }[]
}

describe('flamesh-hub, images', function () {
  this.timeout(60_000)

  it('makes a key for its owner alone, and never replaces one', () =>
    withFolder(async (folder) => {
      await mkdir(folder)
      const file = join(folder, 'my.key')
      const made = await run('reviewer-key', file)
      assert.equal(made.exit, 0)
      assert.match(made.stdout, /^[0-9a-f]{64}\n$/)
      assert.equal((await stat(file)).mode & 0o777, 0o600)
      const before = await readFile(file)
      const again = await run('reviewer-key', file)
      assert.equal(again.exit, 3)
      assert.match(again.stderr, /key-exists/)
      assert.deepEqual(await readFile(file), before)
      assert.equal((await run('reviewer-key', join(folder, 'none', 'my.key'))).exit, 2)
      await chmod(file, 0o644)
      const open = await run('review', EXAMPLE, '--key', file)
      assert.equal(open.exit, 3)
      assert.match(open.stderr, /key-permissions/)
      await chmod(file, 0o600)
      await writeFile(file, 'something else')
      assert.equal((await run('review', EXAMPLE, '--key', file)).exit, 3)
      assert.equal((await run('review', EXAMPLE, '--key', join(folder, 'no.key'))).exit, 5)
    }))

  it('shows what is signed, and signs it', () =>
    withReviews(async ({ path, keys }) => {
      const shown = await run('review', EXAMPLE)
      assert.equal(shown.exit, 0)
      const { hash } = await json<{ hash: string }>('review', EXAMPLE)
      const facts = [
        /survival-tree@sha256:4f1d/,
        /9b1f0c7d/,
        /0c6f8e2d/,
        /193 values/,
        /up to 12 rounds/,
        /64 sums, each from -2500000.5 to 2500000.5/,
        /memory-8g/,
        /Nothing is signed/,
        new RegExp(hash),
      ]
      for (const fact of facts) assert.match(shown.stdout, fact)
      const signed = await run('review', EXAMPLE, '--key', path('ana.key'))
      assert.equal(signed.exit, 0)
      // the review is the result; what was signed is for the person at the terminal
      assert.equal(signed.stdout, await readFile(path('ana.review'), 'utf8'))
      for (const fact of facts.filter((one) => !one.source.startsWith('Nothing'))) assert.match(signed.stderr, fact)
      assert.match(signed.stderr, new RegExp(`Signed with the key ${keys['ana']}`))
      const document = await json('review', EXAMPLE, '--key', path('ana.key'))
      assert.deepEqual(Object.keys(document), ['image', 'hash', 'description', 'reviewer', 'review'])
      assert.equal(`${document['review']}\n`, signed.stdout)
      assert.equal(descriptionHash(document['description'] as ImageDescription), hash)
      assert.equal((await run('review', EXAMPLE, '--out', path('x'))).exit, 2)
    }))

  it('attests an image that enough reviewers signed, and takes it back', () =>
    withReviews(async (desk) => {
      const { dir, hubKey, path } = desk
      const early = await attest(desk, EXAMPLE, 'ana', 'bo')
      assert.equal(early.exit, 6)
      assert.match(early.stderr, /no-policy-floor/)
      assert.match(early.stderr, /hint: .*--reviewer NAME=KEY/)
      // the second is the one in force, which the attestation names
      assert.equal((await floor(desk, 1, 'cy')).exit, 0)
      assert.equal((await floor(desk, 2, 'ana', 'bo', 'cy')).exit, 0)
      for (const names of [['ana'], ['ana', 'ana']]) {
        const few = await attest(desk, EXAMPLE, ...names)
        assert.equal(few.exit, 6)
        assert.match(few.stderr, /2 of ana, bo, cy; 1 reviewed/)
      }
      await json('reviewer-key', path('dee.key'))
      await json('review', EXAMPLE, '--key', path('dee.key'), '--out', path('dee.review'))
      assert.match((await attest(desk, EXAMPLE, 'ana', 'dee')).stderr, /reviewer-unknown/)
      const { hash } = await json<{ hash: string }>('review', EXAMPLE)
      await whileServed(dir, async ({ url }) => {
        const done = await attest(desk, EXAMPLE, 'ana', 'bo')
        assert.equal(done.exit, 0, done.stderr)
        assert.match(done.stdout, /survival-tree@sha256:4f1d.* is attested, reviewed by ana, bo \(statement 2\)/)
        assert.equal((await attest(desk, EXAMPLE, 'ana', 'bo')).exit, 6)
        // what a node gets is what the command did
        const { checkpoint } = (await (await fetch(url + HUB_PATHS.checkpoint)).json()) as { checkpoint: string }
        const served = (await (await fetch(`${url}${HUB_PATHS.statements}?from=0`)).json()) as { statements: string[] }
        const read = extendLog(emptyLog, served.statements.map(decodeBase64), decodeBase64(checkpoint), hubKey)
        assert.equal(read.outcome, 'extended')
        assert.deepEqual(imageAttestation((read as { state: LogState }).state.roster, hash)?.reviewers, ['ana', 'bo'])
      })
      const { images } = await json<{ images: Roster['images'] }>('roster', '--dir', dir)
      assert.deepEqual(
        images.map((one) => [one.hash, one.reviewers, one.withdrawn]),
        [[hash, ['ana', 'bo'], false]],
      )
      assert.equal(descriptionHash(images[0]!.description), hash)
      const text = (await run('roster', '--dir', dir)).stdout
      assert.match(text, /survival-tree@sha256:4f1d[0-9a-f]* +ana, bo +stands/)
      assert.match(text, new RegExp(`cy +${desk.keys['cy']}`))
      const digest = images[0]!.image.split('@')[1] as string
      const gone = await run('withdraw', '--dir', dir, '--image', digest, '--reason', 'a mistake')
      assert.equal(gone.exit, 0, gone.stderr)
      assert.match((await run('roster', '--dir', dir)).stdout, /ana, bo +withdrawn/)
      assert.equal((await run('withdraw', '--dir', dir, '--image', EXAMPLE, '--reason', 'x')).exit, 5)
      const again = await attest(desk, EXAMPLE, 'ana', 'bo')
      assert.equal(again.exit, 6)
      assert.match(again.stderr, /image-withdrawn/)
      assert.equal((await run('log', 'verify', '--dir', dir)).exit, 0)
    }))

  it('says what is wrong with a review or a description, and where', () =>
    withReviews(async (desk) => {
      const { dir, path } = desk
      const text = await readFile(EXAMPLE, 'utf8')
      const write = async (name: string, from: string | RegExp, to: string) => {
        assert.notEqual(text.replace(from, to), text)
        await writeFile(path(name), text.replace(from, to))
        return path(name)
      }
      assert.equal((await floor(desk, 1, 'ana', 'bo')).exit, 0)
      const wider = await write('wider.yaml', 'upper: 2500000.5', 'upper: 2500001')
      const differs = await attest(desk, wider, 'ana')
      assert.equal(differs.exit, 8)
      assert.match(differs.stderr, /ana\.review is a review of another description: output\[3\]\.upper differs/)
      const review = await readFile(path('ana.review'), 'utf8')
      // a character of the signature, which stands at the end
      const bent = review.at(-20) === 'A' ? 'B' : 'A'
      await writeFile(path('bent.review'), `${review.slice(0, -20)}${bent}${review.slice(-19)}`)
      assert.equal((await attest(desk, EXAMPLE, 'bent')).exit, 8)
      await writeFile(path('prose.review'), 'I looked at it and it is fine\n')
      const prose = await attest(desk, EXAMPLE, 'prose')
      assert.equal(prose.exit, 8)
      assert.match(prose.stderr, /prose\.review: /)
      const mistakes: [string, number, RegExp][] = [
        [await write('kind.yaml', 'kind: sum', 'kind: sums'), 2, /kind\.yaml: output\[3\]\.kind: must be/],
        [
          await write('field.yaml', 'sbom:', 'sbon:'),
          2,
          /sbon: there is no such field[\s\S]*hint: did you mean "sbom"/,
        ],
        [await write('tag.yaml', /@sha256:[0-9a-f]{64}/, ':latest'), 2, /image: must be REPOSITORY@sha256:DIGEST/],
        [await write('yaml.yaml', 'combine: reduce', 'combine: [reduce'), 2, /yaml\.yaml: .*line \d+/],
        [await write('alias.yaml', 'resources: [memory-8g]', 'resources: &a [memory-8g]\nmore: *a'), 2, /yaml-invalid/],
        [path('none.yaml'), 5, /there is no file/],
        [dir, 2, /file-unusable/],
      ]
      for (const [file, exit, message] of mistakes) {
        const shown = await run('review', file)
        assert.equal(shown.exit, exit, `${file}: ${shown.stderr}`)
        assert.match(shown.stderr, message)
        assert.equal(shown.stdout, '')
      }
    }))

  it('takes one way to say what was reviewed, by whom', () =>
    withReviews(async ({ dir, path, keys }) => {
      const at = ['--dir', dir]
      const wrong: string[][] = [
        ['attest', ...at],
        ['attest', ...at, '--analysis', 'cox'],
        ['attest', ...at, '--image', EXAMPLE],
        ['attest', ...at, '--image', EXAMPLE, '--reviewer', 'ana'],
        ['attest', ...at, '--analysis', 'cox', '--review', path('ana.review')],
        ['attest', ...at, '--image', EXAMPLE, '--analysis', 'cox', '--review', path('ana.review')],
        ['withdraw', ...at, '--reason', 'x'],
        ['withdraw', ...at, '--image', EXAMPLE, '--analysis', 'cox', '--reason', 'x'],
        ['floor', ...at, '--threshold', '1'],
        ['floor', ...at, '--threshold', '1', '--reviewers', 'ana', '--reviewer', `bo=${keys['bo']}`],
        ['floor', ...at, '--threshold', '1', '--reviewer', 'ana'],
        ['floor', ...at, '--threshold', '1', '--reviewer', 'ana=key'],
        ['floor', ...at, '--threshold', '2', '--reviewer', `ana=${keys['ana']}`],
        ['floor', ...at, '--threshold', '1', '--reviewer', `ana=${keys['ana']}`, '--reviewer', `bo=${keys['ana']}`],
      ]
      for (const args of wrong) assert.equal((await run(...args)).exit, 2, args.join(' '))
      const { size } = await json<{ size: number }>('roster', ...at)
      assert.equal(size, 0)
    }))
})
