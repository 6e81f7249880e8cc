import assert from 'node:assert/strict'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHubClient, type HubClient } from '@flamesh/node/hub-client/hub-client.js'
import { bytesToHex } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import type { Signer } from '@flamesh/protocol/encoding/signed.js'
import { openCheckpoint, signCheckpoint } from '@flamesh/protocol/identity/checkpoint.js'
import { decodeBase64, encodeBase64, HUB_PATHS } from '@flamesh/protocol/identity/hub-api.js'
import { enrolmentMacFits, formatInvite, makeInvite, openEnrolment } from '@flamesh/protocol/identity/invite.js'
import { emptyLog, extendLog } from '@flamesh/protocol/identity/log.js'
import { appendLeaf, EMPTY_FRONTIER, frontierRoot } from '@flamesh/protocol/identity/merkle.js'
import { signPeerRecord } from '@flamesh/protocol/identity/peer-record.js'
import { type Entry, openStatement, signStatement } from '@flamesh/protocol/identity/statements.js'
import { MAX_STATEMENTS_PER_REQUEST } from '@flamesh/protocol/limits.js'

function signer(fill: number): Signer {
  const key = ed25519Key(new Uint8Array(32).fill(fill))
  return { publicKey: bytesToHex(key.publicKey), sign: key.sign }
}
const hub = signer(1)
const node = signer(2)
const sealingKey = 'ab'.repeat(32)

const enrolment = (key: string, name: string): Entry => ({
  type: 'enrol',
  certificate: { name, organisation: 'org', roles: ['site'], key, sealingKey, notBefore: 0, notAfter: 9e12 },
})
const statement = (index: number, entry: Entry, by = hub): Uint8Array =>
  signStatement({ index, timestamp: 1000, entry }, by)

function checkpointOver(statements: readonly Uint8Array[], by = hub): Uint8Array {
  const frontier = statements.map((one) => openStatement(one, hub.publicKey).leaf).reduce(appendLeaf, EMPTY_FRONTIER)
  return signCheckpoint(statements.length, frontierRoot(frontier), 2000, by)
}

type Handler = (url: URL, body: string, response: ServerResponse) => unknown

