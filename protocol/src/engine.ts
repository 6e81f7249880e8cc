/**
 * The engine of one node as its daemon sees it: messages in, verdicts out, and what a person may ask for. Implements
 * docs/spec/secure-aggregation.md, "Roles as machines", and docs/spec/encoding.md, "Verdicts". Machines decide, the kernel
 * carries out.
 */
import type { Hex } from './crypto/hash.js'
import { openSigned, payloadHash, type Signed, signObject } from './encoding/signed.js'
import { accept, ignore, later, reject, type Verdict } from './encoding/verdict.js'
import { catalogueOf } from './engine/catalogue.js'
import type { Floor } from './engine/floor.js'
import { extend, housekeep, restoreLog, retire } from './engine/following.js'
import { greet, takeDeskMessage } from './engine/greeting.js'
import { Kernel, type KernelOptions } from './engine/kernel.js'
import { askForUnknown } from './engine/reconciling.js'
import { askGreetings, onGreeting } from './engine/restored.js'
import { resultOf } from './engine/results.js'
import {
  isFinished,
  jobIdOf,
  mayFetch,
  newRoles,
  ROLES,
  type RoleEvent,
  rolesFor,
  rolesWaitingFor,
  writesOfNew,
} from './engine/roles.js'
import { previewOf, viewOf } from './engine/views.js'
import { errorCode, FlameshError } from './errors.js'
import { activeMember, startsLater } from './identity/roster.js'
import { briefOf } from './jobs/brief.js'
import { checkJob } from './jobs/check.js'
import type { DatasetDescription } from './jobs/dataset.js'
import { JOB, type Job, type JobId } from './jobs/job.js'
import type { Policy } from './jobs/policy.js'
import { newRequest } from './jobs/request-state.js'
import { boundVersion, decidePolicy } from './jobs/site/deciding.js'
import { newSite } from './jobs/site/state.js'
import { MAX_JOB_BYTES, MAX_OPEN_JOBS, MAX_OPEN_JOBS_OF_ONE } from './limits.js'
import type { JobResult, JobView, LogOutcome, Peer } from './peer.js'
import { decodeWire, type WireMessage } from './wire.js'

export type EngineOptions = KernelOptions

export function createPeer(options: EngineOptions): Peer {
  return new Engine(options)
}

/** What may be broadcast: small, signed, of interest to everyone. */
const GOSSIPED: ReadonlySet<string> = new Set(['job', 'cancel', 'checkpoint', 'datasets', 'outcome'])

class Engine implements Peer {
  readonly key: Hex
  private readonly kernel: Kernel

  constructor(options: EngineOptions) {
    this.key = options.signer.publicKey
    this.kernel = new Kernel(options, {
      receive: (from, bytes) => this.receive(from, bytes, 'direct'),
      greeted: (from, lost, jobs) => onGreeting(this.kernel, from, lost, jobs),
      spent: () => housekeep(this.kernel),
      retire: () => retire(this.kernel),
    })
  }

  async start(): Promise<void> {
    await restoreLog(this.kernel)
    await this.kernel.restore()
    await this.kernel.resume()
    this.kernel.soon(async () => askGreetings(this.kernel, this.floor(), new Set(this.kernel.known.keys())))
  }

  stop(): Promise<void> {
    return this.kernel.stop()
  }

  // ---- messages

  async receive(from: Hex, bytes: Uint8Array, via: 'direct' | 'gossip'): Promise<Verdict> {
    let message: WireMessage
    try {
      message = decodeWire(bytes)
    } catch (error) {
      return reject(errorCode(error), error instanceof FlameshError ? error.message : 'malformed message')
    }
    if (via === 'gossip' && !GOSSIPED.has(message.type))
      return reject('not-for-gossip', `${message.type} is not broadcast`)
    try {
      const verdict = await this.kernel.turn(() => this.take(from, message))
      if (verdict.verdict === 'reject') this.noteRejected(from, message, verdict.code)
      return verdict
    } catch (error) {
      return this.misfit(from, message, error)
    }
  }

  /** A message that broke a rule costs a verdict; anything else is a fault of this node, and is said loudly. */
  private misfit(from: Hex, message: WireMessage, error: unknown): Verdict {
    const code = errorCode(error)
    if (code === 'stopping') return later(code)
    if (error instanceof FlameshError && code !== 'internal') {
      this.noteRejected(from, message, code)
      return reject(code, error.message)
    }
    this.kernel.alarm(error, message.type)
    return later('internal')
  }

