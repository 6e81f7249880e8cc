/** Runs for tests: a script in a container, and whether anything of it is left. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunOutcome, RunRequest } from '@flamesh/node/containers/engine.js'
import type { ContainerLimits } from '@flamesh/node/containers/sandbox.js'
import { siteEngine, type TestEngine } from './fixture.js'
import { scriptInput } from './script-input.js'

const MEBIBYTE = 1 << 20

export const SMALL: ContainerLimits = {
  memoryBytes: 48 * MEBIBYTE,
  cpus: 1,
  pids: 24,
  timeMs: 15_000,
  diskBytes: MEBIBYTE,
  outputBytes: 64 * 1024,
  reportBytes: 4096,
  logBytes: 16 * 1024,
}

/** Runs a shell script as an analysis under small limits. */
export async function runScript(
  engine: TestEngine,
  script: string,
  change: Partial<RunRequest> = {},
  signal?: AbortSignal,
): Promise<RunOutcome> {
  const request = { image: engine.images.script, input: scriptInput(script), limits: SMALL, ...change }
  return await siteEngine(engine).run(request, signal)
}

/** No container in the engine, no volume, and nothing in any scratch folder. */
export async function assertNothingLeft(engine: TestEngine): Promise<void> {
  assert.deepEqual(await engine.docker.listContainers({ all: true }), [])
  assert.deepEqual((await engine.docker.listVolumes()).Volumes ?? [], [])
  for (const name of (await readdir(engine.folder)).filter((entry) => entry.startsWith('scratch-'))) {
    assert.deepEqual(await readdir(join(engine.folder, name)), [], name)
  }
}

export function codeOf(outcome: RunOutcome): string {
  return outcome.ok ? `ok: ${[...outcome.values]}` : outcome.code
}
