import assert from 'node:assert/strict'
import { checkListen, isLoopback, parseListen, publicApp } from '@flamesh/hub-registry/http/public.js'
import type { Hub } from '@flamesh/hub-registry/hub.js'
import {
  checkpointAnswerSchema,
  decodeBase64,
  encodeBase64,
  enrolAnswerSchema,
  errorAnswerSchema,
  HUB_PATHS,
  healthAnswerSchema,
  peersAnswerSchema,
  proofAnswerSchema,
  statementsAnswerSchema,
} from '@flamesh/protocol/identity/hub-api.js'
import { emptyLog, extendLog, openProvenStatement, rootAt } from '@flamesh/protocol/identity/log.js'
import { verifyConsistency } from '@flamesh/protocol/identity/merkle.js'
import { signPeerRecord } from '@flamesh/protocol/identity/peer-record.js'
import { MAX_STATEMENTS_PER_REQUEST } from '@flamesh/protocol/limits.js'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import type { z } from 'zod'
import { attest, signer } from '../protocol/identity/fixtures.js'
import { enrolMember, invitation, requestFor, withHub } from './fixtures.js'

const logger = pino({ level: 'silent' })

const withApp = (use: (app: FastifyInstance, hub: Hub) => Promise<void>) =>
  withHub(async ({ hub }) => {
    const app = publicApp(hub, logger)
    try {
      await use(app, hub)
    } finally {
      await app.close()
    }
  })

async function get<T>(app: FastifyInstance, url: string, schema: z.ZodType<T>): Promise<T> {
  const answer = await app.inject({ method: 'GET', url })
  assert.equal(answer.statusCode, 200, answer.body)
  return schema.parse(answer.json())
}

/** Status and code of an answer that must be an error. */
async function refusal(
  app: FastifyInstance,
  method: 'GET' | 'POST',
  url: string,
  payload?: object | string,
): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const answer = await app.inject({ method, url, ...(payload === undefined ? {} : { payload, headers }) })
  return `${answer.statusCode} ${errorAnswerSchema.parse(answer.json()).code}`
}

