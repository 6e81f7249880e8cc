/**
 * A FHIR server of R4, as far as a search needs one, in a process of its own, with the faults that servers have. Started by
 * `fhir-process.ts`; sends the parent its port, and tells at `/asked` what it was asked.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { population, type Resource } from './people.js'
import { exportServer } from './server-export.js'

/** What goes wrong at one page of one type; `times`: for so many requests, then not any more. */
export interface Fault {
  readonly type: string
  /** from one; 0: at every page */
  readonly page: number
  readonly times?: number
  readonly does:
    | { readonly status: number; readonly retryAfter?: string; readonly outcome?: string }
    /** ends the connection in the middle of the body */
    | 'cut'
    /** the page comes again, under another address */
    | 'twice'
    /** the last resource of the page before comes along, as where something was added in between */
    | 'overlap'
    /** the page goes missing */
    | 'skip'
    | 'backwards'
    /** the next page is this one, for ever, each time under another address */
    | 'endless'
    /** the next page is the first one */
    | 'circle'
    | { readonly next: string }
    /** an entry that is an OperationOutcome */
    | { readonly warns: string; readonly severity: string }
    /** more than any page may have */
    | 'huge'
    | 'not-json'
    /** all parameters but the page */
    | 'ignores'
    | 'redirect'
}

export interface ServerSetup {
  readonly people: number
  readonly pageSize: number
  readonly faults: readonly Fault[]
  /** a header that every request has to carry */
  readonly authorization?: string
  /** which resources there are besides */
  readonly extra?: readonly Resource[]
  readonly total?: boolean
}

const setup = JSON.parse(process.argv[2] ?? '{}') as ServerSetup
const resources = [...population(setup.people), ...(setup.extra ?? [])]
const asked: unknown[] = []
const left = setup.faults.map(({ times = Number.POSITIVE_INFINITY }) => times)

function faultAt(type: string, page: number): Fault['does'] | undefined {
  const at = setup.faults.findIndex(
    (one, index) => one.type === type && (one.page === 0 || one.page === page) && (left[index] ?? 0) > 0,
  )
  if (at < 0) return undefined
  left[at] = (left[at] as number) - 1
  return (setup.faults[at] as Fault).does
}

function matching(type: string, query: URLSearchParams): readonly Resource[] {
  const codes = query.get('code')?.split(',')
  return resources.filter((one) => {
    if (one.resourceType !== type) return false
    if (query.has('gender') && one['gender'] !== query.get('gender')) return false
    if (codes === undefined) return true
    const { coding } = one['code'] as { coding: { system: string; code: string }[] }
    return coding.some(({ system, code }) => codes.includes(`${system}|${code}`))
  })
}

const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { 'content-type': 'application/fhir+json', ...headers })
  response.end(JSON.stringify(body))
}
const outcome = (severity: string, code: string) => ({
  resourceType: 'OperationOutcome',
  issue: [{ severity, code, diagnostics: 'Patient Erika Mustermann is not to be quoted' }],
})

/** Whether the fault was an answer by itself. */
function failed(response: ServerResponse, does: Fault['does']): boolean {
  if (typeof does !== 'object' || !('status' in does)) return false
  const headers = does.retryAfter === undefined ? undefined : { 'retry-after': does.retryAfter }
  json(response, does.status, outcome('error', does.outcome ?? 'throttled'), headers)
  return true
}
const exported = exportServer(resources, faultAt, failed)

function answer(request: IncomingMessage, response: ServerResponse, base: string): void {
  const url = new URL(request.url ?? '/', base)
  if (url.pathname === '/asked') return json(response, 200, asked)
  asked.push({ url: url.href, headers: request.headers, method: request.method })
  if (setup.authorization !== undefined && request.headers.authorization !== setup.authorization)
    return json(response, 401, outcome('error', 'login'))
  if (exported.answer(request, response, url, base)) return
  const type = url.pathname.split('/').at(-1) as string
  const page = Number(url.searchParams.get('page') ?? 1)
  const does = faultAt(type, page)
  if (does === 'ignores') for (const name of ['gender', 'code']) url.searchParams.delete(name)
  const found = matching(type, url.searchParams)
  if (does !== undefined && failed(response, does)) return
  if (does === 'not-json') return void response.end('<html>sign in</html>')
  if (does === 'redirect') return void response.writeHead(302, { location: `${base}/elsewhere` }).end()
  if (does === 'huge') return huge(response)
  const { pageSize } = setup
  const from = (page - 1) * pageSize - (does === 'overlap' ? 1 : 0)
  const shown = does === 'skip' ? [] : found.slice(Math.max(0, from), page * pageSize)
  const entry: unknown[] = shown.map((resource) => ({
    fullUrl: `${base}/${type}/${resource.id}`,
    resource,
    search: { mode: 'match' },
  }))
  if (does === 'backwards') entry.reverse()
  if (typeof does === 'object' && 'warns' in does)
    entry.push({ resource: outcome(does.severity, does.warns), search: { mode: 'outcome' } })
  const next = new URL(url)
  next.searchParams.set(
    'page',
    String(does === 'circle' ? 1 : does === 'twice' || does === 'endless' ? page : page + 1),
  )
  if (does === 'twice' || does === 'endless') next.searchParams.set('again', String(Math.random()))
  const more =
    page * pageSize < found.length || (typeof does === 'string' && ['twice', 'endless', 'circle'].includes(does))
  const leads = typeof does === 'object' && 'next' in does ? does.next : next.href
  const bundle = {
    resourceType: 'Bundle',
    type: 'searchset',
    ...(setup.total === false ? {} : { total: found.length }),
    link: [{ relation: 'self', url: url.href }, ...(more ? [{ relation: 'next', url: leads }] : [])],
    entry,
  }
  if (does === 'cut') {
    const text = JSON.stringify(bundle)
    response.writeHead(200, { 'content-length': Buffer.byteLength(text) })
    response.write(text.slice(0, text.length / 2), () => response.destroy())
    return
  }
  if (page % 2 === 0) {
    response.writeHead(200, { 'content-encoding': 'gzip' })
    response.end(gzipSync(JSON.stringify(bundle)))
  } else json(response, 200, bundle)
}

function huge(response: ServerResponse): void {
  const piece = Buffer.alloc(1 << 20, ' ')
  let written = 0
  const more = (): void => {
    if (response.destroyed || written++ > 200) return void response.end()
    response.write(piece, more)
  }
  more()
}

const server = createServer((request, response) => {
  const { port } = server.address() as { port: number }
  answer(request, response, `http://127.0.0.1:${port}/fhir`)
})
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as { port: number }).port }))
process.on('disconnect', () => process.exit(0))
