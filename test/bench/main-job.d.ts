/** The parts of the demo (docs/examples/main-job, plain JavaScript) that the bench uses: its mesh, processes and rows. */
declare module '*/main-job/federation.js' {
  export type Fields = Readonly<Record<string, unknown>>

  export interface Node {
    readonly name: string
    readonly dir: string
    readonly log: {
      until<T>(what: string, found: (events: readonly Fields[]) => T | undefined, timeoutMs: number): Promise<T>
    }
    /** runs `flamesh …` on this node's folder; resolves with the document it prints */
    flamesh(args: readonly string[]): Promise<Fields>
    /** entries of the node's own record about one job */
    audit(job: string, event: string): Promise<readonly { readonly time: number; readonly fields: Fields }[]>
  }

  export const COMMITTEE: readonly string[]
  export const ASKS_OPERATOR: string

  export class Federation {
    constructor(folder: string, say: (line: string) => void)
    readonly nodes: readonly Node[]
    readonly researcher: Node
    node(name: string): Node
    build(): Promise<void>
  }
}

declare module '*/main-job/processes.js' {
  export function stopEverything(): Promise<void>
  export function killEverything(): void
}

declare module '*/main-job/data.js' {
  export const SITES: readonly { readonly name: string; readonly rows: number; readonly csv: string }[]
}
