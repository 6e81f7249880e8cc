import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AUDIT_START, AuditLog, verifyAudit } from '@flamesh/node/store/audit-log.js'
import fc from 'fast-check'

const entry = (number: number) => ({
  event: 'job-approved',
  fields: { number, rule: 'approve[0]', manual: number % 2 === 0 },
})

describe('audit log', () => {
  let root: string
  let file: string
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'flamesh-audit-'))
    file = join(root, 'audit', 'audit.jsonl')
  })
  afterEach(() => rm(root, { recursive: true }))

  async function write(count: number): Promise<AuditLog> {
    const log = await AuditLog.open(file, () => 1_700_000_000_000)
    await Promise.all(Array.from({ length: count }, (_, number) => log.append(entry(number))))
    return log
  }

  it('chains entries in the order of the calls, over a restart', async () => {
    await (await write(3)).close()
    const log = await write(2)
    const { head, entries } = log
    await log.close()
    const lines = (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      lines.map((line) => [line.sequence, line.fields.number]),
      [
        [0, 0],
        [1, 1],
        [2, 2],
        [3, 0],
        [4, 1],
      ],
    )
    assert.deepEqual(
      lines.map((line) => line.previous),
      [AUDIT_START, ...lines.slice(0, -1).map((line) => line.hash)],
    )
    assert.deepEqual(await verifyAudit(file), { entries: 5, head, tornBytes: 0 })
    assert.equal(entries, 5)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
  })

  it('takes any field and gives it back', async () => {
    const fields = fc.dictionary(
      fc.string({ maxLength: 6 }).filter((key) => key !== '__proto__'),
      fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean()),
      { maxKeys: 4 },
    )
    const log = await AuditLog.open(file)
    await fc.assert(
      fc.asyncProperty(fields, async (value) => {
        await log.append({ event: 'any', fields: value })
      }),
      { numRuns: 60 },
    )
    await assert.rejects(log.append({ event: 'bad', fields: { value: Number.NaN } }), { code: 'internal' })
    await assert.rejects(log.append({ event: 'long', fields: { value: 'x'.repeat(100_000) } }), { code: 'internal' })
    await log.append(entry(1))
    const { entries } = log
    await log.close()
    assert.equal((await verifyAudit(file)).entries, entries)
  })

  it('tells which line was changed, removed, inserted or moved', async () => {
    await (await write(5)).close()
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
    const swapped = (at: number, text: string) => lines.map((line, index) => (index === at ? text : line))
    const cases: [string, string[], number][] = [
      ['changed', swapped(2, lines[2]!.replace('"number":2', '"number":7')), 3],
      ['spaced', swapped(2, lines[2]!.replace(',', ', ')), 3],
      ['removed', lines.filter((_, index) => index !== 1), 2],
      ['removed first', lines.slice(1), 1],
      ['inserted', [...lines.slice(0, 3), lines[1]!, ...lines.slice(3)], 4],
      ['moved', [lines[0]!, lines[2]!, lines[1]!, ...lines.slice(3)], 2],
      ['not JSON', swapped(4, 'hello'), 5],
    ]
    for (const [what, changed, line] of cases) {
      await writeFile(file, `${changed.join('\n')}\n`)
      await assert.rejects(verifyAudit(file), { code: 'audit-broken', meta: { file, line } }, what)
      await assert.rejects(AuditLog.open(file), { code: 'audit-broken' }, what)
    }
  })

  it('cuts off a torn last line, says so, and goes on', async () => {
    await (await write(2)).close()
    const whole = (await stat(file)).size
    await (await write(1)).close()
    const { size } = await stat(file)
    for (const [length, zeros] of [
      [size - 1, 0],
      [whole + 1, 0],
      [whole + 10, 4096],
      [whole, 4096],
    ] as const) {
      const original = await readFile(file)
      await truncate(file, length)
      await appendFile(file, new Uint8Array(zeros))
      assert.deepEqual((await verifyAudit(file)).tornBytes, length - whole + zeros)
      const log = await AuditLog.open(file)
      await log.append(entry(9))
      await log.close()
      assert.equal((await verifyAudit(file)).entries, 4)
      const lines = (await readFile(file, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      assert.deepEqual([lines[2].event, lines[2].fields], ['audit-torn', { bytes: length - whole + zeros }])
      await writeFile(file, original)
    }
  })

  it('reads only the end of a long log, and still sees that it goes on from there', async () => {
    const log = await AuditLog.open(file)
    const filler = 'x'.repeat(10_000)
    await Promise.all(Array.from({ length: 150 }, () => log.append({ event: 'long', fields: { filler } })))
    await log.close()
    const again = await AuditLog.open(file)
    await again.append(entry(1))
    await again.close()
    assert.equal((await verifyAudit(file)).entries, 151)
  })

  it('fails for good when the disk refuses', async () => {
    const log = await AuditLog.open(file)
    await log.append(entry(1))
    await log.close()
    await assert.rejects(log.append(entry(2)), { code: 'audit-failed' })
    await assert.rejects(log.append(entry(3)), { code: 'audit-failed' })
  })

  it('is missing where there is none', async () => {
    await assert.rejects(verifyAudit(file), { code: 'audit-missing' })
  })

  it('loses nothing it acknowledged when killed', async () => {
    const script = `
      import { AuditLog } from '@flamesh/node/store/audit-log.js'
      const log = await AuditLog.open(process.argv[1])
      for (let i = 0; ; i++) {
        const done = [log.append({ event: 'e', fields: { i } }), log.append({ event: 'f', fields: { i } })]
        await Promise.all(done)
        process.stdout.write(log.entries + '\\n')
      }`
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, [
        '--conditions=source',
        '--import=tsx',
        '--input-type=module',
        '-e',
        script,
        file,
      ])
      let said = ''
      child.stdout.on('data', (chunk) => (said += chunk))
      await once(child.stdout, 'data')
      await new Promise((resolve) => setTimeout(resolve, 15 + 11 * round))
      child.kill('SIGKILL')
      await once(child, 'close')
      const acknowledged = Number(said.trimEnd().split('\n').at(-1))
      const log = await AuditLog.open(file)
      await log.close()
      assert.ok((await verifyAudit(file)).entries >= acknowledged)
      assert.ok(acknowledged > 0)
    }
  })
})
