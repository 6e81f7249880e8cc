/** What the page of a result adds to the style of every report. */
import { styleSheet } from '@flamesh/protocol/report/style.js'

/** Shades of a cell, in twentieths. */
const shades = Array.from({ length: 11 }, (_, at) => `svg .o${at}{fill-opacity:${at / 20}}`).join('')
/** Parts of a bar, from light to dark and back, so that neighbours differ without their colour. */
const PARTS = ['#a6cee8', '#0072b2', '#f2c590', '#b8570b', '#b5dccb', '#00664b']
const parts = PARTS.map(
  (colour, at) => `svg .part.s${at}{fill:${colour}}svg text.in.s${at}{fill:${at % 2 === 0 ? '#111' : '#fff'}}`,
).join('')

export const STYLE = styleSheet({
  rules: `
h1,th,td,dd,.plain-text{unicode-bidi:plaintext}
svg text{unicode-bidi:isolate}
svg text.head{font-size:13px;font-weight:700}
svg text.number{font-variant-numeric:tabular-nums}
svg .none{stroke:var(--soft);stroke-width:1.2}
svg .bar-fill{fill:currentColor}
svg .faint{fill-opacity:.35}
svg .plain{stroke:none}
svg .line.soft{color:var(--soft)}
svg .withheld{fill:var(--panel);stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
svg .box{fill:var(--paper);stroke:currentColor;stroke-width:1.6}
svg .cell{fill:currentColor}
svg .guide{stroke:var(--soft);stroke-dasharray:2 3}
${shades}${parts}
.column>section{margin:0 0 44px}

th.keys:first-child,td.keys:first-child{padding-left:0}
.table{margin:0 0 36px}
th.keys,td.keys{text-align:left}
td.hidden{color:var(--soft);font-style:italic}
svg text.on{fill:var(--paper);font-weight:700}
th,td{font-size:13px;padding-left:11px}
th.over{text-align:center}
thead th{white-space:pre;vertical-align:bottom}
th,td{max-width:26em;overflow:hidden;text-overflow:ellipsis}
.facts{font-size:14px}
.facts div{display:grid;grid-template-columns:11.5em 1fr;gap:0 12px;padding:3px 0;border-bottom:1px solid var(--grid)}
.facts dt{color:var(--soft)}
.facts dd{overflow-wrap:anywhere}
.note{font-size:13px}
.table table+table{margin-top:18px}
.methods h2{margin-top:20px}
.methods p{font-size:15px;text-wrap:pretty}
.methods ul{padding-left:1.2em;margin:8px 0;font-size:14px}
@media screen and (max-width:600px){.facts div{grid-template-columns:1fr}.numbers div{grid-template-columns:1fr 1fr}tbody th.keys{max-width:11em;white-space:normal}}
@media print{.methods,.facts:not(.numbers),.table table,.facts dl>div{break-inside:avoid}.note,pre{break-before:avoid}th,td{font-size:8.5pt;padding-left:9px}th.keys{white-space:normal}.facts{font-size:9.5pt}}
`,
})
