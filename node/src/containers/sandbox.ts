/**
 * What every container gets and may not change: implements docs/spec/containers.md, "The sandbox", "Limits and grants". It
 * trusts the engine and the kernel to enforce what they are told, and refuses an engine that says it will not.
 */
import { posix } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type Docker from 'dockerode'
import { z } from 'zod'
import { CONTAINER_FOLDER, OUTPUT_FILE, REPORT_FILE, type Scratch } from './contract.js'

const MEBIBYTE = 1 << 20

/** Owns nothing on any machine, and is not the `nobody` that other programs run as. */
const USER = '65532:65532'
const OPEN_FILES = 1024
/** What the kernel counts over all containers of the user; `pids` is the limit that holds for one. */
const MAX_PIDS = 32_768
const NANO = 1e9

export interface ContainerLimits {
  /** of all processes together, with what they keep in /tmp and /dev/shm; there is no swap */
  readonly memoryBytes: number
  readonly cpus: number
  /** processes and threads */
  readonly pids: number
  /** from start to end (milliseconds) */
  readonly timeMs: number
  /** of /tmp, and of /dev/shm */
  readonly diskBytes: number
  readonly outputBytes: number
  readonly reportBytes: number
  readonly logBytes: number
}

/** A site configures its own; a job never does. */
export const DEFAULT_LIMITS: ContainerLimits = {
  memoryBytes: 1024 * MEBIBYTE,
  cpus: 1,
  pids: 64,
  timeMs: 10 * 60_000,
  diskBytes: 64 * MEBIBYTE,
  outputBytes: 16 * MEBIBYTE,
  reportBytes: MEBIBYTE,
  logBytes: MEBIBYTE,
}

const bytes = (least: number) => z.number().int().min(least).max(Number.MAX_SAFE_INTEGER)

/** Below these an engine fails in ways that say nothing; above, a timer or a rotation does. */
const limitsSchema = z.strictObject({
  memoryBytes: bytes(16 * MEBIBYTE),
  cpus: z.number().min(0.01).max(1024),
  pids: z.number().int().min(4).max(MAX_PIDS),
  timeMs: z
    .number()
    .int()
    .min(1)
    .max(7 * 24 * 3_600_000),
  diskBytes: bytes(4096),
  outputBytes: bytes(1),
  reportBytes: bytes(1),
  logBytes: bytes(4096),
})

/** What a site's policy may allow one analysis beyond the limits; nothing else is on offer. */
const grantsSchema = z.strictObject({
  /** so many GPUs, or every one */
  gpu: z.union([z.number().int().min(1).max(64), z.literal('all')]).optional(),
  memoryBytes: limitsSchema.shape.memoryBytes.optional(),
  timeMs: limitsSchema.shape.timeMs.optional(),
})

export type ContainerGrants = z.infer<typeof grantsSchema>

/** The limits that hold, and the GPUs. A grant only ever raises. Throws `grant-unknown` or `limit-invalid`. */
export function applyGrants(
  limits: Partial<ContainerLimits>,
  grants: unknown,
): { readonly limits: ContainerLimits; readonly gpu: ContainerGrants['gpu'] } {
  const granted = grantsSchema.safeParse(grants)
  if (!granted.success) {
    const names = granted.error.issues.flatMap((issue) => ('keys' in issue ? issue.keys : issue.path)).join(', ')
    throw new FlameshError('grant-unknown', `these grants do not exist or have no such value: ${names}`, {
      hint: 'grants are gpu, memoryBytes and timeMs',
    })
  }
  const checked = limitsSchema.safeParse({ ...DEFAULT_LIMITS, ...limits })
  if (!checked.success) {
    const names = checked.error.issues.map((issue) => issue.path.join('.')).join(', ')
    throw new FlameshError('limit-invalid', `these limits of containers are not usable: ${names}`)
  }
  const { memoryBytes, timeMs } = checked.data
  return {
    limits: {
      ...checked.data,
      memoryBytes: Math.max(memoryBytes, granted.data.memoryBytes ?? 0),
      timeMs: Math.max(timeMs, granted.data.timeMs ?? 0),
    },
    gpu: granted.data.gpu,
  }
}

