/** The engine of the examples (docs/examples/images, plain JavaScript), for tests and benches. */
declare module '*/images/local-engine.js' {
  import type Docker from 'dockerode'

  /** why no engine can be started here; undefined if one can */
  export function whyNoEngine(): string | undefined

  /** why there is no image with R; undefined if there can be one */
  export function whyNoR(): string | undefined

  /** the description of the example python-logistic, as YAML */
  export function logisticDescription(reference: string): string

  export class LocalEngine {
    static start(): Promise<LocalEngine>
    readonly folder: string
    readonly docker: Docker
    readonly socketPath: string
    /** builds and pushes a folder with a Dockerfile; resolves with the reference by digest */
    push(name: string, context: string): Promise<string>
    /** the same on a base that holds R as well */
    pushWithR(name: string, context: string): Promise<string>
    /** the same from a Dockerfile's text */
    publish(name: string, dockerfile: string): Promise<string>
    stop(): Promise<void>
  }
}
