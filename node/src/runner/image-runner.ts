/**
 * Images at a site and at a member: rows out of the thread that holds them, one container at a time, and its output as a
 * vector. Implements docs/spec/images.md, "Output" and "Reducing". What an image printed or reported goes to the
 * operator's own files and nowhere else.
 */
import { BOUND, zeroVector } from '@flamesh/protocol/analyses/layout.js'
import { errorCode, FlameshError } from '@flamesh/protocol/errors.js'
import { type ImageParameters, type ImageState, imageVector } from '@flamesh/protocol/images/analysis.js'
import { type ImageDescription, RESOURCE } from '@flamesh/protocol/images/description.js'
import { dimensionOf, layoutOf } from '@flamesh/protocol/images/layout.js'
import type { ContributeOutcome, ContributeRequest, ReduceRequest } from '@flamesh/protocol/ports.js'
import { MIN_SUBSET_ROWS } from '@flamesh/protocol/privacy/disclosure.js'
import { throwIfCancelled } from '../containers/connection.js'
import type { ContainerInput } from '../containers/contract.js'
import type { RunOutcome } from '../containers/engine.js'
import type { Engine } from '../containers/remote.js'
import type { ContainerGrants, ContainerLimits } from '../containers/sandbox.js'
import type { RowsOutcome } from './serve.js'

export interface ImageRunnerOptions {
  readonly engine: Pick<Engine, 'run'>
  readonly limits: Partial<ContainerLimits>
  /** before every run; what it throws ends the run */
  readonly prepare?: () => Promise<void>
  readonly rows: (request: ContributeRequest, signal: AbortSignal) => Promise<RowsOutcome>
  /** of every run, for the operator: what takes what it prints as it comes */
  readonly onBegin?: (run: RunBegun) => (text: string) => void
  /** what it printed and reported, and how it ended */
  readonly onRun: (run: ImageRun) => Promise<void>
  /** for whoever wrote the image and holds the rows: every failure ends the run by its name */
  readonly tellAll?: boolean
  /** what a run that ended well wrote is not what the image declared */
  readonly onUndeclared?: (what: { readonly job: string; readonly round: number; readonly code: string }) => void
}

/**
 * What says nothing about rows: the site withdraws with it. Every other failure of an image may depend on them (an exit code, a
 * limit it ran into), and whoever chose the parameters would read an answer about this very site from it: it contributes
 * zeros, as a site with too few rows does, and only its operator is told why.
 */
const OF_THE_SITE: ReadonlySet<string> = new Set([
  'cancelled',
  'engine-failed',
  'engine-unreachable',
  'engine-unsuited',
  'grant-unknown',
  'image-absent',
  'image-digest',
  'image-reference',
  'image-start-failed',
  'image-unsuited',
  'internal',
  'limit-invalid',
  'runner-closed',
])

const WRONG = {
  'output-shape': { code: 'output-shape', message: 'the image wrote more or fewer values than it declares' },
  'not-finite': { code: 'not-finite', message: 'a value is not a finite number' },
  'not-whole': { code: 'not-whole', message: 'a count is not a whole number' },
  clipped: { code: 'out-of-bound', message: 'a value is outside of what the image declares, and would be clipped' },
} as const

export interface RunBegun {
  readonly job: string
  readonly round: number
  readonly entry: 'map' | 'reduce'
  readonly image: string
  readonly begunMs: number
}

export interface ImageRun extends RunBegun {
  readonly outcome: RunOutcome
}

const GIBIBYTE = 1024 ** 3
const HOUR_MS = 3_600_000

/** What the names in a description stand for; a site's policy has granted them before. Throws `grant-unknown`. */
export function grantsOf(resources: readonly string[]): ContainerGrants {
  const grants: { -readonly [K in keyof ContainerGrants]: ContainerGrants[K] } = {}
  for (const name of resources) {
    const found = RESOURCE.exec(name)
    const { gibibytes, hours } = found?.groups ?? {}
    if (gibibytes !== undefined) grants.memoryBytes = Number(gibibytes) * GIBIBYTE
    else if (hours !== undefined) grants.timeMs = Number(hours) * HOUR_MS
    else if (found !== null) grants.gpu = 1
    else
      throw new FlameshError('grant-unknown', `this node knows no resource ${name}`, {
        hint: 'an image may ask for gpu, memory-NUMBERg and time-NUMBERh',
      })
  }
  return grants
}

