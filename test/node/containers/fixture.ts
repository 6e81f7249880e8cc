/**
 * A real container engine and registry for tests: a `dockerd` of its own in a temporary folder, without a network, and
 * Debian's `docker-registry` on a free port of the loopback interface. Started once, for all files that ask, and ended by
 * process id after the last test. Where a program is missing the tests are pending, and the end of the run says why.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ContainerEngine } from '@flamesh/node/containers/engine.js'
import Docker from 'dockerode'

const EXAMPLES = fileURLToPath(new URL('../../../docs/examples/images/', import.meta.url))
const PROGRAMS = ['dockerd', 'docker-registry', 'busybox', 'tar', 'ldd']
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const CAP_SYS_ADMIN = 21n
const START_LIMIT_MS = 30_000
const run = promisify(execFile)

function which(program: string): string | undefined {
  return SYSTEM_PATH.split(':')
    .map((folder) => join(folder, program))
    .find(existsSync)
}

function whyNot(): string | undefined {
  if (process.platform !== 'linux') return 'containers are tested on Linux only'
  if (process.getuid?.() !== 0) return 'an engine of its own needs root'
  const capabilities = /^CapEff:\t(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  if (((BigInt(`0x${capabilities}`) >> CAP_SYS_ADMIN) & 1n) === 0n) return 'an engine must be allowed to mount'
  const cgroup = existsSync('/sys/fs/cgroup/memory') ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup'
  try {
    accessSync(cgroup, constants.W_OK)
  } catch {
    return 'there is no control group to write to'
  }
  const missing = PROGRAMS.filter((program) => which(program) === undefined)
  if (!existsSync('/usr/bin/python3')) missing.push('python3')
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`
}

const reason = whyNot()

/** `it`, or a pending test where there is no engine. */
export const withEngine: (title: string, test: Mocha.AsyncFunc) => void =
  reason === undefined ? it : (title) => it(`${title} (NOT RUN: ${reason})`)

if (reason !== undefined) {
  process.once('exit', () => process.stderr.write(`WARNING: the tests of containers did NOT run: ${reason}\n`))
}

export interface TestEngine {
  readonly docker: Docker
  readonly socketPath: string
  /** references by digest, as pushed to the registry; nothing is left in the engine but what was pulled */
  readonly images: { readonly script: string; readonly python: string; readonly shell: string }
  /** a reference by digest to an image built from this Dockerfile, which starts with FROM base */
  publish(name: string, dockerfile: string): Promise<string>
  readonly folder: string
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

async function until(what: string, ready: () => Promise<unknown>): Promise<void> {
  for (const end = Date.now() + START_LIMIT_MS; ; await sleep(50)) {
    try {
      await ready()
      return
    } catch (error) {
      if (Date.now() > end) throw new Error(`${what} did not start`, { cause: error })
    }
  }
}

const started: ChildProcess[] = []
let folder: string | undefined

async function start(program: string, args: readonly string[]): Promise<void> {
  const path = which(program) as string
  const child = spawn(path, args, { stdio: 'ignore', env: { PATH: SYSTEM_PATH } })
  started.unshift(child)
  await once(child, 'spawn')
}

/** The shared libraries that a program or another library needs, and the program itself. */
function withLibraries(paths: readonly string[]): readonly string[] {
  const found = paths.flatMap((path) => {
    const text = execFileSync('ldd', [path], { encoding: 'utf8' })
    return [...text.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] as string)
  })
  return [...new Set([...paths, ...found])]
}

async function copyInto(root: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) await cp(path, join(root, path), { recursive: true, dereference: true, filter: wanted })
}

function wanted(path: string): boolean {
  return !/\/(test|idlelib|ensurepip|lib2to3|tkinter|pydoc_data|__pycache__|config-[^/]+|dist-packages)$/.test(path)
}

/** A root file system of what Debian has: busybox for the shell, Python with its standard library, nothing else. */
async function makeRoot(root: string): Promise<void> {
  const busybox = await realPath('busybox')
  for (const part of ['bin', 'etc', 'tmp', 'usr/bin']) await mkdir(join(root, part), { recursive: true })
  // some engines give the mount the permissions of the folder below it
  await chmod(join(root, 'tmp'), 0o1777)
  await cp(busybox, join(root, 'bin/busybox'))
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n')
  const links = applets.filter((name) => name !== 'busybox').map((name) => `ln -s busybox '${name}'`)
  execFileSync('sh', ['-c', links.join(';')], { cwd: join(root, 'bin') })
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n')
  await writeFile(join(root, 'etc/of-root'), 'a file that only root of the image may read\n', { mode: 0o600 })
  const python = await realPath('python3')
  const version = python.slice(python.lastIndexOf('/') + 1)
  const modules = join('/usr/lib', version, 'lib-dynload')
  const compiled = (await readdir(modules)).map((name) => join(modules, name))
  await copyInto(root, [...withLibraries([python, ...compiled]), join('/usr/lib', version)])
  const setuid = `ln -s ${version} usr/bin/python3 && cp usr/bin/${version} usr/bin/setuid-python && chmod 4755 usr/bin/setuid-python`
  execFileSync('sh', ['-c', setuid], { cwd: root })
}

