/** The version of this package, read from its package.json, one folder up in the sources and in the build alike. */
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

export const VERSION: string = manifest.version