  private noteRejected(from: Hex, message: WireMessage, code: string): void {
    this.kernel.options.onAudit({ event: 'message-rejected', fields: { from, type: message.type, code } })
  }

  private async take(from: Hex, message: WireMessage): Promise<Verdict> {
    const { kernel } = this
    if (from !== this.key && activeMember(kernel.log.roster, from, kernel.now()) === undefined)
      return startsLater(kernel.log.roster, from, kernel.now()) ? later('not-a-member') : ignore('not-a-member')
    if (message.type === 'job') return this.takeJob(from, message.job)
    const id = jobIdOf(message)
    if (id === undefined) return takeDeskMessage(kernel.desk, from, message, this.floor())
    if (!kernel.known.has(id))
      return askForUnknown(kernel.desk, message, id, (request) => this.floor().send(from, `history/${id}`, request))
    const verdict = await kernel.deliver(id, rolesFor(message), { type: 'message', from, message })
    if (verdict.verdict === 'later' && verdict.code === 'not-greeted') askGreetings(kernel, this.floor(), new Set([id]))
    return verdict
  }

  private async takeJob(from: Hex, signed: Signed): Promise<Verdict> {
    const { kernel } = this
    if (kernel.known.has(payloadHash(signed))) return ignore('known')
    if (signed.payload.length > MAX_JOB_BYTES) return reject('job-too-large', 'a job larger than the limit')
    const { body, hash, signers } = openSigned(signed, JOB)
    if (signers.length !== 1 || signers[0] !== body.researcher)
      return reject('signature', 'not signed by its researcher')
    const check = checkJob(body, kernel.log.roster, kernel.now())
    if (!check.ok) {
      if (this.refusesAloud(check.code, body)) return this.refuseAloud(hash, signed, body)
      if (check.code === 'expired' && mayFetch(kernel, from, body)) return this.fetchResult(hash, signed, body)
      kernel.options.onAudit({ event: 'job-ignored', fields: { job: hash, code: check.code } })
      return body.checkpoint.size > kernel.log.leaves.length ? later(check.code) : ignore(check.code)
    }
    if (this.isFull(body.researcher)) return later('too-many-jobs')
    await this.addJob(hash, signed, body)
    return accept
  }

  /** A site that lacks the job's analysis says so, rather than leave the researcher waiting for it. */
  private refusesAloud(code: string, job: Job): boolean {
    const site = this.kernel.log.roster.members.get(this.key)?.roles.includes('site')
    const invited = job.cohort.sites.length === 0 || job.cohort.sites.includes(this.key)
    return (code === 'analysis-unknown' || code === 'analysis-differs') && site === true && invited
  }

  private async refuseAloud(id: JobId, signed: Signed, job: Job): Promise<Verdict> {
    if (this.isFull(job.researcher)) return later('too-many-jobs')
    await this.addJob(id, signed, job, {
      signed,
      site: newSite(signed),
      member: undefined,
      request: undefined,
      station: undefined,
    })
    return accept
  }

  /** Everything about the job was said while this node was away; its result waits at the committee. */
  private async fetchResult(id: JobId, signed: Signed, job: Job): Promise<Verdict> {
    const roles = { signed, site: undefined, member: undefined, station: undefined, request: newRequest(signed) }
    await this.addJob(id, signed, job, roles, true)
    return accept
  }

  private isFull(researcher: Hex): boolean {
    const open = [...this.kernel.openJobs().values()].filter((roles) => !isFinished(roles))
    const theirs = open.filter(({ signed }) => openSigned(signed, JOB).body.researcher === researcher)
    return open.length >= MAX_OPEN_JOBS || theirs.length >= MAX_OPEN_JOBS_OF_ONE
  }

  private async addJob(
    id: JobId,
    signed: Signed,
    job: Job,
    roles = newRoles(signed, job, this.kernel.log.roster, this.key),
    isOver = false,
  ): Promise<void> {
    const { kernel } = this
    const { researcher, analysis, dataset } = job
    await kernel.commit(writesOfNew(id, roles), kernel.desk)
    kernel.known.set(id, roles)
    const fields = { job: id, researcher, analysis: analysis.name, dataset }
    kernel.options.onAudit({ event: 'job-known', fields })
    kernel.options.onEvent({ event: 'job-announced', job: id, fields: { name: job.name } })
    askGreetings(kernel, this.floor(), new Set([id]))
    await kernel.deliver(id, ROLES, { type: 'resume', restarted: isOver })
  }

  // ---- the log and other members

