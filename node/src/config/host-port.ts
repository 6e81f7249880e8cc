/** `host:port`, as in settings and options, and whether a host is this machine. */
import { FlameshError } from '@flamesh/protocol/errors.js'

const HOST_PORT = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/

/** Throws `usage`. */
export function parseHostPort(text: string): { readonly host: string; readonly port: number } {
  const [, host = '', port = ''] = HOST_PORT.exec(text) ?? []
  if (host === '' || Number(port) > 65_535)
    throw new FlameshError('usage', `${text} is not HOST:PORT`, { hint: 'for example 10.1.2.3:7500' })
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || /^(\[::1\]|::1)$/.test(host) || /^127(\.\d{1,3}){3}$/.test(host)
}
