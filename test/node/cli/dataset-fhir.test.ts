/** `flamesh dataset …` on a FHIR server and on bulk files, with a declaration as an operator writes it. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EXIT } from '@flamesh/node/cli/exit-codes.js'
import { readDeclaration } from '@flamesh/node/data/declaration.js'
import { createIdentity } from '@flamesh/node/store/identity.js'
import { withFhirServer } from '../data/fhir/fhir-process.js'
import { flamesh } from './harness.js'

const EXAMPLE = new URL('../../../docs/examples/fhir/mii-core.yaml', import.meta.url)
const TOKEN = 'a-token-of-nobody'

describe('dataset commands with FHIR', () => {
  let dir: string
  let declaration: string
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'flamesh-dataset-fhir-'))
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ hub: 'http://127.0.0.1:1', hubKey: 'ab'.repeat(32) }))
    writeFileSync(join(dir, 'token'), TOKEN, { mode: 0o600 })
    await createIdentity(join(dir, 'keys'))
    declaration = join(dir, 'study.yaml')
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  const dataset = (args: readonly string[], typed?: string) => flamesh(['dataset', ...args, '--dir', dir], {}, typed)
  const document = async (...args: readonly string[]) => {
    const { exit, stdout } = await dataset([...args, '--json'])
    return { exit, ...JSON.parse(stdout) }
  }
  const declare = (base: string, ...lines: readonly string[]): void =>
    writeFileSync(
      declaration,
      [
        'source:',
        `  fhir: { base: ${base}, tokenFile: token, pageSize: 7, search: { Patient: { gender: female } } }`,
        '  columns:',
        '    sex: { path: gender }',
        '    born: { path: birthDate }',
        '    hba1c: { resource: Observation, code: http://loinc.org|4548-4, path: value, unit: "%", pick: last }',
        '    stays: { resource: Encounter, pick: count }',
        ...lines,
        'derive:',
        '  stayed: { from: stays, cut: [0, 1], labels: [never, ever] }',
        '',
      ].join('\n'),
    )

  it('reads a server, shows what was not used, and makes the same version of the same data', async () => {
    const faults = [{ type: 'Observation', page: 1, times: 3, does: 'backwards' }] as const
    await withFhirServer({ people: 90, authorization: `Bearer ${TOKEN}`, faults }, async ({ base }) => {
      declare(base)
      const { exit, stderr } = await dataset(['add', 'people', '--declaration', declaration], 'n\n')
      assert.equal(exit, EXIT.usage)
      assert.ok(stderr.includes(`Patient, Encounter, Observation of ${base}\n`), stderr)
      assert.match(stderr, /^note +\d+ resources about 21 patients not read: not used$/m)
      assert.match(stderr, /^born +date yyyy-mm-dd /m)
      assert.match(stderr, /^stayed +level +ever/m)
      const said = await dataset(['add', 'people', '--declaration', declaration, '--yes'])
      assert.match(said.stderr, /^note: \d+ resources about 21 patients not read: not used$/m)
      const first = await document('show', 'people')
      assert.equal(first.rows, 60)
      const again = await document('update', 'people', '--yes')
      assert.equal(again.version, first.version)
      assert.equal(again.read.notes.length, 1)
      const texts = [stderr, said.stderr, said.stdout, JSON.stringify(first), JSON.stringify(again)]
      const stored = readdirSync(join(dir, 'datasets'), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
      assert.ok(stored.some((text) => text.includes('tokenFile')))
      assert.ok([...texts, ...stored].every((text) => !text.includes(TOKEN)))
    })
    assert.equal((await document('update', 'people', '--yes')).error.code, 'fhir-unreachable')
    assert.equal((await document('list')).datasets.length, 1, 'the version before is as it was')
    assert.deepEqual(readdirSync(join(dir, 'scratch')), [])
  })

  const mistakes: Record<string, readonly [string, string, number, RegExp]> = {
    'of FHIRPath': ['    x: { path: name.frist() }', 'source.columns.x.path', 8, /frist\(\) cannot be used here/],
    'of a field': ['    x: { pth: gender }', 'source.columns.x.pth', 8, /there is no such field/],
    'of a value': ['    x: { resource: Patients, path: gender }', 'source.columns.x.resource', 8, /Invalid option/],
    'of two fields': [
      '    x: { resource: Encounter, path: status }',
      'source.columns.x.pick',
      8,
      /which of a patient’s/,
    ],
    'of another source': ['  query: SELECT 1', 'source.query', 8, /there is no such field/],
  }
  for (const [what, [line, path, at, message]] of Object.entries(mistakes)) {
    it(`names the place of a mistake ${what}`, async () => {
      declare('http://127.0.0.1:9/fhir', line)
      const { error } = await document('add', 'people', '--declaration', declaration)
      assert.equal(error.code, 'declaration-invalid')
      assert.deepEqual([error.meta.path, error.meta.line], [path, at])
      assert.match(error.message, message)
      if (what === 'of a field') assert.equal(error.hint, 'did you mean "path"?')
    })
  }

  it('reads the German core data set by the example', async () => {
    const text = readFileSync(EXAMPLE, 'utf8')
    assert.ok((await readDeclaration(EXAMPLE.pathname)).declaration.source !== undefined)
    // the same, from files instead of a server
    const local = text
      .replace(/ {4}base:[^\n]*\n/, '    files: export.ndjson\n')
      .replace(/ {4}tokenFile:[^\n]*\n/, '')
      .replace(/ {4}search:\n[^\n]*\n/, '')
    writeFileSync(declaration, local)
    const subject = { reference: 'Patient/MII-1' }
    const concept = (system: string, code: string) => ({ coding: [{ system, code }] })
    const icd = (code: string, more: object) => ({
      resourceType: 'Condition',
      id: `c-${code}`,
      subject,
      code: concept('http://fhir.de/CodeSystem/bfarm/icd-10-gm', code),
      recordedDate: '2023-04-05T10:00:00+02:00',
      ...more,
    })
    const lab = (id: string, code: string, at: string, valueQuantity: object) => ({
      resourceType: 'Observation',
      ...{ id, status: 'final', subject, effectiveDateTime: at, code: concept('http://loinc.org', code) },
      valueQuantity: { system: 'http://unitsofmeasure.org', ...valueQuantity },
    })
    const contact = (id: string, level: string, start: string) => ({
      resourceType: 'Encounter',
      ...{ id, status: 'finished', subject, period: { start } },
      class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' },
      type: [
        concept('http://fhir.de/CodeSystem/Kontaktebene', level),
        concept('http://fhir.de/CodeSystem/kontaktart-de', 'normalstationaer'),
      ],
    })
    const status = (code: string) => ({
      verificationStatus: concept('http://terminology.hl7.org/CodeSystem/condition-ver-status', code),
    })
    const resources = [
      { resourceType: 'Medication', id: 'i', code: concept('http://fhir.de/CodeSystem/bfarm/atc', 'A10AB05') },
      {
        resourceType: 'Patient',
        id: 'MII-1',
        gender: 'female',
        birthDate: '1951-07',
        deceasedDateTime: '2024-01-01',
        address: [{ postalCode: '79106', country: 'DE' }],
      },
      { resourceType: 'Patient', id: 'child', gender: 'male', birthDate: '2020-01-01' },
      icd('E11.90', { ...status('confirmed'), onsetPeriod: { start: '2019' } }),
      icd('E10.11', status('refuted')),
      lab('a', '4548-4', '2024-03-01', { value: 7.1, code: '%' }),
      lab('b', '59261-8', '2024-05-01T07:30:00+02:00', { value: 60, code: 'mmol/mol' }),
      lab('c', '14682-9', '2024-05-01', { value: 100, code: 'umol/L' }),
      lab('d', '1988-5', '2024-05-01', { value: 0.6, comparator: '<', code: 'mg/L' }),
      contact('k1', 'einrichtungskontakt', '2023-02-01T08:00:00+01:00'),
      contact('k2', 'abteilungskontakt', '2023-02-02T08:00:00+01:00'),
      {
        resourceType: 'MedicationStatement',
        ...{ id: 's', status: 'active', subject },
        medicationCodeableConcept: concept('http://fhir.de/CodeSystem/bfarm/atc', 'A10BA02'),
      },
      ...['x', 'y'].map((id) => ({
        resourceType: 'MedicationAdministration',
        ...{ id, status: 'completed', subject, medicationReference: { reference: 'Medication/i' } },
      })),
    ]
    writeFileSync(join(dir, 'export.ndjson'), resources.map((one) => JSON.stringify(one)).join('\n'))
    const { source } = (await readDeclaration(declaration)).declaration
    assert.ok(source !== undefined && 'fhir' in source)
    const { openFhir } = await import('@flamesh/node/data/fhir/source.js')
    const { columns, batches, notes } = await openFhir(source)
    const cells: (readonly (string | null)[])[] = []
    for await (const batch of batches) cells.push(...batch)
    assert.equal(cells.length, 1)
    assert.deepEqual(Object.fromEntries(columns.map(({ name }, at) => [name, cells[0]?.[at]])), {
      sex: 'female',
      birth: null,
      died: '1',
      region: '7',
      diabetes_1: '0',
      diabetes_2: '1',
      diabetes_since: '2023-04-05',
      hba1c: String(60 * 0.0915 + 2.15),
      creatinine: String(100 * 0.01131),
      crp: null,
      stays: '1',
      last_stay: '2023-02-01',
      metformin: '1',
      insulin_given: '2',
    })
    assert.deepEqual(notes, [
      'birth: 1 × a day without its month or day',
      'crp: 1 × above or below a bound',
      'diabetes_1: nothing found; is it asked for as it stands there?',
    ])
  })
})
