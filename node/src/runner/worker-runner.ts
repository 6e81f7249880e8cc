/**
 * The `Runner` port: built-in analyses in a thread of their own, one at a time, with limits on memory and time.
 * Implements docs/spec/jobs.md, "Execution". Whatever happens in the thread becomes a named outcome; the daemon
 * outlives it. The memory limit holds for the V8 heap and for the rows as loaded; typed arrays an analysis allocates
 * besides are not counted.
 */
import { Worker } from 'node:worker_threads'
import type { ContributeOutcome, ContributeRequest } from '@flamesh/protocol/ports.js'
import type { LedgerSettings, ScreenOutcome, ScreenRequest } from '../ledger/screening.js'
import { hasCode } from '../store/files.js'
import type { RowsOutcome, WorkerMessage, WorkerRequest, WorkerSettings } from './serve.js'

const DEFAULT_MEMORY_LIMIT_MB = 512
const DEFAULT_TIME_LIMIT_MS = 60_000
/** A thread that has not taken up its request by then never will: the machine is out of something (milliseconds). */
const START_LIMIT_MS = 30_000
/** Short-lived objects only; the rest of the limit is for what analyses keep. */
const YOUNG_GENERATION_MB = 16
const MEGABYTE = 1 << 20

export interface WorkerRunnerOptions {
  readonly datasetsFolder: string
  readonly memoryLimitMb?: number
  /** of one contribution, from the moment the thread takes it up (milliseconds) */
  readonly timeLimitMs?: number
  /** entry point of the thread; default: the built-in analyses */
  readonly entry?: URL
  /** what `screen` needs */
  readonly ledger?: LedgerSettings
}

/**
 * Compiled, the thread is worker.js; run from source it is worker.ts, and needs the loader that main threads get by
 * flag.
 */
const fromSource = import.meta.url.endsWith('.ts')
const WORKER_ENTRY = new URL(fromSource ? './worker.ts' : './worker.js', import.meta.url)
const EXEC_ARGV = fromSource ? ['--conditions=source', `--import=${registerLoader()}`] : []

function registerLoader(): string {
  const api = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  return `data:text/javascript,${encodeURIComponent(`import { register } from ${api}; register()`)}`
}

type Outcome = ContributeOutcome | RowsOutcome | ScreenOutcome

interface Answer {
  readonly outcome: Outcome
  /** whether the thread can take another request */
  readonly alive: boolean
}

const CANCELLED = { ok: false, code: 'cancelled', message: 'nobody waits for the analysis any more' } as const
const STOPPING: Outcome = { ok: false, code: 'runner-closed', message: 'the node is stopping' }

function failed(code: string, message: string): Answer {
  return { outcome: { ok: false, code, message }, alive: false }
}

/** The code or class of an error tells what broke; its message may quote a value. */
function crash(error: unknown, memoryLimitMb: number): Answer {
  if (hasCode(error, 'ERR_WORKER_OUT_OF_MEMORY'))
    return failed('out-of-memory', `the analysis needed more than ${memoryLimitMb} MB`)
  const kind = error instanceof Error ? ('code' in error ? String(error.code) : error.name) : 'no error'
  return failed('analysis-failed', `the analysis ended without an answer (${kind})`)
}

/** Owns one thread; `warm` starts it ahead of the first request. */
export class WorkerRunner {
  readonly #options: Required<Omit<WorkerRunnerOptions, 'ledger'>> & Pick<WorkerRunnerOptions, 'ledger'>
  #worker: Worker | undefined
  #closed = false
  /** settles when the requests made so far are answered */
  #queue: Promise<unknown> = Promise.resolve()

