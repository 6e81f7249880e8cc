/**
 * Runs one analysis in one container, from its files to its checked output, and leaves nothing behind. Implements
 * docs/spec/containers.md, "A run" and "Sweeping". It knows nothing of jobs: the caller decides what may run, with which
 * rows and grants. Nothing an analysis printed or reported is in a message; it is in `operator`, for the site's own operator.
 */
import { randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type Docker from 'dockerode'
import { makePrivateFolder } from '../store/files.js'
import { type EngineAddress, EngineConnection, isMissing, throwIfCancelled } from './connection.js'
import { type ContainerInput, parseVector, vectorBytes, writeScratch } from './contract.js'
import { followLog, printable, readLog } from './operator-log.js'
import { PipeReader } from './pipe.js'
import { applyGrants, type ContainerLimits, checkCreated, sandboxOptions } from './sandbox.js'

const NODE_LABEL = 'flamesh.node'
const RUN_LABEL = 'flamesh.run'
const RUN_NAME = /^run-[0-9a-f]{24}$/
const CONTAINER_NAME = /^\/?flamesh-[0-9a-f]{24}$/

/** A killed container is gone by then, or the engine is broken (milliseconds). */
const END_LIMIT_MS = 60_000
/** 128 + SIGKILL */
const EXIT_KILLED = 137
/** The engine hears of a lack of memory apart from the end of the container, perhaps a little later. */
const OOM_LOOKS = 10
const OOM_LOOK_EVERY_MS = 50

export interface EngineOptions {
  /** this node, among all that use the engine */
  readonly node: string
  /** of this node alone, on a disk that the engine sees under the same path */
  readonly scratchFolder: string
  /** default: the local Docker socket */
  readonly address?: EngineAddress
}

export interface RunRequest {
  /** registry/name@sha256:… */
  readonly image: string
  readonly input: ContainerInput
  /** the site's, where it has other than the default ones */
  readonly limits?: Partial<ContainerLimits>
  /** what the site's policy allows this analysis beyond them; unknown ones are refused */
  readonly grants?: unknown
  /** what it prints as it comes, for the site's own operator: printable, `logBytes` at most */
  readonly onPrinted?: ((text: string) => void) | undefined
}

/** For the site's own operator; never leaves the site. Foreign text, printable characters only. */
export interface OperatorView {
  readonly log: string
  readonly report: string
  /** what the engine or the system said, if that is what failed */
  readonly detail: string
}

export type RunOutcome =
  /** `bytes` is the one byte form of `values`: what members compare */
  | { readonly ok: true; readonly values: Float64Array; readonly bytes: Uint8Array; readonly operator: OperatorView }
  | {
      readonly ok: false
      readonly code: string
      readonly message: string
      readonly hint: string | undefined
      readonly operator: OperatorView
    }

/** Owns no resource between calls; runs may overlap. */
export class ContainerEngine {
  readonly #options: EngineOptions
  readonly #connection: EngineConnection
  /** runs of this process, which a sweep leaves alone */
  readonly #active = new Set<string>()

  constructor(options: EngineOptions) {
    this.#options = { ...options, scratchFolder: resolve(options.scratchFolder) }
    this.#connection = new EngineConnection(options.address)
  }

  /** Whether the engine is there and enforces the sandbox. Throws `engine-unreachable` or `engine-unsuited`. */
  check(signal?: AbortSignal): Promise<{ readonly version: string; readonly processors: number }> {
    return this.#connection.check(signal)
  }

  /** The id of the image, pulled if need be. Throws `image-reference`, `image-absent`, `image-digest`, `image-unsuited`. */
  async ensureImage(reference: string, signal?: AbortSignal): Promise<string> {
    return (await this.#connection.ensureImage(reference, signal)).id
  }

  /** Never rejects. When it resolves the container and its files are gone, or `engine-unreachable` says they may not be. */
  async run(request: RunRequest, signal?: AbortSignal): Promise<RunOutcome> {
    const id = randomBytes(12).toString('hex')
    const operator = { log: '', report: '', detail: '' }
    this.#active.add(id)
    try {
      const values = await this.#run(id, request, operator, signal)
      return { ok: true, values, bytes: vectorBytes(values), operator }
    } catch (error) {
      operator.detail = innermost(error)
      if (!(error instanceof FlameshError)) {
        const message = 'the node could not handle the container or its files'
        return { ok: false, code: 'internal', message, hint: undefined, operator }
      }
      return { ok: false, code: error.code, message: error.message, hint: error.hint, operator }
    } finally {
      await rm(this.#folderOf(id), { recursive: true, force: true }).catch(() => undefined)
      this.#active.delete(id)
    }
  }

  /** Removes what an earlier life of this node left behind, and nothing of anyone else. Throws `engine-unreachable`. */
  async sweep(signal?: AbortSignal): Promise<{ readonly containers: number; readonly folders: number }> {
    // rows first: they go whether or not the engine answers
    await makePrivateFolder(this.#options.scratchFolder)
    const folders = (await readdir(this.#options.scratchFolder)).filter(
      (name) => RUN_NAME.test(name) && !this.#active.has(name.slice('run-'.length)),
    )
    for (const name of folders) await rm(join(this.#options.scratchFolder, name), { recursive: true, force: true })
    const { docker } = this.#connection
    const filters = { label: [`${NODE_LABEL}=${this.#options.node}`] }
    const list = (abortSignal: AbortSignal) => docker.listContainers({ all: true, filters, abortSignal })
    const found = await this.#connection.call('list containers', list, { signal })
    // labels can come from an image, so the name has to be one that a run gives
    const left = found.filter(
      ({ Names, Labels }) =>
        Names.some((name) => CONTAINER_NAME.test(name)) && !this.#active.has(Labels[RUN_LABEL] ?? ''),
    )
    for (const { Id } of left) await this.#remove(docker.getContainer(Id))
    return { containers: left.length, folders: folders.length }
  }

  #folderOf(id: string): string {
    return join(this.#options.scratchFolder, `run-${id}`)
  }

  async #run(
    id: string,
    request: RunRequest,
    operator: { -readonly [K in keyof OperatorView]: OperatorView[K] },
    signal: AbortSignal | undefined,
  ): Promise<Float64Array> {
    const { limits, gpu } = applyGrants(request.limits ?? {}, request.grants ?? {})
    const { entry, output } = request.input
    const { processors } = await this.check(signal)
    // looked at anew before every start: images can be replaced behind a name
    const image = await this.#connection.ensureImage(request.image, signal)
    await makePrivateFolder(this.#options.scratchFolder)
    const scratch = await writeScratch(this.#folderOf(id), request.input)
    const labels = { [NODE_LABEL]: this.#options.node, [RUN_LABEL]: id }
    const options = sandboxOptions({ imageId: image.id, entry, scratch, labels, limits, gpu, processors })
    const container = this.#connection.docker.getContainer(`flamesh-${id}`)
    const halt = new AbortController()
    const onTooLarge = (): void => halt.abort('output-too-large')
    const reader = new PipeReader(scratch.output, limits.outputBytes, onTooLarge)
    const reportReader = new PipeReader(scratch.report, limits.reportBytes, onTooLarge)
    try {
      const end = await this.#untilRemoved(container, async () => {
        await this.#create(`flamesh-${id}`, options)
        throwIfCancelled(signal)
        const inspect = (abortSignal: AbortSignal) => container.inspect({ abortSignal })
        checkCreated(await this.#connection.call('look at a container', inspect, { signal }), options, image.variables)
        const ended = await this.#untilEnd(container, limits, halt, signal, request.onPrinted)
        operator.log = await this.#connection.call('read a log', () => readLog(container, limits.logBytes))
        return ended
      })
      operator.report = printable(await reportReader.finish().catch(() => new Uint8Array()))
      judge(end, limits)
      return parseVector(await reader.finish(), output)
    } finally {
      reader.close()
      reportReader.close()
    }
  }

  /** Whatever happens in between, the container is gone afterwards. */
  async #untilRemoved<T>(container: Docker.Container, use: () => Promise<T>): Promise<T> {
    try {
      return await use()
    } finally {
      await this.#remove(container)
    }
  }

  /** Not given up half way by a cancellation: a container made after nobody waits for it would stay. */
  async #create(name: string, options: Docker.ContainerCreateOptions): Promise<void> {
    // the library would repeat everything in the URL, which engines log: only the name goes there
    const request = { _query: { name }, _body: options } as unknown as Docker.ContainerCreateOptions
    const { docker } = this.#connection
    try {
      await this.#connection.call('create a container', () => docker.createContainer(request))
    } catch (error) {
      if (isMissing(error)) throw new FlameshError('image-absent', 'the image was removed just before its start')
      if (!(error instanceof FlameshError) || error.code !== 'engine-failed') throw error
      throw new FlameshError('engine-failed', 'the container engine refused the container', {
        hint: 'it must see the folder of the node under the same path, and know every option of docs/spec/containers.md',
        cause: error,
      })
    }
  }

  /** Starts the container and sees to it that it ends: by itself, or killed when `halt` is aborted. */
  async #untilEnd(
    container: Docker.Container,
    { timeMs, logBytes }: ContainerLimits,
    halt: AbortController,
    signal: AbortSignal | undefined,
    onPrinted: RunRequest['onPrinted'],
  ): Promise<End> {
    const onAbort = (): void => halt.abort('cancelled')
    try {
      await this.#connection.call('start a container', (abortSignal) => container.start({ abortSignal }))
    } catch (error) {
      if (!isMissing(error) && !(error instanceof FlameshError && error.code === 'engine-failed')) throw error
      throw new FlameshError('image-start-failed', 'the image could not be started', {
        hint: 'what the engine said is in the operator’s view; a GPU that was granted must be there',
        cause: error,
      })
    }
    const timer = setTimeout(() => halt.abort('time-limit'), timeMs)
    // gone already, or the removal that follows kills it
    const kill = (): void => void container.kill().catch(() => undefined)
    halt.signal.addEventListener('abort', kill, { once: true })
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted) onAbort()
    // the output may have become too large while the engine still answered to the start
    if (halt.signal.aborted) kill()
    const ended = new AbortController()
    const followed = onPrinted && followLog(container, logBytes, onPrinted, ended.signal)
    try {
      const wait = (abortSignal: AbortSignal) => container.wait({ abortSignal })
      await this.#connection.call('wait for a container', wait, { limitMs: timeMs + END_LIMIT_MS })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      ended.abort()
      await followed
    }
    const halted: End['halted'] = halt.signal.aborted ? halt.signal.reason : undefined
    return { halted, ...(await this.#stateOf(container, halted !== undefined)) }
  }

  async #stateOf(container: Docker.Container, halted: boolean): Promise<Pick<End, 'exitCode' | 'outOfMemory'>> {
    for (let look = 1; ; look++) {
      const inspect = (abortSignal: AbortSignal) => container.inspect({ abortSignal })
      const { State: state } = await this.#connection.call('look at a container', inspect)
      const settled = halted || state.OOMKilled || state.ExitCode !== EXIT_KILLED || look === OOM_LOOKS
      if (settled) return { exitCode: state.ExitCode, outOfMemory: state.OOMKilled }
      await sleep(OOM_LOOK_EVERY_MS)
    }
  }

  async #remove(container: Docker.Container): Promise<void> {
    try {
      await this.#connection.call('remove a container', () => container.remove({ force: true, v: true }))
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }
}

/** What the engine or the system said is the innermost cause. */
function innermost(error: unknown): string {
  let cause = error
  while (cause instanceof FlameshError) cause = cause.cause
  return cause instanceof Error ? printable(Buffer.from(cause.message)) : ''
}

interface End {
  /** by this node, and why */
  readonly halted: 'time-limit' | 'cancelled' | 'output-too-large' | undefined
  readonly exitCode: number
  readonly outOfMemory: boolean
}

/** Of exit codes that say where to look first. */
const HINTS = new Map([
  [126, 'the program that ENTRYPOINT names cannot be executed, perhaps because it is for another kind of processor'],
  [127, 'the program that ENTRYPOINT names, or one that it called, is not in the image'],
  [EXIT_KILLED, 'it was killed: most likely for lack of memory'],
])

/** Throws unless the analysis ended by itself and says that all went well. */
function judge({ halted, exitCode, outOfMemory }: End, limits: ContainerLimits): void {
  if (halted === 'cancelled') throw new FlameshError('cancelled', 'the run was cancelled')
  if (halted === 'time-limit') throw new FlameshError('time-limit', `the analysis took longer than ${limits.timeMs} ms`)
  if (halted === 'output-too-large') {
    throw new FlameshError(
      'output-too-large',
      `more than ${limits.outputBytes} bytes of output, or ${limits.reportBytes} of report`,
    )
  }
  // even if it ended with 0: a part of it was killed
  if (outOfMemory) throw new FlameshError('out-of-memory', `the analysis needed more than ${limits.memoryBytes} bytes`)
  if (exitCode === 0) return
  throw new FlameshError('analysis-failed', `the analysis ended with exit code ${exitCode}`, {
    hint:
      HINTS.get(exitCode) ??
      'its log may say why; a full /tmp and a lack of processes look like this too, and so do bugs',
  })
}
