/** A bulk export asked of a server process that lets wait, throttles, breaks off, loses and forgets. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Declaration } from '@flamesh/node/data/declaration.js'
import { anchoredFhir, fhirSourceSchema } from '@flamesh/node/data/fhir/mapping.js'
import { withTable } from '@flamesh/node/data/open-table.js'
import { type Asked, withFhirServer } from './fhir-process.js'
import { expectedTable, MAPPING } from './people.js'
import type { Fault, ServerSetup } from './server.js'

const TOKEN = 'a-token-of-nobody'
const PEOPLE = 90
const EXPECTED = expectedTable(PEOPLE).map((row) => row.map((cell) => cell ?? ''))

describe('a bulk export as a source', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-export-'))
    await writeFile(join(folder, 'token'), TOKEN, { mode: 0o600 })
  })
  afterEach(() => rm(folder, { recursive: true }))

  const ask = (base: string, fhir: object = {}) => {
    const given = { fhir: { base, tokenFile: 'token', export: 'Patient', ...fhir }, ...MAPPING }
    const declaration: Declaration = { source: anchoredFhir(fhirSourceSchema.parse(given), folder) }
    return withTable(join(folder, 'scratch'), undefined, declaration, async (table) => {
      const rows: (readonly string[])[] = []
      for await (const batch of (await table.open()).batches) rows.push(...batch.map(({ cells }) => cells))
      return { rows, notes: table.notes }
    })
  }
  const withServer = async <T>(
    faults: readonly Fault[],
    work: (base: string, asked: () => Promise<readonly Asked[]>) => Promise<T>,
    setup: Partial<ServerSetup> = {},
  ): Promise<T> => {
    const authorization = `Bearer ${TOKEN}`
    const found = await withFhirServer({ people: PEOPLE, faults, authorization, ...setup }, ({ base, asked }) =>
      work(base, asked),
    )
    assert.deepEqual(await readdir(join(folder, 'scratch')), [], 'nothing is left')
    return found
  }
  const wasDeleted = async (asked: () => Promise<readonly Asked[]>): Promise<boolean> =>
    (await asked()).some(({ method, url }) => method === 'DELETE' && url.endsWith('/export-status'))

  it('gives the table that searches give, for the types of the mapping, and is given up afterwards', async () => {
    await withServer([], async (base, asked) => {
      const { rows, notes } = await ask(base)
      assert.deepEqual(rows, EXPECTED)
      assert.deepEqual(notes, [])
      const [start, ...others] = await asked()
      assert.equal(start?.headers['prefer'], 'respond-async')
      const { pathname, searchParams } = new URL(start?.url ?? '')
      assert.equal(pathname, '/fhir/Patient/$export')
      assert.deepEqual(searchParams.get('_type')?.split(','), [
        ...['Patient', 'Condition', 'Encounter', 'MedicationStatement', 'Observation', 'Medication'],
      ])
      assert.equal(
        others.filter(({ url }) => url.endsWith('/export-status')).length,
        4,
        'in vain, in vain, made, given up',
      )
      assert.ok(await wasDeleted(asked))
    })
  })

  it('is of a group or of all, as declared', async () => {
    for (const [level, path] of [
      ['Group/diabetes', '/fhir/Group/diabetes/$export'],
      ['system', '/fhir/$export'],
    ] as const)
      await withServer([], async (base, asked) => {
        assert.deepEqual((await ask(base, { export: level })).rows, EXPECTED)
        assert.equal(new URL((await asked())[0]?.url ?? '').pathname, path)
      })
  })

  const weak: Record<string, readonly Fault[]> = {
    throttles: ['$export', 'export-status', 'file-Observation'].map((type) => ({
      ...{ type, page: 1, times: 2, does: { status: 429, retryAfter: '0' } },
    })),
    'breaks off in the middle of a file': [{ type: 'file-Observation', page: 2, times: 2, does: 'cut' }],
    'is down for a moment': [{ type: 'export-status', page: 0, times: 3, does: { status: 503, retryAfter: '0' } }],
  }
  for (const [what, faults] of Object.entries(weak)) {
    it(`loses and doubles nothing where the server ${what}`, () =>
      withServer(faults, async (base) => assert.deepEqual((await ask(base)).rows, EXPECTED)))
  }

  const wrong: Record<string, readonly [readonly Fault[], string, RegExp, boolean]> = {
    'knows no export': [
      [{ type: '$export', page: 1, does: { status: 404, outcome: 'not-supported' } }],
      ...['fhir-answer', /^export: the server answered 404 \(error\/not-supported\)$/, false],
    ] as never,
    'fails to make it': [
      [{ type: 'export-status', page: 2, does: { status: 422, outcome: 'exception' } }],
      ...['fhir-answer', /^export: the server answered 422 \(error\/exception\)$/, false],
    ] as never,
    'forgets it while files are fetched': [
      [{ type: 'file-Observation', page: 1, does: { status: 410, outcome: 'deleted' } }],
      ...['fhir-answer', /^export, file \d+ \(Observation\): the server answered 410/, true],
    ] as never,
    'gives fewer lines than it said': [
      [{ type: 'file-Observation', page: 1, does: 'skip' }],
      ...['fhir-incomplete', /^export, file \d+ \(Observation\): 50 resources, the server says, and 49 lines$/, true],
    ] as never,
    'could not export all': [
      [{ type: 'export-status', page: 3, does: { warns: 'timeout', severity: 'error' } }],
      ...['fhir-incomplete', /^export: the server could not export all: error\/timeout \(1×\)$/, true],
    ] as never,
  }
  for (const [what, [faults, code, message, given]] of Object.entries(wrong)) {
    it(`ends with an error where the server ${what}`, () =>
      withServer(faults, async (base, asked) => {
        await assert.rejects(ask(base), (error: Error & { code: string; hint?: string }) => {
          assert.equal(error.code, code, error.message)
          assert.match(error.message, message)
          assert.doesNotMatch(`${error.stack} ${error.hint}`, /Erika|a-token/)
          return true
        })
        assert.equal(await wasDeleted(asked), given)
      }))
  }

  it('notes what the server warned of', () =>
    withServer(
      [{ type: 'export-status', page: 3, does: { warns: 'informational', severity: 'warning' } }],
      async (base) => {
        const { rows, notes } = await ask(base)
        assert.deepEqual(rows, EXPECTED)
        assert.deepEqual(notes, ['export: the server said warning/informational (1×)'])
      },
    ))

  it('fetches no file of another server, nor shows it the token', () =>
    withFhirServer({ people: 1 }, async (other) => {
      const next = `${other.base}/export-file/Patient/1`
      await withServer([{ type: 'export-status', page: 3, does: { next } }], async (base) => {
        await assert.rejects(ask(base), {
          code: 'fhir-answer',
          message: /^export: a file is at http:\/\/127.0.0.1:\d+, not at /,
        })
      })
      assert.deepEqual(await other.asked(), [])
    }))
})
