/**
 * What a round made of a site's rows that the next round of the same job needs again: kept while the rows are, one thing for
 * each. Nothing depends on it but time: what is kept follows from the rows and the key alone, and nobody changes it.
 */
import type { Rows } from './analysis.js'

const things = new WeakMap<Rows, { readonly key: string; readonly thing: unknown }>()

export function keptOf<T>(rows: Rows, about: unknown, make: () => T): T {
  const key = JSON.stringify(about)
  const found = things.get(rows)
  if (found?.key === key) return found.thing as T
  const thing = make()
  things.set(rows, { key, thing })
  return thing
}
