/**
 * The look of `/docs`. Colours stand in custom properties rather than `light-dark()`, because hospital desks keep
 * browsers for years; nothing is wider than its column, so that the page never scrolls sideways.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --text: #1b1f24; --soft: #57606a; --line: #d8dee4; --paper: #fff; --panel: #f6f8fa; --link: #0550ae; --need: #b42318;
}
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --soft: #9aa4af; --line: #30363d; --paper: #0d1117; --panel: #161b22; --link: #6cb6ff; --need: #ff938a }
}
* { box-sizing: border-box }
html { scroll-padding-top: 1rem; text-size-adjust: 100% }
body {
  margin: 0; color: var(--text); background: var(--paper); overflow-wrap: anywhere;
  font: 16px/1.65 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
}
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: .2em }
.page { display: grid; grid-template-columns: minmax(0, 1fr); max-width: 76rem; margin: 0 auto; padding: 0 1.5rem 5rem; column-gap: 3rem }
nav { font-size: .9rem; line-height: 1.5; border-bottom: 1px solid var(--line); padding: 1rem 0 }
nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem }
nav a { text-decoration: none }
nav a:hover { text-decoration: underline }
nav .language { margin: 0 0 .75rem; font-weight: 600 }
nav code { background: none; padding: 0 }
@media (min-width: 70rem) {
  .page { grid-template-columns: 13rem minmax(0, 1fr) }
  nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; border: 0; padding: 2.4rem 0 }
  nav ul { flex-direction: column; gap: .45rem }
}
h1 { font-size: 1.85rem; line-height: 1.25; margin: 2rem 0 .75rem }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 3.25rem 0 .75rem; padding-top: 1.25rem; border-top: 1px solid var(--line) }
h3 { font-size: 1rem; margin: 1.75rem 0 .4rem }
p { margin: .6rem 0; max-width: 46rem }
.lead { font-size: 1.05rem }
.path { margin: .25rem 0 .75rem; font-weight: 600 }
.soft { color: var(--soft) }
ol, ul { padding-left: 1.4rem; max-width: 46rem }
li { margin: .3rem 0 }
code, pre { font-family: ui-monospace, "SF Mono", Consolas, Menlo, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", monospace; font-size: .86em }
code { background: var(--panel); border-radius: 4px; padding: .1em .3em }
pre {
  margin: .4rem 0 1rem; padding: .8rem 1rem; background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  line-height: 1.5; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 2;
}
pre code { background: none; padding: 0; font-size: 1em }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; font-size: .92rem; line-height: 1.5 }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600; color: var(--soft); white-space: nowrap }
td.name { white-space: nowrap }
table.fields td.name { width: 11.5rem }
table.fields td.need { width: 5rem }
table.facts td:first-child { width: 14rem }
td.name code { background: none; padding: 0; font-weight: 600 }
td.need { white-space: nowrap }
table.fields td.form { width: 34% }
.required { color: var(--need) }
details { border: 1px solid var(--line); border-radius: 6px; margin: .6rem 0; padding: 0 .9rem }
summary { cursor: pointer; padding: .55rem 0 }
summary h3 { display: inline; margin: 0 }
summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 4px }
details[open] > summary { border-bottom: 1px solid var(--line); margin-bottom: .5rem }
tr:target, li:target { background: var(--panel) }
@media (max-width: 46rem) {
  .page { padding: 0 1rem 3rem }
  h1 { font-size: 1.5rem }
  h2 { margin-top: 2.25rem }
  td.name, td.need, th { white-space: normal }
  :is(.fields, .refusals, .facts, .stacks) thead { position: absolute; clip-path: inset(50%); height: 1px; overflow: hidden }
  :is(.fields, .refusals, .facts, .stacks) :is(tbody, tr, td) { display: block; width: auto; padding: 0; border: 0 }
  :is(.fields, .refusals, .facts, .stacks) tr { padding: .5rem 0; border-bottom: 1px solid var(--line) }
  table.fields td.name, table.fields td.need { display: inline-block; width: auto; margin-right: .75rem }
  table.fields td.form, .refusals td:nth-child(n + 4) { width: auto; color: var(--soft); font-size: .88em }
  td[data-head]::before { content: attr(data-head) " "; color: var(--soft); font-weight: 400 }
  .facts td:first-child, .stacks td:first-child { font-weight: 600; width: auto }
}
@media print { nav { display: none } pre { white-space: pre-wrap } }
`;
