import assert from 'node:assert/strict'
import { Collector } from '@flamesh/node/data/fhir/collector.js'
import { BadMapping, compileMapping, fhirSourceSchema } from '@flamesh/node/data/fhir/mapping.js'
import { Medications } from '@flamesh/node/data/fhir/medications.js'
import type { FlameshError } from '@flamesh/protocol/errors.js'
import fc from 'fast-check'
import { expectedTable, MAPPING, population, type Resource } from './people.js'

const BASE = 'https://fhir.example.org/r4'
type Given = Record<string, unknown>

async function tableOf(columns: Given, resources: readonly Given[], where?: string) {
  const given = { fhir: { files: '.' }, columns, ...(where === undefined ? {} : { where }) }
  const source = fhirSourceSchema.parse(given)
  const medications = new Medications(BASE)
  const collector = new Collector(await compileMapping(source), medications, BASE)
  for (const resource of resources) {
    const { fullUrl, ...rest } = resource
    const entry = { resource: rest, ...(typeof fullUrl === 'string' ? { fullUrl } : {}) }
    if (rest['resourceType'] === 'Medication') medications.add(entry.resource, entry.fullUrl)
    else collector.add(entry)
  }
  const notes = collector.notes()
  const table = collector.table()
  const cells: (readonly (string | null)[])[] = []
  for await (const batch of table.batches) cells.push(...batch)
  return { cells, notes, types: table.columns.map(({ type }) => type) }
}

const patient = (id: string, more: Given = {}): Given => ({ resourceType: 'Patient', id, ...more })
let serial = 0
const lab = (of: string, value: unknown, more: Given = {}): Given => ({
  resourceType: 'Observation',
  id: `lab-${serial++}`,
  status: 'final',
  subject: { reference: `Patient/${of}` },
  effectiveDateTime: '2024-03-01',
  ...(typeof value === 'number'
    ? { valueQuantity: { value, system: 'http://unitsofmeasure.org', code: 'mg/dL', unit: 'mg per dl' } }
    : (value as Given)),
  ...more,
})
const value = (given: Given = {}): Given => ({
  x: { resource: 'Observation', path: 'value', unit: 'mg/dL', pick: 'last', ...given },
})
const single = async (columns: Given, resources: readonly Given[]): Promise<string | null | undefined> =>
  (await tableOf(columns, [patient('1'), ...resources])).cells[0]?.[0]

const unusable = (columns: Given, resources: readonly Given[], message: RegExp) =>
  assert.rejects(tableOf(columns, [patient('1'), ...resources]), (error: FlameshError) => {
    assert.equal(error.code, 'fhir-data', String(error))
    assert.match(error.message, message)
    return true
  })