describe('the public API', () => {
  it('serves a log that a node verifies by itself', () =>
    withApp(async (app, hub) => {
      for (const name of ['a', 'b', 'c', 'd', 'e']) await enrolMember(hub, name)
      assert.deepEqual(await get(app, HUB_PATHS.health, healthAnswerSchema), { status: 'ok', size: 5 })
      const { checkpoint } = await get(app, HUB_PATHS.checkpoint, checkpointAnswerSchema)
      const first = await get(app, `${HUB_PATHS.statements}?from=0&to=2`, statementsAnswerSchema)
      const rest = await get(app, `${HUB_PATHS.statements}?from=2`, statementsAnswerSchema)
      assert.deepEqual([first.from, first.statements.length, first.size], [0, 2, 5])
      const statements = [...first.statements, ...rest.statements].map(decodeBase64)
      const extended = extendLog(emptyLog, statements, decodeBase64(checkpoint), hub.key)
      assert.equal(extended.outcome, 'extended')
      const inclusion = await get(app, `${HUB_PATHS.inclusion}?index=3&size=5`, proofAnswerSchema)
      const opened = openProvenStatement(statements[3]!, inclusion.proof, decodeBase64(checkpoint), hub.key)
      assert.equal(opened.statement.index, 3)
      const { proof } = await get(app, `${HUB_PATHS.consistency}?from=2&to=5`, proofAnswerSchema)
      assert.ok(verifyConsistency(2, 5, rootAt(hub.state, 2), rootAt(hub.state, 5), proof))
    }))

  it('bounds what one answer holds', () =>
    withApp(async (app, hub) => {
      for (const name of ['a', 'b', 'c']) await hub.append(attest(name, 'ana'))
      const all = await get(
        app,
        `${HUB_PATHS.statements}?from=1&to=${MAX_STATEMENTS_PER_REQUEST * 5}`,
        statementsAnswerSchema,
      )
      assert.equal(all.statements.length, 2)
      const none = await get(app, `${HUB_PATHS.statements}?from=3`, statementsAnswerSchema)
      assert.deepEqual(none.statements, [])
    }))

  it('enrols, and takes and gives peer records', () =>
    withApp(async (app, hub) => {
      const { invite } = await hub.invite(invitation('a'))
      const enrolment = encodeBase64(requestFor(invite, hub.key, 'a'))
      const answer = await app.inject({ method: 'POST', url: HUB_PATHS.enrol, payload: { enrolment } })
      const { index, statement, checkpoint } = enrolAnswerSchema.parse(answer.json())
      assert.equal(index, 0)
      const extended = extendLog(emptyLog, [decodeBase64(statement)], decodeBase64(checkpoint), hub.key)
      assert.equal(extended.outcome, 'extended')
      const record = encodeBase64(signPeerRecord(['/ip4/127.0.0.1/tcp/1'], 1, signer('a')))
      const kept = await app.inject({ method: 'POST', url: HUB_PATHS.peers, payload: { record } })
      assert.deepEqual(kept.json(), { kept: true })
      assert.deepEqual(await get(app, HUB_PATHS.peers, peersAnswerSchema), { records: [record] })
    }))

  it('answers bad input with a status and a code', () =>
    withApp(async (app, hub) => {
      const { invite } = await hub.invite(invitation('a'))
      const used = encodeBase64(requestFor(invite, hub.key, 'a'))
      await hub.enrol(decodeBase64(used))
      const second = encodeBase64(requestFor(invite, hub.key, 'b'))
      const stranger = encodeBase64(signPeerRecord([], 1, signer('x')))
      const { statements, inclusion, consistency, enrol, peers } = HUB_PATHS
      const expected: [string, 'GET' | 'POST', string, (object | string)?][] = [
        ['400 bad-request', 'GET', statements],
        ['400 bad-request', 'GET', `${statements}?from=-1`],
        ['400 bad-request', 'GET', `${statements}?from=1e3`],
        ['400 bad-request', 'GET', `${statements}?from=0&from=1`],
        ['400 bad-request', 'GET', `${statements}?from=0&other=1`],
        ['400 bad-request', 'GET', `${statements}?from=99999999999999999999`],
        ['400 log-range', 'GET', `${statements}?from=2`],
        ['400 log-range', 'GET', `${statements}?from=1&to=0`],
        ['400 log-range', 'GET', `${inclusion}?index=1&size=1`],
        ['400 log-range', 'GET', `${inclusion}?index=0&size=2`],
        ['400 log-range', 'GET', `${consistency}?from=1&to=0`],
        ['400 log-range', 'GET', `${consistency}?from=0&to=2`],
        ['400 bad-request', 'POST', enrol, '{'],
        ['400 bad-request', 'POST', enrol, '[]'],
        ['400 bad-request', 'POST', enrol, {}],
        ['400 bad-request', 'POST', enrol, { enrolment: 5 }],
        ['400 bad-request', 'POST', enrol, { enrolment: '!!' }],
        ['400 bad-request', 'POST', enrol, { enrolment: used, more: 1 }],
        ['400 encoding', 'POST', enrol, { enrolment: 'Zh==' }],
        ['400 encoding', 'POST', enrol, { enrolment: '////' }],
        ['400 bad-request', 'POST', enrol, { enrolment: 'A'.repeat(8000) }],
        ['413 bad-request', 'POST', enrol, { enrolment: 'A'.repeat(40_000) }],
        ['409 invite-used', 'POST', enrol, { enrolment: second }],
        ['403 not-a-member', 'POST', peers, { record: stranger }],
        ['404 not-found', 'GET', '/v1/secrets'],
        ['404 not-found', 'POST', HUB_PATHS.checkpoint, {}],
      ]
      for (const [outcome, method, url, payload] of expected) {
        assert.equal(await refusal(app, method, url, payload), outcome, `${method} ${url} ${JSON.stringify(payload)}`)
      }
      const headers = { 'content-type': 'application/xml' }
      const xml = await app.inject({ method: 'POST', url: enrol, payload: '<x/>', headers })
      assert.equal(xml.statusCode, 415)
      assert.equal(hub.state.leaves.length, 1)
    }))

  it('describes every route it has, and no other', () =>
    withApp(async (app) => {
      const answer = await app.inject({ method: 'GET', url: HUB_PATHS.openapi })
      const { openapi, paths } = answer.json<{ openapi: string; paths: Record<string, Record<string, object>> }>()
      assert.match(openapi, /^3\.1\./)
      assert.deepEqual(new Set(Object.keys(paths)), new Set(Object.values(HUB_PATHS)))
      const described = Object.entries(paths).flatMap(([url, operations]) =>
        Object.keys(operations).map((method) => ({ method: method.toUpperCase() as 'GET', url })),
      )
      for (const route of described) assert.ok(app.hasRoute(route), `${route.method} ${route.url}`)
      // one line a path, as in "── v1/peers (GET, POST)"
      const served = [...app.printRoutes({ commonPrefix: false }).matchAll(/\(([A-Z, ]+)\)/g)]
      assert.equal(served.flatMap(([, methods]) => methods!.split(', ')).length, described.length)
    }))
})

describe('the address to listen on', () => {
  it('is a host and a port', () => {
    assert.deepEqual(parseListen('127.0.0.1:0'), { host: '127.0.0.1', port: 0 })
    assert.deepEqual(parseListen('localhost:7400'), { host: 'localhost', port: 7400 })
    assert.deepEqual(parseListen('[::1]:7400'), { host: '::1', port: 7400 })
    for (const text of [
      '',
      '7400',
      ':7400',
      '127.0.0.1',
      '127.0.0.1:',
      '127.0.0.1:70000',
      '::1:7400',
      '[x]:1',
      'http://a:1',
      'a:1x',
    ]) {
      assert.throws(() => parseListen(text), { code: 'listen-address' }, text)
    }
  })

  it('is on this machine unless the operator insists', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) assert.ok(isLoopback(host), host)
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example', 'localhost.example', '::ffff:10.0.0.1']) {
      assert.ok(!isLoopback(host), host)
      assert.throws(() => checkListen({ host, port: 1 }, false), { code: 'insecure-listen' }, host)
      checkListen({ host, port: 1 }, true)
    }
  })
})
