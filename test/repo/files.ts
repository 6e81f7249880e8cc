/** The files of this repository. */
import { readdirSync, readFileSync } from 'node:fs'

export const root = new URL('../../', import.meta.url)

export interface RepositoryFile {
  /** from the root, with slashes */
  readonly path: string
  readonly text: string
}

const BINARY = /\.(png|ico|gz)$/

function read(paths: readonly string[]): readonly RepositoryFile[] {
  return paths.map((path) => ({ path, text: readFileSync(new URL(path, root), 'utf8') }))
}

/** As .gitignore has it; a copy of the repository without git is looked at just the same. */
const IGNORED = new Set(['.git', 'node_modules', 'dist', 'coverage'])

let listed: readonly string[] | undefined

function walk(folder: string): readonly string[] {
  return readdirSync(new URL(`./${folder}`, root), { withFileTypes: true }).flatMap((entry) => {
    if (IGNORED.has(entry.name) || entry.name.endsWith('.tsbuildinfo')) return []
    return entry.isDirectory() ? walk(`${folder}${entry.name}/`) : [`${folder}${entry.name}`]
  })
}

/** Every file that belongs to the repository, sorted. */
export function repositoryPaths(): readonly string[] {
  listed ??= [...walk('')].sort()
  return listed
}

export function repositoryFiles(): readonly RepositoryFile[] {
  return read(repositoryPaths().filter((path) => !BINARY.test(path)))
}

/** The TypeScript of the four packages. */
export function sourceFiles(): readonly RepositoryFile[] {
  return read(repositoryPaths().filter((path) => /^(protocol|node|hub-registry|simulations)\/src\/.*\.ts$/.test(path)))
}
