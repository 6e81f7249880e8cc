/**
 * What the page of a run adds to the style of every report: the colours of the phases, those of Tol's muted scheme with light
 * and dark in turn.
 */
import { styleSheet } from '@flamesh/protocol/report/style.js'

const phases = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
  .map((at) => `rect.p${at}{fill:var(--p${at})}text.in.p${at}{fill:${[1, 3, 5, 7].includes(at) ? '#fff' : '#111'}}`)
  .join('')

export const STYLE = styleSheet({
  light:
    '--p0:#88ccee;--p1:#332288;--p2:#ddcc77;--p3:#117733;--p4:#e39aa5;--p5:#882255;--p6:#44aa99;--p7:#7a4fa3;--p8:#a3a34a;--p9:#c5cad1',
  dark: '--p0:#88ccee;--p1:#6557c8;--p2:#ddcc77;--p3:#22803f;--p4:#e39aa5;--p5:#b03a75;--p6:#44aa99;--p7:#8c62b8;--p8:#a3a34a;--p9:#7c8590',
  rules: phases,
})
