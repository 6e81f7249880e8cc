/** The mutation check: a campaign that would not notice a missing defence proves nothing. Each is missed within 1,000 seeds. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Caught } from './entry.js'
import { bundle, MUTANTS, type Mutant, patched } from './mutants.js'

const SEEDS = Array.from({ length: 1000 }, (_, seed) => seed)

interface Answer {
  readonly ran: number
  readonly caught: Caught | null
}

async function attack(file: string, seeds: readonly number[], names: readonly string[]): Promise<Answer> {
  const { stdout } = await promisify(execFile)(process.execPath, [file, JSON.stringify({ seeds, names })], {
    maxBuffer: 1 << 24,
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  return JSON.parse(stdout) as Answer
}

describe('the campaign', function () {
  this.timeout(600_000)
  let folder: string
  const caught = new Map<Mutant, Caught>()
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-mutants-'))
  })
  after(() => rm(folder, { recursive: true }))

  for (const [at, mutant] of MUTANTS.entries()) {
    it(`notices that ${mutant.without} is missing`, async () => {
      const file = join(folder, `${at}.mjs`)
      await bundle(file, mutant.patches)
      const answer = await attack(file, SEEDS, mutant.aims)
      assert.ok(answer.caught !== null, `not within ${answer.ran} cases of 1,000 seeds`)
      caught.set(mutant, answer.caught)
      process.stdout.write(`      seed ${answer.caught.seed}: ${answer.caught.invariant}: ${answer.caught.message}\n`)
    })
  }

  it('finds nothing with these seeds in the protocol as it is', async () => {
    const file = join(folder, 'whole.mjs')
    await bundle(file)
    const seeds = [...new Set([...caught.values()].map((one) => one.seed))]
    assert.ok(seeds.length > 0)
    assert.deepEqual(await attack(file, seeds, []), { ran: seeds.length, caught: null })
  })
})

describe('a patch', () => {
  it('must fit its source exactly once', () => {
    const patch = { file: 'x.ts', from: 'a', to: 'b' }
    assert.equal(patched('1 a 2', [patch]), '1 b 2')
    assert.throws(() => patched('1 2', [patch]), /exactly once/)
    assert.throws(() => patched('a a', [patch]), /exactly once/)
  })
})