describe('the mapping of FHIR to a table', () => {
  it('gives the same table in whatever order resources come, and however often', async () => {
    const resources = population(25)
    const medications = resources.filter(({ resourceType }) => resourceType === 'Medication')
    const others = resources.filter(({ resourceType }) => resourceType !== 'Medication')
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(others, { minLength: others.length }),
        fc.array(fc.nat(others.length - 1)),
        async (order, again) => {
          const repeated = again.map((at) => others[at] as Resource)
          const { cells } = await tableOf(MAPPING.columns, [...medications, ...order, ...repeated])
          assert.deepEqual(cells, expectedTable(25))
        },
      ),
      { numRuns: 8 },
    )
  })

  it('has a mean that does not depend on the order', async () => {
    const tenths = fc.array(fc.double({ min: -1e12, max: 1e12, noNaN: true }), { minLength: 2, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(tenths, async (values) => {
        const mean = (given: readonly number[]) =>
          single(
            value({ pick: 'mean' }),
            given.map((one) => lab('1', one)),
          )
        assert.equal(await mean(values), await mean([...values].reverse()))
        const exact = values.reduce((sum, one) => sum + one, 0) / values.length
        assert.ok(Math.abs(Number(await mean(values)) - exact) <= 1e-9 * Math.max(...values.map(Math.abs)))
      }),
      { numRuns: 15 },
    )
  })

  describe('picks', () => {
    const labs = [
      lab('1', 3, { effectiveDateTime: '2024-03-01T23:30:00-05:00' }),
      lab('1', 7, { effectiveDateTime: '2024-03-02T01:00:00+01:00' }),
      lab('1', 5, { effectiveDateTime: undefined, effectivePeriod: { start: '2023', end: '2024' } }),
      lab('1', 4, { effectiveDateTime: undefined, effectivePeriod: { end: '2024-02' } }),
    ]
    const picked: Record<string, string> = { first: '5', last: '3', min: '3', max: '7', mean: '4.75' }
    for (const [pick, expected] of Object.entries(picked)) {
      it(`${pick}: ${expected}`, async () => {
        assert.equal(await single(value({ pick }), labs), expected)
        assert.equal(await single(value({ pick }), [...labs].reverse()), expected)
      })
    }

    it('the smaller value of two at the same time, and the same of texts', async () => {
      const pair = [lab('1', 9), lab('1', 8)]
      for (const labs_ of [pair, [...pair].reverse()]) assert.equal(await single(value(), labs_), '8')
      const texts = ['b', 'a'].map((valueString) => lab('1', { valueString }))
      const column = value({ unit: undefined })
      for (const given of [texts, [...texts].reverse()]) assert.equal(await single(column, given), 'a')
    })

    it('counts what has a value, and says 0 where there is none', async () => {
      const given = [...labs, lab('1', { dataAbsentReason: { coding: [{ code: 'unknown' }] } })]
      const columns = {
        all: { resource: 'Observation', pick: 'count' },
        valued: { resource: 'Observation', pick: 'count', path: 'value' },
        some: { resource: 'Observation', pick: 'exists' },
      }
      const { cells, types } = await tableOf(columns, [patient('1'), patient('2'), ...given])
      assert.deepEqual(cells, [
        ['5', '4', '1'],
        ['0', '0', '0'],
      ])
      assert.deepEqual(types, ['integer', 'integer', 'integer'])
    })

    it('days, of which a time is cut off as it is written', async () => {
      const columns = { first: { resource: 'Encounter', path: 'period.start', pick: 'min' } }
      const stay = (id: string, start: string): Given => ({
        resourceType: 'Encounter',
        id,
        subject: { reference: 'Patient/1' },
        period: { start },
      })
      const given = [patient('1'), stay('a', '2024-03-01T23:30:00-05:00'), stay('b', '2024-03-05')]
      const { cells, types } = await tableOf(columns, given)
      assert.deepEqual([cells, types], [[['2024-03-01']], ['date']])
    })
  })

  describe('units', () => {
    const inMmol = (number: number, more: Given = {}) =>
      lab('1', { valueQuantity: { value: number, system: 'http://unitsofmeasure.org', code: 'mmol/L', ...more } })

    it('are never mixed: another one is an error with its count', async () => {
      await unusable(value(), [lab('1', 5), inMmol(2), inMmol(3)], /x: 2 × a number in another unit \(mmol\/L: 2\)/)
      await unusable(value({ path: 'value.value' }), [inMmol(2)], /x: 1 × a number in another unit/)
      await unusable(value({ path: 'value.ofType(Quantity).value' }), [inMmol(2)], /x: 1 × a number in another unit/)
      await unusable(value({ unit: undefined }), [lab('1', 5)], /x: 1 × a number with a unit that is not declared/)
      await unusable(value({ unit: undefined, path: 'value.value' }), [lab('1', 5)], /a unit that is not declared/)
      await unusable(value(), [lab('1', { valueQuantity: { value: 3 } })], /x: 1 × a number without a unit/)
      await unusable(value(), [lab('1', { valueInteger: 3 })], /x: 1 × a number without a unit/)
    })

    it('are converted as declared', async () => {
      assert.equal(await single(value({ convert: { 'mmol/L': 18 } }), [inMmol(2)]), '36')
      assert.equal(await single(value({ convert: { 'mmol/L': { times: 2, plus: 1 } } }), [inMmol(2)]), '5')
      assert.equal(await single(value({ convert: { 'mmol/L': { plus: 1 } } }), [inMmol(2)]), '3')
    })

    it('are the code of UCUM, not what it is called; else what it is called', async () => {
      assert.equal(await single(value(), [inMmol(2, { code: 'mg/dL', unit: 'mmol/L' })]), '2')
      assert.equal(await single(value(), [inMmol(2, { code: 'X', system: 'urn:house', unit: 'mg/dL' })]), '2')
    })

    it('do not show what is no name of a unit', async () => {
      const strange = inMmol(2, { code: 'Erika Mustermann, 3. Stock' })
      await unusable(value(), [strange], /another unit \(others: 1\)$/)
    })
  })

  describe('what does not fit', () => {
    const cases: Record<string, readonly [Given, readonly Given[], RegExp]> = {
      'a value below a bound': [
        value(),
        [
          lab('1', {
            valueQuantity: { comparator: '<', value: 5, system: 'http://unitsofmeasure.org', code: 'mg/dL' },
          }),
        ],
        /x: 1 × above or below a bound/,
      ],
      'a value with a time that is none': [
        value({ by: 'status' }),
        [lab('1', 5, { status: '5' })],
        /x: 1 × without a time/,
      ],
      'a value without a time': [value(), [lab('1', 5, { effectiveDateTime: undefined })], /x: 1 × without a time/],
      'several values in one resource': [
        { x: { resource: 'Observation', path: 'code.coding.code', pick: 'last' } },
        [lab('1', 5, { code: { coding: [{ code: 'a' }, { code: 'b' }] } })],
        /x: 1 × several values/,
      ],
      'a whole element': [
        { x: { resource: 'Observation', path: 'code', pick: 'last' } },
        [lab('1', 5, { code: { coding: [{ code: 'a' }] } })],
        /x: 1 × not a number, a date or a text/,
      ],
      'a condition that is none': [
        value({ where: 'status' }),
        [lab('1', 5)],
        /x: 1 × a condition that is not yes or no/,
      ],
      'an expression that fails': [
        value({ where: "code.coding.code.single() = 'a'" }),
        [lab('1', 5, { code: { coding: [{ code: 'a' }, { code: 'b' }] } })],
        /x: 1 × not computable/,
      ],
    }
    for (const [what, [columns, resources, message]] of Object.entries(cases)) {
      it(`is an error: ${what}`, () => unusable(columns, resources, message))

      it(`is no value where the column says so, and is counted: ${what}`, async () => {
        const lenient = { x: { ...(columns['x'] as Given), otherwise: null } }
        const { cells, notes } = await tableOf(lenient, [patient('1'), ...resources])
        assert.equal(cells[0]?.[0], null)
        assert.match(notes.join('; '), message)
      })
    }

    it('is always an error where the order would decide: numbers and texts in one column', async () => {
      const mixed = [lab('1', { valueInteger: 3 }), lab('1', { valueString: 'three' })]
      await unusable(value({ unit: undefined, otherwise: null }), mixed, /x: 1 × values of different kinds/)
    })

    it('is a day without its month, and a condition on patients that is neither yes nor no', async () => {
      const birth = { birth: { path: 'birthDate' } }
      const given = patient('1', { birthDate: '1970-05' })
      await assert.rejects(tableOf(birth, [given]), {
        code: 'fhir-data',
        message: /birth: 1 × a day without its month or day/,
      })
      await assert.rejects(tableOf({ sex: { path: 'gender' } }, [patient('1', { gender: 'male' })], 'gender'), {
        code: 'fhir-data',
        message: /where: 1 patient for whom it is neither yes nor no/,
      })
      const year = { year: { path: 'birthDate.toString().substring(0, 4).toInteger()' } }
      assert.deepEqual((await tableOf(year, [given])).cells, [['1970']])
    })
  })

  it('finds the patient of a reference in every form, and counts the others', async () => {
    const about = (reference: Given): Given => lab('1', 1, { subject: reference })
    const columns = { n: { resource: 'Observation', pick: 'count' } }
    const { cells, notes } = await tableOf(columns, [
      patient('1', { fullUrl: 'urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e' }),
      patient('2'),
      about({ reference: 'Patient/1' }),
      about({ reference: 'Patient/1/_history/7' }),
      about({ reference: `${BASE}/Patient/1` }),
      about({ reference: 'urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e' }),
      about({ reference: 'urn:uuid:2' }),
      lab('1', 1, { subject: undefined, patient: { reference: 'Patient/2' } }),
      about({ reference: 'https://elsewhere.example.org/Patient/1' }),
      about({ reference: '#p' }),
      about({ identifier: { value: '1' } }),
      about({ reference: 'Group/1' }),
      about({ reference: 'Patient/3' }),
      about({ reference: 'Patient/3' }),
      lab('1', 1, { status: 'entered-in-error' }),
    ])
    assert.deepEqual(cells, [['4'], ['2']])
    assert.deepEqual(notes, [
      '2 resources about 1 patient not read: not used',
      '3 resources without a reference to a patient of this server: not used',
      '1 resource about something else than a patient: not used',
      '1 resource entered in error: not used',
    ])
  })

  it('has the patients as rows that it is asked for', async () => {
    const columns = { sex: { path: 'gender' }, n: { resource: 'Observation', pick: 'count' } }
    const given = [patient('1', { gender: 'male' }), patient('2', { gender: 'female' }), lab('1', 1), lab('2', 2)]
    const { cells, notes } = await tableOf(columns, given, "gender = 'female'")
    assert.deepEqual(cells, [['female', '1']])
    assert.deepEqual(notes, ['1 resource about patients that are no rows: not used'])
  })

  it('says which column found nothing', async () => {
    const { notes, types } = await tableOf({ sex: { path: 'gendr' } }, [patient('1', { gender: 'male' })])
    assert.deepEqual(notes, ['sex: nothing found; is it asked for as it stands there?'])
    assert.deepEqual(types, [undefined])
  })

  describe('is checked before anything is read', () => {
    const wrongPath: Record<string, readonly [Given, string, RegExp]> = {
      'a mistake of spelling': [{ path: 'name.frist()' }, 'columns.x.path', /frist\(\) cannot be used here/],
      'half an expression': [{ path: 'name.first(' }, 'columns.x.path', /is not FHIRPath: line: 1/],
      'the clock': [{ path: 'today()' }, 'columns.x.path', /today\(\) cannot be used here/],
      'the network': [{ path: 'managingOrganization.resolve()' }, 'columns.x.path', /resolve\(\)/],
      'the screen': [{ where: "trace('x').exists()", path: 'gender' }, 'columns.x.where', /trace\(\)/],
      'what is no part of a resource': [{ path: 'constructor.name' }, 'columns.x.path', /no resource has constructor/],
      'a variable': [{ path: '%medication.text' }, 'columns.x.path', /there is no %medication/],
    }
    for (const [what, [column, path, message]] of Object.entries(wrongPath)) {
      it(what, async () => {
        const source = fhirSourceSchema.parse({ fhir: { files: '.' }, columns: { x: column } })
        await assert.rejects(compileMapping(source), (error: unknown) => {
          assert.ok(error instanceof BadMapping)
          assert.equal(error.path.join('.'), path)
          assert.match(error.reason, message)
          assert.equal(error.code, 'declaration-invalid')
          return true
        })
      })
    }

    const observation = { resource: 'Observation', path: 'value', pick: 'last' }
    const invalid: Record<string, readonly [Given, Given, string]> = {
      'plain HTTP to another machine': [{ base: 'http://fhir.example.org' }, {}, 'fhir.base'],
      'a password in the address': [{ base: 'https://a:b@fhir.example.org' }, {}, 'fhir.base'],
      'parameters in the address': [{ base: 'https://fhir.example.org?_count=3' }, {}, 'fhir.base'],
      'another scheme': [{ base: 'ftp://fhir.example.org' }, {}, 'fhir.base'],
      'neither server nor files': [{}, {}, 'fhir.base'],
      'a user without a password': [{ base: BASE, user: 'a' }, {}, 'fhir.user'],
      'a token for files': [{ files: 'x', tokenFile: 'a' }, {}, 'fhir.tokenFile'],
      'a parameter of the search that is not free': [
        { base: BASE, search: { Patient: { _elements: 'id' } } },
        {},
        'fhir.search',
      ],
      'which of several': [{ base: BASE }, { resource: 'Observation', path: 'value' }, 'columns.x.pick'],
      'a pick of the one patient': [{ base: BASE }, { path: 'gender', pick: 'first' }, 'columns.x.pick'],
      'no path': [{ base: BASE }, { resource: 'Observation', pick: 'last' }, 'columns.x.path'],
      'a code without its system': [{ base: BASE }, { ...observation, code: 'E11' }, 'columns.x.code'],
      'a code of an encounter': [
        { base: BASE },
        { ...observation, resource: 'Encounter', code: 'a|b' },
        'columns.x.code',
      ],
      'a conversion to nothing': [{ base: BASE }, { ...observation, convert: { g: 1 } }, 'columns.x.convert'],
      'a time of a count': [{ base: BASE }, { ...observation, pick: 'max', by: 'issued' }, 'columns.x.by'],
      'another resource': [{ base: BASE }, { ...observation, resource: 'Binary' }, 'columns.x.resource'],
    }
    for (const [what, [fhir, column, path]] of Object.entries(invalid)) {
      it(what, () => {
        const columns = { x: Object.keys(column).length === 0 ? { path: 'gender' } : column }
        const { error } = fhirSourceSchema.safeParse({ fhir, columns })
        assert.equal(error?.issues[0]?.path.join('.'), path)
      })
    }
  })
})