/** Options of a tmpfs that holds nothing and never will. */
const NOTHING = 'ro,noexec,nosuid,nodev,size=4096,mode=0555'

export interface SandboxRequest {
  readonly imageId: string
  readonly entry: 'map' | 'reduce'
  readonly scratch: Scratch
  readonly labels: Readonly<Record<string, string>>
  readonly limits: ContainerLimits
  readonly gpu: ContainerGrants['gpu']
  /** of the engine's machine */
  readonly processors: number
}

/** A hard limit cannot be raised again without a capability, and there is none. */
const ulimit = (Name: string, limit: number) => ({ Name, Soft: limit, Hard: limit })

function mounts({ input, output, report }: Scratch): Docker.MountConfig {
  const bind = (Source: string, Target: string, ReadOnly: boolean): Docker.MountSettings => ({
    Type: 'bind',
    Source,
    Target,
    ReadOnly,
    BindOptions: { Propagation: 'rprivate' },
  })
  return [
    bind(input, CONTAINER_FOLDER, true),
    bind(output, `${CONTAINER_FOLDER}/out/${OUTPUT_FILE}`, false),
    bind(report, `${CONTAINER_FOLDER}/out/${REPORT_FILE}`, false),
  ]
}

/** The whole request to the engine. */
export function sandboxOptions(request: SandboxRequest): Docker.ContainerCreateOptions {
  const { limits, gpu } = request
  return {
    Image: request.imageId,
    Cmd: [request.entry],
    Env: [],
    User: USER,
    Hostname: 'flamesh',
    Domainname: '',
    Tty: false,
    OpenStdin: false,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    NetworkDisabled: true,
    Healthcheck: { Test: ['NONE'] },
    Labels: { ...request.labels },
    HostConfig: {
      NetworkMode: 'none',
      ReadonlyRootfs: true,
      Privileged: false,
      CapAdd: [],
      CapDrop: ['ALL'],
      // without a `seccomp=` entry the engine's default profile holds; `checkEngine` asks that there is one
      SecurityOpt: ['no-new-privileges'],
      IpcMode: 'private',
      CgroupnsMode: 'private',
      Init: true,
      Devices: [],
      DeviceRequests: gpu === undefined ? [] : [{ Count: gpu === 'all' ? -1 : gpu, Capabilities: [['gpu']] }],
      Memory: limits.memoryBytes,
      MemorySwap: limits.memoryBytes,
      OomKillDisable: false,
      NanoCpus: Math.floor(Math.min(limits.cpus, request.processors) * NANO),
      PidsLimit: limits.pids,
      // all that engines set by themselves are given: some of their own values cannot be set on every machine
      Ulimits: [ulimit('nofile', OPEN_FILES), ulimit('nproc', MAX_PIDS), ulimit('core', 0)],
      ShmSize: limits.diskBytes,
      Tmpfs: {
        '/tmp': `rw,noexec,nosuid,nodev,size=${limits.diskBytes},mode=1777`,
        // Podman would mount these by itself, writable and without a size
        '/run': NOTHING,
        '/var/tmp': NOTHING,
      },
      Mounts: mounts(request.scratch),
      LogConfig: { Type: 'json-file', Config: { 'max-size': String(limits.logBytes), 'max-file': '1' } },
      RestartPolicy: { Name: 'no' },
      AutoRemove: false,
    } as Docker.HostConfig,
  }
}

/** What an engine says about itself (`GET /info`), as far as it matters here. */
export interface EngineInfo {
  readonly OSType?: string
  readonly NCPU?: number
  readonly ServerVersion?: string
  readonly SecurityOptions?: readonly string[] | null
  readonly MemoryLimit?: boolean
  readonly SwapLimit?: boolean
  readonly PidsLimit?: boolean
  readonly CpuCfsQuota?: boolean
}

