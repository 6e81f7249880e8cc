import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import type Docker from 'dockerode'
import { available, type TestEngine, testEngine, withEngine } from './fixture.js'
import { assertNothingLeft, codeOf, runScript, SMALL } from './runs.js'

/** Every attack says in its log how it went; one that worked would write this. */
const BROKEN = 'BROKEN OUT'
const GOOD = 'echo 1 > /flamesh/out/update.txt'
const MEBIBYTE = 1 << 20

describe('the sandbox of containers', function () {
  this.timeout(60_000)
  let engine: TestEngine

  before(async function () {
    this.timeout(120_000)
    if (available) engine = await testEngine()
  })
  afterEach(async () => {
    if (available) await assertNothingLeft(engine)
  })

  /** The script goes on after every attempt and ends well: what counts is what it could do. */
  async function attack(script: string): Promise<string> {
    const outcome = await runScript(engine, `${script}\n${GOOD}`)
    const log = outcome.operator.log
    assert.equal(codeOf(outcome), 'ok: 1', log)
    assert.ok(!log.includes(BROKEN), log)
    return log
  }

  withEngine('lets an honest analysis work', async () => {
    const outcome = await runScript(
      engine,
      'echo working; echo 0.1 > /flamesh/out/update.txt; echo {} > /flamesh/out/report.json',
    )
    assert.ok(outcome.ok, codeOf(outcome))
    assert.deepEqual([...outcome.values], [0.1])
    assert.deepEqual(outcome.operator, { log: 'working\n', report: '{}\n', detail: '' })
  })

  describe('network', () => {
    let server: Server
    let calls = 0
    before((done) => {
      server = createServer(() => {
        calls++
      }).listen(0, '0.0.0.0', done)
    })
    after((done) => {
      server.close(done)
    })

    withEngine('there is none: no name, no address, no host', async () => {
      const { port } = server.address() as { port: number }
      const log = await attack(
        [
          `nslookup example.org && echo ${BROKEN}`,
          ...['127.0.0.1', '172.17.0.1', '10.0.0.1', '169.254.169.254'].map(
            (address) => `echo x | nc -w 1 ${address} ${port} && echo ${BROKEN}`,
          ),
          `ping -c 1 -W 1 192.0.2.1 && echo ${BROKEN}`,
          `python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)' && echo ${BROKEN}`,
          'ip -o link | cut -d: -f2',
        ].join('\n'),
      )
      assert.match(log, / lo\n/)
      assert.equal(calls, 0)
    })
  })

  withEngine('writes nowhere but to /tmp, /dev/shm and its two files', async () => {
    const places =
      '/ /etc /bin /usr /var /flamesh /flamesh/out /flamesh/data /dev /run /var/tmp /proc/sys/kernel /sys /sys/fs/cgroup'
    await attack(`for place in ${places}; do (echo x > $place/mine) 2>/dev/null && echo ${BROKEN} $place; done
      for file in /flamesh/job.json /flamesh/data/rows.csv /etc/passwd /etc/hosts /etc/resolv.conf /proc/sysrq-trigger
      do (echo x >> $file) 2>/dev/null && echo ${BROKEN} $file; done
      find / -xdev -type d -perm -0002 2>/dev/null | grep -v -e '^/tmp$' && echo ${BROKEN} folder
      echo x > /tmp/mine && echo x > /dev/shm/mine || echo ${BROKEN} no room`)
  })

  withEngine('sees nothing of the host and of other datasets', async () => {
    await writeFile(join(engine.folder, 'other-dataset.csv'), 'secret')
    const log = await attack(`ls ${engine.folder} && echo ${BROKEN}
      find / -name 'other-dataset*' 2>/dev/null | grep . && echo ${BROKEN}
      cat /etc/of-root && echo ${BROKEN}
      ls /dev/vda /dev/sda /dev/mem /dev/kmsg 2>/dev/null | grep . && echo ${BROKEN}
      mknod /tmp/disk b 254 0 && echo ${BROKEN}
      mount -t tmpfs none /tmp && echo ${BROKEN}
      ls /proc | grep -c '^[0-9]'
      ls -R /flamesh`)
    assert.match(log, /^[1-9]$/m, 'only its own processes')
    assert.ok(!log.includes('scratch'))
  })

  withEngine('makes no symbolic link, hard link, pipe, folder or device of its output', async () => {
    const links = ['/etc/passwd', '/proc/1/cwd/etc/shadow', '../../../../etc/passwd']
    await attack(`cd /flamesh/out
      for target in ${links.join(' ')}; do ln -sf $target update.txt && echo ${BROKEN} $target; done
      ln -f /etc/passwd update.txt && echo ${BROKEN} hard
      ln update.txt /tmp/second && echo ${BROKEN} second
      rm -f update.txt && echo ${BROKEN} rm
      mv update.txt report.json && echo ${BROKEN} mv
      mkfifo pipe && echo ${BROKEN} pipe
      mkdir folder && echo ${BROKEN} folder
      chmod 4777 update.txt && echo ${BROKEN} chmod
      cat > /tmp/attributes.py <<'END'
import os
for path in ["update.txt", "report.json", ".", "../job.json"]:
    try:
        os.setxattr(path, "user.filler", b"x" * 1000)
        print("${BROKEN} attribute of", path)
    except OSError:
        pass
END
      python3 /tmp/attributes.py || echo ${BROKEN} no python`)
    const outcome = await runScript(
      engine,
      'rm -f /flamesh/out/update.txt; ln -s /etc/passwd /flamesh/out/update.txt; exit 0',
    )
    assert.equal(codeOf(outcome), 'output-missing')
  })

  withEngine('gains no privileges', async () => {
    const euid = `setuid-python -c 'import os; print("euid", os.geteuid())'`
    const log = await attack(`${euid}
      su -c true && echo ${BROKEN}
      chroot / true && echo ${BROKEN}
      unshare -r true && echo ${BROKEN}
      hostname mine && echo ${BROKEN}
      date -s 2000-01-01; date | grep -q 2000 && echo ${BROKEN}
      kill -9 1; ulimit -n 100000 2>/dev/null && echo ${BROKEN}
      printf '#!/bin/sh\\ntrue\\n' > /tmp/mine; chmod 755 /tmp/mine; /tmp/mine && echo ${BROKEN}
      grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status
      id`)
    assert.match(log, /euid 65532/)
    assert.match(log, /uid=65532 gid=65532/)
    assert.match(log, /CapEff:\t0{16}\n/)
    assert.match(log, /CapBnd:\t0{16}\n/)
    assert.match(log, /NoNewPrivs:\t1/)
    assert.match(log, /Seccomp:\t2/)
    // the same program does gain them where nothing forbids it: the test can fail
    const Cmd = ['/usr/bin/setuid-python', '-c', 'import os, sys; sys.exit(42 if os.geteuid() == 0 else 0)']
    const options = {
      Image: engine.images.script,
      Entrypoint: [],
      Cmd,
      User: '65532',
      HostConfig: { NetworkMode: 'none' },
    }
    const open = await engine.docker.createContainer(options)
    try {
      await open.start()
      assert.equal((await open.wait()).StatusCode, 42)
    } finally {
      await open.remove({ force: true })
    }
  })

  withEngine('has no environment beyond the contract', async () => {
    process.env['FLAMESH_TEST_SECRET'] = 'secret'
    const log = await attack('env | cut -d= -f1 | sort | tr "\\n" " "; echo; echo $HOSTNAME $HOME')
    delete process.env['FLAMESH_TEST_SECRET']
    const names = (log.split('\n')[0] as string).trim().split(' ')
    // PWD and SHLVL are the shell's own
    assert.deepEqual(names, ['HOME', 'HOSTNAME', 'PATH', 'PWD', 'SHLVL'])
    assert.match(log, /^flamesh \/$/m)
  })

  const ends: readonly (readonly [string, string, string])[] = [
    ['too many processes', 'i=0; while [ $i -lt 50 ]; do sleep 60 & i=$((i+1)); done; exit 0', 'analysis-failed'],
    ['filling memory', "python3 -c 'x = bytearray(200 << 20)'", 'out-of-memory'],
    ['filling memory in a child', `python3 -c 'x = bytearray(200 << 20)'; ${GOOD}`, 'out-of-memory'],
    ['filling /dev/shm', 'dd if=/dev/zero of=/dev/shm/a bs=1M count=80', 'analysis-failed'],
    [
      'filling /tmp',
      'set -e; for i in 1 2 3 4; do dd if=/dev/zero of=/tmp/$i bs=1024 count=400; done',
      'analysis-failed',
    ],
    [
      'a large file in the output',
      'exec dd if=/dev/zero of=/flamesh/out/update.txt bs=1M count=100',
      'output-too-large',
    ],
    ['a large report', 'dd if=/dev/zero of=/flamesh/out/report.json bs=1k count=100; sleep 60', 'output-too-large'],
    ['a large sparse file', 'truncate -s 1G /flamesh/out/update.txt', 'analysis-failed'],
    [
      'a large file, unnoticed',
      'dd if=/dev/zero of=/flamesh/out/update.txt bs=1k count=100; exit 0',
      'output-too-large',
    ],
    ['running on', 'sleep 60', 'time-limit'],
    ['running on, deaf', "trap '' TERM INT HUP; while :; do :; done", 'time-limit'],
    ['ending badly', 'exit 3', 'analysis-failed'],
    ['no output', 'exit 0', 'output-missing'],
    ['too many numbers', 'seq 2 > /flamesh/out/update.txt', 'output-shape'],
    ['not a number', 'echo nan > /flamesh/out/update.txt', 'not-finite'],
    ['infinity', 'echo -Inf > /flamesh/out/update.txt', 'not-finite'],
    ['a number out of bounds', 'echo 1000.5 > /flamesh/out/update.txt', 'out-of-bound'],
    ['text', 'echo a patient > /flamesh/out/update.txt', 'output-malformed'],
  ]
  for (const [what, script, code] of ends) {
    withEngine(`names the failure of ${what}: ${code}`, async () => {
      const limits = code === 'time-limit' ? { ...SMALL, timeMs: 700 } : SMALL
      const outcome = await runScript(engine, script, { limits })
      assert.equal(codeOf(outcome), code, outcome.operator.log)
      assert.ok(!JSON.stringify({ ...outcome, operator: undefined }).includes('patient'))
    })
  }

  withEngine('survives a fork bomb, and names its end', async () => {
    const limits = { ...SMALL, timeMs: 1500 }
    const outcome = await runScript(engine, 'bomb() { bomb | bomb & }; bomb; wait; sleep 60', { limits })
    assert.match(codeOf(outcome), /^(time-limit|out-of-memory|analysis-failed)$/)
  })

  withEngine('leaves no child running', async () => {
    const before = Date.now()
    const outcome = await runScript(engine, `(trap '' HUP TERM; sleep 4242) & setsid sleep 4242 & ${GOOD}; exit 0`)
    assert.equal(codeOf(outcome), 'ok: 1')
    assert.ok(Date.now() - before < SMALL.timeMs)
    const { readdir, readFile } = await import('node:fs/promises')
    const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
    const commands = await Promise.all(processes.map((id) => readFile(`/proc/${id}/cmdline`, 'latin1').catch(() => '')))
    assert.ok(!commands.some((command) => command.includes('sleep\x004242')))
  })

  withEngine('keeps a bounded log, at the site, without escape sequences', async () => {
    const outcome = await runScript(engine, `yes abcdefghij | head -c 3000000; printf '\\033[2Jend\\n'; ${GOOD}`)
    assert.equal(codeOf(outcome), 'ok: 1')
    const { log } = outcome.operator
    assert.ok(Buffer.byteLength(log) <= SMALL.logBytes + 16)
    assert.ok(log.endsWith('\u{fffd}[2Jend\n'), JSON.stringify(log.slice(-40)))
  })

  withEngine('asks the engine for exactly this', async () => {
    let seen: Docker.ContainerInspectInfo | undefined
    const running = runScript(engine, `sleep 2; ${GOOD}`)
    while (seen === undefined) {
      const [found] = await engine.docker.listContainers()
      if (found !== undefined) seen = await engine.docker.getContainer(found.Id).inspect()
    }
    assert.equal(codeOf(await running), 'ok: 1')
    const host = seen.HostConfig as unknown as Record<string, unknown>
    const mount = (path: string): string => path.replace(/^.*\/run-[0-9a-f]{24}\//, 'SCRATCH/')
    const sandbox = {
      NetworkMode: 'none',
      ReadonlyRootfs: true,
      Privileged: false,
      CapAdd: null,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      IpcMode: 'private',
      PidMode: '',
      UTSMode: '',
      UsernsMode: '',
      CgroupnsMode: 'private',
      Init: true,
      Devices: [],
      DeviceRequests: null,
      Binds: null,
      VolumesFrom: null,
      Memory: SMALL.memoryBytes,
      MemorySwap: SMALL.memoryBytes,
      OomKillDisable: false,
      NanoCpus: 1e9,
      PidsLimit: SMALL.pids,
      ShmSize: MEBIBYTE,
      Tmpfs: {
        '/tmp': `rw,noexec,nosuid,nodev,size=${MEBIBYTE},mode=1777`,
        '/run': 'ro,noexec,nosuid,nodev,size=4096,mode=0555',
        '/var/tmp': 'ro,noexec,nosuid,nodev,size=4096,mode=0555',
      },
      Ulimits: [
        { Name: 'nofile', Soft: 1024, Hard: 1024 },
        { Name: 'nproc', Soft: 32_768, Hard: 32_768 },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
      LogConfig: { Type: 'json-file', Config: { 'max-file': '1', 'max-size': String(SMALL.logBytes) } },
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      AutoRemove: false,
      PublishAllPorts: false,
    }
    for (const [name, value] of Object.entries(sandbox)) {
      const found = host[name] ?? null
      // an empty list and none are the same to an engine
      const same = Array.isArray(found) && found.length === 0 && value === null ? null : found
      assert.deepEqual(same, Array.isArray(value) && value.length === 0 && same === null ? [] : value, name)
    }
    assert.deepEqual(
      seen.Mounts.map(({ Type, Source, Destination, RW, Propagation }) => [
        Type,
        mount(Source),
        Destination,
        RW,
        Propagation,
      ]).sort(),
      [
        ['bind', 'SCRATCH/input', '/flamesh', false, 'rprivate'],
        ['bind', 'SCRATCH/report.json', '/flamesh/out/report.json', true, 'rprivate'],
        ['bind', 'SCRATCH/update.txt', '/flamesh/out/update.txt', true, 'rprivate'],
      ],
    )
    const { User, Env, Cmd, Tty, OpenStdin, Hostname } = seen.Config
    assert.deepEqual(
      { User, Cmd, Tty, OpenStdin, Hostname },
      { User: '65532:65532', Cmd: ['map'], Tty: false, OpenStdin: false, Hostname: 'flamesh' },
    )
    assert.ok((Env ?? []).every((entry) => entry.startsWith('PATH=')))
    assert.equal(seen.Image, (await engine.docker.getImage(engine.images.script).inspect()).Id)
  })
})
