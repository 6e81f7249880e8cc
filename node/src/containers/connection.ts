/**
 * The connection to a Docker or Podman engine: who answers, what its errors mean here, and images by digest. Implements
 * docs/spec/containers.md, "Engine" and "Images". What an engine says is believed: whoever controls it controls the site.
 */
import { createInterface } from 'node:readline'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { digestIn } from '@flamesh/protocol/images/description.js'
import Docker from 'dockerode'
import { checkEngine, checkImage, type EngineInfo } from './sandbox.js'

/** An engine that is alive answers a plain question within this (milliseconds). */
const CALL_LIMIT_MS = 60_000
const PULL_LIMIT_MS = 30 * 60_000

export type EngineAddress =
  | { readonly socketPath: string }
  /** An engine of another machine, which must see the scratch folder under the same path. Never without TLS. */
  | { readonly host: string; readonly port: number; readonly tls: { ca: string; cert: string; key: string } }

export const DEFAULT_SOCKET = '/var/run/docker.sock'

/** The digest in a reference. Throws `image-reference`. */
export function digestOf(reference: string): string {
  const digest = digestIn(reference)
  if (digest !== undefined) return digest
  throw new FlameshError('image-reference', 'an image is named registry/name@sha256:…, by digest and without a tag')
}

function connect(address: EngineAddress): Docker {
  // every field is given, or the library takes it from the environment
  const none = { host: undefined, port: undefined, ca: undefined, cert: undefined, key: undefined, timeout: undefined }
  const options =
    'socketPath' in address
      ? { ...none, socketPath: address.socketPath, protocol: 'http' }
      : { ...none, host: address.host, port: address.port, ...address.tls, protocol: 'https' }
  return new Docker(options as Docker.DockerOptions)
}

function hintFor(code: unknown): string {
  if (code === 'ENOENT') return 'install Docker or Podman, or give the path of the socket of the one that runs'
  if (code === 'EACCES') return 'let the account of the node use the socket, for example through the group docker'
  return 'start the engine and look whether `docker info` answers for the account of the node'
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined
}

export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404
}

/** What an image is, once its digest is known to be right. */
export interface VerifiedImage {
  readonly id: string
  readonly variables: readonly string[]
}

export class EngineConnection {
  readonly docker: Docker
  readonly #where: string

  constructor(address: EngineAddress = { socketPath: DEFAULT_SOCKET }) {
    this.docker = connect(address)
    this.#where = 'socketPath' in address ? address.socketPath : `${address.host}:${address.port}`
  }

  /**
   * One call, with a limit on its time. Throws `cancelled`, `engine-unreachable`, or `engine-failed` if the engine
   * answered with an error that `expected` does not take.
   */
  async call<T>(
    what: string,
    make: (abortSignal: AbortSignal) => Promise<T>,
    { signal, limitMs = CALL_LIMIT_MS }: { signal?: AbortSignal | undefined; limitMs?: number } = {},
  ): Promise<T> {
    const timeout = AbortSignal.timeout(limitMs)
    const ends = signal === undefined ? timeout : AbortSignal.any([timeout, signal])
    try {
      throwIfCancelled(signal)
      // the library does not pass the signal on everywhere
      const ended = new Promise<never>((_, reject) => {
        ends.addEventListener('abort', () => reject(ends.reason), { once: true })
      })
      return await Promise.race([make(ends), ended])
    } catch (error) {
      if (error instanceof FlameshError || isMissing(error)) throw error
      throwIfCancelled(signal)
      if (statusOf(error) !== undefined) {
        throw new FlameshError('engine-failed', `the container engine could not ${what}`, { cause: error })
      }
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      const silent = timeout.aborted ? 'does not answer' : 'cannot be reached'
      throw new FlameshError('engine-unreachable', `the container engine at ${this.#where} ${silent}`, {
        hint: hintFor(code),
        cause: error,
      })
    }
  }

  /** Whether the engine is there and enforces the sandbox. Throws `engine-unreachable` or `engine-unsuited`. */
  async check(signal?: AbortSignal): Promise<{ readonly version: string; readonly processors: number }> {
    const info = await this.call('describe itself', () => this.docker.info(), { signal })
    checkEngine(info as EngineInfo)
    return { version: String(info.ServerVersion), processors: Number(info.NCPU) }
  }

  /**
   * The image of a reference, pulled if it is not there, its digest checked either way. Throws `image-reference`,
   * `image-absent`, `image-digest` or `image-unsuited`.
   */
  async ensureImage(reference: string, signal?: AbortSignal): Promise<VerifiedImage> {
    const digest = digestOf(reference)
    const present = await this.#inspect(reference, signal)
    const image = present ?? (await this.#pull(reference, signal))
    if (!(image.RepoDigests ?? []).some((entry) => entry.endsWith(`@${digest}`))) {
      throw new FlameshError('image-digest', 'the engine holds another image under this digest')
    }
    checkImage(image)
    return { id: image.Id, variables: image.Config.Env ?? [] }
  }

  async #inspect(reference: string, signal?: AbortSignal): Promise<Docker.ImageInspectInfo | undefined> {
    try {
      const image = this.docker.getImage(reference)
      return await this.call('look up an image', () => image.inspect(), { signal })
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async #pull(reference: string, signal?: AbortSignal): Promise<Docker.ImageInspectInfo> {
    const absent = (cause?: unknown): FlameshError =>
      new FlameshError('image-absent', 'the image is not at this site and could not be pulled', {
        hint: 'pull it by hand from where the engine can reach its registry: docker pull registry/name@sha256:…',
        cause,
      })
    const options = { signal, limitMs: PULL_LIMIT_MS }
    try {
      await this.call('pull an image', (abortSignal) => this.#followPull(reference, abortSignal), options)
    } catch (error) {
      const code = error instanceof FlameshError ? error.code : 'engine-failed'
      throw code === 'cancelled' || code === 'engine-unreachable' ? error : absent(error)
    }
    const image = await this.#inspect(reference, signal)
    if (image === undefined) throw absent()
    return image
  }

  /** An engine answers 200 before it pulls, and says in the stream how it went: a line of JSON each. */
  async #followPull(reference: string, abortSignal: AbortSignal): Promise<void> {
    const progress = (await this.docker.pull(reference, { abortSignal })) as NodeJS.ReadableStream
    for await (const line of createInterface({ input: progress })) {
      if (/^\s*\{"error(Detail)?":/.test(line)) {
        throw new FlameshError('engine-failed', 'the container engine could not pull an image', {
          cause: new Error(line),
        })
      }
    }
  }
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new FlameshError('cancelled', 'the run was cancelled')
}
