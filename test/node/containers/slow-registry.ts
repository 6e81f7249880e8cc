/** A registry with one image, whose layer comes a few bytes at a time and never to an end. */
import { createHash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SlowRegistry {
  /** its reference, by digest */
  readonly image: string
  /** an engine asks for the layer; `hungUp` settles when it does not want it any more */
  readonly layerAsked: Promise<{ readonly hungUp: Promise<unknown> }>
  close(): void
}

const SIZE = 1 << 20
const DRIP_MS = 20
const digest = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`

export async function slowRegistry(): Promise<SlowRegistry> {
  const rootfs = { type: 'layers', diff_ids: [digest('never unpacked')] }
  const config = JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs, config: {}, history: [{}] })
  const docker = 'application/vnd.docker'
  const mediaType = `${docker}.distribution.manifest.v2+json`
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: { mediaType: `${docker}.container.image.v1+json`, size: config.length, digest: digest(config) },
    layers: [{ mediaType: `${docker}.image.rootfs.diff.tar.gzip`, size: SIZE, digest: digest('never there') }],
  })
  const asked = new EventEmitter()
  const layerAsked = once(asked, 'layer').then(([response]) => ({ hungUp: once(response as ServerResponse, 'close') }))
  const server = createServer(({ url = '', method }, response) => {
    if (url === '/v2/') response.end()
    else if (url.includes('/manifests/'))
      response.writeHead(200, { 'content-type': mediaType }).end(method === 'HEAD' ? '' : manifest)
    else if (url.endsWith(digest(config))) response.writeHead(200).end(config)
    else {
      response.writeHead(200, { 'content-length': SIZE })
      const timer = setInterval(() => response.write('drip'), DRIP_MS)
      response.on('close', () => clearInterval(timer))
      asked.emit('layer', response)
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    image: `127.0.0.1:${port}/slow@${digest(manifest)}`,
    layerAsked,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
