/**
 * What a round made of a site's rows that the next round of the same job needs again: kept while the rows are, the last thing of
 * each analysis. Nothing depends on it but time: what is kept follows from the rows and the key alone, and nobody changes it.
 */
import type { Rows } from './analysis.js'

/** `about`: all that the thing is made from beside the rows. */
export type Keep<T> = (rows: Rows, about: unknown, make: () => T) => T

export function keeper<T>(): Keep<T> {
  const things = new WeakMap<Rows, { readonly key: string; readonly thing: T }>()
  return (rows, about, make) => {
    const key = JSON.stringify(about)
    const found = things.get(rows)
    if (found?.key === key) return found.thing
    const thing = make()
    things.set(rows, { key, thing })
    return thing
  }
}
