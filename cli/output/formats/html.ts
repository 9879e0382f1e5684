import { phases } from "../../../fleet/checks";
import { providerTitle } from "../../../sandbox/control";
import type { ReportedNode, VerificationReport } from "../../../automation/verify/report";
import type { Outcome } from "../../../automation/verify/outcome";
import type { CheckResult, CheckStatus, NodeVerification } from "../../../automation/verify/result";
import { stepText } from "../../../fleet/steps";
import { script, style } from "./html-parts";
import { reasonSkipped } from "../../../automation/verify/explanation";
import { timelineOf, type Bar } from "./timeline";

/** What a status is called and by which sign it is known without colour. */
const STATUS: Record<CheckStatus, { sign: string; word: string }> = {
  ok: { sign: "✓", word: "ok" },
  failed: { sign: "✗", word: "failed" },
  unknown: { sign: "?", word: "unknown" },
  warning: { sign: "!", word: "warning" },
  info: { sign: "i", word: "info" },
  skipped: { sign: "–", word: "skipped" },
};

/** What is said of a node or a fleet, and the status by whose look it is shown. */
const OUTCOME: Record<Outcome, { as: CheckStatus; word: string }> = {
  verified: { as: "ok", word: "yes" },
  failed: { as: "failed", word: "no" },
  unknown: { as: "unknown", word: "unknown" },
  skipped: { as: "skipped", word: "no" },
};

/** Of a node on which what was chosen of the list holds. */
const IN_PART = { as: "skipped", word: "in part" } as const;

/** From the worst to the best: what a cell of the matrix shows. */
const WORST: CheckStatus[] = ["failed", "unknown", "skipped", "warning", "info", "ok"];

/** Of more nodes, a timeline is opened by who wants to see it. */
const OPEN_TIMELINES = 5;

