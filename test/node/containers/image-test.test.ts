/** `flamesh image test`: what the author of an image sees before anyone else does. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually, run } from '../../e2e/processes.js'
import { testEngine, withEngine } from './fixture.js'

const FLAMESH = fileURLToPath(new URL('../../../node/bin/flamesh.js', import.meta.url))
const LUNG = fileURLToPath(new URL('../../reference/lung.csv', import.meta.url))
const reference = JSON.parse(readFileSync(new URL('../../reference/lung.json', import.meta.url), 'utf8'))
const { coef } = reference.logistic_event_on_age_sex_ecog as { coef: readonly number[] }
const PARAMETERS = '{ outcome: status, is: "2", covariates: [age, sex, ph.ecog] }'
const COLUMNS = ['status', 'age', 'sex', 'ph.ecog'].flatMap((name) => ['--columns', name])

const describing = (image: string, changes: object = {}): string =>
  JSON.stringify({
    contract: 1,
    image,
    source: { location: 'docs/examples/images', commit: 'c0'.repeat(20) },
    sbom: '5b'.repeat(32),
    output: [
      { name: 'rows', kind: 'count', lower: 0, upper: 100000 },
      { name: 'gradient', kind: 'sum', length: 4, lower: -1e9, upper: 1e9 },
      { name: 'hessian', kind: 'sum', length: 10, lower: -1e12, upper: 1e12 },
    ],
    maxRounds: 6,
    combine: 'reduce',
    ...changes,
  })

describe('flamesh image test', function () {
  this.timeout(120_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-image-test-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  async function test(description: string, ...args: readonly string[]) {
    const file = join(folder, 'image.yaml')
    await writeFile(file, description)
    return run([FLAMESH, 'image', 'test', file, '--data', LUNG, ...args])
  }

  withEngine('comes to the coefficients of R over four splits, and shows who would see what', async () => {
    const { images, socketPath } = await testEngine()
    const args = [...COLUMNS, '--parameters', PARAMETERS, '--socket', socketPath, '--rounds', '5']
    const { exit, stdout, stderr } = await test(describing(images.python), ...args, '--json')
    assert.equal(exit, 0, stderr)
    const { rounds, result } = JSON.parse(stdout)
    assert.equal(rounds.length, 5)
    for (const [at, wanted] of coef.entries())
      assert.ok(Math.abs(result.outcome[at] - wanted) < 1e-6 * Math.abs(wanted))
    const [{ sites, opened }] = rounds
    assert.equal(sites.length, 4)
    const rows = sites.map((site: { values: readonly number[] }) => site.values[1])
    assert.equal(
      rows.reduce((sum: number, one: number) => sum + one, 0),
      opened[1],
    )
    assert.equal(new Set(sites.map((site: { masked: string }) => site.masked)).size, 4)
  })

  withEngine('splits what a source gives, with what was declared of it', async () => {
    const { images, socketPath } = await testEngine()
    const image = join(folder, 'image.yaml')
    await writeFile(image, describing(images.python))
    const declaration = join(folder, 'study.yaml')
    const query = `SELECT status::VARCHAR AS status, age * 12 AS months, sex, "ph.ecog" FROM read_csv('lung.csv', nullstr = 'NA')`
    await copyFile(LUNG, join(folder, 'lung.csv'))
    await writeFile(
      declaration,
      JSON.stringify({ source: { query }, derive: { age: { from: 'months', times: 1 / 12 } } }),
    )
    const args = [...COLUMNS, '--parameters', PARAMETERS, '--socket', socketPath, '--rounds', '5', '--json']
    const { exit, stdout, stderr } = await run([
      ...[FLAMESH, 'image', 'test', image, '--declaration', declaration, ...args],
    ])
    assert.equal(exit, 0, stderr)
    const { result } = JSON.parse(stdout)
    for (const [at, wanted] of coef.entries())
      assert.ok(Math.abs(result.outcome[at] - wanted) < 1e-6 * Math.abs(wanted))
  })

  withEngine('says it in words too, and what the image printed', async () => {
    const { images, socketPath } = await testEngine()
    const args = [...COLUMNS, '--parameters', PARAMETERS, '--socket', socketPath, '--rounds', '1', '--sites', '2']
    const { exit, stdout, stderr } = await test(describing(images.python), ...args)
    assert.equal(exit, 0, stderr)
    for (const said of [/gradient\[0\]/, /site 2/, /Released to the recipients/, /rows used: 11\d/])
      assert.match(stdout, said)
  })

  withEngine('finds an image that does not keep to its description, or that reduces to other bytes', async () => {
    const { publish, socketPath, images } = await testEngine()
    const args = ['--socket', socketPath, '--columns', 'age', '--rounds', '1', '--sites', '2', '--json']
    const failing = async (description: string): Promise<string> => {
      const { exit, stdout } = await test(description, ...args)
      assert.notEqual(exit, 0)
      return JSON.parse(stdout).error.code
    }
    const output = [{ name: 'x', kind: 'sum', lower: 0, upper: 1 }]
    const script = (text: string) => `FROM base\nENTRYPOINT ["/bin/sh", "-c", "${text}", "run"]\n`
    const random = await publish(
      'random',
      script('head -c 4 /dev/urandom | od -An -tu4 | tr -d \\" \\" > /flamesh/out/update.txt'),
    )
    const two = await publish('two', script('echo 2 > /flamesh/out/update.txt'))
    assert.equal(await failing(describing(two, { output, combine: 'sum' })), 'out-of-bound')
    const wide = [{ name: 'x', kind: 'sum', lower: 0, upper: 1e12 }]
    assert.equal(await failing(describing(random, { output: wide })), 'not-deterministic')
    assert.equal(await failing(describing(images.python.replace(/.{8}$/, '00000000'))), 'image-absent')
  })

  withEngine('leaves no container and no file behind when it is interrupted', async () => {
    const { publish, socketPath, docker } = await testEngine()
    const image = await publish('sleeper', 'FROM base\nENTRYPOINT ["/bin/sh", "-c", "sleep 600", "run"]\n')
    const file = join(folder, 'sleeper.yaml')
    await writeFile(file, describing(image))
    const present = async () => (await docker.listContainers({ all: true })).map((one) => `${one.Id} ${one.State}`)
    const before = await present()
    for (const [signal, exit] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const scratch = await mkdtemp(join(folder, 'tmp-'))
      const args = [FLAMESH, 'image', 'test', file, '--data', LUNG, '--columns', 'age', '--socket', socketPath]
      const child = spawn(process.execPath, args, { env: { ...process.env, TMPDIR: scratch }, stdio: 'ignore' })
      const ended = once(child, 'exit')
      await eventually(
        'the container runs',
        async () => (await present()).some((one) => one.endsWith(' running')) || undefined,
      )
      child.kill(signal)
      child.kill(signal)
      assert.deepEqual(await ended, [exit, null])
      assert.deepEqual(await present(), before)
      assert.deepEqual(await readdir(scratch), [])
    }
  })

  it('says what to do where there is no engine, and where the description is wrong', async () => {
    const missing = await test(
      describing(`registry.example/x@sha256:${'1f'.repeat(32)}`),
      '--socket',
      join(folder, 'none.sock'),
    )
    assert.equal(missing.exit, 3)
    assert.match(missing.stderr, /cannot be reached[\s\S]*hint: install Docker or Podman/)
    const wrong = await test(describing('registry.example/x:latest'))
    assert.match(wrong.stderr, /^error: image: must be REPOSITORY@sha256:DIGEST/)
  })
})
