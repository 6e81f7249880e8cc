/** Shipped scenarios give the answers that they promise, and runs leave what makes them reproducible. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '@flamesh/simulations/kernel/random.js'
import { execute } from '@flamesh/simulations/run/execute.js'
import { expectedCompletion } from '@flamesh/simulations/run/oracle.js'
import { loadScenario } from '@flamesh/simulations/scenarios/shipped.js'
import { dirichlet } from '@flamesh/simulations/workload/distributions.js'

const MAIN = fileURLToPath(new URL('../../../simulations/src/cli/main.ts', import.meta.url))

/** name: status, sites in the sum, equal to the plain sum. */
async function answers(name: string): Promise<Readonly<Record<string, readonly unknown[]>>> {
  const { scenario, file } = loadScenario(name)
  const { outcomes } = await execute(scenario, file, { progress: () => undefined, interrupted: () => false })
  return Object.fromEntries(outcomes.map((one) => [one.name, [one.status, one.survivors, one.exact]]))
}

describe('a shipped scenario', () => {
  it('three-hospitals: an exact sum of three', async () => {
    assert.deepEqual(await answers('three-hospitals'), { 'age by stage': ['released', 3, true] })
  }).timeout(60_000)

  it('eight-hospitals-one-vanishes: an exact sum of seven', async () => {
    assert.deepEqual(await answers('eight-hospitals-one-vanishes'), { 'events by treatment': ['released', 7, true] })
  }).timeout(60_000)

  it('hub-off: jobs go on, a revocation waits', async () => {
    assert.deepEqual(await answers('hub-off'), {
      before: ['released', 9, true],
      'while-the-hub-is-off': ['released', 9, true],
      after: ['released', 8, true],
    })
  }).timeout(60_000)

  it('byzantine-member: exact sums against every lie', async () => {
    assert.deepEqual(await answers('byzantine-member'), {
      'against-two-votes': ['released', 8, true],
      'against-wrong-partials': ['released', 8, true],
      'against-silence': ['released', 8, true],
    })
  }).timeout(60_000)
})

describe('the oracle of completion', () => {
  for (const [dropout, expected] of [
    [0.05, 0.972],
    [0.1, 0.738],
    [0.2, 0.153],
  ] as const) {
    it(`of 13 sites over three phases with two thirds needed, at ${dropout}`, () => {
      const found = expectedCompletion({ sites: 13, required: 9, phases: 3, dropout })
      assert.equal(found.toFixed(3), String(expected))
    })
  }

  it('counts sites that are certain as there', () => {
    assert.equal(expectedCompletion({ sites: 5, required: 4, phases: 1, dropout: 1, certain: 4 }), 1)
    assert.equal(expectedCompletion({ sites: 5, required: 5, phases: 1, dropout: 0.25, certain: 4 }), 0.75)
  })
})

describe('a Dirichlet distribution', () => {
  it('has the moments of the textbook', () => {
    const random = seededRandom(1, 'dirichlet')
    const weights = [0.5, 0.3, 0.2]
    for (const concentration of [0.5, 4, 50]) {
      const drawn = Array.from({ length: 4000 }, () => dirichlet(random, concentration, weights))
      weights.forEach((weight, at) => {
        const values = drawn.map((shares) => shares[at] as number)
        const mean = values.reduce((sum, one) => sum + one, 0) / values.length
        const variance = values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / values.length
        const expected = (weight * (1 - weight)) / (concentration + 1)
        assert.ok(Math.abs(mean - weight) < 4 * Math.sqrt(expected / 4000), `mean at ${concentration}: ${mean}`)
        assert.ok(Math.abs(variance / expected - 1) < 0.15, `variance at ${concentration}: ${variance / expected}`)
      })
    }
  })
})

describe('flamesh-sim run', () => {
  let folder = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'flamesh-sim-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  async function sim(args: readonly string[], onError: (text: string, pid: number) => void = () => undefined) {
    const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', MAIN, ...args])
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk) => (stdout += chunk))
    child.stderr.on('data', (chunk) => {
      stderr += chunk
      onError(stderr, child.pid as number)
    })
    const [exit] = (await once(child, 'close')) as [number | null]
    return { exit, stdout, stderr }
  }

  it('writes the same tables for the same seed in two processes, and refuses a folder of something else', async () => {
    const runs = ['a', 'b'].map((name) => ['run', 'three-hospitals', '--seed', '7', '--out', join(folder, name)])
    for (const args of runs) assert.equal((await sim(args)).exit, 0)
    const names = readdirSync(join(folder, 'a')).filter((name) => name.endsWith('.csv'))
    assert.deepEqual(names.sort(), ['events.csv', 'jobs.csv', 'mesh.csv', 'phases.csv', 'propagation.csv', 'sites.csv'])
    const read = (run: string, name: string): string => readFileSync(join(folder, run, name), 'utf8')
    for (const name of names) assert.equal(read('a', name), read('b', name), name)
    const hashes = ['a', 'b'].map((run) => JSON.parse(read(run, 'manifest.json')).hash)
    assert.equal(hashes[0], hashes[1])
    assert.match(read('a', 'mesh.csv'), /\n\d/)
    writeFileSync(join(folder, 'manifest.json'), '{}')
    const refused = await sim(['run', 'three-hospitals', '--out', folder, '--json'])
    assert.equal(refused.exit, 3)
    assert.equal(JSON.parse(refused.stdout).error.code, 'folder-not-empty')
  }).timeout(60_000)

  it('leaves a complete folder when it is interrupted', async () => {
    const out = join(folder, 'interrupted')
    const file = join(folder, 'long.yaml')
    const text = 'question: What is there after an interruption?\nsites: { count: 8 }\nduration: 30d\njobs:\n'
    writeFileSync(file, `${text}  - { analysis: describe, parameters: { columns: [age] } }\n`)
    let told = false
    const { exit } = await sim(['run', file, '--out', out], (text, pid) => {
      // the first line of progress of the run itself: it is well under way
      if (told || !/simulated \d/.test(text)) return
      told = true
      process.kill(pid, 'SIGINT')
    })
    assert.equal(exit, 130)
    assert.equal(JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')).interrupted, true)
    for (const name of ['events', 'jobs', 'mesh', 'phases', 'propagation', 'sites'])
      assert.match(readFileSync(join(out, `${name}.csv`), 'utf8'), /^[a-z_,]+\n/)
    assert.match(readFileSync(join(out, 'jobs.csv'), 'utf8'), /,describe,/)
  }).timeout(60_000)

  it('helps with every mistake on the command line', async () => {
    const nowhere = await sim(['run', 'three-hospital'])
    assert.equal(nowhere.exit, 5)
    assert.match(nowhere.stderr, /there is no scenario three-hospital\nhint: did you mean "three-hospitals"\?/)
    const missing = await sim(['run', './none.yaml'])
    assert.equal(missing.exit, 5)
    const seed = await sim(['run', 'three-hospitals', '--seed', 'x'])
    assert.equal(seed.exit, 2)
    assert.match(seed.stderr, /A seed is a whole number/)
  }).timeout(60_000)
})
