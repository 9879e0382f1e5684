/** The look of the page. Signs and words say what colours say, so that it also reads without them. */
export const style = `
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #5b6570; --line: #d0d7de; --ok: #1a7f37; --failed: #b4232c; --warning: #8a5a00; --info: #0a5fb4; --skipped: #5b6570; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --faint: #9aa5b1; --line: #30363d; --ok: #56d364; --failed: #ff7b72; --warning: #e3b341; --info: #79c0ff; --skipped: #9aa5b1; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 75rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; margin: 1rem 0 0; } h4 { margin: .5rem 0; }
.badge { border: 2px solid currentColor; border-radius: .4rem; padding: 0 .5rem; }
.ok { color: var(--ok); } .failed, .problem { color: var(--failed); } .warning { color: var(--warning); } .info { color: var(--info); } .skipped, .unknown, .none { color: var(--skipped); }
form { display: flex; flex-wrap: wrap; gap: 1rem; align-items: end; }
fieldset { display: flex; flex-wrap: wrap; gap: .75rem; border: 1px solid var(--line); border-radius: .4rem; }
input[type=search] { font: inherit; padding: .3rem .5rem; width: 16rem; max-width: 100%; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
tbody th { position: sticky; left: 0; background: var(--paper); }
.sign { display: inline-block; min-width: 1em; text-align: center; font-weight: bold; }
ol { list-style: none; margin: 0; padding: 0; }
.timeline li { display: grid; grid-template-columns: 13rem 1fr 10rem; gap: .5rem; align-items: center; font-size: .85rem; }
.track { position: relative; height: .8rem; border-left: 1px solid var(--line); border-right: 1px solid var(--line); }
.bar { position: absolute; top: .1rem; bottom: .1rem; min-width: 3px; border-radius: 2px; background: var(--info); }
.bar.moment { border-radius: 50%; width: .6rem !important; margin-left: -.3rem; background: var(--ok); }
.when { color: var(--faint); }
article { border-left: .3rem solid currentColor; margin: .5rem 0; padding-left: .6rem; }
article > details > :not(summary) { color: var(--ink); }
summary { cursor: pointer; }
dl { display: grid; grid-template-columns: 6rem 1fr; gap: .2rem .6rem; margin: .4rem 0; }
dt { color: var(--faint); } dd { margin: 0; min-width: 0; }
pre { margin: 0; white-space: pre-wrap; font: .85rem/1.4 ui-monospace, monospace; }
@media (max-width: 40rem) {
  .timeline li { grid-template-columns: 1fr auto; } .timeline .track { grid-column: 1 / 3; grid-row: 2; }
  dl { grid-template-columns: 1fr; } .word { display: none; }
}
@media print { form { display: none; } details > * { display: revert; } }
`;

/** The filter. Without scripts everything is shown. */
export const script = `
"use strict";
const form = document.getElementById("filter");
function filter() {
  const words = form.elements.text.value.toLowerCase().split(/\\s+/).filter(Boolean);
  const wanted = new Set([...form.querySelectorAll("input[name=status]:checked")].map((box) => box.value));
  let shown = 0;
  for (const article of document.querySelectorAll("article.result")) {
    const fits = wanted.has(article.dataset.status) && words.every((word) => article.dataset.text.includes(word));
    article.hidden = !fits;
    if (fits) shown += 1;
  }
  document.getElementById("nothing").hidden = shown > 0;
}
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
filter();
`;
