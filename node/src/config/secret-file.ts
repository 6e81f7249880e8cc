/** A secret that stands in a file of its own, such as a password or a token. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { readText } from './read-file.js'
import { openBits } from './state-folder.js'

const MAX_SECRET_BYTES = 1 << 16

/** Without the end of its line. Throws `file-not-found`, `file-unusable`, and `key-permissions` if others can read it. */
export async function readSecret(file: string): Promise<string> {
  const text = await readText(file, MAX_SECRET_BYTES)
  if ((await openBits(file)) !== 0)
    throw new FlameshError('key-permissions', `others can read ${file}`, { hint: `chmod 600 ${file}` })
  return text.replace(/\r?\n$/, '')
}
