import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { waitMs } from '@flamesh/node/data/fhir/answers.js'
import { anchoredFhir, fhirSourceSchema } from '@flamesh/node/data/fhir/mapping.js'
import { openFhir } from '@flamesh/node/data/fhir/source.js'
import type { FlameshError } from '@flamesh/protocol/errors.js'
import { withFhirServer } from './fhir-process.js'
import { expectedTable, MAPPING } from './people.js'
import type { Fault, ServerSetup } from './server.js'

const PEOPLE = 40

async function read(base: string, given: Record<string, unknown> = {}, folder = '/', mapping: object = MAPPING) {
  const source = fhirSourceSchema.parse({ fhir: { base, pageSize: 7, ...given }, ...mapping })
  const { batches, ...table } = await openFhir(anchoredFhir(source, folder))
  const cells: (readonly (string | null)[])[] = []
  for await (const batch of batches) cells.push(...batch)
  return { ...table, cells }
}

/** The table, read from a server with these faults. */
const readFrom = (faults: readonly Fault[], setup: Partial<ServerSetup> = {}, given: Record<string, unknown> = {}) =>
  withFhirServer({ people: PEOPLE, faults, ...setup }, async ({ base, asked }) => ({
    ...(await read(base, given)),
    asked: await asked(),
  }))

const fails = (faults: readonly Fault[], code: string, message: RegExp, setup: Partial<ServerSetup> = {}) =>
  assert.rejects(readFrom(faults, setup), (error: FlameshError) => {
    assert.equal(error.code, code, String(error))
    assert.match(error.message, message)
    assert.doesNotMatch(`${error.message} ${error.hint} ${JSON.stringify(error.meta)}`, /Mustermann/)
    return true
  })

