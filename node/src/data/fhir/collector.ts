/**
 * Resources in, one row a patient out. Keeps the picked values, one number a patient and column or two, never a resource.
 * Nothing is dropped unseen: what does not count is counted (notes), what cannot be used is an error unless the column says
 * `otherwise: null`.
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { ColumnStore } from './column-store.js'
import type { Found, Misfit, Variables } from './fhirpath.js'
import { IdSet } from './id-set.js'
import { type FhirColumn, type Mapping, ofMedication, type ResourceType } from './mapping.js'
import type { Medications } from './medications.js'
import { idOfUrn, targetOf } from './references.js'

/** One resource, and its address in the answer of a server. */
export interface Entry {
  readonly resource: Readonly<Record<string, unknown>>
  readonly fullUrl?: string
}

const REFERRED = 0
const ROW = 1
const EXCLUDED = 2
const NO_VARIABLES: Variables = {}
const ENTERED_IN_ERROR = 'entered-in-error'
/** Names of units are shown to the operator; more of them, or stranger ones, are not. */
const MAX_UNITS = 8
const UNIT = /^[\x21-\x7eµμ°²³%]{1,24}$/

/** Which of the values would be dropped depends on their order: no declaration makes that right. */
const NEVER_ALLOWED: ReadonlySet<Misfit> = new Set(['values of different kinds', 'more different texts than are kept'])

/** What was counted of one column. */
interface Tally {
  readonly misfits: Map<Misfit, number>
  readonly units: Map<string, number>
  values: number
}

const isEnteredInError = ({ status, verificationStatus }: Entry['resource']): boolean => {
  if (status === ENTERED_IN_ERROR) return true
  const codings = (verificationStatus as { coding?: unknown } | undefined)?.coding
  return Array.isArray(codings) && codings.some((one: { code?: unknown } | null) => one?.code === ENTERED_IN_ERROR)
}

function hasCode(column: FhirColumn, concept: unknown): boolean {
  if (column.coded === undefined) return true
  const codings = (concept as { coding?: unknown } | undefined)?.coding
  if (!Array.isArray(codings)) return false
  return codings.some((one: { system?: unknown; code?: unknown } | null) =>
    column.coded?.(String(one?.system), String(one?.code)),
  )
}

export class Collector {
  readonly #rows = new Map<string, number>()
  /** of `urn:uuid:…` in the answer of a server */
  readonly #aliases = new Map<string, number>()
  #state = new Uint8Array(1024)
  readonly #stores: readonly ColumnStore[]
  readonly #tallies: readonly Tally[]
  readonly #byType = new Map<string, number[]>()
  readonly #seen = new IdSet()
  /** resources that would have counted */
  readonly #counts = { repeated: 0, excluded: 0, inError: 0, notPatient: 0, elsewhere: 0, unconditional: 0 }
  /** the same, by row of a patient that was not read, at least not yet */
  readonly #orphans = new Map<number, number>()

  constructor(
    private readonly mapping: Mapping,
    private readonly medications: Medications,
    private readonly base: string | undefined,
  ) {
    this.#stores = mapping.columns.map(({ pick }) => new ColumnStore(pick))
    this.#tallies = mapping.columns.map(() => ({ misfits: new Map(), units: new Map(), values: 0 }))
    for (const [at, { resource }] of mapping.columns.entries())
      this.#byType.set(resource, [...(this.#byType.get(resource) ?? []), at])
  }

  /** One resource, with a valid id, of one of the types that were asked for. */
  add({ resource, fullUrl }: Entry): void {
    const { resourceType, id } = resource as { resourceType: string; id: string }
    const columns = this.#byType.get(resourceType) ?? []
    if (resourceType === 'Patient') return this.#addPatient(resource, id, fullUrl, columns)
    if (columns.length > 0) this.#addResource(resource, `${resourceType}/${id}`, columns)
  }

