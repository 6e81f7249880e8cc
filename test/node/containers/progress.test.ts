/** What an image prints while it runs, for the operator of the site alone. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { stateFolder } from '@flamesh/node/config/state-folder.js'
import { followLog } from '@flamesh/node/containers/operator-log.js'
import { ImageRunner } from '@flamesh/node/runner/image-runner.js'
import { RunNotes } from '@flamesh/node/runner/run-notes.js'
import type { ImageDescription } from '@flamesh/protocol/images/description.js'
import type { ContributeRequest } from '@flamesh/protocol/ports.js'
import type Docker from 'dockerode'
import { eventually } from '../../e2e/processes.js'
import { flamesh } from '../cli/harness.js'
import { available, siteEngine, type TestEngine, testEngine, withEngine } from './fixture.js'
import { assertNothingLeft, SMALL } from './runs.js'

const FLAMESH = fileURLToPath(new URL('../../../node/bin/flamesh.js', import.meta.url))
const JOB = 'ab12cd34ef56'.padEnd(64, '0')

describe('what an image prints while it runs', function () {
  this.timeout(120_000)
  let engine: TestEngine
  let dir: string
  let reader: ChildProcess | undefined
  let runner: ImageRunner | undefined

  before(async function () {
    this.timeout(120_000)
    if (!available) return
    engine = await testEngine()
    dir = join(engine.folder, 'operator')
    await mkdir(dir, { mode: 0o700 })
    // of a node whose daemon is not up
    await writeFile(stateFolder(dir).configFile, '{}')
    await chmod(stateFolder(dir).configFile, 0o600)
  })
  afterEach(async () => {
    if (reader?.kill()) await once(reader, 'close')
    await runner?.close()
    if (available) await assertNothingLeft(engine)
  })

  function runnerOf() {
    const notes = new RunNotes(stateFolder(dir).imageLogsDir, () => undefined)
    return new ImageRunner({
      engine: siteEngine(engine, 'site-w'),
      limits: { ...SMALL, timeMs: 600_000 },
      rows: async ({ dataset }) => ({ ok: true, count: 12, csv: dataset, schema: {} }),
      onBegin: (run) => notes.begin(run),
      onRun: (run) => notes.end(run),
    })
  }

  function asking(script: string): ContributeRequest {
    const output = [{ name: 'x', kind: 'sum', length: 1, lower: '-100', upper: '100' }] as const
    const image = { image: engine.images.script, output, maxRounds: 1, combine: 'sum', resources: [] }
    const about = { job: JOB, round: 1, parameters: { columns: [], values: {} }, state: undefined, dataset: script }
    return { ...about, image: image as unknown as ImageDescription } as unknown as ContributeRequest
  }

  withEngine('is read by its operator as it comes, and how it ended afterwards', async () => {
    const site = runnerOf()
    runner = site
    let seen = ''
    const args = [FLAMESH, 'job', 'log', JOB.slice(0, 8), '--follow', '--dir', dir]
    reader = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    reader.stdout?.on('data', (chunk) => {
      seen += chunk
    })
    const shows = (pattern: RegExp) => eventually(String(pattern), () => pattern.test(seen) || undefined)
    const stop = new AbortController()
    const script = "echo 'one of 3'; printf '\\033[31mtwo of 3\\n'; sleep 600"
    const run = site.contribute(asking(script), stop.signal)
    await shows(/no end is known yet\n\nprinted:\none of 3\n\ufffd\[31mtwo of 3\n$/)
    assert.equal((await engine.docker.listContainers()).length, 1, 'it runs')
    stop.abort()
    assert.equal((await run).ok, false)
    await shows(/two of 3\n\njob ab12[0-9a-f]*, round 1, map\n.*\ncancelled: .*\n/)
    // the next run of the job
    assert.ok((await site.contribute(asking('echo 7 > /flamesh/out/update.txt; echo done'))).ok)
    await shows(/ended well/)
    assert.equal(seen.match(/one of 3/g)?.length, 1)
    const whole = await flamesh(['job', 'log', JOB, '--json', '--dir', dir])
    const { runs } = JSON.parse(whole.stdout) as { runs: { text: string }[] }
    assert.deepEqual(
      runs.map(({ text }) => text.split('\n')[2]),
      ['cancelled: the run was cancelled', 'ended well'],
    )
    assert.match(runs[1]?.text ?? '', /\nprinted:\ndone\n$/)
    for (const name of await readdir(stateFolder(dir).imageLogsDir))
      assert.equal((await stat(join(stateFolder(dir).imageLogsDir, name))).mode & 0o077, 0)
  })

  it('cannot be followed as one document', async () => {
    if (!available) return
    const { exit, stderr } = await flamesh(['job', 'log', JOB, '--follow', '--json', '--dir', dir])
    assert.equal(exit, 2)
    assert.match(stderr, /--follow/)
  })

  it('is told up to the limit of the log, in whole characters, and without what the engine says itself', async () => {
    const frame = (from: number, bytes: Buffer): Buffer => {
      const header = Buffer.from([from, 0, 0, 0, 0, 0, 0, 0])
      header.writeUInt32BE(bytes.length, 4)
      return Buffer.concat([header, bytes])
    }
    const [text, said] = [Buffer.from('größe 1\n\u001b[2J'), Buffer.from('Error grabbing logs')]
    const frames = [
      frame(1, text.subarray(0, 3)),
      frame(3, said),
      frame(2, text.subarray(3)),
      frame(1, Buffer.alloc(99, 'x')),
    ]
    for (const size of [1, 7, 1000]) {
      const bytes = Buffer.concat(frames)
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
        bytes.subarray(at * size, (at + 1) * size),
      )
      const container = { logs: async () => Readable.from(chunks) } as unknown as Docker.Container
      let told = ''
      await followLog(container, text.length + 2, (piece) => (told += piece), new AbortController().signal)
      assert.equal(told, 'größe 1\n\ufffd[2Jxx')
    }
  })
})
