/** The other end of threads.ts. */
import { workerData } from 'node:worker_threads'
import { type ComputeTask, compute } from '@flamesh/protocol/secagg/compute.js'
import type { ThreadSettings } from './threads.js'

const { port, count } = workerData as ThreadSettings
port.on('message', ({ name, task }: { name: number; task: ComputeTask }) => {
  port.postMessage({ name, answer: compute(task) })
  Atomics.add(count, 0, 1)
  Atomics.notify(count, 0)
})
