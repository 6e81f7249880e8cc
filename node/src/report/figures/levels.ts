/** What coefficients are of: R's name of a level is its column's and its own in one word. */
import { isFields, listOf } from '../values.js'

export interface Level {
  readonly column: string
  readonly level: string
  readonly reference: string
}

/** What the coefficients of coded factors are of, by their names. */
export function levelsByName(factors: unknown): ReadonlyMap<string, Level> {
  return new Map(
    listOf(factors).flatMap((factor): (readonly [string, Level])[] => {
      if (!isFields(factor)) return []
      const { column, reference } = factor
      if (typeof column !== 'string' || typeof reference !== 'string') return []
      return listOf(factor['levels'])
        .filter((level): level is string => typeof level === 'string' && level !== reference)
        .map((level) => [column + level, { column, level, reference }])
    }),
  )
}

/** "sex 2" for `sex2`, and of interactions "age × sex 2"; any other name as it is. */
export function coefficientText(name: string, factors: unknown): string {
  const levels = levelsByName(factors)
  const text = (part: string): string | undefined => {
    const level = levels.get(part)
    return level && `${level.column} ${level.level}`
  }
  const parts = name.split(':')
  return (
    text(name) ?? (parts.some((part) => levels.has(part)) ? parts.map((part) => text(part) ?? part).join(' × ') : name)
  )
}
