/** An engine that does not do as it should: passes everything on to a real one, and changes some of its answers. */
import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'

export type Change = (body: Record<string, unknown>) => void

export interface EngineProxy {
  readonly socketPath: string
  /** method and URL of every request so far */
  readonly seen: readonly string[]
  /** to the answers to requests that match, from now on */
  change(pattern: RegExp, change: Change): void
  /** breaks every connection and accepts no other */
  close(): Promise<void>
}

export async function startProxy(target: string, socketPath: string): Promise<EngineProxy> {
  const seen: string[] = []
  const changes: (readonly [RegExp, Change])[] = []
  const server: Server = createServer((incoming, outgoing) => {
    const line = `${incoming.method} ${incoming.url}`
    seen.push(line)
    const { method, url: path, headers } = incoming
    const passed = request({ socketPath: target, method, path, headers }, async (answer) => {
      const chunks: Buffer[] = []
      for await (const chunk of answer) chunks.push(chunk)
      let body = Buffer.concat(chunks)
      for (const [pattern, change] of changes) {
        if (!pattern.test(line) || answer.statusCode !== 200) continue
        const document = JSON.parse(body.toString())
        change(document)
        body = Buffer.from(JSON.stringify(document))
      }
      outgoing.writeHead(answer.statusCode ?? 500, {
        'content-type': 'application/json',
        'content-length': body.length,
      })
      outgoing.end(body)
    })
    passed.on('error', () => outgoing.destroy())
    outgoing.on('close', () => passed.destroy())
    incoming.pipe(passed)
  }).listen(socketPath)
  await once(server, 'listening')
  return {
    socketPath,
    seen,
    change: (pattern, change) => changes.push([pattern, change]),
    async close() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
