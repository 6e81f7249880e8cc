/**
 * What a fresh clone lacks: the packages that package-lock.json names, and the compiled JavaScript. Plain JavaScript
 * without dependencies, for it runs before there are any. `npm test` runs it first, and so does the demo.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const OLDEST = [20, 19]

/** The entries of a lock file by path; none if it cannot be read. */
function lockedPackages(file) {
  try {
    return JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')).packages
  } catch {
    return {}
  }
}

/** Whether node_modules holds what package-lock.json names; packages for other platforms may be missing. */
function isInstalled() {
  const wanted = lockedPackages('package-lock.json')
  const found = lockedPackages('node_modules/.package-lock.json')
  const fits = ([path, { version, integrity, optional }]) => {
    if (!path.startsWith('node_modules/') && !path.includes('/node_modules/')) return true
    const there = found[path]
    return there === undefined ? optional === true : there.version === version && there.integrity === integrity
  }
  return Object.keys(found).length > 0 && Object.entries(wanted).every(fits)
}

async function run(what, command, args, out) {
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout.pipe(out, { end: false })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${what} failed (exit code ${code})`)
}

/** Installs if need be, then builds `projects`, all of them unless given. What it prints goes to `out`. */
export async function setUp({ projects = [], out = process.stdout } = {}) {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    throw new Error(`flamesh needs Node.js ${OLDEST.join('.')} or newer, and this is ${process.versions.node}`)
  }
  if (!isInstalled()) {
    out.write('installing packages …\n')
    await run('npm ci', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], out)
  }
  out.write('building …\n')
  await run('the build', process.execPath, ['node_modules/typescript/bin/tsc', '-b', ...projects], out)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await setUp()
  } catch (error) {
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}