async function realPath(program: string): Promise<string> {
  const path = program === 'python3' ? '/usr/bin/python3' : (which(program) as string)
  return (await run('readlink', ['-f', path])).stdout.trim()
}

async function finished(docker: Docker, stream: NodeJS.ReadableStream): Promise<readonly Record<string, never>[]> {
  const events = await new Promise<readonly Record<string, never>[]>((resolve, reject) => {
    docker.modem.followProgress(stream, (error, list) => (error ? reject(error) : resolve(list as never)))
  })
  const failed = events.find((event) => event['error'] !== undefined)
  if (failed !== undefined) throw new Error(String(failed['error']))
  return events
}

/** Runs the script that stands in its rows: an analysis that does whatever a test wants. */
const SCRIPT_IMAGE = 'FROM base\nENTRYPOINT ["/bin/sh", "/flamesh/data/rows.csv"]\n'

async function makeEngine(): Promise<TestEngine> {
  // a short path: a socket's has room for some 100 characters
  folder = await mkdtemp(join(tmpdir(), 'fl-'))
  const at = (name: string): string => join(folder as string, name)
  const socketPath = at('d.sock')
  const port = await freePort()
  const registry = `127.0.0.1:${port}`
  const storage = `storage: {filesystem: {rootdirectory: ${at('registry')}}}`
  await writeFile(at('registry.yml'), `version: 0.1\nlog: {level: error}\n${storage}\nhttp: {addr: '${registry}'}\n`)
  await start('docker-registry', ['serve', at('registry.yml')])
  const quiet = ['--bridge=none', '--iptables=false', '--ip-forward=false', '--ip-masq=false', '--log-level=error']
  const places = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')]
  await start('dockerd', [...quiet, '--host', `unix://${socketPath}`, ...places])
  await mkdir(at('root'))
  await makeRoot(at('root'))
  const docker = new Docker({ socketPath })
  await until('dockerd', () => docker.ping())
  await until('docker-registry', () => fetch(`http://${registry}/v2/`))

  const tar = spawn('tar', ['-C', at('root'), '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
  await finished(docker, await docker.importImage(tar.stdout, { repo: 'base', tag: 'latest' }))
  await rm(at('root'), { recursive: true })

  const push = async (name: string, context: string): Promise<string> => {
    const tag = `${registry}/flamesh/${name}`
    const src = await readdir(context)
    const options = { t: `${tag}:1`, buildargs: { BASE: 'base' }, networkmode: 'none' }
    await finished(docker, await docker.buildImage({ context, src }, options))
    const image = docker.getImage(`${tag}:1`)
    const events = await finished(docker, await image.push({ authconfig: { username: '', password: '' } }))
    const digest = (events.find((event) => event['aux'] !== undefined)?.['aux'] as { Digest?: string } | undefined)
      ?.Digest
    await image.remove()
    return `${tag}@${digest}`
  }
  const publish = async (name: string, dockerfile: string): Promise<string> => {
    const context = await mkdtemp(at('context-'))
    await writeFile(join(context, 'Dockerfile'), dockerfile)
    return await push(name, context)
  }
  const images = {
    script: await publish('script', SCRIPT_IMAGE),
    python: await push('python', join(EXAMPLES, 'python-logistic')),
    shell: await push('shell', join(EXAMPLES, 'shell-shares')),
  }
  return { docker, socketPath, images, publish, folder }
}

let making: Promise<TestEngine> | undefined

/** The engine, started if need be; undefined where there is none. */
export async function testEngine(): Promise<TestEngine> {
  making ??= makeEngine()
  return await making
}

export const available = reason === undefined

/** An engine of this node, with a scratch folder of its own. */
export function siteEngine(engine: TestEngine, node = 'site-a', name = node): ContainerEngine {
  const scratchFolder = join(engine.folder, `scratch-${name}`)
  return new ContainerEngine({ node, scratchFolder, address: { socketPath: engine.socketPath } })
}

async function stopEngine(): Promise<void> {
  for (const child of started) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGTERM')
    await Promise.race([once(child, 'exit'), sleep(15_000, undefined, { ref: false })])
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  }
  if (folder === undefined) return
  // what a container or an image still has mounted below it
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '')
  const below = mounts.filter((path) => path.startsWith(`${folder}/`)).reverse()
  for (const path of below) await run('umount', ['-l', path]).catch(() => undefined)
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
}

if (available) {
  after('stop the container engine', async function () {
    this.timeout(60_000)
    await stopEngine()
  })
}