describe('hub client', () => {
  let hubServer: Server
  let url: string
  let answer: Handler
  let client: HubClient

  before(async () => {
    hubServer = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      const said = await answer(new URL(request.url ?? '', url), body, response)
      if (said !== undefined) response.end(typeof said === 'string' ? said : JSON.stringify(said))
    })
    await new Promise<void>((resolve) => hubServer.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(hubServer.address() as AddressInfo).port}`
    client = createHubClient({ url, hubKey: hub.publicKey })
  })
  after(() => {
    hubServer.closeAllConnections()
    hubServer.close()
  })

  describe('enrolment', () => {
    const invite = makeInvite(Uint8Array.from({ length: 40 }, (_, at) => at))
    const text = formatInvite(invite)
    const own = statement(0, enrolment(node.publicKey, 'site-a'))
    const agreed = () => ({ index: 0, statement: encodeBase64(own), checkpoint: encodeBase64(checkpointOver([own])) })

    it('proves that it holds the invite without sending it', async () => {
      let seen = ''
      answer = (target, body) => {
        assert.equal(target.pathname, HUB_PATHS.enrol)
        seen = body
        return agreed()
      }
      const { certificate, index } = await client.enrol(text, sealingKey, node)
      assert.deepEqual([certificate.name, certificate.key, index], ['site-a', node.publicKey, 0])
      const request = openEnrolment(decodeBase64(JSON.parse(seen).enrolment))
      assert.deepEqual([request.key, request.sealingKey, request.hubKey], [node.publicKey, sealingKey, hub.publicKey])
      assert.ok(enrolmentMacFits(invite.secret, request))
      for (const secret of [text, text.slice(15), bytesToHex(invite.secret), encodeBase64(invite.secret)]) {
        assert.ok(!seen.includes(secret))
      }
    })

    it('takes no other hub’s word, nor another node’s enrolment', async () => {
      const impostor = signer(3)
      const foreign = statement(0, enrolment(node.publicKey, 'site-a'), impostor)
      const other = statement(0, enrolment(signer(4).publicKey, 'site-a'))
      const resealed = statement(0, {
        type: 'enrol',
        certificate: {
          name: 'site-a',
          organisation: 'org',
          roles: ['site'],
          key: node.publicKey,
          sealingKey: 'cd'.repeat(32),
          notBefore: 0,
          notAfter: 9e12,
        },
      })
      const cases: [unknown, string][] = [
        [{ ...agreed(), statement: encodeBase64(foreign) }, 'hub-key'],
        [{ ...agreed(), checkpoint: encodeBase64(checkpointOver([own], impostor)) }, 'hub-key'],
        [{ ...agreed(), statement: encodeBase64(other) }, 'hub-answer'],
        [{ ...agreed(), statement: encodeBase64(resealed) }, 'hub-answer'],
        [{ ...agreed(), checkpoint: encodeBase64(checkpointOver([])) }, 'hub-answer'],
        [{ ...agreed(), statement: encodeBase64(Uint8Array.of(1, 2, 3)) }, 'hub-answer'],
      ]
      for (const [said, code] of cases) {
        answer = () => said
        await assert.rejects(client.enrol(text, sealingKey, node), { code })
      }
    })

    it('says what is wrong with an invite before it asks anyone', async () => {
      answer = () => assert.fail('asked')
      await assert.rejects(client.enrol('flamesh-invite-abc', sealingKey, node), { code: 'invite-malformed' })
    })
  })

  describe('log', () => {
    const log = Array.from({ length: MAX_STATEMENTS_PER_REQUEST + 2 }, (_, index) =>
      statement(index, { type: 'attest-analysis', analysis: 'a', analysisHash: 'ef'.repeat(32), reviewers: ['r'] }),
    )
    const serve =
      (statements: readonly Uint8Array[], checkpoint: Uint8Array): Handler =>
      (target) => {
        if (target.pathname === HUB_PATHS.checkpoint) return { checkpoint: encodeBase64(checkpoint) }
        const [from, to] = ['from', 'to'].map((name) => Number(target.searchParams.get(name))) as [number, number]
        const page = statements.slice(from, Math.min(to, from + MAX_STATEMENTS_PER_REQUEST))
        return { from, statements: page.map(encodeBase64), size: statements.length }
      }

    it('comes page by page, up to the checkpoint', async () => {
      const covered = log.slice(0, -1)
      answer = serve(log, checkpointOver(covered))
      const { statements, checkpoint } = await client.fetchLog(0)
      assert.deepEqual(statements.map(bytesToHex), covered.map(bytesToHex))
      const extended = extendLog(emptyLog, statements, checkpoint, hub.publicKey)
      assert.notEqual(extended.outcome === 'refused' && extended.code, 'log-incomplete')
    }).timeout(60_000)

    it('comes from where it is known', async () => {
      answer = serve(log, checkpointOver(log.slice(0, 5)))
      assert.deepEqual((await client.fetchLog(3)).statements.map(bytesToHex), log.slice(3, 5).map(bytesToHex))
      assert.deepEqual((await client.fetchLog(5)).statements, [])
      assert.deepEqual((await client.fetchLog(9)).statements, [])
      assert.equal(openCheckpoint(await client.fetchCheckpoint(), hub.publicKey).size, 5)
    })

    it('is not followed beyond what a checkpoint of this hub covers', async () => {
      answer = serve(log, checkpointOver(log.slice(0, 5), signer(3)))
      await assert.rejects(client.fetchLog(0), { code: 'hub-key' })
      answer = serve([], checkpointOver(log.slice(0, 5)))
      await assert.rejects(client.fetchLog(0), { code: 'hub-answer' })
    })
  })

  it('gives and takes peer records', async () => {
    const record = signPeerRecord(['/ip4/127.0.0.1/tcp/1'], 1, node)
    answer = (_, body) =>
      body === '' ? { records: [encodeBase64(record)] } : { kept: JSON.parse(body).record === encodeBase64(record) }
    assert.equal(await client.publishPeerRecord(record), true)
    assert.deepEqual((await client.peers()).map(bytesToHex), [bytesToHex(record)])
  })

  it('keeps the path of the hub’s address', async () => {
    answer = (target) => {
      assert.equal(target.pathname, `/mesh${HUB_PATHS.peers}`)
      return { records: [] }
    }
    for (const suffix of ['/mesh', '/mesh/']) {
      assert.deepEqual(await createHubClient({ url: url + suffix, hubKey: hub.publicKey }).peers(), [])
    }
  })

  it('passes on a refusal by its code, in words a terminal can bear', async () => {
    answer = (_, __, response) => {
      response.statusCode = 409
      return { code: 'invite-used', message: `used\u001b[31m ${'x'.repeat(5000)}`, hint: 'ask for another\n' }
    }
    await assert.rejects(client.peers(), (error: { code: string; message: string; hint: string }) => {
      assert.deepEqual([error.code, error.hint], ['invite-used', 'ask for another '])
      assert.ok(error.message.length <= 300 && !error.message.includes('\u001b'))
      return true
    })
  })

  const malformed: [string, Handler][] = [
    ['is not JSON', () => '<html>'],
    ['is of another form', () => ({ records: [], more: 1 })],
    ['holds what is not base64', () => ({ records: ['@@@@'] })],
    ['holds base64 that is not canonical', () => ({ records: ['AB=='] })],
    [
      'is an error without a code',
      (_, __, response) => {
        response.statusCode = 500
        return {}
      },
    ],
    [
      'is an error with a code that is none',
      (_, __, response) => {
        response.statusCode = 500
        return { code: 'a b', message: '' }
      },
    ],
    [
      'never ends',
      (_, __, response) => {
        const more = (): void => {
          if (!response.destroyed) response.write(Buffer.alloc(1 << 20), () => setImmediate(more))
        }
        more()
      },
    ],
  ]
  for (const [what, handler] of malformed) {
    it(`refuses an answer that ${what}`, async () => {
      answer = handler
      await assert.rejects(client.peers(), { code: 'hub-answer' })
    })
  }

  it('tells a silent, a closed and a redirecting hub from a present one', async () => {
    const hasty = createHubClient({ url, hubKey: hub.publicKey, timeoutMs: 200 })
    answer = () => undefined
    await assert.rejects(hasty.peers(), { code: 'hub-unreachable' })
    answer = (_, __, response) => response.write('{"records":') && undefined
    await assert.rejects(hasty.peers(), { code: 'hub-unreachable' })
    answer = (_, __, response) => void response.destroy()
    await assert.rejects(client.peers(), { code: 'hub-unreachable' })
    answer = (_, __, response) => response.writeHead(302, { location: '/elsewhere' }) && ''
    await assert.rejects(client.peers(), { code: 'hub-unreachable' })
    await assert.rejects(createHubClient({ url: 'http://127.0.0.1:1', hubKey: hub.publicKey }).peers(), {
      code: 'hub-unreachable',
    })
  })

  it('refuses plain HTTP to another machine unless told otherwise', () => {
    const open = (address: string, allowInsecure?: boolean) =>
      createHubClient({
        url: address,
        hubKey: hub.publicKey,
        ...(allowInsecure === undefined ? {} : { allowInsecure }),
      })
    for (const address of [
      'http://10.0.0.1',
      'http://hub.example.org:80',
      'http://127.0.0.1.example.org',
      'http://localhost.example.org',
      'http://0.0.0.0',
    ]) {
      assert.throws(() => open(address), { code: 'insecure-hub' }, address)
      open(address, true)
    }
    for (const address of [
      'http://127.0.0.1:1',
      'http://127.9.9.9',
      'http://localhost:1',
      'http://[::1]:1',
      'https://hub.example.org',
    ])
      open(address)
    for (const address of ['hub', 'ftp://hub', 'file:///etc/passwd', ''])
      assert.throws(() => open(address), { code: 'hub-url' }, address)
  })
})
