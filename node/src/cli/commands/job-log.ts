/** `flamesh job log`: what the image of a job printed and reported at this node, run by run. For the operator alone. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { requireInitialised } from '../../config/state-folder.js'
import { hasCode } from '../../store/files.js'
import type { CommandContext } from '../context.js'

/** As in the names of the files (daemon/images.ts). */
const ID_DIGITS = 12
const MIN_DIGITS = 6

export async function jobLog({ folder, out }: CommandContext, id: string): Promise<undefined> {
  requireInitialised(folder)
  if (!/^[0-9a-f]+$/.test(id) || id.length < MIN_DIGITS)
    throw new FlameshError('id-too-short', `${id} is not a job, nor its first six digits or more`)
  const names = await readdir(folder.imageLogsDir).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  })
  const mine = names.filter((name) => name.split('_')[1]?.startsWith(id.slice(0, ID_DIGITS))).sort()
  if (mine.length === 0)
    throw new FlameshError('not-found', `no image has run here for job ${id}`, {
      hint: 'the files of the last 200 runs are kept; built-in analyses print nothing',
    })
  const runs = await Promise.all(
    mine.map(async (name) => ({ file: name, text: await readFile(join(folder.imageLogsDir, name), 'utf8') })),
  )
  out.result({ runs }, () => runs.map(({ text }) => text).join('\n'))
}
