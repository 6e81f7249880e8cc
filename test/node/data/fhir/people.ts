/**
 * Made-up patients, and what a table of them has to hold. The table is computed from the same facts by plain loops, without
 * resources, paths or pages.
 */

export type Resource = { resourceType: string; id: string } & Record<string, unknown>

const LOINC = 'http://loinc.org'
const UCUM = 'http://unitsofmeasure.org'
const ICD = 'http://fhir.de/CodeSystem/bfarm/icd-10-gm'
const ATC = 'http://fhir.de/CodeSystem/bfarm/atc'

interface Person {
  readonly id: string
  readonly sex: 'male' | 'female'
  readonly birth: string
  /** of HbA1c, in percent or in mmol/mol */
  readonly labs: readonly { readonly at: string; readonly value: number; readonly unit: '%' | 'mmol/mol' }[]
  readonly diabetic: boolean
  readonly stays: number
  readonly metformin: 'no' | 'concept' | 'contained' | 'referred'
}

export const person = (n: number): Person => ({
  id: `p-${String((n * 37) % 1009).padStart(4, '0')}`,
  sex: n % 3 === 0 ? 'male' : 'female',
  birth: `${1930 + (n % 70)}-${String(1 + (n % 12)).padStart(2, '0')}-${String(1 + (n % 28)).padStart(2, '0')}`,
  labs: Array.from({ length: n % 5 }, (_, k) => ({
    at: `202${k}-0${1 + (n % 9)}-1${k}T08:00:00+01:00`,
    value: (n + k) % 2 === 0 ? 5 + ((n * 7 + k * 3) % 60) / 10 : 30 + ((n * 11 + k) % 70),
    unit: (n + k) % 2 === 0 ? '%' : 'mmol/mol',
  })),
  diabetic: n % 4 === 1,
  stays: n % 3,
  metformin: (['no', 'concept', 'contained', 'referred'] as const)[n % 4] as Person['metformin'],
})

const metforminCode = { coding: [{ system: ATC, code: 'A10BA02' }] }

function resourcesOf(n: number): Resource[] {
  const { id, sex, birth, labs, diabetic, stays, metformin } = person(n)
  const subject = { reference: `Patient/${id}` }
  const condition = (key: string, code: string, status: string): Resource => ({
    resourceType: 'Condition',
    id: `c-${n}-${key}`,
    subject,
    recordedDate: '2022-02-02',
    code: { coding: [{ system: ICD, code }] },
    verificationStatus: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-ver-status', code: status }],
    },
  })
  return [
    { resourceType: 'Patient', id, gender: sex, birthDate: birth },
    ...labs.map(
      ({ at, value, unit }, k): Resource => ({
        resourceType: 'Observation',
        id: `o-${n}-${k}`,
        status: 'final',
        subject,
        effectiveDateTime: at,
        code: { coding: [{ system: LOINC, code: unit === '%' ? '4548-4' : '59261-8' }] },
        valueQuantity: { value, unit: unit === '%' ? 'percent' : unit, system: UCUM, code: unit },
      }),
    ),
    {
      resourceType: 'Observation',
      id: `weight-${n}`,
      status: 'final',
      subject,
      effectiveDateTime: '2021',
      code: { coding: [{ system: LOINC, code: '29463-7' }] },
      valueQuantity: { value: 80, system: UCUM, code: 'kg' },
    },
    condition('icd', diabetic ? 'E11.90' : 'I10.00', 'confirmed'),
    condition('not', 'E10.90', 'refuted'),
    ...Array.from(
      { length: stays },
      (_, k): Resource => ({
        resourceType: 'Encounter',
        id: `e-${n}-${k}`,
        status: 'finished',
        class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' },
        subject,
        period: { start: `202${k}-01-01`, end: `202${k}-01-03` },
      }),
    ),
    ...(metformin === 'no'
      ? []
      : [
          {
            resourceType: 'MedicationStatement',
            id: `m-${n}`,
            status: 'active',
            subject,
            effectiveDateTime: '2022-05-05',
            ...(metformin === 'concept' ? { medicationCodeableConcept: metforminCode } : {}),
            ...(metformin === 'contained'
              ? {
                  contained: [{ resourceType: 'Medication', id: 'in', code: metforminCode }],
                  medicationReference: { reference: '#in' },
                }
              : {}),
            ...(metformin === 'referred' ? { medicationReference: { reference: 'Medication/metformin' } } : {}),
          } satisfies Resource,
        ]),
  ]
}

/** Of so many patients, in no order that helps: each one's resources stand before those of whom it is about. */
export function population(size: number): Resource[] {
  const own = Array.from({ length: size }, (_, n) => resourcesOf(n).reverse()).flat()
  return [...own, { resourceType: 'Medication', id: 'metformin', code: metforminCode }]
}

/** What `population` is to become by `MAPPING`. */
export function expectedTable(size: number): readonly (readonly (string | null)[])[] {
  const rows = Array.from({ length: size }, (_, n): readonly (string | null)[] => {
    const { id, sex, birth, labs, diabetic, stays, metformin } = person(n)
    const percent = labs.map(({ value, unit }) => (unit === '%' ? value : value * 0.0915 + 2.15))
    const last = labs.length === 0 ? null : String(percent.at(-1))
    const highest = labs.length === 0 ? null : String(Math.max(...percent))
    return [
      id,
      sex,
      birth,
      last,
      highest,
      String(labs.length),
      diabetic ? '1' : '0',
      String(stays),
      metformin === 'no' ? '0' : '1',
    ]
  })
  return rows.sort(([one], [other]) => (String(one) < String(other) ? -1 : 1))
}

const HBA1C = {
  resource: 'Observation',
  code: [`${LOINC}|4548-4`, `${LOINC}|59261-8`],
  where: "status in ('final' | 'amended' | 'corrected')",
}
const PERCENT = { path: 'value', unit: '%', convert: { 'mmol/mol': { times: 0.0915, plus: 2.15 } } }

export const MAPPING = {
  columns: {
    id: { path: 'id' },
    sex: { path: 'gender' },
    birth: { path: 'birthDate' },
    hba1c: { ...HBA1C, ...PERCENT, pick: 'last' },
    hba1c_max: { ...HBA1C, ...PERCENT, pick: 'max' },
    measured: { ...HBA1C, pick: 'count' },
    diabetes: {
      resource: 'Condition',
      code: [`${ICD}|E10*`, `${ICD}|E11*`],
      where: "verificationStatus.coding.where(code = 'refuted').empty()",
      pick: 'exists',
    },
    stays: { resource: 'Encounter', where: "class.code = 'IMP'", pick: 'count' },
    metformin: { resource: 'MedicationStatement', code: `${ATC}|A10BA02`, pick: 'exists' },
  },
}