/** Throws `engine-unsuited` if a limit of the sandbox would be accepted and then not enforced. */
export function checkEngine(info: EngineInfo): void {
  const seccomp = info.SecurityOptions?.find((option) => option.startsWith('name=seccomp'))
  const missing = [
    info.OSType === 'linux' ? undefined : 'Linux containers',
    info.MemoryLimit === true ? undefined : 'a memory limit',
    info.SwapLimit === true ? undefined : 'a swap limit',
    info.PidsLimit === true ? undefined : 'a limit of processes',
    info.CpuCfsQuota === true ? undefined : 'a CPU limit',
    seccomp !== undefined && !seccomp.includes('unconfined') ? undefined : 'a default seccomp profile',
  ].filter((name) => name !== undefined)
  if (missing.length === 0) return
  throw new FlameshError('engine-unsuited', `this container engine does not enforce ${missing.join(', ')}`, {
    hint: 'use cgroup v2 (rootless engines need delegated controllers) or boot with swapaccount=1, and keep the default seccomp profile',
  })
}

/** Throws `image-unsuited`: what an image may not bring, whoever reviewed it. */
export function checkImage({ Config: config }: Pick<Docker.ImageInspectInfo, 'Config'>): void {
  const refuse = (why: string): never => {
    throw new FlameshError('image-unsuited', `the image ${why}`)
  }
  // the engine would put each on the site's disk, writable and without a limit
  if (Object.keys(config.Volumes ?? {}).length > 0) refuse('declares volumes (VOLUME), which have no size limit')
  // engines enter it on their way in: what is below these is not of the image (CVE-2024-21626)
  if (/^\/(proc|sys|dev)(\/|$)/.test(posix.normalize(config.WorkingDir || '/')))
    refuse('works in a folder of the kernel')
  if ((config.Entrypoint ?? []).length === 0) refuse('has no ENTRYPOINT that could be called with map or reduce')
}

/** Variables that engines add by themselves: they say nothing about the site. */
const OWN_VARIABLES = new Set(['PATH', 'HOME', 'HOSTNAME', 'TERM', 'container'])

/** Throws `engine-unsuited` if the container that was made is not the one asked for, whatever the engine answered. */
export function checkCreated(
  made: Docker.ContainerInspectInfo,
  asked: Docker.ContainerCreateOptions,
  imageVariables: readonly string[],
): void {
  const { Config: config, HostConfig: host } = made
  const targets = (mountsOf: readonly { readonly target: string; readonly writable: boolean }[]): string =>
    JSON.stringify(mountsOf.map(({ target, writable }) => `${target} ${writable}`).sort())
  const expected = asked.HostConfig?.Mounts?.map(({ Target, ReadOnly }) => ({ target: Target, writable: !ReadOnly }))
  const found = made.Mounts.filter(({ Destination }) => asked.HostConfig?.Tmpfs?.[Destination] === undefined)
  const differs = [
    made.Image.replace(/^sha256:/, '') === asked.Image?.replace(/^sha256:/, '') ? undefined : 'image',
    config.User === asked.User ? undefined : 'user',
    host.NetworkMode === 'none' ? undefined : 'network',
    host.ReadonlyRootfs === true ? undefined : 'read-only root',
    host.Privileged === true ? 'privileges' : undefined,
    host.Memory === asked.HostConfig?.Memory ? undefined : 'memory',
    host.PidsLimit === asked.HostConfig?.PidsLimit ? undefined : 'processes',
    targets(found.map(({ Destination, RW }) => ({ target: Destination, writable: RW }))) === targets(expected ?? [])
      ? undefined
      : 'mounts',
    (config.Env ?? []).every((entry) => imageVariables.includes(entry) || OWN_VARIABLES.has(entry.split('=')[0] ?? ''))
      ? undefined
      : 'environment',
  ].filter((name) => name !== undefined)
  if (differs.length === 0) return
  throw new FlameshError(
    'engine-unsuited',
    `the engine made another container than it was asked for: ${differs.join(', ')}`,
  )
}
