/** `flamesh stop`: asks the daemon to end and waits until its process is gone. */
import { setTimeout as sleep } from 'node:timers/promises'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { processRuns } from '../../control/process.js'
import type { CommandContext } from '../context.js'
import { parseDuration } from '../duration.js'

const LOOK_EVERY_MS = 25

export async function stop(context: CommandContext, options: { readonly timeout: string }): Promise<undefined> {
  const timeoutMs = parseDuration('--timeout', options.timeout)
  const { pid } = await context.control().post<{ pid: number }>('/stop')
  const deadline = performance.now() + timeoutMs
  while (processRuns(pid)) {
    if (performance.now() > deadline) {
      throw new FlameshError('timed-out', `process ${pid} is still there after ${options.timeout}`, {
        meta: { pid },
        hint: `see daemon.log in ${context.folder.dir}; as a last resort "kill -9 ${pid}" loses nothing that was promised`,
      })
    }
    await sleep(LOOK_EVERY_MS)
  }
  context.out.result({ stopped: pid }, () => `stopped (pid ${pid})`)
}
