/**
 * `flamesh job log`: what the image of a job printed and reported at this node, run by run. For the operator alone. It reads the
 * files that the daemon writes, and needs no daemon.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { requireInitialised, type StateFolder } from '../../config/state-folder.js'
import { NO_END, PRINTED } from '../../runner/run-notes.js'
import { hasCode, UNFINISHED } from '../../store/files.js'
import type { CommandContext } from '../context.js'

/** As in the names of the files (runner/run-notes.ts). */
const ID_DIGITS = 12
const MIN_DIGITS = 6
/** How often a file that grows is looked at (milliseconds). */
const LOOK_EVERY_MS = 200

export interface LogOptions {
  readonly follow?: boolean
}

export async function jobLog(context: CommandContext, id: string, options: LogOptions): Promise<undefined> {
  const { folder, out } = context
  requireInitialised(folder)
  if (!/^[0-9a-f]+$/.test(id) || id.length < MIN_DIGITS)
    throw new FlameshError('id-too-short', `${id} is not a job, nor its first six digits or more`)
  if (options.follow === true) return follow(context, id)
  const names = await namesOf(folder, id)
  if (names.length === 0)
    throw new FlameshError('not-found', `no image has run here for job ${id}`, {
      hint: 'the files of the last 200 runs are kept; built-in analyses print nothing',
    })
  const runs = await Promise.all(names.map(async (name) => ({ file: name, text: (await read(folder, name)) ?? '' })))
  out.result({ runs }, () => runs.map(({ text }) => text).join('\n'))
}

async function namesOf(folder: StateFolder, id: string): Promise<readonly string[]> {
  const names = await readdir(folder.imageLogsDir).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  })
  const isIts = (name: string): boolean => name.split('_')[1]?.startsWith(id.slice(0, ID_DIGITS)) ?? false
  return names.filter((name) => !name.startsWith(UNFINISHED) && isIts(name)).sort()
}

/** Nothing once it was one of the oldest and is gone. */
const read = (folder: StateFolder, name: string): Promise<string | undefined> =>
  readFile(join(folder.imageLogsDir, name), 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  })

/** Until somebody interrupts it: further rounds, and further attempts of one, are further runs. */
async function follow({ folder, out }: CommandContext, id: string): Promise<never> {
  if (out.json) throw new FlameshError('usage', '--follow prints lines as they come, and --json one document')
  const shown = new Map<string, string>()
  const ended = new Set<string>()
  for (;;) {
    for (const name of await namesOf(folder, id)) {
      const text = ended.has(name) ? undefined : await read(folder, name)
      if (text === undefined) continue
      const before = shown.get(name)
      out.stdout.write(newIn(text, before))
      shown.set(name, text)
      const [, , third, ...rest] = text.split('\n')
      // a file that was only just made may be empty yet
      if (rest.length > 0 && third !== NO_END) ended.add(name)
    }
    await sleep(LOOK_EVERY_MS)
  }
}

/** What a file has that was not shown: lines that were printed, and once it has ended how. */
function newIn(text: string, before: string | undefined): string {
  if (before === undefined) return text
  if (text.startsWith(before)) return text.slice(before.length)
  const [head = '', printed = ''] = parts(text)
  const known = parts(before)[1] ?? ''
  return `${printed.startsWith(known) ? printed.slice(known.length) : ''}\n${head}`
}

function parts(text: string): readonly string[] {
  const at = text.indexOf(PRINTED)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + PRINTED.length)]
}
