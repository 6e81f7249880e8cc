/**
 * A container engine and a registry for demonstrations, benches and tests: a `dockerd` of its own in a temporary folder,
 * without a network, Debian's `docker-registry` on a free port of the loopback interface, and a base image made of what is
 * installed on this machine. Not for production: there the engine is the site's own. Plain JavaScript, since the demo is.
 */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const PROGRAMS = ['dockerd', 'docker-registry', 'busybox', 'tar', 'ldd']
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const CAP_SYS_ADMIN = 21n
const START_LIMIT_MS = 30_000
const run = promisify(execFile)

const which = (program) =>
  SYSTEM_PATH.split(':')
    .map((folder) => join(folder, program))
    .find(existsSync)

/** Why no engine can be started here; undefined if one can. */
export function whyNoEngine() {
  if (process.platform !== 'linux') return 'containers need Linux'
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

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

async function until(what, ready) {
  for (const end = performance.now() + START_LIMIT_MS; ; await sleep(50)) {
    try {
      await ready()
      return
    } catch (error) {
      if (performance.now() > end) throw new Error(`${what} did not start`, { cause: error })
    }
  }
}

/** The shared libraries that a program or another library needs, and the program itself. */
function withLibraries(paths) {
  const found = paths.flatMap((path) => {
    const text = execFileSync('ldd', [path], { encoding: 'utf8' })
    return [...text.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1])
  })
  return [...new Set([...paths, ...found])]
}

const NOT_NEEDED = /\/(test|idlelib|ensurepip|lib2to3|tkinter|pydoc_data|__pycache__|config-[^/]+|dist-packages)$/

async function copyInto(root, paths) {
  const options = { recursive: true, dereference: true, filter: (path) => !NOT_NEEDED.test(path) }
  for (const path of paths) await cp(path, join(root, path), options)
}

const realPath = async (program) => {
  const path = program === 'python3' ? '/usr/bin/python3' : which(program)
  return (await run('readlink', ['-f', path])).stdout.trim()
}

/** A root file system of what Debian has: busybox for the shell, Python with its standard library, nothing else. */
async function makeRoot(root) {
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
  // one with the setuid bit, which nothing in a sandbox may profit from
  const links2 = `ln -s ${version} usr/bin/python3 && cp usr/bin/${version} usr/bin/setuid-python && chmod 4755 usr/bin/setuid-python`
  execFileSync('sh', ['-c', links2], { cwd: root })
}

const R_HOME = '/usr/lib/R'
const NOT_OF_R =
  /\/R\/(doc|library\/tcltk|library\/[^/]+\/(help|html|doc|demo|po|tests)|modules\/R_X11\.so|library\/grDevices\/libs\/cairo\.so)$/

/** Why there is no image with R; undefined if there can be one. */
export const whyNoR = () =>
  which('Rscript') !== undefined && existsSync(R_HOME) ? undefined : 'not installed: r-base-core'

