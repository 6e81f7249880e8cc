/**
 * The daemon's log: one JSON object a line on stderr, an event name and typed fields, never a value from the data.
 * Implements docs/guide/node-operator.md, "The log".
 */
import { pino } from 'pino'
import type { Config } from '../config/settings.js'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type Log = (
  level: LogLevel,
  event: string,
  fields?: Readonly<Record<string, string | number | boolean | undefined>>,
) => void

export function createLog(level: Config['logLevel']): Log {
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  )
  return (severity, event, fields = {}) => logger[severity](fields, event)
}
