/**
 * A second thread for what is pure arithmetic: its answer is due at a moment of the virtual clock, and meanwhile this thread goes on
 * with what happens before. An answer is the same wherever it is computed, so a run depends on no thread.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { type ComputeAnswer, type ComputeTask, compute } from '@flamesh/protocol/secagg/compute.js'

/** Compiled, the thread is thread-entry.js; from source it is thread-entry.ts, and needs the loader that main threads get by flag. */
const fromSource = import.meta.url.endsWith('.ts')
const ENTRY = new URL(fromSource ? './thread-entry.ts' : './thread-entry.js', import.meta.url)

function loader(): string {
  const api = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  return `data:text/javascript,${encodeURIComponent(`import { register } from ${api}; register()`)}`
}

/** More than so many tasks at once and the thread is the slower one: the rest is done here. */
const MAX_WAITING = 64
/** A thread that has said nothing for so long is not waited for (milliseconds of the wall). */
const PATIENCE_MS = 2_000

export interface ThreadSettings {
  readonly port: MessagePort
  /** counts the answers, so that this thread can sleep until the next */
  readonly count: Int32Array
}

export class ComputeThread {
  private readonly worker: Worker
  private readonly port: MessagePort
  private readonly count = new Int32Array(new SharedArrayBuffer(4))
  private readonly answers = new Map<number, ComputeAnswer>()
  /** how many answers came from there */
  answered = 0
  private asked = 0
  private waiting = 0

  constructor() {
    const { port1, port2 } = new MessageChannel()
    this.port = port1
    const workerData: ThreadSettings = { port: port2, count: this.count }
    const execArgv = fromSource ? ['--conditions=source', `--import=${loader()}`] : []
    this.worker = new Worker(ENTRY, { workerData, transferList: [port2], execArgv })
    this.worker.on('error', () => undefined) // whoever asked does the work instead
    this.worker.unref()
    this.port.unref()
  }

  /** Begins; the function that comes back waits for the answer. */
  begin(task: ComputeTask): () => ComputeAnswer {
    if (this.waiting >= MAX_WAITING) return () => compute(task)
    const name = this.asked++
    this.waiting++
    this.port.postMessage({ name, task })
    return () => this.take(name) ?? compute(task)
  }

  async stop(): Promise<void> {
    await this.worker.terminate()
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
    for (;;) {
      const received = receiveMessageOnPort(this.port)
      if (received === undefined) return
      const { name, answer } = received.message as { name: number; answer: ComputeAnswer }
      this.answers.set(name, answer)
      this.waiting--
      this.answered++
    }
  }
}
