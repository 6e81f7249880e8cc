/**
 * Other threads for what is pure arithmetic: its answer is due at a moment of the virtual clock, and meanwhile this thread goes on
 * with what happens before. An answer is the same wherever it is computed, so a run depends on no thread.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { type ComputeAnswer, type ComputeTask, compute } from '@flamesh/protocol/secagg/compute.js'

/** Compiled, the thread is threads-entry.js; from source it is threads-entry.ts, and needs the loader that main threads get by flag. */
const fromSource = import.meta.url.endsWith('.ts')
const ENTRY = new URL(fromSource ? './threads-entry.ts' : './threads-entry.js', import.meta.url)

function loader(): string {
  const api = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  return `data:text/javascript,${encodeURIComponent(`import { register } from ${api}; register()`)}`
}

/** They work while the first one waits for them, on two processors. */
const THREADS = 2
/** More than so many tasks at once and the thread is the slower one: the rest is done here. */
const MAX_WAITING = 64
/** A thread that has said nothing for so long is not waited for (milliseconds of the wall). */
const PATIENCE_MS = 2_000

export interface ThreadSettings {
  readonly port: MessagePort
  /** counts the answers, so that this thread can sleep until the next */
  readonly count: Int32Array
}

export class ComputeThreads {
  private readonly workers: Worker[] = []
  private readonly ports: MessagePort[] = []
  private readonly count = new Int32Array(new SharedArrayBuffer(4))
  private readonly answers = new Map<number, ComputeAnswer>()
  /** how many answers came from there */
  answered = 0
  private asked = 0
  private waiting = 0

  constructor() {
    const execArgv = fromSource ? ['--conditions=source', `--import=${loader()}`] : []
    for (let thread = 0; thread < THREADS; thread++) {
      const { port1, port2 } = new MessageChannel()
      const workerData: ThreadSettings = { port: port2, count: this.count }
      const worker = new Worker(ENTRY, { workerData, transferList: [port2], execArgv })
      worker.on('error', () => undefined) // whoever asked does the work instead
      worker.unref()
      port1.unref()
      this.workers.push(worker)
      this.ports.push(port1)
    }
  }

  /** Begins; the function that comes back waits for the answer. */
  begin(task: ComputeTask): () => ComputeAnswer {
    if (this.waiting >= MAX_WAITING) return () => compute(task)
    const name = this.asked++
    this.waiting++
    this.ports[name % THREADS]?.postMessage({ name, task })
    return () => this.take(name) ?? compute(task)
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()))
  }

  private take(name: number): ComputeAnswer | undefined {
    for (;;) {
      const before = Atomics.load(this.count, 0)
      this.drain()
      const answer = this.answers.get(name)
      this.answers.delete(name)
      if (answer !== undefined) return answer
      if (Atomics.wait(this.count, 0, before, PATIENCE_MS) === 'timed-out') return undefined
    }
  }

  private drain(): void {
    for (const port of this.ports) {
      for (;;) {
        const received = receiveMessageOnPort(port)
        if (received === undefined) break
        const { name, answer } = received.message as { name: number; answer: ComputeAnswer }
        this.answers.set(name, answer)
        this.waiting--
        this.answered++
      }
    }
  }
}
