/**
 * `npm run bench [-- sim | costs | containers]`: the mesh of processes (bench.ts), the simulator (sim.ts), what a site's work
 * costs (costs.ts), or a container against a plain one (containers.ts).
 */
const OTHERS: Readonly<Record<string, () => Promise<unknown>>> = {
  sim: () => import('./sim.js'),
  costs: () => import('./costs.js'),
  containers: () => import('./containers.js'),
}
const other = OTHERS[process.argv[2] ?? '']
if (other === undefined) await import('./bench.js')
else {
  process.argv.splice(2, 1)
  await other()
}