  peerConnected(peer: Hex): void {
    const { kernel } = this
    kernel.soon(async () => {
      if (activeMember(kernel.log.roster, peer, kernel.now()) === undefined) return
      greet(kernel.desk, this.floor(), peer)
      // a recipient that was away for longer than anyone tries is handed its results when it is back
      for (const [id, roles] of kernel.known) {
        const waiting = rolesWaitingFor(roles, peer)
        if (waiting.length > 0) await kernel.deliver(id, waiting, { type: 'met', peer })
      }
    })
    kernel.outbox.retry(peer)
  }

  private floor(): Floor {
    return this.kernel.floor((statements, checkpoint) => extend(this.kernel, statements, checkpoint))
  }

  learnLog(statements: readonly Uint8Array[], checkpoint: Uint8Array): Promise<LogOutcome> {
    return this.kernel.turn(() => extend(this.kernel, statements, checkpoint))
  }

  // ---- the operator and the researcher

  roster() {
    return this.kernel.log.roster
  }

  checkpoint() {
    return this.kernel.log.checkpoint?.body
  }

  catalogue() {
    return catalogueOf(this.kernel.desk, this.kernel.log.roster, this.kernel.now())
  }

  restoredAt() {
    return this.kernel.desk.restoredAtMs ?? undefined
  }

  setPolicy(policy: Policy): Promise<void> {
    return this.kernel.turn(async () => {
      this.kernel.policy = policy
      for (const id of this.kernel.openJobs().keys())
        await this.kernel.deliver(id, ['site', 'station'], { type: 'resume', restarted: false })
    })
  }

  setDatasets(datasets: readonly DatasetDescription[]): Promise<void> {
    return this.kernel.turn(async () => {
      this.kernel.datasets = datasets
      await housekeep(this.kernel)
    })
  }

  evaluate(job: Job) {
    return decidePolicy(job, '', this.kernel.context())
  }

  submit(job: Job): Promise<JobId> {
    return this.kernel.turn(async () => {
      const check = checkJob(job, this.kernel.log.roster, this.kernel.now())
      if (!check.ok) throw new FlameshError(check.code, check.message)
      const signed = signObject(JOB.kind, JOB.version, job, this.kernel.options.signer)
      const { hash } = openSigned(signed, JOB)
      if (!this.kernel.known.has(hash)) await this.addJob(hash, signed, job)
      return hash
    })
  }

  async approve(
    job: JobId,
    { consent = false, approval }: { readonly consent?: boolean; readonly approval?: Signed | undefined } = {},
  ): Promise<void> {
    const reason = `approved by the operator${approval === undefined ? '' : 's'}`
    await this.decide(job, { type: 'operator', decision: 'approve', reason, consent, approval })
  }

  async refuse(job: JobId, reason: string): Promise<void> {
    await this.decide(job, { type: 'operator', decision: 'refuse', reason, consent: false })
  }

  async cancel(job: JobId): Promise<void> {
    const verdict = await this.kernel.turn(() => this.kernel.deliver(job, ['request'], { type: 'cancel' }))
    if (verdict.verdict !== 'accept') throw new FlameshError('job-ended', "the job is not open, or not this node's")
  }

  private async decide(job: JobId, event: RoleEvent): Promise<void> {
    const verdict = await this.kernel.turn(() => this.kernel.deliver(job, ['site'], event))
    if (verdict.verdict === 'reject') throw new FlameshError(verdict.code, verdict.message)
    if (verdict.verdict === 'accept') return
    const status = this.job(job)?.status ?? 'unknown'
    throw new FlameshError('job-decided', `the job is ${status} here: there is nothing to decide`, {
      hint: '"flamesh job show" says what was decided, and why',
    })
  }

  jobs(): readonly JobView[] {
    return [...this.kernel.known].map(([id, roles]) => viewOf(id, roles, this.kernel.log.roster, this.key))
  }

  job(id: JobId): JobView | undefined {
    const roles = this.kernel.known.get(id)
    return roles === undefined ? undefined : viewOf(id, roles, this.kernel.log.roster, this.key)
  }

  brief(id: JobId) {
    const roles = this.kernel.known.get(id)
    if (roles === undefined) return undefined
    const { signed, site } = roles
    const bound = boundVersion(site?.decision)
    return briefOf(id, openSigned(signed, JOB).body, this.kernel.context(), site?.approvals, bound)
  }

  async result(id: JobId): Promise<JobResult | undefined> {
    return resultOf(this.kernel, id)
  }

  preview(id: JobId) {
    return previewOf(this.kernel, id)
  }
}
