/** A fixed part of the campaign with every test run: seeds, every case that once found something, and the same hash twice. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { runRange } from '@flamesh/simulations/campaign/campaign.js'
import { type Case, caseSchema, type Deed, readCase, type When } from '@flamesh/simulations/campaign/case.js'
import { generate } from '@flamesh/simulations/campaign/generate.js'
import { nothingShows } from '@flamesh/simulations/campaign/interference.js'
import { runCase } from '@flamesh/simulations/campaign/run-case.js'
import { shrink } from '@flamesh/simulations/campaign/shrink.js'
import { statisticsText } from '@flamesh/simulations/campaign/statistics.js'

const SEEDS = 60
const REGRESSIONS = fileURLToPath(new URL('../../simulations/regressions/', import.meta.url))
const COMMAND = fileURLToPath(new URL('../../simulations/src/cli/main.ts', import.meta.url))

describe('the campaign against the protocol', function () {
  this.timeout(300_000)

  it(`finds nothing in ${SEEDS} seeds, and does a lot in them`, async () => {
    const all = await runRange({ from: 0, to: SEEDS })
    assert.deepEqual(all.findings, [], statisticsText(all))
    assert.equal(all.seeds, SEEDS)
    // a campaign in which little happens proves little
    assert.ok(Object.keys(all.faults).length >= 25, statisticsText(all))
    assert.ok((all.endings.released ?? 0) > SEEDS / 2, statisticsText(all))
    for (const [name, count] of Object.entries(all.checks)) assert.ok(count > 0, name)
    assert.ok(Object.keys(all.checks).length >= 19, statisticsText(all))
  })

  it('finds nothing any more where it once did', async () => {
    for (const file of (await readdir(REGRESSIONS)).filter((name) => name.endsWith('.json'))) {
      const { violations } = await runCase(readCase(join(REGRESSIONS, file)))
      assert.deepEqual(violations, [], file)
    }
  })

  it('comes to the same hash in this process and in another', async () => {
    for (const seed of [3, 52]) {
      const { hash, steps } = await runCase(generate(seed))
      const again = await runCase(generate(seed))
      const args = ['--conditions=source', '--import', 'tsx', COMMAND, 'replay', String(seed), '--json']
      const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 24 })
      const { outcome } = JSON.parse(stdout)
      assert.deepEqual([again.hash, outcome.hash, outcome.steps], [hash, hash, steps])
    }
  })

  it('replays a case from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'flamesh-case-'))
    try {
      const file = join(folder, 'case.json')
      await writeFile(file, JSON.stringify(generate(5)))
      assert.deepEqual(readCase(file), caseSchema.parse(generate(5)))
      await writeFile(file, '{"version": 1}')
      assert.throws(() => readCase(file), { code: 'usage' })
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('compares what strangers see for two sets of rows', async () => {
    assert.equal(await nothingShows(generate(3), 0), undefined)
  })

  it('shrinks a case to what it takes', async () => {
    const spoilt: Deed = { do: 'lie', node: 'site-4', lie: 'wrong-seeds', victims: ['site-1'] }
    const crash: Deed = { do: 'crash', node: 'site-2', afterWrite: false, restartMs: 100 }
    const have: When = { on: 'message', match: { type: 'have' }, nth: 0 }
    const long: Case = {
      ...generate(0),
      shape: { sites: 5, committee: 4, latencyMs: 5, old: 5 },
      operations: [
        { when: { on: 'time', atMs: 0 }, deed: spoilt },
        { when: have, deed: crash },
        { when: { on: 'time', atMs: 10 }, deed: { do: 'skew', node: 'site-3', skewMs: 1_000 } },
      ],
    }
    const short = await shrink(long, ({ fired }) => (fired.crash ?? 0) > 0)
    assert.deepEqual(short.operations, [{ when: have, deed: crash }])
    assert.equal(short.shape.sites, 4)
  })
})