describe('a FHIR server as a source', () => {
  it('gives one row a patient, picked from all pages', async () => {
    const { cells, columns, notes, asked } = await readFrom([])
    assert.deepEqual(cells, expectedTable(PEOPLE))
    assert.deepEqual(notes, [])
    assert.deepEqual(
      columns.map(({ type }) => type),
      ['level', 'level', 'date', 'number', 'number', 'integer', 'integer', 'integer', 'integer'],
    )
    assert.ok(asked.every(({ headers }) => headers['prefer'] === 'handling=strict'))
    assert.ok(asked.every(({ headers }) => headers['authorization'] === undefined))
    const first = (type: string) => new URL(asked.find(({ url }) => url.includes(`/${type}?`))?.url ?? '').searchParams
    assert.equal(first('Observation').get('code'), 'http://loinc.org|4548-4,http://loinc.org|59261-8')
    assert.equal(first('Condition').get('code'), null, 'codes that begin so cannot be searched for')
    assert.equal(first('Patient').get('_count'), '7')
  })

  it('searches as declared, and counts what is about patients that it did not read', async () => {
    const given = { search: { Patient: { gender: 'male' } } }
    const { cells, notes } = await readFrom([], {}, given)
    assert.deepEqual(
      cells,
      expectedTable(PEOPLE).filter((row) => row[1] === 'male'),
    )
    assert.equal(notes.length, 1)
    assert.match(notes[0] ?? '', /^\d+ resources about 26 patients not read: not used$/)
  })

  it('searches by codes only where every column of the type says some', async () => {
    const columns = {
      all: { resource: 'Observation', pick: 'count' },
      weighed: { resource: 'Observation', code: 'http://loinc.org|29463-7', pick: 'count' },
    }
    await withFhirServer({ people: 10 }, async ({ base }) => {
      const { cells } = await read(base, {}, '/', { columns })
      const sums = [0, 1].map((at) => cells.reduce((sum, row) => sum + Number(row[at]), 0))
      assert.deepEqual(sums, [30, 10], 'twenty values of HbA1c, and a weight of each')
    })
  })

  const recovered: Record<string, readonly Fault[]> = {
    'is busy (429, Retry-After)': [{ type: 'Observation', page: 2, times: 3, does: { status: 429, retryAfter: '0' } }],
    'is down for a moment (503)': [{ type: 'Patient', page: 1, times: 1, does: { status: 503 } }],
    'says with a date when to come again': [
      { type: 'Patient', page: 2, times: 1, does: { status: 503, retryAfter: new Date(0).toUTCString() } },
    ],
    'ends the connection in the middle of a body': [
      { type: 'Observation', page: 3, times: 1, does: 'cut' },
      { type: 'Encounter', page: 2, times: 1, does: 'cut' },
    ],
    'orders a page otherwise': [{ type: 'Observation', page: 2, does: 'backwards' }],
  }
  for (const [what, faults] of Object.entries(recovered)) {
    it(`loses and doubles nothing where the server ${what}`, async () => {
      const { cells, notes } = await readFrom(faults)
      assert.deepEqual(cells, expectedTable(PEOPLE))
      assert.deepEqual(notes, [])
    })
  }

  for (const does of ['twice', 'overlap'] as const) {
    it(`counts once what comes again (${does})`, async () => {
      const faults: Fault[] = ['Observation', 'Encounter', 'Patient'].map((type) => ({ type, page: 2, times: 1, does }))
      const { cells, notes } = await readFrom(faults)
      assert.deepEqual(cells, expectedTable(PEOPLE))
      assert.match(
        notes.join(),
        does === 'twice' ? /^21 resources given more than once: counted once$/ : /^3 resources given/,
      )
    })
  }

  it('says what the server warned of, and nothing of its words', async () => {
    const does = { warns: 'not-supported', severity: 'warning' }
    const { cells, notes } = await readFrom([{ type: 'Condition', page: 1, does }])
    assert.deepEqual(cells, expectedTable(PEOPLE))
    assert.deepEqual(notes, ['Condition: the server said warning/not-supported (1×)'])
  })

  it('says that a server may have ignored what it was to search by', async () => {
    const given = { search: { Patient: { gender: 'male' } } }
    const { cells, notes } = await readFrom([{ type: 'Patient', page: 0, does: 'ignores' }], {}, given)
    assert.equal(cells.length, PEOPLE)
    assert.deepEqual(notes, ['Patient: the server said nothing of having searched by gender (1×)'])
  })

  it('ends with an error where a page is missing, unless the server gives no total', async () => {
    const skip: Fault[] = [{ type: 'Encounter', page: 2, does: 'skip' }]
    await fails(skip, 'fhir-incomplete', /^Encounter: the server has 39 and gave 32$/)
    const { cells } = await readFrom(skip, { total: false })
    assert.notDeepEqual(cells, expectedTable(PEOPLE))
  })

  const refused: Record<string, readonly [readonly Fault[], string, RegExp]> = {
    'never gets well': [
      [{ type: 'Patient', page: 2, does: { status: 503, retryAfter: '0' } }],
      'fhir-unreachable',
      /^Patient, page 2: gave up after 8 attempts: the server answered 503$/,
    ],
    'refuses a parameter': [
      [{ type: 'Condition', page: 1, does: { status: 400, outcome: 'not-supported' } }],
      'fhir-answer',
      /^Condition, page 1: the server answered 400 \(error\/not-supported\)$/,
    ],
    'lets a search run out': [
      [{ type: 'Observation', page: 2, does: { status: 410 } }],
      'fhir-answer',
      /page 2: the server answered 410/,
    ],
    'reports an error among the entries': [
      [{ type: 'Condition', page: 1, does: { warns: 'exception', severity: 'error' } }],
      'fhir-answer',
      /the server reported error\/exception/,
    ],
    'leads in a circle': [
      [{ type: 'Encounter', page: 3, does: 'circle' }],
      'fhir-answer',
      /page 5: pages go in a circle/,
    ],
    'never comes to an end': [
      [{ type: 'Encounter', page: 3, does: 'endless' }],
      'fhir-answer',
      /16 pages brought nothing new/,
    ],
    'leads to a file': [
      [{ type: 'Patient', page: 1, does: { next: 'file:///etc/passwd' } }],
      'fhir-answer',
      /next page is at null/,
    ],
    'sends more than a page may have': [
      [{ type: 'Patient', page: 1, does: 'huge' }],
      'fhir-answer',
      /more than 67108864 bytes/,
    ],
    'sends a page to sign in': [
      [{ type: 'Patient', page: 1, does: 'not-json' }],
      'fhir-answer',
      /the answer is not JSON/,
    ],
    redirects: [[{ type: 'Patient', page: 1, does: 'redirect' }], 'fhir-answer', /the server answered 302/],
  }
  for (const [what, [faults, code, message]] of Object.entries(refused)) {
    it(`ends with an error where the server ${what}`, () => fails(faults, code, message))
  }

  it('never follows a page to another server, nor shows it the token', async () => {
    let asked = 0
    const other = createServer((_, response) => {
      asked++
      response.end('{}')
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const next = `http://127.0.0.1:${(other.address() as AddressInfo).port}/fhir/Patient?page=2`
    try {
      await fails(
        [{ type: 'Patient', page: 1, does: { next } }],
        'fhir-answer',
        /^Patient, page 1: the next page is at http/,
      )
      assert.equal(asked, 0)
    } finally {
      other.close()
    }
  })

  it('refuses a resource that nothing can tell apart', async () => {
    await fails([], 'fhir-answer', /^Patient, page \d+: a Patient without a valid id$/, {
      extra: [{ resourceType: 'Patient', id: '../1' }],
    })
  })

  it('waits as long as it is asked to, within bounds, and longer each time', () => {
    assert.equal(waitMs(0, 7000), 7000)
    assert.equal(waitMs(5, 86_400_000), 300_000)
    assert.deepEqual(
      [0, 1, 2, 20].map((attempt) => waitMs(attempt, undefined)),
      [500, 1000, 2000, 60_000],
    )
  })

  describe('with a secret', () => {
    let folder: string
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'flamesh-fhir-'))
      await writeFile(join(folder, 'token'), 'very-secret\n', { mode: 0o600 })
    })
    afterEach(() => rm(folder, { recursive: true }))

    it('shows the server a token or a password, and nobody else', async () => {
      await withFhirServer({ people: 3, authorization: 'Bearer very-secret' }, async ({ base }) => {
        assert.equal((await read(base, { tokenFile: 'token' }, folder)).cells.length, 3)
        await assert.rejects(read(base, {}, folder), (error: FlameshError) => {
          assert.match(error.message, /^Medication, page 1: the server answered 401 \(error\/login\)$/)
          return error.code === 'fhir-answer'
        })
      })
      const authorization = `Basic ${Buffer.from('reader:very-secret').toString('base64')}`
      await withFhirServer({ people: 3, authorization }, async ({ base }) => {
        assert.equal((await read(base, { user: 'reader', passwordFile: 'token' }, folder)).cells.length, 3)
        await assert.rejects(read(base, { tokenFile: 'token' }, folder), (error: FlameshError) => {
          assert.ok(!JSON.stringify([error.message, error.hint, error.meta, error.stack]).includes('very-secret'))
          return error.code === 'fhir-answer'
        })
      })
    })

    it('shows nothing to a server whose certificate is not from the authority of the file', async () => {
      const run = promisify(execFile)
      for (const name of ['right', 'wrong']) {
        const subject = ['-subj', '/CN=fhir', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
        const files = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.pem`)]
        await run('openssl', ['req', '-x509', '-newkey', 'ed25519', '-noenc', ...subject, ...files])
      }
      const [key, cert] = await Promise.all(['right.key', 'right.pem'].map((name) => readFile(join(folder, name))))
      let asked = 0
      const server = createSecureServer({ key, cert }, (_, response) => {
        asked++
        response.end(JSON.stringify({ resourceType: 'Bundle', total: 0 }))
      }).listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      const base = `https://127.0.0.1:${(server.address() as AddressInfo).port}/fhir`
      const secret = { tokenFile: 'token' }
      try {
        const untrusted = { code: 'fhir-unreachable', hint: /^the certificate is not trusted/ }
        await assert.rejects(read(base, { ...secret, ca: 'wrong.pem' }, folder), untrusted)
        await assert.rejects(read(base, secret, folder), untrusted)
        assert.equal(asked, 0)
        assert.equal((await read(base, { ...secret, ca: 'right.pem' }, folder)).cells.length, 0)
        assert.ok(asked > 0)
      } finally {
        server.closeAllConnections()
        server.close()
      }
    })

    it('refuses a token that others can read, or that is none', async () => {
      await chmod(join(folder, 'token'), 0o640)
      await assert.rejects(read('http://127.0.0.1:9/fhir', { tokenFile: 'token' }, folder), {
        code: 'key-permissions',
      })
      await writeFile(join(folder, 'two'), 'very secret', { mode: 0o600 })
      await assert.rejects(read('http://127.0.0.1:9/fhir', { tokenFile: 'two' }, folder), (error: FlameshError) => {
        assert.ok(!error.message.includes('secret'))
        return error.code === 'file-unusable'
      })
    })
  })

  it('says at once that nobody listens', async () => {
    await assert.rejects(read('http://127.0.0.1:9/fhir'), { code: 'fhir-unreachable', message: /ECONNREFUSED/ })
  })
})