  #rowOf(key: string): number {
    const known = this.#rows.get(key)
    if (known !== undefined) return known
    const row = this.#rows.size
    this.#rows.set(key, row)
    if (row >= this.#state.length) {
      const grown = new Uint8Array(this.#state.length * 2)
      grown.set(this.#state)
      this.#state = grown
    }
    return row
  }

  #addPatient(resource: Entry['resource'], id: string, fullUrl: string | undefined, columns: readonly number[]): void {
    const row = this.#rowOf(id)
    if (fullUrl?.startsWith('urn:') === true) this.#aliases.set(fullUrl, row)
    if (this.#state[row] !== REFERRED) {
      this.#counts.repeated++
      return
    }
    const holds = this.mapping.where?.holds(resource, NO_VARIABLES) ?? true
    if (typeof holds === 'string') this.#counts.unconditional++
    this.#state[row] = holds === true ? ROW : EXCLUDED
    if (holds !== true) return
    for (const at of columns) this.#take(at, row, resource, NO_VARIABLES)
  }

  #addResource(resource: Entry['resource'], key: string, columns: readonly number[]): void {
    const type = resource['resourceType'] as ResourceType
    const variables = ofMedication(type) ? this.medications.of(resource) : NO_VARIABLES
    const concept = ofMedication(type) ? variables['medication'] : resource['code']
    const matching = columns.filter((at) => {
      const column = this.mapping.columns[at] as FhirColumn
      if (!hasCode(column, concept)) return false
      const holds = column.where?.holds(resource, variables) ?? true
      if (typeof holds === 'string') this.#misfit(at, holds)
      return holds === true
    })
    if (matching.length === 0) return
    if (!this.#seen.add(key)) {
      this.#counts.repeated++
      return
    }
    if (isEnteredInError(resource)) {
      this.#counts.inError++
      return
    }
    const row = this.#patientOf(resource)
    if (row === undefined) return
    if (this.#state[row] === EXCLUDED) {
      this.#counts.excluded++
      return
    }
    if (this.#state[row] === REFERRED) this.#orphans.set(row, (this.#orphans.get(row) ?? 0) + 1)
    for (const at of matching) this.#take(at, row, resource, variables)
  }

