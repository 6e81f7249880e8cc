import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type StateFolder, stateFolder } from '@flamesh/node/config/state-folder.js'
import { controlRoutes, findJob } from '@flamesh/node/control/api.js'
import { daemonRuns, openControl } from '@flamesh/node/control/call.js'
import { type ControlSocket, openControlSocket } from '@flamesh/node/control/control-socket.js'
import type { Daemon } from '@flamesh/node/control/daemon.js'
import type { JobDocument, ResultDocument, StatusDocument } from '@flamesh/node/control/documents.js'
import { findSocket } from '@flamesh/node/control/socket-path.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { type FakePeer, fakePeer, jobBody, jobView } from './fake-peer.js'

const JOB_A = `aaaaaa${'0'.repeat(58)}`
const JOB_B = `aaaaab${'0'.repeat(58)}`

const codeOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call
  } catch (error) {
    return error instanceof FlameshError ? error.code : String(error)
  }
  return 'no error'
}

describe('control socket', () => {
  let root: string
  let folder: StateFolder
  let peer: FakePeer
  let listeners: Set<() => void>
  let socket: ControlSocket | undefined
  let stops: number

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'flamesh-control-'))
    folder = stateFolder(root)
    peer = fakePeer(jobView(JOB_A), jobView(JOB_B, { mine: false }))
    listeners = new Set()
    stops = 0
  })
  afterEach(async () => {
    await socket?.close()
    socket = undefined
    rmSync(root, { recursive: true })
  })

  const open = async (): Promise<void> => {
    const daemon: Daemon = {
      peer,
      status: () => ({ pid: process.pid, name: 'site-a' }) as StatusDocument,
      peers: async () => [],
      compile: (document) => {
        if ((document as { name?: string }).name === undefined)
          throw new FlameshError('job-invalid', 'name: is missing')
        return { ...jobBody, name: (document as { name: string }).name }
      },
      researcher: () => jobBody.researcher,
      reload: async () => ({ pid: process.pid }) as StatusDocument,
      onChange(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      stop: () => {
        stops++
      },
    }
    socket = await openControlSocket(folder, controlRoutes(daemon))
  }
  const change = (job: string, view: Partial<ReturnType<typeof jobView>>): void => {
    peer.views.set(job, { ...(peer.views.get(job) as ReturnType<typeof jobView>), ...view })
    for (const listener of [...listeners]) listener()
  }

  it('answers calls, and hands decisions to the peer by id or prefix', async () => {
    await open()
    const control = openControl(folder)
    assert.deepEqual(
      (await control.get<{ jobs: JobDocument[] }>('/jobs')).jobs.map(({ job }) => job),
      [JOB_A, JOB_B],
    )
    await control.post('/jobs/aaaaab/approve')
    await control.post(`/jobs/${JOB_A}/refuse`, { reason: 'not now' })
    assert.deepEqual(peer.calls, [`approve ${JOB_B}`, `refuse ${JOB_A} not now`])
    const submitted = await control.post<JobDocument>('/jobs', { document: { name: 'mine' } })
    assert.equal(submitted.name, 'mine')
    assert.deepEqual(Object.keys((await control.get<{ datasets: object }>('/catalogue')).datasets), ['site-a'])
    await control.post('/stop')
    await control.get('/status')
    assert.equal(stops, 1)
  })

  it('hands over the code, message and hint of what went wrong', async () => {
    await open()
    const control = openControl(folder)
    await assert.rejects(control.post('/jobs/aaaaab/cancel'), {
      code: 'not-yours',
      message: 'not your job',
      hint: 'ask its researcher',
    })
    assert.equal(await codeOf(control.post('/jobs', { document: {} })), 'job-invalid')
    assert.equal(await codeOf(control.post('/jobs', { text: 'x' })), 'bad-call')
    assert.equal(await codeOf(control.get('/nothing')), 'no-such-call')
    assert.equal(await codeOf(control.post('/jobs', { document: { name: 'x'.repeat(2 ** 21) } })), 'too-large')
  })

  it('has a socket, a folder entry and a pid file that only the owner can use, and removes them', async () => {
    await open()
    assert.equal(statSync(folder.socketFile).mode & 0o777, 0o600)
    assert.equal(readFileSync(folder.pidFile, 'utf8').trim(), String(process.pid))
    await socket?.close()
    socket = undefined
    assert.ok(!existsSync(folder.socketFile) && !existsSync(folder.pidFile))
    assert.equal(await daemonRuns(folder), false)
  })

  it('takes the place of a socket that a killed daemon left', async () => {
    writeFileSync(folder.pidFile, '1\n')
    const dead = createServer()
    await new Promise<void>((resolve) => dead.listen(folder.socketFile, resolve))
    // what kill -9 leaves: the file without the process
    const left = `${folder.socketFile}.left`
    renameSync(folder.socketFile, left)
    await new Promise((resolve) => dead.close(resolve))
    renameSync(left, folder.socketFile)
    assert.equal(await codeOf(openControl(folder).get('/status')), 'daemon-unreachable')
    await open()
    assert.equal(await daemonRuns(folder), true)
  })

  it('works in a folder whose path is too long for a socket', async () => {
    const deep = join(root, 'x'.repeat(60), 'y'.repeat(60))
    mkdirSync(deep, { recursive: true })
    folder = stateFolder(deep)
    await open()
    const path = findSocket(folder)
    assert.notEqual(path, folder.socketFile)
    assert.equal(statSync(dirname(path)).mode & 0o777, 0o700)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(await daemonRuns(folder), true)
    await socket?.close()
    socket = undefined
    assert.ok(!existsSync(dirname(path)) && !existsSync(folder.socketPointer))
  })

  it('streams a job until it ends, the latest state last', async () => {
    await open()
    const seen: string[] = []
    for await (const view of openControl(folder).lines<JobDocument>('/jobs/aaaaaa/watch')) {
      seen.push(`${view.status} ${Object.keys(view.sites).join(' ')}`.trim())
      if (view.status === 'announced' && Object.keys(view.sites).length === 0)
        change(JOB_A, { sites: { 'site-a': { status: 'approved' } } })
      else if (view.status === 'announced') change(JOB_A, { status: 'released' })
    }
    assert.deepEqual(seen, ['announced', 'announced site-a', 'released site-a'])
    assert.equal(listeners.size, 0)
  })

  it('ends a stream with daemon-unreachable when the daemon goes away meanwhile', async () => {
    await open()
    const lines = openControl(folder).lines<JobDocument>('/jobs/aaaaaa/watch')
    await lines.next()
    const rest = codeOf(lines.next())
    await socket?.close()
    socket = undefined
    assert.equal(await rest, 'daemon-unreachable')
  })

  it('stops a stream when the reader leaves', async () => {
    await open()
    const leave = new AbortController()
    const lines = openControl(folder).lines<JobDocument>('/jobs/aaaaaa/watch', leave.signal)
    await lines.next()
    assert.equal(listeners.size, 1)
    const rest = lines.next().catch((error: unknown) => error)
    leave.abort('enough')
    assert.equal(await rest, 'enough')
    while (listeners.size > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  it('gives the result with the receipt as text, and none as null', async () => {
    await open()
    const control = openControl(folder)
    assert.equal((await control.get<ResultDocument>('/jobs/aaaaaa/result')).result, null)
    const receipt = new TextEncoder().encode('{"receipt":1}')
    peer.results.set(JOB_A, { job: JOB_A, status: 'released', result: { n: 7 }, receipt })
    const document = await control.get<ResultDocument>('/jobs/aaaaaa/result')
    assert.deepEqual([document.status, document.result, document.receipt], ['released', { n: 7 }, '{"receipt":1}'])
  })

  it('survives callers that speak nonsense', async () => {
    await open()
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const outgoing = request({ socketPath: folder.socketFile, method: 'POST', path: '/jobs' }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      outgoing.once('error', reject)
      outgoing.end('{"document":')
    })
    assert.equal(status, 400)
    assert.equal(await codeOf(openControl(folder).get('/jobs/%zz')), 'bad-call')
    assert.equal(await daemonRuns(folder), true)
  })

  it('does not follow a recorded path into a folder that is not there', async () => {
    writeFileSync(folder.socketPointer, join(root, 'gone', 'control.sock'))
    assert.equal(await codeOf(openControl(folder).get('/status')), 'daemon-unreachable')
  })
})

describe('job ids', () => {
  const peer = fakePeer(jobView(JOB_A), jobView(JOB_B))
  const code = (text: string): string => {
    try {
      return findJob(peer, text).job
    } catch (error) {
      return (error as FlameshError).code
    }
  }
  it('may be whole, or a prefix of six digits or more that is unique', () => {
    const cases: readonly (readonly [string, string])[] = [
      [JOB_A, JOB_A],
      ['aaaaab', JOB_B],
      ['AAAAAB0', JOB_B],
      ['aaaaa', 'id-too-short'],
      ['nothex', 'id-too-short'],
      ['bbbbbb', 'not-found'],
      ['c'.repeat(64), 'not-found'],
    ]
    for (const [text, expected] of cases) assert.equal(code(text), expected, text)
    const twin = fakePeer(jobView(JOB_A), jobView(`aaaaaa${'1'.repeat(58)}`))
    assert.throws(() => findJob(twin, 'aaaaaa'), { code: 'id-ambiguous' })
  })
})
