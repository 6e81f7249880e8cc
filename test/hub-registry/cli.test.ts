/** The commands as other tools script them: the built program, real processes, loopback. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, stat, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { initHub, openHub } from '@flamesh/hub-registry/hub.js'
import { openStore, statementKey } from '@flamesh/hub-registry/store.js'
import { analysisHash, findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { decodeBase64, encodeBase64, HUB_PATHS } from '@flamesh/protocol/identity/hub-api.js'
import { emptyLog, extendLog } from '@flamesh/protocol/identity/log.js'
import { attest } from '../protocol/identity/fixtures.js'
import { json, run, whileServed, withNewHub } from './commands.js'
import { requestFor, withFolder } from './fixtures.js'

const HASH = 'ab'.repeat(32)

const invite = (dir: string, name: string) =>
  json<{ invite: string }>(
    'invite',
    '--dir',
    dir,
    '--name',
    name,
    '--organisation',
    `org-${name}`,
    '--roles',
    'site,aggregator',
  )

async function post(url: string, body: object): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
}

async function enrol(url: string, hubKey: string, name: string, text: string): Promise<Response> {
  return post(url + HUB_PATHS.enrol, { enrolment: encodeBase64(requestFor(text, hubKey, name)) })
}

const SEATS = 'site-a,site-b,site-c,site-d'
const committee = (dir: string, datasets: string, name = 'default', ...more: readonly string[]) =>
  run('committee', '--dir', dir, '--name', name, '--members', SEATS, '--datasets', datasets, ...more)

describe('flamesh-hub', function () {
  this.timeout(60_000)

  it('goes from nothing to a roster with a committee, served or not', () =>
    withNewHub(async (dir, hubKey) => {
      assert.match(hubKey, /^[0-9a-f]{64}$/)
      const early = (await invite(dir, 'site-a')).invite
      await whileServed(dir, async ({ url }) => {
        assert.equal((await enrol(url, hubKey, 'site-a', early)).status, 200)
        const missing = await committee(dir, 'lung')
        assert.equal(missing.exit, 5)
        assert.match(missing.stderr, /site-b, site-c, site-d/)
        // at once, while it serves
        const invites = await Promise.all(['site-b', 'site-c', 'site-d'].map((name) => invite(dir, name)))
        await Promise.all(
          ['site-b', 'site-c', 'site-d'].map(async (name, at) => {
            assert.equal((await enrol(url, hubKey, name, invites[at]!.invite)).status, 200)
          }),
        )
        assert.equal((await enrol(url, hubKey, 'thief', early)).status, 409)
        assert.equal((await committee(dir, 'lung')).exit, 0)
        const again = await committee(dir, 'lung', 'second')
        assert.equal(again.exit, 6)
        assert.match(again.stderr, /dataset-served/)
        assert.match(again.stderr, /hint: .*--succeeds/)
        const unknown = await committee(dir, 'lung', 'second', '--succeeds', 'nobody')
        assert.equal(unknown.exit, 6)
        assert.match(unknown.stderr, /not-succeeded/)
        assert.equal((await committee(dir, 'lung', 'second', '--succeeds', 'default')).exit, 0)
        assert.equal((await committee(dir, 'lung', 'third', '--succeeds', 'default')).exit, 6)
        const attested = await json(
          'attest',
          '--dir',
          dir,
          '--analysis',
          'mine',
          '--hash',
          HASH,
          '--reviewer',
          'ana',
          '--reviewer',
          'bo',
        )
        assert.deepEqual(attested, { index: 6, analysis: 'mine', hash: HASH, reviewers: ['ana', 'bo'] })
        // what a node gets is what the commands did
        const checkpoint = (await (await fetch(url + HUB_PATHS.checkpoint)).json()) as { checkpoint: string }
        const served = (await (await fetch(`${url}${HUB_PATHS.statements}?from=0`)).json()) as { statements: string[] }
        const read = extendLog(
          emptyLog,
          served.statements.map(decodeBase64),
          decodeBase64(checkpoint.checkpoint),
          hubKey,
        )
        assert.equal(read.outcome, 'extended')
      })
      const revoked = await json('revoke', '--dir', dir, '--name', 'site-d', '--reason', 'left the mesh')
      assert.equal(revoked['index'], 7)
      const roster = await json<{ members: { name: string; status: string }[] }>('roster', '--dir', dir)
      const statuses = roster.members.map(({ name, status }) => `${name} ${status}`).sort()
      assert.deepEqual(statuses, ['site-a active', 'site-b active', 'site-c active', 'site-d revoked'])
      const text = (await run('roster', '--dir', dir)).stdout
      assert.match(text, /default +none any more/)
      assert.match(text, /second +lung/)
      for (const word of ['site-a', 'org-b', 'site,aggregator', 'lung', 'ana, bo', 'revoked']) {
        assert.ok(text.replace('org-site-b', 'org-b').includes(word), word)
      }
      assert.equal((await run('log', 'verify', '--dir', dir, '--hub-key', hubKey)).exit, 0)
    }))

  it('lets commands take turns on a folder nobody serves', () =>
    withNewHub(async (dir) => {
      const names = ['one', 'two', 'three']
      await Promise.all(
        names.map((name) => json('attest', '--dir', dir, '--analysis', name, '--hash', HASH, '--reviewer', 'ana')),
      )
      const { attestations } = await json<{ attestations: { analysis: string }[] }>('roster', '--dir', dir)
      assert.deepEqual(attestations.map((one) => one.analysis).sort(), [...names].sort())
    }))

  it('serves a folder once, stops when told to, and survives being killed', () =>
    withNewHub(async (dir) => {
      await whileServed(dir, async ({ stop }) => {
        assert.equal((await stat(join(dir, 'control.sock'))).mode & 0o777, 0o600)
        const second = await run('serve', '--dir', dir, '--listen', '127.0.0.1:0')
        assert.equal(second.exit, 9)
        assert.equal((await run('log', 'verify', '--dir', dir)).exit, 0)
        assert.equal(await stop('SIGINT'), 0)
      })
      await whileServed(dir, async ({ stop }) => {
        await invite(dir, 'site-a')
        assert.equal(await stop('SIGKILL'), null)
        // a dead socket is no serving hub
        await invite(dir, 'site-b')
      })
      await whileServed(dir, async ({ url }) => {
        assert.equal((await fetch(url + HUB_PATHS.health)).status, 200)
        const roster = await json<{ invites: { name: string }[] }>('roster', '--dir', dir)
        assert.deepEqual(roster.invites.map(({ name }) => name).sort(), ['site-a', 'site-b'])
      })
    }))

  it('says with its exit code what kind of mistake it was', () =>
    withNewHub(async (dir) => {
      const taken = createServer().listen(0, '127.0.0.1')
      await once(taken, 'listening')
      const { port } = taken.address() as { port: number }
      const expected: [number, string[]][] = [
        [0, ['invite', '--help']],
        [2, []],
        [2, ['nonsense']],
        [2, ['invite', '--dir', dir, '--name', 'a']],
        [2, ['invite', '--dir', dir, '--name', 'a', '--organisation', 'org', '--roles', 'king']],
        [2, ['log', 'verify', '--dir', dir, '--hub-key', 'xyz']],
        [3, ['init', '--dir', dir]],
        [3, ['roster', '--dir', `${dir}-none`]],
        [3, ['serve', '--dir', dir, '--listen', '0.0.0.0:0']],
        [3, ['serve', '--dir', dir, '--listen', `127.0.0.1:${port}`]],
        [5, ['revoke', '--dir', dir, '--name', 'nobody', '--reason', 'x']],
        [8, ['log', 'verify', '--dir', dir, '--hub-key', HASH]],
      ]
      for (const [exit, args] of expected) assert.equal((await run(...args)).exit, exit, args.join(' '))
      taken.close()
    }))

  it('holds attestations to the floor, and takes them back', () =>
    withNewHub(async (dir) => {
      const attestX = (...reviewers: string[]) =>
        run(
          'attest',
          '--dir',
          dir,
          '--analysis',
          'x',
          '--hash',
          HASH,
          ...reviewers.flatMap((one) => ['--reviewer', one]),
        )
      assert.equal((await run('floor', '--dir', dir, '--threshold', '2', '--reviewers', 'ana,bo,cy')).exit, 0)
      const one = await attestX('ana')
      assert.equal(one.exit, 6)
      assert.match(one.stderr, /2 of ana, bo, cy/)
      assert.equal((await attestX('ana', 'cy')).exit, 0)
      assert.equal(
        (await run('withdraw', '--dir', dir, '--analysis', 'x', '--hash', HASH, '--reason', 'a bug')).exit,
        0,
      )
      const { attestations } = await json<{ attestations: { withdrawn: boolean }[] }>('roster', '--dir', dir)
      assert.deepEqual(
        attestations.map(({ withdrawn }) => withdrawn),
        [true],
      )
      // the hash of a built-in analysis need not be typed
      const cox = await json('attest', '--dir', dir, '--analysis', 'cox', '--reviewer', 'ana', '--reviewer', 'bo')
      assert.equal(cox['hash'], analysisHash('cox', findAnalysis('cox')!.version))
      const unknown = await run('attest', '--dir', dir, '--analysis', 'x', '--reviewer', 'ana', '--reviewer', 'bo')
      assert.equal(unknown.exit, 5)
      assert.match(unknown.stderr, /--hash/)
    }))

  it('refuses a log that was edited, cut short or signed by another', () =>
    withFolder(async (base) => {
      const damages: ((dir: string) => Promise<void>)[] = [
        async (dir) => {
          const store = await openStore(join(dir, 'log'), false)
          const bytes = (await store.get(statementKey(0)))!
          await store.write([{ key: statementKey(0), value: bytes.map((byte, at) => (at === 100 ? byte ^ 1 : byte)) }])
          await store.close()
        },
        async (dir) => {
          const store = await openStore(join(dir, 'log'), false)
          await store.write([{ key: statementKey(1), value: null }])
          await store.close()
        },
        async (dir) => {
          // the store itself forgives a journal that lost its end
          for (const name of await readdir(join(dir, 'log'))) {
            if (name.endsWith('.log')) await truncate(join(dir, 'log', name), 10)
          }
        },
        (dir) => writeFile(join(dir, 'hub.key'), new Uint8Array(32).fill(7)),
      ]
      for (const [at, damage] of damages.entries()) {
        const dir = join(base, String(at))
        await initHub(dir, Date.now)
        const hub = await openHub(dir, Date.now)
        for (const name of ['one', 'two']) await hub.append(attest(name, 'ana'))
        await hub.close()
        await damage(dir)
        const commands = at === 0 ? [['roster'], ['serve', '--listen', '127.0.0.1:0']] : []
        for (const args of [['log', 'verify'], ...commands]) {
          const { exit, stderr } = await run(...args, '--dir', dir)
          assert.equal(exit, 8, `${at}: ${args.join(' ')}: ${stderr}`)
          assert.match(stderr, /hint: /)
        }
      }
    }))
})
