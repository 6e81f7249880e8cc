/** A hub, some sites and a researcher as processes, made by the commands that anyone has. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stateFolder } from '@flamesh/node/config/state-folder.js'
import { openControl } from '@flamesh/node/control/call.js'
import type { JobDocument } from '@flamesh/node/control/documents.js'
import { csvOf, SITES } from './data.js'
import { Daemon, eventually, type LogLine, type Run, run } from './processes.js'

const FLAMESH = fileURLToPath(new URL('../../node/bin/flamesh.js', import.meta.url))
const FLAMESH_HUB = fileURLToPath(new URL('../../hub-registry/bin/flamesh-hub.js', import.meta.url))

export const COMMITTEE = ['site-a', 'site-b', 'site-c', 'site-d']
/** Round 1 is this member's to propose: the seat after the first. */
export const FIRST_PROPOSER = 'site-b'
/** Refuses whatever is for marketing. */
export const PICKY = 'site-e'
/** Its operator decides by command. */
export const BY_HAND = 'site-f'

const builtin = { analyses: 'builtin' }
const insurance = { purposes: ['insurance'] }
const POLICIES: Readonly<Record<string, object>> = {
  [PICKY]: { version: 1, approve: [builtin], never: [insurance, { purposes: ['marketing'] }] },
  [BY_HAND]: { version: 1, never: [insurance] },
}
const POLICY = { version: 1, approve: [builtin], never: [insurance] }

/** What the sites are; six with made-up ages unless said otherwise. */
export interface Plan {
  readonly sites: readonly string[]
  readonly csvOf: (site: string) => string
  readonly policyOf: (site: string) => object
  /** for config.json of every node */
  readonly settings: Readonly<Record<string, unknown>>
}

const SIX_SITES: Plan = { sites: SITES, csvOf, policyOf: (site) => POLICIES[site] ?? POLICY, settings: {} }

export interface AuditLine {
  readonly event: string
  readonly fields: Readonly<Record<string, string | number | boolean>>
}

function documentOf<T>({ exit, stdout, stderr }: Run): T {
  assert.equal(exit, 0, stderr || stdout)
  return JSON.parse(stdout) as T
}

export class TestNode {
  readonly log: LogLine[] = []
  private daemon: Daemon | undefined

  constructor(
    readonly name: string,
    readonly dir: string,
  ) {}

  flamesh(...args: readonly string[]): Promise<Run> {
    return run([FLAMESH, ...args, '--dir', this.dir, '--json'])
  }

  /** The document that a command prints; it must end well. */
  async document<T = Record<string, unknown>>(...args: readonly string[]): Promise<T> {
    return documentOf(await this.flamesh(...args))
  }

  get alive(): boolean {
    return this.daemon?.alive === true
  }

  get crashed(): boolean {
    return this.daemon?.crashed === true
  }

  /** With `clockOffMs`, a process whose clock is wrong by that much. */
  async start(clockOffMs = 0): Promise<void> {
    const wrong = `const right = Date.now; Date.now = () => right() + ${clockOffMs}`
    const clock = clockOffMs === 0 ? [] : ['--import', `data:text/javascript,${encodeURIComponent(wrong)}`]
    this.daemon = (await Daemon.start([...clock, FLAMESH, 'start', '--dir', this.dir, '--json'], this.log)).daemon
  }

  /** kill -9 */
  async kill(): Promise<void> {
    await this.daemon?.end('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.daemon?.end('SIGTERM')
  }

  /** The job as the running daemon sees it; undefined if it does not know it. */
  async view(job: string): Promise<JobDocument | undefined> {
    const { jobs } = await openControl(stateFolder(this.dir)).get<{ jobs: readonly JobDocument[] }>('/jobs')
    return jobs.find((one) => one.job === job)
  }

  /** The node's own record. */
  audit(): readonly AuditLine[] {
    const file = join(this.dir, 'audit.log')
    if (!existsSync(file)) return []
    // an append may be under way: its line is not whole yet
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as AuditLine)
  }

  auditOf(job: string, event: string): readonly AuditLine[] {
    return this.audit().filter((line) => line.event === event && line.fields['job'] === job)
  }

  /** Resolves when the record of this node says so about a job. */
  async until(job: string, event: string, fields: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const fits = (line: AuditLine): boolean =>
      Object.entries(fields).every(([name, value]) => line.fields[name] === value)
    await eventually(`${event} at ${this.name}`, () => this.auditOf(job, event).some(fits) || undefined)
  }
}

export class Federation {
  readonly nodes: readonly TestNode[]
  /** nodes that the hub revoked: nobody talks to them any more */
  readonly revoked = new Set<string>()
  hubKey = ''
  private hub: Daemon | undefined
  private hubAddress = '127.0.0.1:0'

