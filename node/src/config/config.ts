/**
 * A node's configuration: flag before environment before file before default, and for each value where it came from.
 * Implements docs/reference/configuration.md. It says nothing about the policy or the datasets, which are files of
 * their own.
 */
import { existsSync, readFileSync } from 'node:fs'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { type Config, configSchema, SETTING_NAMES, SETTINGS, type SettingName } from './settings.js'

export interface ConfigValue {
  readonly value: unknown
  /** `flag`, the environment variable's name, the file's path, or `default` */
  readonly source: string
}

export interface ResolvedConfig {
  readonly config: Config
  readonly sources: Readonly<Record<SettingName, ConfigValue>>
}

export interface ConfigInputs {
  readonly flags: Partial<Record<SettingName, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly file: string
}

/** Throws `config-invalid`, naming the setting and where the bad value stands. */
export function resolveConfig({ flags, env, file }: ConfigInputs): ResolvedConfig {
  const written = readConfigFile(file)
  const sources = {} as Record<SettingName, ConfigValue>
  for (const name of SETTING_NAMES) {
    const found = firstValue(name, flags, env, written, file)
    const field = configSchema.shape[name]
    const parsed = field.safeParse(found.value)
    if (!parsed.success) throw invalidSetting(name, found, parsed.error.issues[0]?.message ?? 'not a value it can have')
    sources[name] = { ...found, value: parsed.data }
  }
  const config = Object.fromEntries(SETTING_NAMES.map((name) => [name, sources[name].value])) as Config
  return { config, sources }
}

function firstValue(
  name: SettingName,
  flags: ConfigInputs['flags'],
  env: ConfigInputs['env'],
  written: Readonly<Record<string, unknown>>,
  file: string,
): ConfigValue {
  const setting = SETTINGS[name]
  if (flags[name] !== undefined) return { value: flags[name], source: 'flag' }
  const variable = env[setting.environment]
  if (variable !== undefined && variable !== '') {
    return { value: setting.read(variable), source: setting.environment }
  }
  if (written[name] !== undefined) return { value: written[name], source: file }
  return { value: setting.fallback, source: 'default' }
}

function invalidSetting(name: SettingName, found: ConfigValue, problem: string): FlameshError {
  const where = found.source === 'default' ? 'it is set nowhere' : `it comes from ${found.source}`
  return new FlameshError('config-invalid', `the setting ${name} is not valid: ${problem} (${where})`, {
    meta: { setting: name, source: found.source },
    hint: `set ${name} in config.json or ${SETTINGS[name].environment} in the environment: ${SETTINGS[name].meaning}`,
  })
}

function readConfigFile(file: string): Readonly<Record<string, unknown>> {
  if (!existsSync(file)) return {}
  let document: unknown
  try {
    document = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new FlameshError('config-invalid', `${file} cannot be read as JSON`, { cause, hint: 'correct the file' })
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new FlameshError('config-invalid', `${file} is not a JSON object`, { hint: 'correct the file' })
  }
  const unknown = Object.keys(document).filter((key) => !(key in SETTINGS))
  if (unknown.length > 0) {
    throw new FlameshError('config-invalid', `${file} has an unknown setting: ${unknown.join(', ')}`, {
      hint: `the settings are ${SETTING_NAMES.join(', ')}`,
    })
  }
  return document as Record<string, unknown>
}
