/** `flamesh job log` beside a daemon that writes: files that are only just there, or gone. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type StateFolder, stateFolder } from '@flamesh/node/config/state-folder.js'
import { NO_END, PRINTED, RunNotes } from '@flamesh/node/runner/run-notes.js'
import { eventually } from '../../e2e/processes.js'

const FLAMESH = fileURLToPath(new URL('../../../node/bin/flamesh.js', import.meta.url))
const JOB = 'ab12cd34ef56'.padEnd(64, '0')

describe('the log of a job', function () {
  this.timeout(60_000)
  let folder: StateFolder
  let dir: string

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'flamesh-log-'))
    folder = stateFolder(dir)
    await writeFile(folder.configFile, '{}')
    await chmod(folder.configFile, 0o600)
    await mkdir(folder.imageLogsDir, { recursive: true })
  })
  afterEach(() => rm(dir, { recursive: true, force: true }))

  it('is followed from a file that was still empty when it was first looked at', async () => {
    const file = (at: number): string => join(folder.imageLogsDir, `2026-01-0${at}_${JOB.slice(0, 12)}_${at}_map.txt`)
    await writeFile(file(1), '')
    await writeFile(file(2), `job ${JOB}, round 2, map\nimage\nended well\n`)
    const reader = spawn(process.execPath, [FLAMESH, 'job', 'log', JOB, '--follow', '--dir', dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let seen = ''
    reader.stdout.on('data', (chunk) => {
      seen += chunk
    })
    const shows = (pattern: RegExp) => eventually(String(pattern), () => pattern.test(seen) || undefined)
    try {
      await shows(/round 2, map/)
      await appendFile(file(1), `job ${JOB}, round 1, map\nimage\n${NO_END}\n${PRINTED}one of 3\n`)
      await shows(/one of 3/)
    } finally {
      reader.kill()
      await once(reader, 'close')
    }
  })

  it('is for its owner alone, also where the file of a run was removed meanwhile', async () => {
    const notes = new RunNotes(folder.imageLogsDir, () => undefined)
    const begun = { job: JOB, round: 1, entry: 'map', image: 'image', begunMs: 0 } as const
    const tell = notes.begin(begun)
    const names = () => readdir(folder.imageLogsDir)
    const [name] = await eventually('a file', async () => ((await names()).length > 0 ? names() : undefined))
    const path = join(folder.imageLogsDir, String(name))
    await rm(path)
    tell('one of 3\n')
    const { mode } = await eventually('the file again', () => stat(path).catch(() => undefined))
    assert.equal(mode & 0o077, 0)
  })
})
