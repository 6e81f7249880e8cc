/**
 * FHIRPath by the library `fhirpath` with its model of R4. Expressions get no network, no clock and no output: only functions
 * that give the same values for the same resource are allowed. A value is a number, a day or a text; nothing is repaired.
 */
import { suggest } from '@flamesh/protocol/jobs/document.js'
import { MAX_TEXT_CHARS } from './limits.js'

/** Why a value cannot be used. */
export type Misfit =
  | 'not a number, a date or a text'
  | 'a day without its month or day'
  | 'a number in another unit'
  | 'a number with a unit that is not declared'
  | 'a number without a unit'
  | 'above or below a bound'
  | 'several values'
  | 'values of different kinds'
  | 'without a time'
  | 'too long a text'
  | 'more different texts than are kept'
  | 'not computable'
  | 'a condition that is not yes or no'

/** `unit`: of a quantity: its code, or its unit as a text, or null if it has none. `time` is milliseconds since 1970. */
export type Found =
  | { readonly kind: 'number'; readonly value: number; readonly unit?: string | null }
  | { readonly kind: 'day'; readonly value: number; readonly time: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'misfit'; readonly why: Misfit }

/** `%medication` and the like. */
export type Variables = Readonly<Record<string, unknown>>

export interface Expression {
  readonly text: string
  /** Whether it says so; nothing is no. */
  holds(resource: unknown, variables: Variables): boolean | Misfit
  values(resource: unknown, variables: Variables): readonly Found[]
  /** Milliseconds since 1970 of the first moment; of a period its start, or else its end; undefined if there is none. */
  time(resource: unknown, variables: Variables): number | undefined
}

/** An expression that cannot be used; `message` is for the operator who wrote it. */
export class BadExpression extends Error {
  constructor(
    message: string,
    readonly hint: string | undefined,
  ) {
    super(message)
  }
}

/** Not among them: `now`, `today`, `trace`, and all that ask a server. */
const FUNCTIONS: ReadonlySet<string> = new Set(
  `abs aggregate all allFalse allTrue anyFalse anyTrue as ceiling children coalesce combine contains convertsToBoolean convertsToDate
  convertsToDateTime convertsToDecimal convertsToInteger convertsToLong convertsToQuantity convertsToString convertsToTime count
  dateOf dayOf descendants distinct empty endsWith exclude exists exp extension first floor getValue hasValue highBoundary hourOf
  iif indexOf intersect is isDistinct join last lastIndexOf length ln log lower lowBoundary matches matchesFull max min minuteOf
  monthOf not ofType power precision repeat replace replaceMatches round secondOf select single skip split sqrt startsWith
  subsetOf substring sum supersetOf tail take timeOf toBoolean toChars toDate toDateTime toDecimal toInteger toLong toQuantity
  toString toTime trim truncate type union upper where yearOf`.split(/\s+/),
)
const QUANTITIES: ReadonlySet<string> = new Set(
  ['Quantity', 'SimpleQuantity', 'MoneyQuantity', 'Age', 'Count', 'Distance', 'Duration'].flatMap((name) => [
    name,
    `FHIR.${name}`,
  ]),
)
const UCUM = 'http://unitsofmeasure.org'
const DAY_MS = 86_400_000
const DAY = /^(\d{4})-(\d{2})-(\d{2})(?:T.*)?$/
const MOMENT = /^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}.*)?)?)?$/
const PARTIAL = /^\d{4}(-\d{2})?$/

interface Tree {
  readonly type: string
  readonly text?: string
  readonly delimitedText?: string
  readonly children?: readonly Tree[]
}

function checkTree(tree: Tree, variables: ReadonlySet<string>): void {
  if (tree.type === 'Functn') {
    const name = tree.children?.[0]?.text ?? ''
    if (!FUNCTIONS.has(name)) throw new BadExpression(`${name}() cannot be used here`, suggest(name, FUNCTIONS))
  }
  if (tree.type === 'ExternalConstantTerm') {
    const name = tree.text ?? tree.delimitedText ?? ''
    if (!variables.has(name)) throw new BadExpression(`there is no %${name}`, suggest(name, variables))
  }
  if (tree.type === 'MemberInvocation' && /^(__proto__|constructor|prototype)$/.test(tree.text ?? ''))
    throw new BadExpression(`no resource has ${tree.text}`, undefined)
  for (const child of tree.children ?? []) checkTree(child, variables)
}

/** Of a date with at least a year; partial ones begin with their first moment. */
function timeOf(text: string): number | undefined {
  // what else Date.parse takes for a date is none
  if (!MOMENT.test(text)) return undefined
  // a time without a zone is read as UTC, so that the order does not depend on the machine
  const zoned = /T.*(Z|[+-]\d{2}:\d{2})$/.test(text) || !text.includes('T')
  const time = Date.parse(zoned ? text : `${text}Z`)
  return Number.isNaN(time) ? undefined : time
}

