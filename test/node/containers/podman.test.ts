import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ContainerEngine } from '@flamesh/node/containers/engine.js'
import Docker from 'dockerode'
import { available, type TestEngine, testEngine, withEngine } from './fixture.js'
import { codeOf, SMALL } from './runs.js'
import { scriptInput } from './script-input.js'

const PODMAN = '/usr/bin/podman'
/** The init process that Podman puts into containers, where Debian has it. */
const INIT = '/usr/libexec/podman/catatonit'
const GOOD = 'echo 1 > /flamesh/out/update.txt'
const BROKEN = 'BROKEN OUT'

const here = existsSync(PODMAN) && existsSync(INIT)
const withPodman: typeof withEngine = here
  ? withEngine
  : (title) => it(`${title} (NOT RUN: not installed: podman, catatonit)`)

describe('the sandbox of containers on Podman', function () {
  this.timeout(60_000)
  let engine: TestEngine
  let service: ChildProcess | undefined
  let docker: Docker
  let site: ContainerEngine

  before(async function () {
    this.timeout(120_000)
    if (!available || !here) return
    engine = await testEngine()
    const at = (name: string): string => join(engine.folder, name)
    const socketPath = at('p.sock')
    const registry = engine.images.script.split('/')[0]
    await writeFile(at('registries.conf'), `[[registry]]\nlocation = "${registry}"\ninsecure = true\n`)
    const places = ['--root', at('podman'), '--runroot', at('podman-run'), '--cgroup-manager', 'cgroupfs']
    // the one that Docker brings: crun does not know every arrangement of control groups
    const args = [...places, '--runtime', 'runc', 'system', 'service', '--time=0', `unix://${socketPath}`]
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', CONTAINERS_REGISTRIES_CONF: at('registries.conf') }
    // it leaves a file where it was started when memory runs out
    service = spawn(PODMAN, args, {
      cwd: engine.folder,
      stdio: 'ignore',
      env: { ...env, http_proxy: 'http://user:password@proxy.example' },
    })
    docker = new Docker({ socketPath })
    while (!existsSync(socketPath) || !(await docker.ping().catch(() => undefined))) await sleep(50)
    site = new ContainerEngine({ node: 'site-p', scratchFolder: at('scratch-podman'), address: { socketPath } })
  })
  afterEach(async () => {
    if (docker !== undefined) assert.deepEqual(await docker.listContainers({ all: true }), [])
  })
  after(async () => {
    if (service === undefined) return
    service.kill('SIGTERM')
    await once(service, 'exit')
  })

  const run = (script: string, limits = {}) =>
    site.run({ image: engine.images.script, input: scriptInput(script), limits: { ...SMALL, ...limits } })

  withPodman('holds against the same attempts', async () => {
    const outcome = await run(`
      for place in / /etc /flamesh /flamesh/out /dev /sys/fs/cgroup /run /run/lock /var /var/tmp /var/run; do (echo x > $place/mine) 2>/dev/null && echo ${BROKEN} $place; done
      for address in 127.0.0.1 10.88.0.1 192.0.2.1; do ping -c 1 -W 1 $address && [ $address != 127.0.0.1 ] && echo ${BROKEN} net; done
      ln -sf /etc/passwd /flamesh/out/update.txt && echo ${BROKEN} link
      mknod /tmp/disk b 254 0 && echo ${BROKEN} device
      mount -t tmpfs none /tmp && echo ${BROKEN} mount
      printf '#!/bin/sh\\ntrue\\n' > /tmp/mine; chmod 755 /tmp/mine; /tmp/mine && echo ${BROKEN} exec
      cat /etc/of-root && echo ${BROKEN} root
      env | grep -i proxy && echo ${BROKEN} proxy
      setuid-python -c 'import os; print("euid", os.geteuid())'
      grep -v -e ' /proc' -e ' /sys' -e ' /dev' /proc/mounts
      grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status
      ${GOOD}`)
    const { log } = outcome.operator
    assert.equal(codeOf(outcome), 'ok: 1', log)
    assert.ok(!log.includes(BROKEN), log)
    assert.match(log, /euid 65532/)
    assert.match(log, /CapEff:\t0{16}\nCapBnd:\t0{16}\nNoNewPrivs:\t1\nSeccomp:\t2\n/)
  })

  for (const [what, script, code] of [
    ['running on', 'sleep 60', 'time-limit'],
    ['a large output', 'dd if=/dev/zero of=/flamesh/out/update.txt bs=1k count=100; sleep 60', 'output-too-large'],
    ['filling /tmp', 'dd if=/dev/zero of=/tmp/a bs=1M count=40', 'analysis-failed'],
    ['no output', 'exit 0', 'output-missing'],
  ] as const) {
    withPodman(`names the failure of ${what}: ${code}`, async () => {
      const outcome = await run(script, code === 'time-limit' ? { timeMs: 700 } : {})
      assert.equal(codeOf(outcome), code, `${outcome.operator.log}${outcome.operator.detail}`)
    })
  }

  withPodman('ends whoever fills memory, by name or as killed', async () => {
    const outcome = await run("exec python3 -c 'x = bytearray(200 << 20)'")
    assert.ok(['out-of-memory', 'analysis-failed'].includes(codeOf(outcome)))
    assert.ok(!outcome.ok && (outcome.code === 'out-of-memory' || outcome.message.endsWith('137')))
  })
})
