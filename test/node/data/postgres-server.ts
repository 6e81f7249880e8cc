/**
 * A PostgreSQL server of its own in a temporary folder, on a Unix socket and a free port of the loopback interface, with a
 * certificate and passwords. Where it is not installed the tests are pending, and the end of the run says why.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'

const run = promisify(execFile)
const START_LIMIT_MS = 60_000
const STARTS = 3
const DEBIAN = '/usr/lib/postgresql'

function programs(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...versions.map((version) => join(DEBIAN, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ]
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}

const bin = programs()
const reason = bin === undefined ? 'PostgreSQL is not installed' : undefined

/** `it`, or a pending test where there is no server. */
export const withPostgres: (title: string, test: Mocha.AsyncFunc) => void =
  reason === undefined ? it : (title) => it(`${title} (NOT RUN: ${reason})`)

if (reason !== undefined) {
  process.once('exit', () => process.stderr.write(`WARNING: the tests of PostgreSQL did NOT run: ${reason}\n`))
}

/** The server refuses to be root's. */
function owner(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** With a role `reader`, which may read what `admin` grants it, each with the password that is its name twice. */
export class PostgresServer {
  private constructor(
    readonly folder: string,
    readonly port: number,
    private readonly child: ChildProcess,
  ) {}

  /** of the authority that signed the server's certificate, which is for `localhost` alone */
  get ca(): string {
    return join(this.folder, 'server.crt')
  }

  static async start(): Promise<PostgresServer> {
    const folder = await mkdtemp(join(tmpdir(), 'flamesh-pg-'))
    const as = owner()
    const data = join(folder, 'data')
    const secret = join(folder, 'secret')
    const [key, certificate] = [join(folder, 'server.key'), join(folder, 'server.crt')]
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    await run('openssl', [
      ...['req', '-x509', '-newkey', 'ed25519', '-noenc', '-days', '2', ...subject],
      ...['-keyout', key, '-out', certificate],
    ])
    await writeFile(secret, 'adminadmin', { mode: 0o600 })
    for (const path of [folder, ...(await readdir(folder)).map((name) => join(folder, name))])
      if (as.uid !== undefined) await chown(path, as.uid, as.gid as number)
    const options = [
      '-U',
      'admin',
      '-A',
      'scram-sha-256',
      '--pwfile',
      secret,
      '-E',
      'UTF8',
      '--locale',
      'C',
      '--no-sync',
    ]
    await run(join(bin as string, 'initdb'), ['-D', data, ...options], { ...as, cwd: folder })
    for (let attempt = 1; ; attempt++) {
      const port = await freePort()
      const settings = {
        ...{ port, listen_addresses: '127.0.0.1', unix_socket_directories: folder, fsync: 'off' },
        ...{ ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key, max_connections: 20, shared_buffers: '16MB' },
      }
      const given = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
      const child = spawn(join(bin as string, 'postgres'), ['-D', data, ...given], {
        ...as,
        cwd: folder,
        stdio: 'ignore',
      })
      const server = new PostgresServer(folder, port, child)
      if (await server.#answers()) {
        await server.sql("CREATE ROLE reader LOGIN PASSWORD 'readerreader'")
        return server
      }
      // another process may have taken the port meanwhile
      if (attempt === STARTS) throw new Error('PostgreSQL did not start')
    }
  }

  async #answers(): Promise<boolean> {
    for (const end = performance.now() + START_LIMIT_MS; performance.now() < end; await sleep(50)) {
      if (this.child.exitCode !== null) return false
      const ready = await this.sql('SELECT 1').then(
        () => true,
        () => false,
      )
      if (ready) return true
    }
    return false
  }

  /** As its administrator, over the Unix socket. */
  async sql(text: string): Promise<pg.QueryResult> {
    const { folder: host, port } = this
    const client = new pg.Client({
      host,
      port,
      user: 'admin',
      password: 'adminadmin',
      database: 'postgres',
      ssl: false,
    })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return await client.query(text)
    } finally {
      await client.end()
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null) {
      const ended = once(this.child, 'exit')
      this.child.kill('SIGINT')
      await ended
    }
    await rm(this.folder, { recursive: true, force: true })
  }
}
