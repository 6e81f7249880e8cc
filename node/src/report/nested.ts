/** Records within records as one table: what `tables.ts` does with fields that it knows no better shape of. */
import type { ResultColumn, ResultTable } from './result-table.js'
import { type Fields, isRecord, listOf, numberColumn, toValue } from './values.js'
import { labelOf, NAMED_BY_OTHERS, titleOf } from './words.js'

interface Line {
  readonly path: readonly string[]
  readonly fields: Fields
}

/** Fields within fields, as tests by column: a row for each record that has fields of its own, named by where it stands. */
export function nested(key: string, value: Fields): ResultTable {
  const branches = branchesOf(value, 0, [])
  const lines = linesOf(value, [], branches)
  const depth = Math.max(...lines.map(({ path }) => path.length))
  const names = [...new Set(lines.flatMap(({ fields }) => Object.keys(fields)))]
  const keys = Array.from({ length: depth }, (_, level): ResultColumn => {
    return { name: level === 0 ? 'name' : `name${level + 1}`, title: level === 0 ? labelOf(key) : '', kind: 'key' }
  })
  return {
    id: key,
    title: titleOf(key),
    columns: [...keys, ...names.map((name) => numberColumn(name, NAMED_BY_OTHERS.has(key) ? name : undefined))],
    rows: lines.map(({ path, fields }) => [
      ...keys.map((_, level) => path[level] ?? ''),
      ...names.map((name) => (Object.hasOwn(fields, name) ? toValue(fields[name]) : undefined)),
    ]),
  }
}

/** A list of records: a row for each, named by its texts. */
export function records(key: string, list: readonly Fields[]): ResultTable {
  const names = [...new Set(list.flatMap((one) => Object.keys(one)))]
  const isText = (name: string): boolean => list.every((one) => typeof one[name] === 'string')
  const texts = names.filter(isText)
  const others = names.filter((name) => !texts.includes(name))
  return {
    id: key,
    title: titleOf(key),
    columns: [
      ...texts.map((name): ResultColumn => ({ name, title: labelOf(name), kind: 'key' })),
      ...others.map((name) => numberColumn(name)),
    ],
    rows: list.map((one) => [...texts, ...others].map((name) => toValue(one[name]))),
  }
}

/** A record's lists side by side (`parallelLists`): a row for each of their entries. */
export function parallel(key: string, value: Fields, names: readonly string[]): ResultTable {
  const lists = names.map((name) => listOf(value[name]))
  const list = (lists[0] ?? []).map(
    (_, at): Fields => Object.fromEntries(names.map((name, which) => [name, lists[which]?.[at]])),
  )
  return records(key, list)
}

/** At each depth the keys under which a record stands anywhere: null in their place is a record that does not exist, as at the top. */
function branchesOf(value: Fields, depth: number, branches: Set<string>[]): readonly ReadonlySet<string>[] {
  const own = branches[depth] ?? new Set<string>()
  branches[depth] = own
  for (const [key, inner] of Object.entries(value)) {
    if (!isRecord(inner) && !(depth === 0 && inner === null)) continue
    own.add(key)
    if (isRecord(inner)) branchesOf(inner, depth + 1, branches)
  }
  return branches
}

function linesOf(value: Fields, path: readonly string[], branches: readonly ReadonlySet<string>[]): readonly Line[] {
  const branch = branches[path.length]
  const entries = Object.entries(value)
  const own = Object.fromEntries(entries.filter(([key, inner]) => !isRecord(inner) && branch?.has(key) !== true))
  const inner = entries.flatMap(([key, one]): readonly Line[] => {
    if (isRecord(one)) return linesOf(one, [...path, key], branches)
    return branch?.has(key) === true ? [{ path: [...path, key], fields: {} }] : []
  })
  return inner.length === 0 || Object.keys(own).length > 0 ? [{ path, fields: own }, ...inner] : inner
}
