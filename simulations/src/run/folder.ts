/** The folder of a result: made before the run, so that nobody waits for a run that cannot be kept. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'

export const MANIFEST = 'manifest.json'
/** A manifest says what made it, so that no other program's folder is overwritten. */
export const MADE_BY = 'flamesh-sim'

const reasonOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error)

/** Makes the folder, or empties one that an earlier run made. Throws `folder-not-empty` or `folder-unusable`. */
export function prepareFolder(folder: string): string {
  const path = resolve(folder)
  try {
    mkdirSync(path, { recursive: true })
    const held = readdirSync(path)
    if (held.length > 0 && !isOwn(path)) {
      throw new FlameshError('folder-not-empty', `${folder} holds other files than a result of flamesh-sim`, {
        hint: 'name a new or empty folder with --out',
      })
    }
    for (const name of held) if (/^[a-z]+\.(csv|json|html)$/.test(name)) rmSync(join(path, name))
    writeFileSync(join(path, MANIFEST), `${JSON.stringify({ madeBy: MADE_BY, finished: false })}\n`)
    return path
  } catch (error) {
    if (error instanceof FlameshError) throw error
    throw new FlameshError('folder-unusable', `${folder} cannot be written to (${reasonOf(error)})`, {
      hint: 'name another folder with --out',
      cause: error,
    })
  }
}

function isOwn(path: string): boolean {
  try {
    return (JSON.parse(readFileSync(join(path, MANIFEST), 'utf8')) as { madeBy?: unknown }).madeBy === MADE_BY
  } catch {
    return false
  }
}

/** `NAME-seed-N` under the current folder, with a number if it is taken. */
export function freeFolder(name: string, seed: number): string {
  const plain = `${name}-seed-${seed}`
  for (let number = 1; ; number++) {
    const folder = number === 1 ? plain : `${plain}-${number}`
    if (!existsSync(folder)) return folder
  }
}

export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
}
