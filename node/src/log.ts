/** Where a node reports what happened: an event's name and typed fields, never a message's content nor a value from the data. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type Log = (
  level: LogLevel,
  event: string,
  fields?: Readonly<Record<string, string | number | boolean | undefined>>,
) => void

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
