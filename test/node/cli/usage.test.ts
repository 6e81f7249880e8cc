import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { EXIT, exitOf, exitOfOutcome } from '@flamesh/node/cli/exit-codes.js'
import { printable } from '@flamesh/node/cli/output.js'
import type { JobStatus } from '@flamesh/protocol/jobs/status.js'
import type { SiteView } from '@flamesh/protocol/peer.js'
import { flamesh } from './harness.js'

describe('command line', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'flamesh-cli-'))
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  it('says what to do about a full disk', async () => {
    const { main } = await import('@flamesh/node/cli/run.js')
    let said = ''
    const full = (): never => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    }
    const streams = {
      stdin: Object.assign(Readable.from([]), { isTTY: false }),
      stdout: { write: full },
      stderr: { write: (text: string) => (said += text) },
    }
    assert.equal(await main(['operator', 'key', join(dir, 'a.key')], {}, streams), EXIT.configuration)
    assert.match(said, /^error: there is no room left on the disk\nhint: make room /)
  })

  it('refuses what it does not understand with exit code 2, an error and a hint', async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [[], /needs a command: init, start/],
      [['job'], /flamesh job needs a command: submit/],
      [['jbo'], /unknown command 'jbo' \(did you mean job\?\)/],
      [['job', 'submit'], /missing required argument 'file'/],
      [['job', 'submit', 'a', 'b'], /too many arguments/],
      [['status', '--jsn'], /unknown option '--jsn'/],
      [['init', '--hub', 'x'], /required option '--hub-key <key>' not specified/],
      [['start', '--hub-poll-ms', 'soon'], /not a whole number/],
    ]
    for (const [args, message] of cases) {
      const { exit, stdout, stderr } = await flamesh(args)
      assert.equal(exit, EXIT.usage, args.join(' '))
      assert.match(stderr, /^error: .+\nhint: see flamesh.* --help\n$/)
      assert.match(stderr, message)
      assert.equal(stdout, '')
    }
  })

  it('prints help and version on stdout', async () => {
    const help = await flamesh(['dataset', 'add', '--help'])
    assert.equal(help.exit, 0)
    assert.match(help.stdout, /--yes/)
    const version = await flamesh(['--version'])
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
  })

  it('prints an error as the one JSON document on stdout with --json', async () => {
    const { exit, stdout } = await flamesh(['status', '--dir', dir, '--json'])
    assert.equal(exit, EXIT.configuration)
    const { error } = JSON.parse(stdout) as { error: { code: string; hint: string } }
    assert.equal(error.code, 'not-initialised')
    assert.ok(error.hint)
  })

  it('takes the folder from the environment', async () => {
    const { stderr } = await flamesh(['status'], { FLAMESH_DIR: join(dir, 'elsewhere') })
    assert.match(stderr, /elsewhere holds no node/)
  })

  it('tells a daemon that does not run from a folder without a node', async () => {
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ hub: 'http://127.0.0.1:1', hubKey: 'ab'.repeat(32) }))
    assert.equal((await flamesh(['status', '--dir', dir])).exit, EXIT.daemonUnreachable)
    assert.equal((await flamesh(['stop', '--dir', dir])).exit, EXIT.daemonUnreachable)
    const shown = await flamesh(['config', 'show', '--dir', dir, '--json'], { FLAMESH_LOG_LEVEL: 'debug' })
    assert.equal(shown.exit, 0)
    assert.deepEqual(JSON.parse(shown.stdout).settings.logLevel, { value: 'debug', source: 'FLAMESH_LOG_LEVEL' })
  })

  it('init makes nothing in a folder that holds something, and nothing of a wrong invite or without a hub', async () => {
    const common = ['init', '--hub', 'http://127.0.0.1:1', '--hub-key', 'ab'.repeat(32)]
    const fresh = join(dir, 'fresh')
    const wrong = await flamesh([...common, '--dir', fresh, '--invite', 'letmein'])
    assert.equal(wrong.exit, EXIT.usage)
    assert.match(wrong.stderr, /not an invite/)
    const { formatInvite, makeInvite } = await import('@flamesh/protocol/identity/invite.js')
    const invite = formatInvite(makeInvite(new Uint8Array(40).fill(7)))
    const off = await flamesh([...common, '--dir', fresh, '--invite', invite, '--json'])
    assert.equal(off.exit, EXIT.daemonUnreachable)
    assert.equal(JSON.parse(off.stdout).error.code, 'hub-unreachable')
    const { existsSync } = await import('node:fs')
    assert.ok(!existsSync(fresh))
    writeFileSync(join(dir, 'thesis.doc'), 'x')
    const full = await flamesh([...common, '--dir', dir, '--invite', invite])
    assert.equal(full.exit, EXIT.configuration)
    const key = await flamesh([
      'init',
      '--hub',
      'http://127.0.0.1:1',
      '--hub-key',
      'xyz',
      '--dir',
      fresh,
      '--invite',
      invite,
    ])
    assert.equal(key.exit, EXIT.usage)
    assert.match(key.stderr, /--hub-key: /)
  })

  it('refuses a job file that is no YAML, too large, or not there, before it asks the daemon', async () => {
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ hub: 'http://127.0.0.1:1', hubKey: 'ab'.repeat(32) }))
    const file = join(dir, 'job.yaml')
    const submit = (): ReturnType<typeof flamesh> => flamesh(['job', 'submit', file, '--dir', dir, '--json'])
    const codeOf = async (): Promise<string> => JSON.parse((await submit()).stdout).error.code
    assert.equal(await codeOf(), 'file-not-found')
    for (const [text, code] of [
      ['name: [', 'yaml-invalid'],
      ['a: &x 1\nb: *x\n', 'yaml-invalid'],
      ['a: 1\na: 2\n', 'yaml-invalid'],
      [`# ${'x'.repeat(70_000)}`, 'file-unusable'],
      ['name: fine\n', 'daemon-unreachable'],
    ] as const) {
      writeFileSync(file, text)
      assert.equal(await codeOf(), code, text.slice(0, 20))
    }
  })

  it('checks a policy before it takes the place of the old one', async () => {
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ hub: 'http://127.0.0.1:1', hubKey: 'ab'.repeat(32) }))
    const file = join(dir, 'mine.yaml')
    const set = async (text: string): Promise<string> => {
      writeFileSync(file, text)
      const { exit, stdout } = await flamesh(['policy', 'set', file, '--dir', dir, '--json'])
      const document = JSON.parse(stdout)
      return exit === 0
        ? `in force ${document.inForce}`
        : `${exit} ${document.error.code} ${document.error.meta?.path ?? ''}`
    }
    assert.equal(await set('version: 1\napprove: [{ analyses: builtin }]\n'), 'in force false')
    const before = (await flamesh(['policy', 'show', '--dir', dir, '--json'])).stdout
    assert.equal(await set('version: 1\naprove: []\n'), '3 policy-invalid aprove')
    assert.equal(await set('version: 1\nminimumCohort: 2\n'), '3 policy-invalid minimumCohort')
    assert.equal(await set('version: 1\napprove: [{ analyse: any }]\n'), '3 policy-invalid approve.0.analyse')
    assert.equal((await flamesh(['policy', 'show', '--dir', dir, '--json'])).stdout, before)
  })
})

