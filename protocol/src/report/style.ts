/**
 * The style sheet of every report: light, dark and paper. Series have the colours of Okabe and Ito, which hold for the common
 * kinds of colour blindness; no chart relies on colour alone.
 */

const LIGHT =
  '--paper:#fff;--ink:#1b1f24;--soft:#59626d;--rule:#c9ced5;--grid:#e6e9ed;--panel:#f5f6f8;--alarm:#b3261e;--alarm-paper:#fdecea;' +
  '--c0:#0072b2;--c1:#c4500a;--c2:#00805d;--c3:#a8518a;--c4:#8a6d00;--c5:#4b4f57;--c6:#8a929c;'
const DARK =
  '--paper:#14171b;--ink:#e8eaed;--soft:#a3acb7;--rule:#4a525c;--grid:#2a2f36;--panel:#1d2126;--alarm:#ff8a80;--alarm-paper:#3a1715;' +
  '--c0:#56b4e9;--c1:#ff9350;--c2:#2fc79b;--c3:#e39cc8;--c4:#e8d44d;--c5:#c3c8cf;--c6:#8a929c;'

const series = [0, 1, 2, 3, 4, 5, 6].map((at) => `.c${at}{color:var(--c${at})}`).join('')
/** To tell lines apart in grey. */
const dashes = ['none', '7 4', '2 3', '10 3 2 3', '4 2', '12 4']
  .map((dash, at) => `.dash${at}{stroke-dasharray:${dash}}`)
  .join('')

const PAGE = `
*{box-sizing:border-box}
body{margin:0 auto;padding:40px 24px 56px;max-width:728px;background:var(--paper);color:var(--ink);font:16px/1.5 "Helvetica Neue",Helvetica,Arial,"Liberation Sans",sans-serif;overflow-wrap:break-word}
h1{font-size:30px;line-height:1.2;letter-spacing:-.01em;margin:0 0 24px;max-width:26em;text-wrap:balance}
h2{font-size:18px;line-height:1.3;margin:0 0 4px}
h2 span{color:var(--soft);font-weight:400;margin-right:.4em}
p{margin:0 0 8px}
.eyebrow{color:var(--soft);font-size:14px;margin:0 0 8px}
.eyebrow b{color:var(--ink)}
.warning{border:2px solid var(--alarm);background:var(--alarm-paper);border-radius:6px;padding:12px 16px;margin:0 0 24px}
.warning b{color:var(--alarm)}
dl{margin:0}
dd{margin:0}
.answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:20px 24px;border-top:2px solid var(--ink);border-bottom:1px solid var(--rule);padding:16px 0 18px;margin:0 0 28px}
.answers dt{font-size:13px;color:var(--soft)}
.answers b{display:block;font-size:25px;line-height:1.3;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.answers span{display:block;font-size:13px;line-height:1.4;color:var(--soft)}
.alarm b,.alarm span{color:var(--alarm)}
.reproduce{margin:0 0 44px;font-size:14px}
.reproduce p{color:var(--soft);margin:8px 0}
.reproduce dl div{display:grid;grid-template-columns:10.5em 1fr;gap:0 12px;padding:2px 0}
.reproduce dt{color:var(--soft)}
.reproduce dd{overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
pre,code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:13px}
pre{background:var(--panel);border-radius:6px;padding:10px 14px;margin:8px 0;overflow:auto;max-height:32em}
pre.command{white-space:pre-wrap;overflow-wrap:anywhere}
figure{margin:0 0 52px}
.finding{margin:0 0 16px;font-size:15px;text-wrap:pretty}
figcaption{font-size:13px;line-height:1.45;color:var(--soft);margin:6px 0 6px}
svg{display:block;width:100%;height:auto;overflow:visible}
svg.narrow{display:none}
details{font-size:13px}
summary{cursor:pointer;color:var(--soft);width:max-content;padding:2px 0}
summary:hover{color:var(--ink)}
:focus-visible{outline:2px solid var(--c0);outline-offset:2px}
.scroll{overflow-x:auto;max-height:30em}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;white-space:nowrap;margin:4px 0}
th,td{padding:3px 0 3px 18px;text-align:right;border-bottom:1px solid var(--grid);font-weight:400}
th:first-child{text-align:left;padding-left:0}
thead th{color:var(--soft);border-bottom-color:var(--rule)}
.note{color:var(--soft);margin:6px 0}
.missing{font-size:14px;border-top:1px solid var(--rule);padding-top:16px}
.missing ul{margin:0;padding-left:1.2em;color:var(--soft)}
.missing b{color:var(--ink)}
`

const CHARTS = `
svg text{font-size:12px;fill:var(--ink)}
svg text.tick,svg text.name{fill:var(--soft);font-variant-numeric:tabular-nums}
svg text.value{fill:var(--soft);font-variant-numeric:tabular-nums}
svg text.in{font-size:11px;font-weight:700}
.halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
svg path{fill:none}
.grid{stroke:var(--grid)}
.axis{stroke:var(--rule)}
.guide{stroke:var(--rule);stroke-dasharray:1 3}
.curve{stroke:currentColor;stroke-width:2;stroke-linejoin:round}
.line{stroke:currentColor;stroke-width:1.4}
.edge{stroke:currentColor;stroke-width:1;opacity:.55}
svg .area{fill:currentColor;fill-opacity:.2;stroke-width:1}
svg .dot{fill:currentColor}
svg .ring{stroke:var(--paper);stroke-width:1.2}
svg .thin{fill-opacity:.75;stroke:var(--paper);stroke-width:.7}
svg .hollow{fill:var(--paper);stroke:currentColor;stroke-width:1.6}
.median{stroke:var(--ink);stroke-width:2.5}
.half{stroke:var(--ink);stroke-width:3}
.event{stroke:var(--ink);stroke-width:1.6}
svg .span{fill:currentColor;fill-opacity:.5}
${series}${dashes}
`

const SIZES = `
@media (min-width:1440px){body{max-width:1472px}.figures{display:grid;grid-template-columns:680px 680px;justify-content:space-between;align-items:start}h1{font-size:36px}header,.reproduce,.missing{max-width:none}}
@media screen and (max-width:600px){body{padding:24px 22px 40px}h1{font-size:24px}.answers{grid-template-columns:1fr 1fr;gap:18px}.answers b{font-size:21px}svg.wide{display:none}svg.narrow{display:block}.reproduce dl div{grid-template-columns:1fr;padding:4px 0}}
@page{size:A4;margin:16mm 15mm}
@media print{body{padding:0;max-width:none;font-size:11pt}h1{font-size:20pt}.figures{display:block}figure,.answers,.reproduce{break-inside:avoid}h2,.finding{break-after:avoid}figure{margin-bottom:9mm}details:not([open]){display:none}summary{display:none}.scroll,pre{overflow:visible;max-height:none}pre{border:1px solid var(--rule);white-space:pre-wrap}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`

/** What a kind of report has of its own: custom properties for light (and paper) and for dark, and rules. */
export interface OwnStyle {
  readonly light?: string
  readonly dark?: string
  readonly rules: string
}

export function styleSheet({ light = '', dark = '', rules }: OwnStyle): string {
  const schemes = `
:root{color-scheme:light dark;${LIGHT}${light}}
@media (prefers-color-scheme:dark){:root{${DARK}${dark}}}
@media print{:root{color-scheme:light;${LIGHT}${light}}}
`
  return (schemes + PAGE + CHARTS + SIZES + rules).replace(/\n/g, '')
}