  private constructor(
    readonly folder: string,
    private readonly plan: Plan,
  ) {
    this.nodes = [...plan.sites, 'researcher'].map((name) => new TestNode(name, join(folder, name)))
  }

  static async create(plan: Plan = SIX_SITES): Promise<Federation> {
    const federation = new Federation(await mkdtemp(join(tmpdir(), 'flamesh-e2e-')), plan)
    try {
      await federation.build()
      return federation
    } catch (error) {
      await federation.close()
      throw error
    }
  }

  node(name: string): TestNode {
    const node = this.nodes.find((one) => one.name === name)
    if (node === undefined) throw new Error(`there is no node ${name}`)
    return node
  }

  get researcher(): TestNode {
    return this.node('researcher')
  }

  get members(): readonly TestNode[] {
    return COMMITTEE.map((name) => this.node(name))
  }

  private async build(): Promise<void> {
    const hubDir = join(this.folder, 'hub')
    const { hubKey } = documentOf<{ hubKey: string }>(await run([FLAMESH_HUB, 'init', '--dir', hubDir, '--json']))
    this.hubKey = hubKey
    await this.startHub()
    await Promise.all(this.nodes.map((node) => this.makeNode(node)))
    await this.hubCommand('committee', '--name', 'default', '--members', COMMITTEE.join(','), '--datasets', 'patients')
    await Promise.all(this.nodes.map((node) => node.start()))
    await this.untilWhole()
  }

  async startHub(): Promise<void> {
    const args = ['serve', '--dir', join(this.folder, 'hub'), '--listen', this.hubAddress, '--json']
    const { daemon, ready } = await Daemon.start([FLAMESH_HUB, ...args], [])
    this.hub = daemon
    this.hubAddress = new URL(String(ready['url'])).host
  }

  async stopHub(): Promise<void> {
    await this.hub?.end('SIGTERM')
  }

  async hubCommand<T = Record<string, unknown>>(...args: readonly string[]): Promise<T> {
    return documentOf(await run([FLAMESH_HUB, ...args, '--dir', join(this.folder, 'hub'), '--json']))
  }

  /** Enrols a node: keys and certificate in its folder, no daemon yet. */
  async enrol(node: TestNode, roles: string): Promise<void> {
    const asked = ['--name', node.name, '--organisation', `org-${node.name}`, '--roles', roles]
    const { invite } = await this.hubCommand<{ invite: string }>('invite', ...asked)
    const hub = ['--hub', `http://${this.hubAddress}`, '--hub-key', this.hubKey]
    await node.document('init', ...hub, '--invite', invite, '--listen', '/ip4/127.0.0.1/tcp/0')
  }

  private async makeNode(node: TestNode): Promise<void> {
    const { sites, policyOf, settings } = this.plan
    const isSite = sites.includes(node.name)
    await this.enrol(node, isSite ? 'site,aggregator' : 'researcher')
    const { configFile } = stateFolder(node.dir)
    const config = JSON.parse(readFileSync(configFile, 'utf8')) as object
    await writeFile(configFile, JSON.stringify({ ...config, ...settings }))
    if (!isSite) return
    const csv = await this.file(`${node.name}.csv`, this.plan.csvOf(node.name))
    await node.document('dataset', 'add', 'patients', csv, '--yes')
    // JSON is YAML
    const policy = await this.file(`${node.name}.policy.yaml`, JSON.stringify(policyOf(node.name)))
    await node.document('policy', 'set', policy)
  }

  async file(name: string, text: string): Promise<string> {
    const path = join(this.folder, name)
    await writeFile(path, text)
    return path
  }

  /** Every node runs, is connected to every other, and the researcher has heard of every site's data. */
  async untilWhole(): Promise<void> {
    const members = this.nodes.filter(({ name }) => !this.revoked.has(name))
    for (const node of members) {
      const control = openControl(stateFolder(node.dir))
      await eventually(`${node.name} has met everyone`, async () => {
        const { peers } = await control.get<{ peers: readonly { state: string }[] }>('/peers')
        return peers.filter(({ state }) => state === 'connected').length >= members.length - 1 || undefined
      })
    }
    const control = openControl(stateFolder(this.researcher.dir))
    await eventually('the data of every site is announced', async () => {
      const { datasets } = await control.get<{ datasets: Record<string, unknown> }>('/catalogue')
      return this.plan.sites.every((name) => this.revoked.has(name) || name in datasets) || undefined
    })
  }

  /** After a scenario, however it ended: whoever is down comes back. */
  async heal(): Promise<void> {
    if (this.hub?.alive !== true) await this.startHub()
    await Promise.all(this.nodes.filter((node) => !node.alive).map((node) => node.start()))
    await this.untilWhole()
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.filter((node) => node.alive).map((node) => node.stop()))
    if (this.hub?.alive === true) await this.stopHub()
    await rm(this.folder, { recursive: true, force: true })
  }
}
