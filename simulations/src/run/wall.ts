/** Real time. While a simulation runs, Date and performance tell virtual time; this clock is nobody's to replace. */
export const wallMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000