/** The report as one page that needs nothing else: no network, no other file. */
export function html(report: VerificationReport): string {
  const { nodes, stack, at, summary } = report;
  const verdict = report.isVerified ? (report.isWhole ? "VERIFIED" : "PARTIAL") : "NOT VERIFIED";
  const as = report.isVerified && !report.isWhole ? "skipped" : OUTCOME[report.outcome].as;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${verdict}: ${text(stack)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1><span class="badge ${as}">${sign(as)} ${verdict}</span> ${text(stack)}</h1>
<p>${summary.verified} of ${summary.nodes} nodes verified, ${summary.failed} failed, ${summary.unknown} unknown at ${moment(at)}.
${WORST.map((status) => `${summary.checks[status]} ${STATUS[status].word}`).join(", ")}.</p>
${report.provider ? `<p>In a sandbox, served by ${text(providerTitle(report.provider))}.</p>\n` : ""}${report.leftOut.length > 0 ? `<p>Partial. Not looked at: ${text(report.leftOut.join("; "))}.</p>\n` : ""}<form id="filter">
<label>Node or check <input type="search" name="text" placeholder="us-west-2, D2, disk …"></label>
<fieldset><legend>Show</legend>${WORST.map((status) => `<label><input type="checkbox" name="status" value="${status}"${status === "ok" ? "" : " checked"}> ${sign(status)} ${STATUS[status].word}</label>`).join("\n")}</fieldset>
</form>
</header>
<main>
<section aria-labelledby="matrix-title"><h2 id="matrix-title">Fleet</h2>${matrix(nodes)}</section>
<section aria-labelledby="results-title"><h2 id="results-title">Checks</h2>
<p id="nothing" hidden>Nothing fits the filter.</p>
${nodes.map((node) => node.results.map((result) => card(node, result)).join("\n")).join("\n")}
</section>
<section aria-labelledby="timeline-title"><h2 id="timeline-title">From launch to ready</h2>${nodes.map((node) => timeline(node, nodes.length <= OPEN_TIMELINES)).join("\n")}</section>
</main>
<script>${script}</script>
</body>
</html>
`;
}

function matrix(nodes: readonly ReportedNode[]): string {
  const seen = phases.filter((phase) => nodes.some(({ results }) => results.some((result) => result.phase === phase)));
  const cell = (results: readonly CheckResult[]): string => {
    const worst = WORST.find((status) => results.some((result) => result.status === status));
    if (worst === undefined) return '<td class="none">·</td>';
    const number = results.filter(({ status }) => status === worst).length;
    return `<td class="${worst}">${sign(worst)} ${number}<span class="word"> ${STATUS[worst].word}</span></td>`;
  };
  const row = ({ node, outcome, isWhole, results, milliseconds, at }: ReportedNode): string => {
    const { as, word } = outcome === "verified" && !isWhole ? IN_PART : OUTCOME[outcome];
    return `<tr data-node="${text(node)}"><th scope="row">${text(node)}</th><td class="${as}">${sign(as)} ${word}</td>${seen
      .map((phase) => cell(results.filter((result) => result.phase === phase)))
      .join("")}<td>${(milliseconds / 1000).toFixed(1)} s</td><td>${moment(at)}</td></tr>`;
  };
  return `<div class="wide" tabindex="0" role="region" aria-labelledby="matrix-title"><table><thead><tr><th scope="col">node</th><th scope="col">verified</th>${seen
    .map((phase) => `<th scope="col">${phase}</th>`)
    .join(
      "",
    )}<th scope="col">time</th><th scope="col">looked at</th></tr></thead><tbody>${nodes.map(row).join("\n")}</tbody></table></div>`;
}

function timeline(node: NodeVerification, isOpen: boolean): string {
  const { bars, seconds } = timelineOf(node);
  const head = `<h3>${text(node.node)}</h3>`;
  if (bars.length === 0)
    return `<div class="timeline" data-node="${text(node.node)}">${head}<p>Nothing is known of its life: the node could not be asked.</p></div>`;
  const line = ({ name, phase, from, length, isMoment }: Bar): string => {
    const place = `left:${((100 * from) / seconds).toFixed(2)}%;width:${((100 * length) / seconds).toFixed(2)}%`;
    return `<li><span class="name">${text(name)}</span><span class="track"><span class="bar ${phase}${isMoment ? " moment" : ""}" style="${place}"></span></span><span class="when">${from.toFixed(1)} s${isMoment ? "" : `, ${length.toFixed(1)} s long`}</span></li>`;
  };
  return `<div class="timeline" data-node="${text(node.node)}">${head}<details${isOpen ? " open" : ""}><summary>${bars.length} steps in ${seconds.toFixed(1)} s</summary><ol>${bars.map(line).join("")}</ol></details></div>`;
}

function card({ node, instanceId, address }: NodeVerification, result: CheckResult): string {
  const { id, title, phase, status, command, expected, actual, cause, next, step, diagnosis, journals } = result;
  const rows: [string, string | undefined, boolean][] = [
    ["run", command, true],
    ["expected", expected, true],
    ["actual", actual, true],
    ["cause", cause, false],
    ["next", next, false],
    ["step", step && stepText(step), true],
    ["why", status === "skipped" ? reasonSkipped(result) : undefined, false],
  ];
  const shown = rows.flatMap(([label, value, isCode]) =>
    value === undefined || value === ""
      ? []
      : [`<dt>${label}</dt><dd>${isCode ? `<pre>${text(value.trimEnd())}</pre>` : text(value)}</dd>`],
  );
  const way =
    diagnosis === undefined
      ? ""
      : `<h4>On the way to the node</h4><ol class="way">${diagnosis.map((step) => `<li class="${step.state}"><b>${text(step.subject)}</b> <i>${step.state}</i> ${text(step.evidence)}</li>`).join("")}</ol>`;
  const ends = (journals ?? []).map(
    ({ unit, lines }) => `<h4>The journal of ${text(unit)}, its last lines</h4><pre>${text(lines.join("\n"))}</pre>`,
  );
  return `<article class="result ${status}" data-status="${status}" data-text="${text(`${node} ${instanceId} ${address ?? ""} ${id} ${title} ${phase}`.toLowerCase())}"><details${status === "failed" || status === "unknown" ? " open" : ""}><summary>${sign(status)} <b>${text(node)}</b> ${text(id)} ${text(title)} <em>${STATUS[status].word}</em></summary><dl>${shown.join("")}</dl>${way}${ends.join("")}</details></article>`;
}

const moment = (at: string): string =>
  `<time datetime="${text(at)}">${text(at.replace("T", " ").replace(/\.\d+Z$/, " UTC"))}</time>`;

const sign = (status: CheckStatus): string => `<span class="sign" aria-hidden="true">${STATUS[status].sign}</span>`;

/** Text for HTML, in an element or a quoted attribute. */
function text(value: string): string {
  return value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