type Work = Pick<ReduceRequest, 'job' | 'image' | 'round' | 'state'> & {
  readonly parameters: ImageParameters
}

export class ImageRunner {
  /** settle when the runs asked for so far are over: one container over rows at a time, and one over sums, which others wait for */
  readonly #queues = { map: Promise.resolve() as Promise<unknown>, reduce: Promise.resolve() as Promise<unknown> }
  readonly #stop = new AbortController()

  constructor(private readonly options: ImageRunnerOptions) {}

  /**
   * The site's vector; all zeros, without a run, if there are too few rows to speak of. Never rejects. Once `signal` is aborted
   * nothing is begun, and what is under way (a pull, a container) is broken off: `cancelled`.
   */
  contribute(request: ContributeRequest, signal?: AbortSignal): Promise<ContributeOutcome> {
    const image = request.image as ImageDescription
    return this.#inTurn('map', signal, async (ends) => {
      const rows = await this.options.rows(request, ends)
      if (!rows.ok) return rows
      if (rows.count < MIN_SUBSET_ROWS) return { ok: true, values: zeroVector(layoutOf(image)) }
      const outcome = await this.#run(
        { ...request, image, parameters: request.parameters as ImageParameters },
        {
          entry: 'map',
          data: rows,
          output: { dimension: dimensionOf(image), bound: BOUND },
        },
        ends,
      )
      const { tellAll = false } = this.options
      if (!outcome.ok) {
        const told = tellAll || OF_THE_SITE.has(outcome.code)
        return told ? outcome : { ok: true, values: zeroVector(layoutOf(image)) }
      }
      const { values, code } = imageVector(image, outcome.values)
      if (code !== undefined && tellAll) return { ok: false, ...WRONG[code] }
      if (code !== undefined) this.options.onUndeclared?.({ job: request.job, round: request.round, code })
      return { ok: true, values }
    })
  }

  reduce(request: ReduceRequest, signal?: AbortSignal): Promise<ContributeOutcome> {
    return this.#inTurn('reduce', signal, (ends) =>
      this.#run(
        { ...request, parameters: request.parameters as ImageParameters },
        {
          entry: 'reduce',
          sum: request.sums,
          output: { dimension: undefined, bound: BOUND },
        },
        ends,
      ),
    )
  }

  /** Ends the run under way; those that wait get `runner-closed`. */
  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#queues.map, this.#queues.reduce])
  }

  async #run(
    { job, image, round, parameters, state }: Work,
    input:
      | Pick<ContainerInput & { entry: 'map' }, 'entry' | 'data' | 'output'>
      | Pick<ContainerInput & { entry: 'reduce' }, 'entry' | 'sum' | 'output'>,
    ends: AbortSignal,
  ): Promise<ContributeOutcome> {
    const values = Float64Array.from((state as ImageState | undefined)?.values ?? [])
    const { engine, limits, prepare, onBegin, onRun } = this.options
    await prepare?.()
    const begun: RunBegun = { job, round, entry: input.entry, image: image.image, begunMs: Date.now() }
    const outcome = await engine.run(
      {
        image: image.image,
        input: { ...input, round, parameters: parameters.values, state: values },
        limits,
        grants: grantsOf(image.resources),
        onPrinted: onBegin?.(begun),
      },
      ends,
    )
    await onRun({ ...begun, outcome })
    return outcome.ok
      ? { ok: true, values: outcome.values }
      : { ok: false, code: outcome.code, message: outcome.message }
  }

  #inTurn(
    entry: 'map' | 'reduce',
    signal: AbortSignal | undefined,
    work: (ends: AbortSignal) => Promise<ContributeOutcome>,
  ): Promise<ContributeOutcome> {
    const answered = this.#queues[entry].then(async (): Promise<ContributeOutcome> => {
      const stop = this.#stop.signal
      if (stop.aborted) return { ok: false, code: 'runner-closed', message: 'the node is stopping' }
      const ends = signal === undefined ? stop : AbortSignal.any([stop, signal])
      try {
        throwIfCancelled(ends)
        return await work(ends)
      } catch (error) {
        const message = error instanceof FlameshError ? error.message : 'the image did not run'
        return { ok: false, code: errorCode(error), message }
      }
    })
    this.#queues[entry] = answered
    return answered
  }
}