  #patientOf({ subject, patient }: Entry['resource']): number | undefined {
    const target = targetOf(subject ?? patient, this.base)
    if (typeof target === 'string') {
      this.#counts.elsewhere++
      return undefined
    }
    if (target.id.startsWith('urn:')) return this.#aliases.get(target.id) ?? this.#rowOf(idOfUrn(target.id))
    if (target.type === 'Patient') return this.#rowOf(target.id)
    this.#counts.notPatient++
    return undefined
  }

  #misfit(at: number, why: Misfit): void {
    const { misfits } = this.#tallies[at] as Tally
    misfits.set(why, (misfits.get(why) ?? 0) + 1)
  }

  #take(at: number, row: number, resource: Entry['resource'], variables: Variables): void {
    const column = this.mapping.columns[at] as FhirColumn
    const found = column.path?.values(resource, variables) ?? []
    // nothing there: nothing to pick, also for count and exists
    if (column.path !== undefined && found.length === 0) return
    const fitting: Exclude<Found, { kind: 'misfit' }>[] = []
    if (column.pick !== 'count' && column.pick !== 'exists') {
      for (const one of found) {
        const usable = this.#inUnit(at, column, one)
        if (usable.kind === 'misfit') return this.#misfit(at, usable.why)
        fitting.push(usable)
      }
    }
    const timed = column.pick === 'first' || column.pick === 'last'
    const time = timed ? column.by.time(resource, variables) : undefined
    const misfit = (this.#stores[at] as ColumnStore).add(row, fitting, time)
    if (misfit !== undefined) this.#misfit(at, misfit)
    else (this.#tallies[at] as Tally).values++
  }

  #inUnit(at: number, { unit, convert = {} }: FhirColumn, found: Found): Found {
    if (found.kind === 'misfit') return found
    const given = found.kind === 'number' ? found.unit : undefined
    if (unit === undefined)
      return given === undefined ? found : { kind: 'misfit', why: 'a number with a unit that is not declared' }
    if (found.kind !== 'number' || given === undefined || given === null)
      return { kind: 'misfit', why: 'a number without a unit' }
    if (given === unit) return { kind: 'number', value: found.value }
    const conversion = Object.hasOwn(convert, given) ? convert[given] : undefined
    if (conversion !== undefined) return { kind: 'number', value: found.value * conversion.times + conversion.plus }
    const { units } = this.#tallies[at] as Tally
    const name = UNIT.test(given) ? given : 'others'
    const key = units.has(name) || units.size < MAX_UNITS ? name : 'others'
    units.set(key, (units.get(key) ?? 0) + 1)
    return { kind: 'misfit', why: 'a number in another unit' }
  }

  /** What the operator has to know. Throws `fhir-data` if values do not fit and the column does not say `otherwise`. */
  notes(): readonly string[] {
    const { repeated, excluded, inError, notPatient, elsewhere, unconditional } = this.#counts
    const strict = this.mapping.columns.flatMap((_, at) => this.#misfitsOf(at, false))
    if (unconditional > 0) strict.push(`where: ${count(unconditional, 'patient')} for whom it is neither yes nor no`)
    if (strict.length > 0) {
      throw new FlameshError('fhir-data', `values that do not fit: ${strict.join('; ')}`, {
        hint: 'declare the unit, convert, narrow with where, or say otherwise: null for what shall be no value',
      })
    }
    let orphaned = 0
    for (const [row, resources] of this.#orphans) if (this.#state[row] === REFERRED) orphaned += resources
    const unknown = [...this.#orphans.keys()].filter((row) => this.#state[row] === REFERRED).length
    const counted: readonly (readonly [number, string])[] = [
      [orphaned, `about ${count(unknown, 'patient')} not read: not used`],
      [elsewhere, 'without a reference to a patient of this server: not used'],
      [notPatient, 'about something else than a patient: not used'],
      [excluded, 'about patients that are no rows: not used'],
      [inError, 'entered in error: not used'],
      [repeated, 'given more than once: counted once'],
    ]
    return [
      ...counted.filter(([number]) => number > 0).map(([number, text]) => `${count(number, 'resource')} ${text}`),
      ...this.mapping.columns.flatMap((_, at) => this.#misfitsOf(at, true)),
      ...this.mapping.columns.flatMap(({ name }, at) =>
        (this.#tallies[at] as Tally).values === 0 ? [`${name}: nothing was found; is its path right?`] : [],
      ),
    ]
  }

  /** Of those that the column says are no value, or of the others. */
  #misfitsOf(at: number, allowed: boolean): string[] {
    const { misfits, units } = this.#tallies[at] as Tally
    const named = [...units].map(([unit, number]) => `${unit}: ${number}`).join(', ')
    const { name, lenient } = this.mapping.columns[at] as FhirColumn
    return [...misfits]
      .filter(([why]) => (lenient && !NEVER_ALLOWED.has(why)) === allowed)
      .map(([why, number]) => `${name}: ${number} × ${why}${why === 'a number in another unit' ? ` (${named})` : ''}`)
  }

  /** The patients in the order of their ids: the same patients make the same table in whatever order they came. */
  #order(): readonly (readonly [string, number])[] {
    const rows = [...this.#rows].filter(([, row]) => this.#state[row] === ROW)
    return rows.sort(([one], [other]) => (one < other ? -1 : 1))
  }

  table() {
    const order = this.#order().map(([, row]) => row)
    const columns = this.mapping.columns.map(({ name }, at) => {
      const type = (this.#stores[at] as ColumnStore).type(order)
      return type === undefined ? { name } : { name, type }
    })
    const stores = this.#stores
    async function* batches(): AsyncGenerator<readonly (readonly (string | null)[])[]> {
      for (let from = 0; from < order.length; from += 1024)
        yield order.slice(from, from + 1024).map((row) => stores.map((store) => store.cell(row)))
    }
    return { columns, rows: order.length, batches: batches() }
  }
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`
