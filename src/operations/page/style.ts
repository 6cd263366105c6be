/** @module The style of the page, light and dark, from 320 pixels up. Its digest is in the page's policy. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f3f5f8; --card: #ffffff; --sunk: #f3f5f8; --text: #171b24; --faint: #535c6d; --line: #dbe0e8;
  --accent: #1f5fd6; --good: #0b6b3f; --good-bg: #e3f4ea; --good-bar: #1a9c5f;
  --warning: #7f4d00; --warning-bg: #fcf0d9; --warning-bar: #d98a00;
  --bad: #a8201a; --bad-bg: #fce9e7; --bad-bar: #d9382f; --quiet-bg: #e9edf3; --quiet-bar: #7a8496;
  --shadow: 0 1px 2px rgb(23 27 36 / 6%), 0 4px 16px rgb(23 27 36 / 5%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1117; --card: #161a22; --sunk: #1d222c; --text: #e7eaf0; --faint: #a2abba; --line: #2b313d;
    --accent: #8ab4ff; --good: #74d8a0; --good-bg: #12301f; --good-bar: #3fbf7f;
    --warning: #f3c063; --warning-bg: #33270f; --warning-bar: #e0a030;
    --bad: #ff9d95; --bad-bg: #3b1816; --bad-bar: #ef5f55; --quiet-bg: #262c38; --quiet-bar: #8a94a6;
    --shadow: none;
  }
}
*, ::before, ::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 0 20px 40px; max-width: 1120px; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: anywhere;
}
h1, h2, h3, p, dl, dd, ol, ul, pre { margin: 0; padding: 0; }
ol, ul { list-style: none; }
h1 { font-size: 20px; line-height: 1.2; letter-spacing: -0.01em; }
h2 { font-size: 16px; margin: 32px 0 12px; }
h3 { font-size: 17px; line-height: 1.3; }
code, pre { font: 0.92em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
pre { white-space: pre-wrap; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
main:focus { outline: none; }
.faint { color: var(--faint); }
.unseen {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
.skip { position: absolute; left: 20px; top: -60px; padding: 8px 12px; background: var(--card); color: var(--accent); z-index: 1; }
.skip:focus { top: 8px; }
.top { display: flex; flex-wrap: wrap; gap: 12px 24px; align-items: center; justify-content: space-between; padding: 24px 0 4px; }
.brand { display: grid; grid-template-columns: auto 1fr; column-gap: 12px; align-items: center; }
.brand p { font-size: 13px; }
.logo {
  grid-row: span 2; width: 36px; height: 36px; fill: none; stroke: var(--accent); stroke-width: 2.4;
  stroke-linecap: round; stroke-linejoin: round;
}
.mark {
  width: 14px; height: 14px; flex: none; fill: none; stroke: currentColor; stroke-width: 2.2;
  stroke-linecap: round; stroke-linejoin: round;
}
.verdict, .badge {
  display: inline-flex; align-items: center; gap: 6px; border-radius: 999px; font-weight: 600; white-space: nowrap;
}
.verdict { padding: 7px 16px 7px 12px; font-size: 15px; }
.badge { padding: 2px 10px 2px 7px; font-size: 13px; }
.verdict.good, .badge.good { background: var(--good-bg); color: var(--good); }
.verdict.warning, .badge.warning { background: var(--warning-bg); color: var(--warning); }
.verdict.bad, .badge.bad { background: var(--bad-bg); color: var(--bad); }
.badge.quiet { background: var(--quiet-bg); color: var(--faint); }
.card, .tile, .problems { background: var(--card); border: 1px solid var(--line); border-radius: 12px; box-shadow: var(--shadow); }
.card { padding: 20px; }
.card + .card { margin-top: 16px; }
.problems { margin-top: 20px; padding: 16px 20px; border-color: var(--warning-bar); border-left-width: 5px; }
.problems h2 { margin: 0 0 6px; }
.problems li { padding-left: 18px; text-indent: -18px; }
.problems li::before { content: "•" / ""; display: inline-block; width: 18px; text-indent: 0; color: var(--warning); }
.problems pre { margin-top: 10px; padding: 10px 12px; border-radius: 8px; background: var(--sunk); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 20px; }
.tile { padding: 14px 16px; }
.tile dt { font-size: 13px; color: var(--faint); }
.tile dd { font-size: 13px; color: var(--faint); }
.tile strong { display: block; font-size: 19px; line-height: 1.35; color: var(--text); font-variant-numeric: tabular-nums; }
.card-head { display: grid; grid-template-columns: 1fr auto; gap: 2px 16px; align-items: start; }
.arn { grid-column: 1 / -1; color: var(--faint); font-size: 14px; }
.meter { display: flex; align-items: center; gap: 12px; }
.role > .meter { margin-top: 14px; }
.meter > [role="meter"] { flex: 1; min-width: 60px; }
.meter-text { font-weight: 600; white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar { display: block; width: 100%; height: 10px; border-radius: 5px; background: var(--quiet-bg); }
.bar.good .fill { fill: var(--good-bar); }
.bar.warning .fill { fill: var(--warning-bar); }
.bar.bad .fill { fill: var(--bad-bar); }
.bar.quiet .fill { fill: var(--quiet-bar); }
.bar .tick { fill: var(--text); opacity: 0.55; }
.failure { margin-top: 16px; padding: 12px 14px; border-radius: 8px; background: var(--bad-bg); border-left: 4px solid var(--bad-bar); }
.failing .failure, .warning > .failure { background: var(--warning-bg); border-color: var(--warning-bar); }
.failure-head { color: var(--bad); }
.warning > .failure .failure-head { color: var(--warning); }
.failure .faint { color: var(--text); font-size: 13px; margin-top: 4px; }
.chain { margin-top: 18px; }
.lanes { display: flex; align-items: stretch; gap: 34px; }
.lane { position: relative; flex: 1; min-width: 0; padding: 10px 12px 12px; border-radius: 10px; background: var(--sunk); border: 1px solid var(--line); }
.lane-name { font-size: 12.5px; font-weight: 600; color: var(--faint); margin-bottom: 8px; }
.lane + .lane::before, .step + .step::before {
  content: ""; position: absolute; width: 9px; height: 9px; border: solid var(--accent); border-width: 2.4px 2.4px 0 0;
}
.lane + .lane::after { content: ""; position: absolute; left: -29px; top: 50%; width: 23px; height: 2.4px; margin-top: -1.2px; background: var(--accent); border-radius: 2px; }
.lane + .lane::before { left: -15px; top: 50%; margin-top: -4.5px; transform: rotate(45deg); }
.step { position: relative; }
.step + .step { margin-top: 24px; }
.step + .step::before { left: 50%; top: -19px; margin-left: -4.5px; transform: rotate(135deg); }
.box { display: grid; gap: 1px; padding: 10px 12px; border-radius: 8px; background: var(--card); border: 1px solid var(--line); font-size: 13px; }
.step.base .box, .step.pod .box { border-style: dashed; }
.step.warning .box { border: 2px solid var(--warning-bar); }
.step.bad .box { border: 2px solid var(--bad-bar); }
.step-kind { color: var(--faint); font-size: 12px; }
.step-failed { display: flex; align-items: center; gap: 5px; font-weight: 600; color: var(--bad); }
.step.warning .step-failed { color: var(--warning); }
.step-name { font-size: 14.5px; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(270px, 100%), 1fr)); gap: 12px 20px; margin-top: 18px; }
.facts dt { font-size: 12.5px; color: var(--faint); }
.facts dd > code + code { display: block; }
.callers, .card > .faint { margin-top: 18px; }
.card > .faint:first-child { margin-top: 0; }
table { position: relative; width: 100%; border-collapse: collapse; font-size: 14px; }
caption { text-align: left; font-weight: 600; padding-bottom: 6px; }
.card > table { margin-top: 14px; }
th { text-align: left; font-weight: 600; }
thead th { font-size: 12.5px; font-weight: 500; color: var(--faint); border-bottom: 1px solid var(--line); }
th, td { padding: 7px 14px 7px 0; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tbody th { font-weight: 500; }
td { overflow-wrap: break-word; }
tbody th[scope="row"] { min-width: 150px; }
tbody tr.note > td { overflow-wrap: anywhere; border-top: 0; padding-top: 0; font-size: 13px; color: var(--bad); }
td code { white-space: nowrap; }
td .meter { min-width: 150px; }
td .meter-text { font-weight: 500; }
.scroll { position: relative; padding: 6px 20px; max-height: 520px; overflow: auto; }
.line { display: grid; grid-template-columns: 68px 1fr; gap: 2px 12px; padding: 10px 0; font-size: 14px; }
.line + .line { border-top: 1px solid var(--line); }
.line > time { color: var(--faint); font-variant-numeric: tabular-nums; font-size: 13px; padding-top: 1px; }
.line-event { display: flex; align-items: baseline; gap: 8px; font-weight: 600; }
.line-event .mark { position: relative; top: 2px; }
.line.good .mark { color: var(--good); }
.line.warning .mark { color: var(--warning); }
.line.bad .mark { color: var(--bad); }
.line dl { grid-column: 2; display: flex; flex-wrap: wrap; gap: 0 14px; font-size: 13px; }
.line dl div { display: block; max-width: 100%; }
.line dt { display: inline; color: var(--faint); }
.line dd { display: inline; }
.foot { display: flex; flex-wrap: wrap; gap: 4px 24px; justify-content: space-between; margin-top: 28px; font-size: 13px; color: var(--faint); }
#connection::before { content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 8px; border-radius: 50%; background: var(--good-bar); }
[data-lost] #connection { color: var(--bad); font-weight: 600; }
[data-lost] #connection::before { background: var(--bad-bar); }
@media (max-width: 720px) {
  body { padding: 0 12px 32px; }
  .card { padding: 16px 14px; }
  .tiles { grid-template-columns: repeat(2, 1fr); gap: 8px; }
  .tile { padding: 10px 12px; }
  .tile strong { font-size: 17px; }
  .lanes { flex-direction: column; gap: 30px; }
  .lane + .lane::after { left: 50%; top: -26px; width: 2.4px; height: 21px; margin: 0 0 0 -1.2px; }
  .lane + .lane::before { left: 50%; top: -15px; margin: 0 0 0 -4.5px; transform: rotate(135deg); }
  .scroll { padding: 4px 14px; }
  .line { grid-template-columns: 1fr; }
  .line > time { grid-row: 2; }
  .line dl { grid-column: 1; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, caption { display: block; }
  tbody tr { display: grid; gap: 2px; padding: 10px 0; }
  tbody tr + tr { border-top: 1px solid var(--line); }
  tbody tr + tr > * { border-top: 0; }
  tbody th, tbody td { display: grid; grid-template-columns: 92px minmax(0, 1fr); gap: 8px; padding: 2px 0; }
  td { overflow-wrap: anywhere; }
  tbody th { display: block; font-weight: 600; }
  tbody tr + tr.note { padding-top: 0; border-top: 0; }
  tbody tr.note > td { display: block; }
  tbody tr.note > td::before { content: none; }
  tbody td::before { content: attr(data-head) / ""; color: var(--faint); font-size: 13px; }
  td code { white-space: normal; font-size: 12.5px; }
  td .badge { justify-self: start; }
}
@media (max-width: 360px) {
  .top { padding-top: 16px; }
}
@media (prefers-contrast: more) { :root { --faint: var(--text); --line: currentColor; } }
@media (forced-colors: active) { .bar .fill { fill: Highlight; } .badge, .verdict, .bar { border: 1px solid; } }
`;
