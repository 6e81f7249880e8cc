/** A password or a token in a file of its own: what commands are told by name, so that it stands in no declaration and no version. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { readText } from './read-file.js'
import { openBits } from './state-folder.js'

const MAX_SECRET_BYTES = 1 << 16

/** Without the line break at its end. Throws `file-not-found`, `file-unusable`, and `key-permissions` if others can read it. */
export async function readSecret(file: string): Promise<string> {
  const text = await readText(file, MAX_SECRET_BYTES)
  if ((await openBits(file)) !== 0)
    throw new FlameshError('key-permissions', `others can read ${file}`, { hint: `chmod 600 ${file}` })
  return text.replace(/\r?\n$/, '')
}
