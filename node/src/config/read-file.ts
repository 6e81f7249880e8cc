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

/** A YAML 1.2 document (JSON is one too). Throws `yaml-invalid` with the place of the mistake. */
export async function parseYaml(text: string, name: string): Promise<unknown> {
  const { parseDocument } = await import('yaml')
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true })
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
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch (cause) {
    throw new FlameshError('yaml-invalid', `${name}: aliases are not allowed`, { cause, hint: 'write the value out' })
  }
}
