/** `flamesh dataset …` on a folder whose daemon is off. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { EXIT } from '@flamesh/node/cli/exit-codes.js'
import { createIdentity } from '@flamesh/node/store/identity.js'
import { flamesh } from './harness.js'

const FLAMESH = fileURLToPath(new URL('../../../node/bin/flamesh.js', import.meta.url))

const ROWS = Array.from({ length: 12 }, (_, row) => `${row},5;${row % 2 ? 'm' : 'w'};${row + 1}.03.2020;Grüße ${row}`)
const CSV = Buffer.from(`gewicht;geschlecht;datum;text\r\n${ROWS.join('\r\n')}\r\n`, 'latin1')

describe('dataset commands', () => {
  let dir: string
  let file: string
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'flamesh-dataset-'))
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ hub: 'http://127.0.0.1:1', hubKey: 'ab'.repeat(32) }))
    await createIdentity(join(dir, 'keys'))
    file = join(dir, 'export.csv')
    writeFileSync(file, CSV)
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  const dataset = (args: readonly string[], typed?: string) => flamesh(['dataset', ...args, '--dir', dir], {}, typed)
  const document = async (...args: readonly string[]) => {
    const { exit, stdout } = await dataset([...args, '--json'])
    return { exit, ...JSON.parse(stdout) }
  }

  it('shows every guess before it asks, and adds nothing without a yes', async () => {
    const { exit, stderr } = await dataset(['add', 'lung', file], 'n\n')
    assert.equal(exit, EXIT.usage)
    for (const line of [
      /^encoding +windows-1252 \(a guess: line 2 is not UTF-8; --encoding declares it\)$/m,
      /^separator +";" \(a guess: .*--separator/m,
      /^decimal sign +"," \(a guess: as in gewicht; --decimal/m,
      /^missing +nothing "NA" .*--missing/m,
      /^gewicht +number\?/m,
      /^datum +date dd\.mm\.yyyy\? .*days since 1970-01-01/m,
      /^geschlecht +level\? +m, w/m,
    ])
      assert.match(stderr, line)
    assert.deepEqual((await document('list')).datasets, [])
    assert.equal((await dataset(['add', 'lung', file], 'y\n')).exit, EXIT.ok)
    assert.equal((await document('list')).datasets.length, 1)
  })

  it('gives the same guesses as a document, with and without --yes', async () => {
    const refused = await document('add', 'lung', file)
    assert.equal(refused.error.code, 'not-confirmed')
    const { read } = await document('add', 'lung', file, '--yes')
    assert.deepEqual(refused.error.meta.read, read)
    assert.deepEqual(read.form.encoding, {
      value: 'windows-1252',
      guessed: true,
      because: 'line 2 is not UTF-8',
    })
    assert.deepEqual(read.columns[2].reading, { as: 'date', format: 'dd.mm.yyyy', epoch: '1970-01-01' })
  })

  it('takes declarations from the file beside the data, and options before them', async () => {
    writeFileSync(`${file}.yaml`, 'encoding: windows-1252\nepoch: 2020-01-01\ncolumns:\n  text: { type: text }\n')
    const { read, columns } = await document(
      'add',
      'lung',
      file,
      '--yes',
      '--epoch',
      '2019-01-01',
      '--type',
      'gewicht=number',
    )
    assert.equal(read.from, `${file}.yaml`)
    assert.equal(read.form.encoding.guessed, false)
    assert.deepEqual(
      read.columns.map((column: { guessed: boolean }) => column.guessed),
      [false, true, true, false],
    )
    assert.equal(columns[2].epoch, '2019-01-01')
    const { declaration, form } = await document('show', 'lung')
    assert.deepEqual(declaration, {
      encoding: 'windows-1252',
      epoch: '2019-01-01',
      columns: { text: { type: 'text' }, gewicht: { type: 'number' } },
    })
    assert.equal(form.decimal, ',')
  })

  it('names what is wrong with the data, the declaration and the options, with an exit code', async () => {
    const outcome = async (...more: readonly string[]) => {
      const { exit, error } = await document('add', 'lung', file, '--yes', ...more)
      return [exit, error.code, error.meta?.line ?? null, error.meta?.column ?? null]
    }
    assert.deepEqual(await outcome('--decimal', '.', '--type', 'gewicht=number'), [3, 'csv-value', 2, 'gewicht'])
    assert.deepEqual(await outcome('--encoding', 'utf-8'), [3, 'csv-encoding', 2, null])
    assert.deepEqual(await outcome('--type', 'gewicht:number'), [2, 'usage', null, null])
    assert.deepEqual(await outcome('--type', 'weight=number'), [2, 'declaration-invalid', null, null])
    writeFileSync(`${file}.yaml`, 'decimal: ","\ncolums: {}\n')
    assert.deepEqual(await outcome(), [2, 'declaration-invalid', 2, 9])
  })

  it('looks at the name before it reads anything', async () => {
    const { exit, error } = await document('add', 'lung cancer', join(dir, 'nothing.csv'))
    assert.deepEqual([exit, error.code], [EXIT.usage, 'dataset-name'])
  })

  it('updates as before unless told otherwise, and says what changed in counts', async () => {
    assert.equal((await document('update', 'lung', file, '--yes')).error.code, 'dataset-missing')
    const first = await document('add', 'lung', file, '--yes', '--type', 'geschlecht=level', '--withhold', 'geschlecht')
    const again = await document('add', 'lung', file, '--yes')
    assert.deepEqual([again.exit, again.error.code], [2, 'dataset-exists'])
    assert.equal((await document('update', 'lung', file, '--yes')).diff, null)
    writeFileSync(file, Buffer.concat([CSV, Buffer.from('99,5;d;13.03.2020;neu\r\n')]))
    const { stderr } = await dataset(['update', 'lung', file], 'n\n')
    assert.match(stderr, /^declared by +version [0-9a-f]{12}$/m)
    assert.match(stderr, /^geschlecht +level +0 +\+"d" \(1\)$/m)
    const next = await document('update', 'lung', file, '--yes')
    assert.deepEqual(next.columns[1], { name: 'geschlecht', type: 'level' }, 'still withheld')
    assert.equal(next.read.columns[1].guessed, false, 'still declared')
    assert.deepEqual(next.diff.rows, { same: 12, removed: 0, added: 1 })
    const diff = await document('diff', 'lung', '--from', first.version.slice(0, 10))
    assert.deepEqual({ ...diff, exit: undefined }, { ...next.diff, exit: undefined })
    const told = (await dataset(['diff', 'lung'])).stdout
    assert.match(told, /12 → 13 rows\n12 rows are the same, 0 are gone, 1 are new/)
    // versions are digits too
    assert.doesNotMatch(told.replaceAll(/[0-9a-f]{12}/g, ''), /99/)
    const { versions } = await document('show', 'lung')
    assert.deepEqual(
      versions.map((one: { version: string }) => one.version),
      [next.version, first.version],
    )
  })

  it('retires after a yes, and takes the name again', async () => {
    await document('add', 'lung', file, '--yes')
    assert.equal((await document('retire', 'lung')).error.code, 'not-confirmed')
    assert.equal((await dataset(['retire', 'lung'], 'n\n')).exit, EXIT.usage)
    assert.equal((await document('list')).datasets.length, 1)
    assert.equal((await dataset(['retire', 'lung'], 'y\n')).exit, EXIT.ok)
    assert.deepEqual((await document('list')).datasets, [])
    assert.equal((await document('show', 'lung')).error.code, 'dataset-missing')
    assert.equal((await document('add', 'lung', file, '--yes')).exit, EXIT.ok)
  })

  it('reads a declared source, and reads it again for an update', async () => {
    const [declaration, rows] = [join(dir, 'study.yaml'), join(dir, 'rows.csv')]
    const query = "SELECT a, a % 2 AS b FROM 'rows.csv'"
    writeFileSync(declaration, `source:\n  query: ${query}\ncolumns: { b: { type: level } }\n`)
    writeFileSync(rows, `a\n${Array.from({ length: 40 }, (_, row) => row).join('\n')}\n`)
    assert.match((await dataset(['add', 'lung'])).stderr, /neither a file nor a declaration with a source/)
    assert.match((await dataset(['add', 'lung', file, '--declaration', declaration])).stderr, /a file is named too/)
    assert.match(
      (await dataset(['add', 'lung', '--declaration', declaration], 'n\n')).stderr,
      /^types +as in the source$/m,
    )
    const { read, version, columns } = await document('add', 'lung', '--declaration', declaration, '--yes')
    assert.equal(read.form, null)
    assert.deepEqual(columns[1], { name: 'b', type: 'level', levels: ['0', '1'] })
    const shown = (await dataset(['show', 'lung'])).stdout
    assert.ok(shown.includes(`${query} (files of ${dir})`), shown)

    assert.equal((await document('update', 'lung', '--yes')).version, version, 'nothing changed')
    writeFileSync(rows, 'a\n1\n2\n3\n4\n5\n6\n')
    const second = await document('update', 'lung', '--yes')
    assert.deepEqual([second.rows, second.diff.rows], [6, { same: 6, removed: 34, added: 0 }])
    assert.deepEqual((await document('show', 'lung')).declaration.source, { query, folder: dir })

    writeFileSync(declaration, `source:\n  query: ${query} WHERE true\ncolumns: { b: { type: level } }\n`)
    const third = await document('update', 'lung', '--declaration', declaration, '--yes')
    assert.notEqual(third.version, second.version, 'the query is part of the version')
    writeFileSync(declaration, 'source: { query: SELECT 1; SELECT 2 }\n')
    const { error } = await document('update', 'lung', '--declaration', declaration, '--yes')
    assert.equal(error.code, 'query-invalid')

    writeFileSync(rows, 'b\n1\n2\n')
    await document('update', 'lung', rows, '--yes')
    assert.equal((await document('show', 'lung')).declaration.source, undefined)
    assert.match((await dataset(['update', 'lung', '--yes'])).stderr, /neither a file/)
    assert.deepEqual(readdirSync(join(dir, 'scratch')), [])
  })

  it('leaves no copy of a source when a signal ends it; what a crash leaves goes with the next command', async function () {
    this.timeout(60_000)
    const scratch = join(dir, 'scratch')
    const declaration = join(dir, 'endless.yaml')
    writeFileSync(declaration, 'source: { query: SELECT i FROM range(1000000000000) t(i) }\n')
    /** A command that has begun to write. */
    const begin = async (): Promise<ChildProcess> => {
      const args = ['dataset', 'add', 'endless', '--declaration', declaration, '--dir', dir]
      const child = spawn(process.execPath, [FLAMESH, ...args], { stdio: 'ignore' })
      const folder = join(scratch, String(child.pid))
      const files = () =>
        existsSync(scratch)
          ? readdirSync(scratch, { recursive: true, encoding: 'utf8' })
              .map((name) => join(scratch, name))
              .filter((path) => path.startsWith(folder) && path.endsWith('.csv') && statSync(path).size > 0)
          : []
      while (child.exitCode === null && files().length === 0) await sleep(20)
      assert.equal(child.exitCode, null)
      return child
    }
    const end = async (child: ChildProcess, signal: NodeJS.Signals) => {
      const ended = once(child, 'exit')
      child.kill(signal)
      return ended
    }
    assert.deepEqual(await end(await begin(), 'SIGTERM'), [143, null])
    assert.deepEqual(readdirSync(scratch), [])
    assert.deepEqual(await end(await begin(), 'SIGKILL'), [null, 'SIGKILL'])
    assert.equal(readdirSync(scratch).length, 1)
    writeFileSync(declaration, 'source: { query: SELECT 1 AS a }\n')
    assert.equal((await dataset(['add', 'one', '--declaration', declaration, '--yes'])).exit, EXIT.ok)
    assert.deepEqual(readdirSync(scratch), [])
  })

  it('shows how columns were derived, before it asks and afterwards', async () => {
    const lines = [
      'columns: { geschlecht: { keep: false } }',
      'derive:',
      '  sex: { from: geschlecht, map: { m: male } }',
    ]
    writeFileSync(`${file}.yaml`, lines.join('\n'))
    const wrong = await document('add', 'lung', file, '--yes')
    assert.deepEqual([wrong.exit, wrong.error.code, wrong.error.meta.line], [3, 'csv-value', 2])
    writeFileSync(`${file}.yaml`, lines.join('\n').replace('m: male', 'm: male, w: female'))
    const { stderr } = await dataset(['add', 'lung', file], 'y\n')
    assert.match(stderr, /^read, not kept +geschlecht$/m)
    assert.match(stderr, /^sex +level +female, male +geschlecht: m → male, w → female$/m)
    assert.match((await dataset(['show', 'lung'])).stdout, /^sex .* geschlecht: m → male, w → female$/m)
    const { declaration, published } = await document('show', 'lung')
    assert.deepEqual(declaration.derive, { sex: { from: 'geschlecht', map: { m: 'male', w: 'female' } } })
    assert.doesNotMatch(JSON.stringify(published), /geschlecht/)
  })
})
