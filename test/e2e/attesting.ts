/** An image on its way into the log, by the commands that reviewers and the hub's operator have. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Federation } from './federation.js'
import { run } from './processes.js'

const FLAMESH_HUB = fileURLToPath(new URL('../../hub-registry/bin/flamesh-hub.js', import.meta.url))

/** As two reviewers and the operator of the hub do it: keys, reviews made offline, a floor, an attestation. */
export async function attest(federation: Federation, described: object | string): Promise<void> {
  const description = await federation.file(
    'image.yaml',
    typeof described === 'string' ? described : JSON.stringify(described),
  )
  const offline = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
    const { exit, stdout, stderr } = await run([FLAMESH_HUB, ...args, '--json'])
    assert.equal(exit, 0, stderr)
    return JSON.parse(stdout)
  }
  const reviewers: string[] = []
  const reviews: string[] = []
  for (const name of ['ana', 'bo']) {
    const key = join(federation.folder, `${name}.key`)
    const made = await offline('reviewer-key', key)
    reviewers.push('--reviewer', `${name}=${made['publicKey'] ?? made['key']}`)
    const out = join(federation.folder, `${name}.review`)
    await offline('review', description, '--key', key, '--out', out)
    reviews.push('--review', out)
  }
  await federation.hubCommand('floor', '--threshold', '2', ...reviewers)
  await federation.hubCommand('attest', '--image', description, ...reviews)
}
