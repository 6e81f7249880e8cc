/** After a command changed the folder: a running daemon reads it anew and tells the mesh; a stopped one will at its start. */
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { CommandContext } from './context.js'

/** Whether a daemon runs and has taken the change over. */
export async function reloadIfRunning(context: CommandContext): Promise<boolean> {
  try {
    await context.control().post('/reload')
    return true
  } catch (error) {
    if (error instanceof FlameshError && error.code === 'daemon-unreachable') return false
    throw error
  }
}
