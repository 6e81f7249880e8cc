/** A hub, eight hospitals and a researcher on this machine: each a folder and a daemon, run by the commands anyone has. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SITES } from './data.js'
import { EventLog, Process, run } from './processes.js'

const command = (name) => fileURLToPath(new URL(`../../../node_modules/.bin/${name}`, import.meta.url))
const FLAMESH = command('flamesh')
const FLAMESH_HUB = command('flamesh-hub')
const POLICY = fileURLToPath(new URL('../policies/approve-builtin.yaml', import.meta.url))

export const COMMITTEE = ['site-a', 'site-b', 'site-c', 'site-d']
/** No policy here approves anything: its operator decides every job by command. The other seven have a policy. */
export const ASKS_OPERATOR = 'site-h'

const START_MS = 60_000
const MEET_MS = 60_000
const LOOK_MS = 250

/** The document that a command prints. Throws what it says if it fails. */
async function document(what, args, onLog) {
  const { code, output, log } = await run([...args, '--json'], onLog)
  if (code !== 0) throw new Error(`${what} ended with exit code ${code}\n${log || output}`)
  return JSON.parse(output)
}

/** A node: a hospital's, or the researcher's. */
class Node {
  log = new EventLog()
  #daemon
  #onAccident

  constructor(name, dir, onAccident) {
    this.name = name
    this.dir = dir
    this.#onAccident = onAccident
  }

  /** A command on this node's folder; resolves with the document it prints. */
  flamesh(args, onLog) {
    return document(
      `flamesh ${args.slice(0, 2).join(' ')} at ${this.name}`,
      [FLAMESH, ...args, '--dir', this.dir],
      onLog,
    )
  }

  /** Resolves when the daemon is ready. */
  async start() {
    const ready = new Promise((resolve) => {
      this.#daemon = new Process([FLAMESH, 'start', '--dir', this.dir, '--json'], resolve, (line) => this.log.add(line))
    })
    const limit = new AbortController()
    const timedOut = sleep(START_MS, 'no answer', { signal: limit.signal }).catch(() => undefined)
    const ended = this.#daemon.ended.then(({ code }) => `exit code ${code}`)
    const failure = await Promise.race([ready.then(() => undefined), ended, timedOut])
    limit.abort()
    if (failure !== undefined) throw new Error(`the daemon of ${this.name} did not start: ${failure}`)
    this.#watch(this.#daemon)
  }

  async #watch(daemon) {
    const { code, signal } = await daemon.ended
    if (!daemon.told) this.#onAccident(new Error(`the daemon of ${this.name} ended by itself (${signal ?? code})`))
  }

  get alive() {
    return this.#daemon?.alive === true
  }

  /** kill -9 */
  kill() {
    return this.#daemon.kill()
  }

  stop() {
    return this.#daemon.stop()
  }

  /** What the node's own record says about a job. */
  async audit(job, event) {
    const lines = (await readFile(join(this.dir, 'audit.log'), 'utf8')).trim().split('\n')
    return lines.map((line) => JSON.parse(line)).filter((entry) => entry.event === event && entry.fields.job === job)
  }
}

export class Federation {
  nodes = []
  /** rejects if a daemon ends that nobody told to */
  accident
  #onAccident
  #folder
  #say
  #hub

  constructor(folder, say) {
    this.#folder = folder
    this.#say = say
    this.accident = new Promise((_, reject) => {
      this.#onAccident = reject
    })
  }

  node(name) {
    return this.nodes.find((node) => node.name === name)
  }

  get researcher() {
    return this.node('researcher')
  }

  async build() {
    await this.#startHub()
    this.#say(`the hub serves its log at ${this.hubUrl}`)
    const names = [...SITES.map(({ name }) => name), 'researcher']
    this.nodes = names.map((name) => new Node(name, join(this.#folder, name), this.#onAccident))
    await Promise.all(this.nodes.map((node) => this.#enrol(node)))
    this.#say('eight hospitals and a researcher are enrolled; each hospital has its own patients')
    await this.hubCommand(['committee', '--name', 'default', '--members', COMMITTEE.join(','), '--datasets', 'lung'])
    this.#say(`the hub names the committee: ${COMMITTEE.join(', ')}`)
    await Promise.all(this.nodes.map((node) => node.start()))
    this.#say('nine daemons are running')
    await this.#untilMet()
    this.#say('every node is connected to every other')
  }

  async stopHub() {
    await this.#hub.stop()
  }

  async #startHub() {
    const dir = join(this.#folder, 'hub')
    const { hubKey } = await document('flamesh-hub init', [FLAMESH_HUB, 'init', '--dir', dir])
    this.hubKey = hubKey
    const log = []
    this.hubUrl = await new Promise((resolve, reject) => {
      const args = [FLAMESH_HUB, 'serve', '--dir', dir, '--listen', '127.0.0.1:0', '--json']
      const onOutput = (line) => resolve(JSON.parse(line).url)
      this.#hub = new Process(args, onOutput, (line) => log.push(line))
      this.#hub.ended.then(() => reject(new Error(`the hub did not start\n${log.join('\n')}`)))
    })
  }

  /** A command of the hub's that needs no hub. */
  offline(args) {
    return document(`flamesh-hub ${args[0]}`, [FLAMESH_HUB, ...args])
  }

  hubCommand(args) {
    return document(`flamesh-hub ${args[0]}`, [FLAMESH_HUB, ...args, '--dir', join(this.#folder, 'hub')])
  }

  async #enrol(node) {
    const site = SITES.find(({ name }) => name === node.name)
    const roles = site === undefined ? 'researcher' : 'site,aggregator'
    const organisation = site === undefined ? 'university' : node.name.replace('site', 'hospital')
    const asked = ['invite', '--name', node.name, '--organisation', organisation, '--roles', roles]
    const { invite } = await this.hubCommand(asked)
    const hub = ['--hub', this.hubUrl, '--hub-key', this.hubKey]
    await node.flamesh(['init', ...hub, '--invite', invite, '--listen', '/ip4/127.0.0.1/tcp/0'])
    if (site === undefined) return
    const file = join(this.#folder, `${node.name}.csv`)
    await writeFile(file, site.csv, { mode: 0o600 })
    await node.flamesh(['dataset', 'add', 'lung', file, '--yes'])
    if (node.name !== ASKS_OPERATOR) await node.flamesh(['policy', 'set', POLICY])
  }

  /** Every node is connected to every other, and the researcher knows who has which data. */
  async #untilMet() {
    const others = this.nodes.length - 1
    const peersOf = (events) =>
      new Set(events.filter(({ event }) => event === 'peer-connected').map(({ peer }) => peer))
    for (const { name, log } of this.nodes) {
      await log.until(`${name} is connected to everyone`, (events) => peersOf(events).size === others, MEET_MS)
    }
    for (const deadline = performance.now() + MEET_MS; ; await sleep(LOOK_MS)) {
      const { mesh } = await this.researcher.flamesh(['dataset', 'list'])
      if (Object.keys(mesh).length === SITES.length) return
      if (performance.now() > deadline) throw new Error(`the researcher hears of the data of ${Object.keys(mesh)} only`)
    }
  }
}