describe('exit codes', () => {
  it('are 1 for a code that nobody listed', () => {
    assert.equal(exitOf('never-heard-of'), EXIT.unexpected)
    assert.equal(exitOf('already-running'), EXIT.alreadyRunning)
  })

  it('say how a job ended', () => {
    const site = (status: SiteView['status']): SiteView => ({ status })
    const cases: readonly (readonly [JobStatus, string | undefined, Record<string, SiteView>, number])[] = [
      ['released', 'released', {}, EXIT.ok],
      ['suppressed', 'small-cell', {}, EXIT.refusedByPolicy],
      ['failed', 'cohort-below-minimum', { a: site('approved'), b: site('refused') }, EXIT.tooFewSurvivors],
      ['failed', 'cohort-below-minimum', { a: site('refused'), b: site('refused') }, EXIT.refusedByPolicy],
      ['failed', 'cohort-below-minimum', {}, EXIT.tooFewSurvivors],
      ['failed', 'too-few-submissions', { a: site('submitted') }, EXIT.tooFewSurvivors],
      ['failed', 'guard', { a: site('submitted') }, EXIT.refusedByPolicy],
      ['refused', 'policy-never', {}, EXIT.refusedByPolicy],
      ['expired', 'expired', {}, EXIT.timedOut],
      ['approved', undefined, { a: site('approved') }, EXIT.timedOut],
      ['cancelled', 'cancelled', {}, EXIT.unexpected],
    ]
    for (const [status, code, sites, exit] of cases) {
      const outcome = { status, sites, ...(code === undefined ? {} : { code }) }
      assert.equal(exitOfOutcome(outcome), exit, `${status} ${code}`)
    }
  })
})

describe('what others wrote', () => {
  it('cannot move the cursor or turn the direction of writing', () => {
    assert.equal(printable('a\u001b[2Jb\r\n\u202ec'), 'a\ufffd[2Jb\ufffd\ufffd\ufffdc')
    assert.equal(printable('Zürich – Σ 東京'), 'Zürich – Σ 東京')
  })
})
