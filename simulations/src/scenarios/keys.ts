/** Which keys a schema knows at a place of a document: what an error about a key can offer instead. */
import type { z } from 'zod'

type Any = z.core.$ZodType

interface Definition {
  readonly type: string
  readonly shape?: Readonly<Record<string, Any>>
  readonly innerType?: Any
  readonly element?: Any
  readonly in?: Any
  readonly options?: readonly Any[]
}

/** The objects a value of this schema may be, defaults, transformations and alternatives apart. */
function objects(schema: Any): readonly Definition[] {
  const definition = schema._zod.def as unknown as Definition
  if (definition.shape !== undefined) return [definition]
  const inner = definition.innerType ?? definition.in
  if (inner !== undefined) return objects(inner)
  if (definition.element !== undefined) return [definition]
  return (definition.options ?? []).flatMap(objects)
}

export function keysAt(schema: Any, path: readonly PropertyKey[]): readonly string[] {
  let found = objects(schema)
  for (const key of path) {
    found = found.flatMap(({ shape, element }) => {
      const next = typeof key === 'number' ? element : shape?.[String(key)]
      return next === undefined ? [] : objects(next)
    })
  }
  return [...new Set(found.flatMap(({ shape }) => Object.keys(shape ?? {})))]
}