function dayFound(text: string): Found {
  const parts = DAY.exec(text)
  const time = timeOf(text)
  if (parts === null || time === undefined) {
    return { kind: 'misfit', why: PARTIAL.test(text) ? 'a day without its month or day' : 'not computable' }
  }
  const [year, month, day] = parts.slice(1).map(Number) as [number, number, number]
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return { kind: 'misfit', why: 'not computable' }
  return { kind: 'day', value: date.getTime() / DAY_MS, time }
}

function quantityFound({ value, comparator, code, unit, system }: Record<string, unknown>): Found | undefined {
  if (value === undefined || value === null) return undefined
  if (comparator !== undefined) return { kind: 'misfit', why: 'above or below a bound' }
  const number = Number(value)
  if (!Number.isFinite(number)) return { kind: 'misfit', why: 'not computable' }
  const named = (system === UCUM ? [code, unit] : [unit, code]).find((one) => typeof one === 'string')
  return { kind: 'number', value: number, unit: typeof named === 'string' ? named : null }
}

type Library = typeof import('fhirpath')
type Node = Pick<import('fhirpath').ResourceNode, 'data' | 'fhirNodeDataType' | 'parentResNode'>

const isNode = (item: unknown): item is Node =>
  typeof item === 'object' && item !== null && 'fhirNodeDataType' in item && 'data' in item

function foundOf(item: unknown, typeOf: (item: unknown) => string): Found | undefined {
  const data: unknown = isNode(item) ? item.data : item
  const parent = isNode(item) ? item.parentResNode : null
  if (typeof data === 'boolean') return { kind: 'number', value: data ? 1 : 0 }
  const type = typeOf(item)
  if (/(Integer|Decimal|Long|integer|decimal|positiveInt|unsignedInt)$/.test(type)) {
    // a number taken out of a quantity keeps the unit that stands beside it
    if (parent !== null && QUANTITIES.has(parent.fhirNodeDataType ?? '')) return quantityFound(parent.data)
    const value = Number(data)
    return Number.isFinite(value) ? { kind: 'number', value } : { kind: 'misfit', why: 'not computable' }
  }
  if (/(Date|DateTime|date|dateTime|instant)$/.test(type)) return dayFound(String(data))
  if (typeof data === 'string') {
    const text = data.trim()
    if (text === '') return undefined
    return text.length > MAX_TEXT_CHARS ? { kind: 'misfit', why: 'too long a text' } : { kind: 'text', value: text }
  }
  if (QUANTITIES.has(type) && isNode(item)) return quantityFound(item.data)
  return data === null || data === undefined ? undefined : { kind: 'misfit', why: 'not a number, a date or a text' }
}

function timeFound(item: unknown): number | undefined {
  const data: unknown = isNode(item) ? item.data : item
  if (typeof data !== 'object' || data === null) return timeOf(String(data))
  const { start, end } = data as { start?: unknown; end?: unknown }
  const text = typeof start === 'string' ? start : typeof end === 'string' ? end : String(data)
  return timeOf(text)
}

/** Compiles expressions; the library, 1.5 MB of code, is loaded when there is one. */
export async function loadFhirPath(): Promise<(text: string, variables?: readonly string[]) => Expression> {
  const [{ default: library }, { default: model }] = await Promise.all([
    import('fhirpath'),
    import('fhirpath/fhir-context/r4'),
  ])
  return (text, variables = []) => compile(library as Library, model, text, variables)
}

function compile(library: Library, model: unknown, text: string, variables: readonly string[]): Expression {
  let tree: Tree
  try {
    tree = library.parse(text)
  } catch (error) {
    const [first] = String((error as Error).message).split('\n')
    throw new BadExpression(
      `is not FHIRPath: ${(first ?? '').replace(/ expecting \{.*$/, '').slice(0, 200)}`,
      'see https://hl7.org/fhirpath',
    )
  }
  checkTree(tree, new Set(['resource', 'context', 'ucum', ...variables]))
  const run = library.compile(text, model as import('fhirpath').Model, {
    resolveInternalTypes: false,
    traceFn: () => {},
  }) as (resource: unknown, variables: Variables) => unknown[]
  const typeOf = (item: unknown): string => library.types([item])[0] ?? ''
  /** What the library says of a resource stays here: it may quote it. */
  const attempt = (resource: unknown, given: Variables): unknown[] | undefined => {
    try {
      return run(resource, given)
    } catch {
      return undefined
    }
  }
  return {
    text,
    holds(resource, given) {
      const items = attempt(resource, given)
      if (items === undefined) return 'not computable'
      if (items.length === 0) return false
      if (items.length > 1) return 'a condition that is not yes or no'
      const data: unknown = isNode(items[0]) ? items[0].data : items[0]
      return typeof data === 'boolean' ? data : 'a condition that is not yes or no'
    },
    values(resource, given) {
      const items = attempt(resource, given)
      if (items === undefined) return [{ kind: 'misfit', why: 'not computable' }]
      return items.map((item) => foundOf(item, typeOf)).filter((found) => found !== undefined)
    },
    time(resource, given) {
      const [first] = attempt(resource, given) ?? []
      return first === undefined ? undefined : timeFound(first)
    },
  }
}
