/** The scenarios that come with flamesh-sim, and finding one by name or path. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { suggest } from '@flamesh/protocol/jobs/document.js'
import { readScenario } from './load.js'
import type { Scenario } from './schema.js'

/** Two folders up in the sources and in the build alike. */
const FOLDER = new URL('../../scenarios/', import.meta.url)

export interface LoadedScenario {
  readonly file: string
  readonly text: string
  readonly scenario: Scenario
}

export function shippedNames(): readonly string[] {
  return readdirSync(FOLDER)
    .flatMap((file) => (file.endsWith('.yaml') ? [file.slice(0, -'.yaml'.length)] : []))
    .sort()
}

/** A path if it looks like one, else the name of a shipped scenario. Throws what reading or the scenario's mistakes throw. */
export function loadScenario(given: string): LoadedScenario {
  const shipped = shippedNames()
  const named = shipped.includes(given)
  const file = named ? fileURLToPath(new URL(`${given}.yaml`, FOLDER)) : given
  if (!named && !/[/\\]|\.ya?ml$/.test(given)) {
    const hint = suggest(given, shipped)
    throw new FlameshError('scenario-unknown', `there is no scenario ${given}`, {
      hint: `${hint?.startsWith('did') ? `${hint} ` : ''}shipped are ${shipped.join(', ')}; a file is given with its path`,
    })
  }
  const text = readFile(file)
  return { file, text, scenario: readScenario(text, given) }
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') {
      const hint = '"flamesh-sim list" shows the scenarios that need no path'
      throw new FlameshError('file-not-found', `there is no file ${file}`, { hint, cause })
    }
    throw new FlameshError('file-unusable', `${file} cannot be read (${code})`, { cause })
  }
}
