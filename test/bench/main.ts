/**
 * `npm run bench [-- sim | costs | containers | analyses]`: the mesh of processes (bench.ts), the simulator (sim.ts), what a site's work
 * costs (costs.ts), a container against a plain one (containers.ts), or the analyses against R (analyses.ts).
 */
const OTHERS: Readonly<Record<string, () => Promise<unknown>>> = {
  sim: () => import('./sim.js'),
  costs: () => import('./costs.js'),
  containers: () => import('./containers.js'),
  analyses: () => import('./analyses.js'),
}
const other = OTHERS[process.argv[2] ?? '']
if (other === undefined) await import('./bench.js')
else {
  process.argv.splice(2, 1)
  await other()
}
