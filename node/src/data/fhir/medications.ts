/**
 * The medication of a statement, a request or an administration: in the resource itself, contained in it, or in a resource
 * of its own, of which the code alone is kept. Expressions see it as %medication.
 */
import type { Variables } from './fhirpath.js'
import { isId, targetOf } from './references.js'

const NONE: Variables = { medication: [] }

export class Medications {
  /** the concept of each, as text: a tenth of the memory of the object */
  readonly #codes = new Map<string, string>()

  constructor(private readonly base: string | undefined) {}

  add(resource: Readonly<Record<string, unknown>>, fullUrl: string | undefined): void {
    const { id, code } = resource
    if (!isId(id) || code === undefined) return
    const text = JSON.stringify(code)
    this.#codes.set(id, text)
    if (fullUrl?.startsWith('urn:') === true) this.#codes.set(fullUrl, text)
  }

  /** What an expression over this resource may name. */
  of(resource: Readonly<Record<string, unknown>>): Variables {
    const { medicationCodeableConcept: concept, medicationReference: reference } = resource
    if (concept !== undefined) return { medication: concept }
    const { reference: inside } = (reference ?? {}) as { reference?: unknown }
    if (typeof inside === 'string' && inside.startsWith('#')) {
      const contained = Array.isArray(resource['contained']) ? resource['contained'] : []
      const found = contained.find((one: { id?: unknown } | null) => one?.id === inside.slice(1))
      return found?.code === undefined ? NONE : { medication: found.code }
    }
    const target = targetOf(reference, this.base)
    const text = typeof target === 'string' ? undefined : this.#codes.get(target.id)
    return text === undefined ? NONE : { medication: JSON.parse(text) }
  }
}