  constructor(options: WorkerRunnerOptions) {
    this.#options = {
      memoryLimitMb: DEFAULT_MEMORY_LIMIT_MB,
      timeLimitMs: DEFAULT_TIME_LIMIT_MS,
      entry: WORKER_ENTRY,
      ...options,
    }
  }

  /** Starts the thread if none is there: the first job does not wait for it. An idle thread keeps no process alive. */
  warm(): void {
    if (!this.#closed) this.#worker ??= this.#spawn()
  }

  /**
   * The site's vector, or why there is none: `out-of-memory`, `time-limit`, `analysis-failed`, `analysis-unknown`,
   * `not-finite`, `job-invalid`, `column-type`, `dataset-missing`, `dataset-damaged`,
   * `runner-closed`, `cancelled`. Never rejects. Requests are answered in the order they came. Once `signal` is aborted nothing is
   * begun, and what is under way ends with its thread.
   */
  contribute(request: ContributeRequest, signal?: AbortSignal): Promise<ContributeOutcome> {
    return this.#answer(request, signal) as Promise<ContributeOutcome>
  }

  /** The rows that the image of this request is to see, or why there are none. Never rejects. */
  rowsForImage(request: ContributeRequest, signal?: AbortSignal): Promise<RowsOutcome> {
    return this.#answer(request, signal) as Promise<RowsOutcome>
  }

  /** The rows that a job's conditions keep, held against those of earlier jobs; or a failure as above. Never rejects. */
  screen(request: ScreenRequest): Promise<ScreenOutcome> {
    return this.#answer(request, undefined) as Promise<ScreenOutcome>
  }

  #answer(request: WorkerRequest, signal: AbortSignal | undefined): Promise<Outcome> {
    const answered = this.#queue.then(() => (signal?.aborted ? CANCELLED : this.#run(request, signal)))
    this.#queue = answered
    return answered
  }

  /** Ends the thread at once; requests without an answer get `runner-closed`, which is no failure of theirs. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#worker?.terminate()
    await this.#queue
  }

  #spawn(): Worker {
    const { datasetsFolder, memoryLimitMb, entry, ledger } = this.#options
    // half for the rows as loaded, half for their subset
    const settings: WorkerSettings = { datasetsFolder, maxRowsBytes: (memoryLimitMb * MEGABYTE) / 2, ledger }
    const worker = new Worker(entry, {
      workerData: settings,
      execArgv: EXEC_ARGV,
      resourceLimits: { maxOldGenerationSizeMb: memoryLimitMb, maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    })
    const gone = (): void => {
      if (this.#worker === worker) this.#worker = undefined
    }
    // without a listener an error in the thread would end the daemon
    worker.on('error', gone).on('exit', gone)
    worker.unref()
    return worker
  }

  async #run(request: WorkerRequest, signal: AbortSignal | undefined): Promise<Outcome> {
    this.warm()
    const worker = this.#worker
    if (worker === undefined) return STOPPING
    worker.ref()
    const { outcome, alive } = await this.#ask(worker, request, signal)
    if (alive) {
      worker.unref()
    } else {
      await worker.terminate()
      this.warm()
      // says nothing about the analysis, which runs again when the node is back
      if (this.#closed) return STOPPING
    }
    return outcome
  }

  #ask(worker: Worker, request: WorkerRequest, signal: AbortSignal | undefined): Promise<Answer> {
    const { memoryLimitMb, timeLimitMs } = this.#options
    return new Promise((resolve) => {
      const limit = (ms: number): NodeJS.Timeout =>
        setTimeout(() => settle(failed('time-limit', `the analysis took longer than ${timeLimitMs} ms`)), ms)
      let timer = limit(START_LIMIT_MS)
      const onMessage = (message: WorkerMessage): void => {
        if (message === 'started') {
          clearTimeout(timer)
          timer = limit(timeLimitMs)
        } else {
          settle({ outcome: message, alive: true })
        }
      }
      const onError = (error: unknown): void => settle(crash(error, memoryLimitMb))
      const onExit = (): void => settle(crash(undefined, memoryLimitMb))
      const onAbort = (): void => settle({ outcome: CANCELLED, alive: false })
      const settle = (answer: Answer): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        worker.off('message', onMessage).off('error', onError).off('exit', onExit)
        resolve(answer)
      }
      worker.on('message', onMessage).on('error', onError).on('exit', onExit)
      signal?.addEventListener('abort', onAbort)
      try {
        worker.postMessage(request)
      } catch {
        settle({ ...failed('job-invalid', 'the request cannot be handed to the analysis'), alive: true })
      }
    })
  }
}
