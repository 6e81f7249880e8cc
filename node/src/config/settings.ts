/**
 * Every setting of a node: its name in config.json, its environment variable, its default and what it means. Implements
 * docs/reference/configuration.md; a test keeps the two equal.
 */
import { z } from 'zod'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const

const urlSchema = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''))
const multiaddrSchema = z.string().regex(/^\/[a-z0-9]+\/\S+$/, 'a multiaddr looks like /ip4/192.0.2.7/tcp/4001')

export const configSchema = z.strictObject({
  hub: urlSchema,
  hubKey: z.string().regex(/^[0-9a-f]{64}$/, 'the hub key has 64 hexadecimal digits'),
  insecureHub: z.boolean(),
  name: z.string().max(128),
  listen: z.array(multiaddrSchema).min(1),
  announce: z.array(multiaddrSchema),
  peers: z.array(multiaddrSchema),
  hubPollMs: z.int().min(100).max(3_600_000),
  analysisMemoryMb: z.int().min(64).max(1_048_576),
  analysisTimeoutMs: z.int().min(1000).max(86_400_000),
  containerSocket: z.string().regex(/^(\/\S+)?$/, 'an absolute path, or nothing for no containers'),
  containerHost: z.string().regex(/^(\S+:\d{1,5})?$/, 'HOST:PORT, or nothing'),
  containerTls: z.string().max(4096),
  containerMemoryMb: z.int().min(16).max(1_048_576),
  containerTimeoutMs: z.int().min(1000).max(86_400_000),
  logLevel: z.enum(LOG_LEVELS),
})

export type Config = z.infer<typeof configSchema>
export type SettingName = keyof Config

export interface Setting {
  readonly environment: string
  /** undefined: `flamesh init` writes it */
  readonly fallback: Config[SettingName] | undefined
  /** the value that an environment variable's text stands for */
  readonly read: (text: string) => unknown
  readonly meaning: string
}

const text = (value: string): unknown => value
const list = (value: string): unknown =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
const flag = (value: string): unknown => (value === 'true' ? true : value === 'false' ? false : value)
const number = (value: string): unknown => (/^\d+$/.test(value) ? Number(value) : value)

export const SETTINGS: Readonly<Record<SettingName, Setting>> = {
  hub: { environment: 'FLAMESH_HUB', fallback: undefined, read: text, meaning: "the hub's address" },
  hubKey: {
    environment: 'FLAMESH_HUB_KEY',
    fallback: undefined,
    read: text,
    meaning: 'the public key that signs the log: the root of all trust of this node',
  },
  insecureHub: {
    environment: 'FLAMESH_INSECURE_HUB',
    fallback: false,
    read: flag,
    meaning:
      'true allows plain HTTP to a hub on another machine: who listens learns who asks, and can withhold answers',
  },
  name: {
    environment: 'FLAMESH_NAME',
    fallback: '',
    read: text,
    meaning: 'the name under which this node is enrolled',
  },
  listen: {
    environment: 'FLAMESH_LISTEN',
    fallback: ['/ip4/0.0.0.0/tcp/4001'],
    read: list,
    meaning: 'multiaddrs to listen on',
  },
  announce: {
    environment: 'FLAMESH_ANNOUNCE',
    fallback: [],
    read: list,
    meaning: 'multiaddrs that others should dial, if not those listened on (a public address in front of a firewall)',
  },
  peers: { environment: 'FLAMESH_PEERS', fallback: [], read: list, meaning: 'multiaddrs of members to dial at start' },
  hubPollMs: {
    environment: 'FLAMESH_HUB_POLL_MS',
    fallback: 5000,
    read: number,
    meaning: 'milliseconds between two questions to the hub',
  },
  analysisMemoryMb: {
    environment: 'FLAMESH_ANALYSIS_MEMORY_MB',
    fallback: 512,
    read: number,
    meaning: 'memory limit of one analysis, in MiB',
  },
  analysisTimeoutMs: {
    environment: 'FLAMESH_ANALYSIS_TIMEOUT_MS',
    fallback: 600_000,
    read: number,
    meaning: 'time limit of one round of an analysis, in milliseconds',
  },
  containerSocket: {
    environment: 'FLAMESH_CONTAINER_SOCKET',
    fallback: '',
    read: text,
    meaning: "the socket of a Docker or Podman engine that runs researchers' images; nothing: none run here",
  },
  containerHost: {
    environment: 'FLAMESH_CONTAINER_HOST',
    fallback: '',
    read: text,
    meaning:
      'HOST:PORT where another machine of this site lends its engine (flamesh engine serve), in place of a socket',
  },
  containerTls: {
    environment: 'FLAMESH_CONTAINER_TLS',
    fallback: '',
    read: text,
    meaning: 'the folder with ca.pem, cert.pem and key.pem for that connection',
  },
  containerMemoryMb: {
    environment: 'FLAMESH_CONTAINER_MEMORY_MB',
    fallback: 1024,
    read: number,
    meaning: 'memory limit of one container, in MiB; a policy may grant an image more',
  },
  containerTimeoutMs: {
    environment: 'FLAMESH_CONTAINER_TIMEOUT_MS',
    fallback: 600_000,
    read: number,
    meaning: 'time limit of one container, in milliseconds; a policy may grant an image more',
  },
  logLevel: {
    environment: 'FLAMESH_LOG_LEVEL',
    fallback: 'info',
    read: text,
    meaning: 'the least severe events that are logged: trace, debug, info, warn, error or silent',
  },
}

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[]
