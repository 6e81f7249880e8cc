/** What processes take, as Linux counts it: CPU time and resident memory from /proc. */
import { readFileSync } from 'node:fs'

/** The unit of /proc/PID/stat: 100 a second on every Linux that Node.js runs on. */
const TICK_MS = 10

/** CPU time of a process since its start, all its threads together, in milliseconds. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // the second field is the name, which may hold spaces; user and system time are the 14th and 15th
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

export function totalCpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuMs(pid), 0)
}

/** Resident memory of a process, in MB. */
export function residentMb(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return (Number(kib) * 1024) / 1e6
}
