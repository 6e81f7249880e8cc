/** Whom a resource is about. A reference that is none of a patient of this server is not guessed at. */

const ID = /^[A-Za-z0-9.-]{1,64}$/
const RELATIVE = /^([A-Za-z]+)\/([^/]+)(?:\/_history\/[^/]+)?$/

/** The rest of the identifier is in a local form: an id, or `urn:uuid:…`. */
export type Target =
  | { readonly type: string; readonly id: string }
  | 'none'
  /** of another server, inside the resource, by a search or by an identifier alone */
  | 'elsewhere'

export const isId = (id: unknown): id is string => typeof id === 'string' && ID.test(id)

/** `base`: of the server, without a slash at its end; undefined if none is known. */
export function targetOf(reference: unknown, base: string | undefined): Target {
  if (typeof reference !== 'object' || reference === null) return 'none'
  const { reference: given, type } = reference as { reference?: unknown; type?: unknown }
  if (typeof given !== 'string') return 'elsewhere'
  if (given.startsWith('urn:uuid:') || given.startsWith('urn:oid:'))
    return { type: typeof type === 'string' ? type : '', id: given }
  const local = base !== undefined && given.startsWith(`${base}/`) ? given.slice(base.length + 1) : given
  const parts = RELATIVE.exec(local)
  return parts !== null && isId(parts[2]) ? { type: parts[1] as string, id: parts[2] } : 'elsewhere'
}

/** The id in `urn:uuid:ID`, for files in which nothing else says what it is. */
export const idOfUrn = (urn: string): string => urn.slice(urn.lastIndexOf(':') + 1)