/** R with the packages that come with it, without graphics on a screen, and the shell that starts it. */
async function makeRootOfR(root) {
  const compiled = execFileSync('find', [R_HOME, '-name', '*.so'], { encoding: 'utf8' }).trim().split('\n')
  const libraries = withLibraries([
    '/bin/bash',
    `${R_HOME}/bin/exec/R`,
    ...compiled.filter((path) => !NOT_OF_R.test(path) && !/\/tcltk\//.test(path)),
  ])
  const options = { recursive: true, dereference: true, filter: (path) => !NOT_OF_R.test(path) }
  for (const path of [...libraries, R_HOME, '/usr/bin/Rscript']) await cp(path, join(root, path), options)
  // R asks for it by this path
  await symlink('/bin/busybox', join(root, 'usr/bin/which'))
}

async function finished(docker, stream) {
  const events = await new Promise((resolve, reject) => {
    docker.modem.followProgress(stream, (error, list) => (error ? reject(error) : resolve(list)))
  })
  const failed = events.find((event) => event.error !== undefined)
  if (failed !== undefined) throw new Error(String(failed.error))
  return events
}

/** The description of python-logistic, as YAML, for where it was pushed to. */
export function logisticDescription(reference) {
  const text = readFileSync(new URL('python-logistic/description.yaml', import.meta.url), 'utf8')
  return text.replace(/^image: .*$/m, `image: ${reference}`)
}

export class LocalEngine {
  /** a short path: a socket's has room for some 100 characters */
  folder
  docker
  socketPath
  #registry
  #withR
  #processes = []

  /** Starts both, with the image `base` in the engine. Needs the packages of package.json. */
  static async start() {
    const engine = new LocalEngine()
    try {
      await engine.#start()
      return engine
    } catch (error) {
      await engine.stop()
      throw error
    }
  }

  #at = (name) => join(this.folder, name)

  async #start() {
    const { default: Docker } = await import('dockerode')
    this.folder = await mkdtemp(join(tmpdir(), 'fl-'))
    this.socketPath = this.#at('d.sock')
    this.#registry = `127.0.0.1:${await freePort()}`
    const storage = `storage: {filesystem: {rootdirectory: ${this.#at('registry')}}}`
    const config = `version: 0.1\nlog: {level: error}\n${storage}\nhttp: {addr: '${this.#registry}'}\n`
    await writeFile(this.#at('registry.yml'), config)
    await this.#spawn('docker-registry', ['serve', this.#at('registry.yml')])
    const quiet = ['--bridge=none', '--iptables=false', '--ip-forward=false', '--ip-masq=false', '--log-level=error']
    const places = ['--data-root', this.#at('data'), '--exec-root', this.#at('exec'), '--pidfile', this.#at('pid')]
    await this.#spawn('dockerd', [...quiet, '--host', `unix://${this.socketPath}`, ...places])
    const root = this.#at('root')
    await mkdir(root)
    await makeRoot(root)
    this.docker = new Docker({ socketPath: this.socketPath })
    await until('dockerd', () => this.docker.ping())
    await until('docker-registry', () => fetch(`http://${this.#registry}/v2/`))
    const tar = spawn('tar', ['-C', root, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
    await finished(this.docker, await this.docker.importImage(tar.stdout, { repo: 'base', tag: 'latest' }))
    await rm(root, { recursive: true })
  }

  async #spawn(program, args) {
    const child = spawn(which(program), args, { stdio: 'ignore', env: { PATH: SYSTEM_PATH } })
    this.#processes.unshift(child)
    await once(child, 'spawn')
  }

  /** Builds a folder with a Dockerfile that starts FROM the build argument BASE, and pushes it; resolves with its reference by digest. */
  async push(name, context, base = 'base') {
    const tag = `${this.#registry}/flamesh/${name}`
    const src = await readdir(context)
    const options = { t: `${tag}:1`, buildargs: { BASE: base }, networkmode: 'none' }
    await finished(this.docker, await this.docker.buildImage({ context, src }, options))
    const image = this.docker.getImage(`${tag}:1`)
    const authconfig = { username: '', password: '' }
    const events = await finished(this.docker, await image.push({ authconfig }))
    const { Digest } = events.find((event) => event.aux?.Digest !== undefined).aux
    await image.remove()
    return `${tag}@${Digest}`
  }

  /** The same on a base that holds R as well, made when it is first asked for. */
  async pushWithR(name, context) {
    this.#withR ??= this.#makeBaseWithR()
    await this.#withR
    return this.push(name, context, 'base-r')
  }

  async #makeBaseWithR() {
    const [root, build] = [await mkdtemp(this.#at('root-')), await mkdtemp(this.#at('context-'))]
    await makeRootOfR(root)
    await run('tar', ['-C', root, '-cf', join(build, 'r.tar'), '.'])
    await rm(root, { recursive: true })
    await writeFile(join(build, 'Dockerfile'), 'FROM base\nADD r.tar /\n')
    const options = { t: 'base-r:latest', networkmode: 'none' }
    await finished(this.docker, await this.docker.buildImage({ context: build, src: ['Dockerfile', 'r.tar'] }, options))
    await rm(build, { recursive: true })
  }

  /** The same from the text of a Dockerfile, which may start FROM base. */
  async publish(name, dockerfile) {
    const context = await mkdtemp(this.#at('context-'))
    await writeFile(join(context, 'Dockerfile'), dockerfile)
    return this.push(name, context)
  }

  async stop() {
    for (const child of this.#processes) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGTERM')
      await Promise.race([once(child, 'exit'), sleep(15_000, undefined, { ref: false })])
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    }
    if (this.folder === undefined) return
    // what a container or an image still has mounted below it
    const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '')
    const below = mounts.filter((path) => path.startsWith(`${this.folder}/`)).reverse()
    for (const path of below) await run('umount', ['-l', path]).catch(() => undefined)
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }
}
