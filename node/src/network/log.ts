/** Where the network reports what happened: an event's name and typed fields, never a message's content. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type NetworkLog = (
  level: LogLevel,
  event: string,
  fields?: Readonly<Record<string, string | number | boolean | undefined>>,
) => void

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
