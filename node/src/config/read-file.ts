/** Files that a person wrote or names on the command line: texts of bounded size, YAML or JSON. */
import { readFile, stat } from 'node:fs/promises'
import { FlameshError } from '@flamesh/protocol/errors.js'

/** Throws `file-not-found` or `file-unusable`. */
export async function readText(file: string, maxBytes: number): Promise<string> {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined) throw new FlameshError('file-not-found', `there is no file ${file}`, { meta: { file } })
  if (!found.isFile()) throw new FlameshError('file-unusable', `${file} is not a file`, { meta: { file } })
  if (found.size > maxBytes) {
    throw new FlameshError('file-unusable', `${file} has ${found.size} bytes, ${maxBytes} are allowed`, {
      meta: { file },
    })
  }
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new FlameshError('file-unusable', `${file} cannot be read`, {
      meta: { file },
      cause,
      hint: 'check its permissions',
    })
  }
}

/** Where in a file something stands, from one. */
export interface Place {
  readonly line: number
  readonly column: number
}

export interface PlacedYaml {
  readonly value: unknown
  /** of the innermost part of the path that is in the document */
  placeOf(path: readonly PropertyKey[]): Place | undefined
}

/** A YAML 1.2 document (JSON is one too). Throws `yaml-invalid` with the place of the mistake. */
export async function parseYaml(text: string, name: string): Promise<unknown> {
  return (await parsePlacedYaml(text, name)).value
}

/** The same, for whoever wants to say where a value stands. */
export async function parsePlacedYaml(text: string, name: string): Promise<PlacedYaml> {
  const { isNode, isScalar, LineCounter, parseDocument, visit } = await import('yaml')
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true, lineCounter })
  const [mistake] = document.errors
  if (mistake !== undefined) {
    const at = mistake.linePos?.[0]
    const place = at === undefined ? '' : `, line ${at.line}, column ${at.col}`
    throw new FlameshError(
      'yaml-invalid',
      `${name}${place}: ${(mistake.message.split('\n')[0] ?? '').replace(/ at line .*$/, '')}`,
      {
        meta: { file: name, ...(at === undefined ? {} : { line: at.line, column: at.col }) },
        hint: 'the file should be YAML: "field: value" lines, indented with spaces',
      },
    )
  }
  visit(document, {
    Pair(_, { key }) {
      // later checks would drop it without a word
      if (!isScalar(key) || key.value !== '__proto__') return
      throw new FlameshError('yaml-invalid', `${name}: a field cannot be named __proto__`, { meta: { file: name } })
    },
  })
  const placeOf = (path: readonly PropertyKey[]): Place | undefined => {
    for (let length = path.length; length > 0; length--) {
      const node = document.getIn(path.slice(0, length), true)
      if (!isNode(node) || node.range == null) continue
      const { line, col } = lineCounter.linePos(node.range[0])
      return { line, column: col }
    }
    return undefined
  }
  try {
    return { value: document.toJS({ maxAliasCount: 0 }), placeOf }
  } catch (cause) {
    throw new FlameshError('yaml-invalid', `${name}: aliases are not allowed`, { cause, hint: 'write the value out' })
  }
}
