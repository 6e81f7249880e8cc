/** What every command is given: the folder it works on, where it prints, and how it reaches the daemon. */
import { type ResolvedConfig, resolveConfig } from '../config/config.js'
import type { SettingName } from '../config/settings.js'
import { requireInitialised, type StateFolder, stateDir, stateFolder } from '../config/state-folder.js'
import { type Control, openControl } from '../control/call.js'
import { createOutput, type Output, type Stream } from './output.js'

export type Environment = Readonly<Record<string, string | undefined>>

export interface Streams {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly stdout: Stream
  readonly stderr: Stream
}

/** Options that every command has. */
export interface CommonOptions {
  readonly dir?: string
  readonly json?: boolean
}

export interface CommandContext {
  readonly folder: StateFolder
  readonly env: Environment
  readonly streams: Streams
  readonly out: Output
  /** Throws `not-initialised` if the folder holds no node. */
  control(): Control
  /** Throws `not-initialised` or `config-invalid`. */
  config(flags?: Partial<Record<SettingName, unknown>>): ResolvedConfig
}

export function createContext(options: CommonOptions, env: Environment, streams: Streams): CommandContext {
  const folder = stateFolder(stateDir(options.dir, env))
  return {
    folder,
    env,
    streams,
    out: createOutput(options.json === true, streams.stdout, streams.stderr),
    control() {
      requireInitialised(folder)
      return openControl(folder)
    },
    config(flags = {}) {
      requireInitialised(folder)
      return resolveConfig({ flags, env, file: folder.configFile })
    },
  }
}
