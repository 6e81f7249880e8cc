/** The three PEM files with which both ends of a site's own connection know each other. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { TlsFiles } from '../containers/remote.js'
import { openBits } from './state-folder.js'

/** `ca.pem`, `cert.pem` and `key.pem` of a folder. Throws `file-not-found`, or `key-permissions` if others can read the key. */
export async function readTls(folder: string): Promise<TlsFiles> {
  const key = join(folder, 'key.pem')
  const [ca, cert, secret] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) =>
      readFile(join(folder, name), 'utf8').catch((cause: unknown) => {
        throw new FlameshError('file-not-found', `${join(folder, name)} cannot be read`, {
          hint: 'the folder holds ca.pem, cert.pem and key.pem, made by an authority of this site alone',
          cause,
        })
      }),
    ),
  )
  if ((await openBits(key)) !== 0)
    throw new FlameshError('key-permissions', `others can read ${key}`, { hint: `chmod 600 ${key}` })
  return { ca: ca as string, cert: cert as string, key: secret as string }
}
