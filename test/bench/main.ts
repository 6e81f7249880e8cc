/** `npm run bench [-- sim | costs]`: the mesh of processes (bench.ts), the simulator (sim.ts), or what a site's work costs (costs.ts). */
const which = process.argv[2]
if (which === 'sim' || which === 'costs') {
  process.argv.splice(2, 1)
  await (which === 'sim' ? import('./sim.js') : import('./costs.js'))
} else await import('./bench.js')
