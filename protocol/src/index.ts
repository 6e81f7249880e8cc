/** What a program that embeds flamesh starts from; every module can also be imported by its own path. */
export { createPeer, type EngineOptions } from './engine.js'
export { FlameshError } from './errors.js'
export type * from './peer.js'
export type * from './ports.js'
