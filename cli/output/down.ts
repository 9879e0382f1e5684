import { isProven, type planDown, type DownResult } from "../../automation/operations/down/down";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { Tag } from "../../fleet/model";
import { pluralize } from "../../fleet/text/words";
import type { Terminal } from "./console";
import { jsonLine } from "./json";
import type { Typed } from "./steps";
import { tableText, widthOf } from "./table";

/** Where an answer goes, and in which form. */
interface Output extends Typed {
  terminal: Terminal;
  options: Typed["options"] & { json: boolean };
}

/** What `down --dry-run` says. */
export function reportPlan(context: Output, plan: Awaited<ReturnType<typeof planDown>>): ExitCode {
  const { options, terminal } = context;
  const exitCode =
    plan.namesakes.length > 0 || plan.unexplained.length > 0
      ? ExitCode.leftovers
      : plan.notLookedAt.some(({ everUsed }) => everUsed)
        ? ExitCode.partial
        : ExitCode.ok;
  if (options.json) {
    jsonLine(context, { type: "plan", command: "down", exitCode, ...plan });
    return exitCode;
  }
  const width = widthOf(terminal.stdout);
  const rows = plan.found.map(({ kind, region, id, detail, tags }) => [
    kind,
    region,
    id,
    tags[Tag.node] ?? "-",
    detail,
  ]);
  const lines = [
    ...(rows.length > 0 ? [tableText(["WOULD END", "REGION", "ID", "NODE", "DETAIL"], rows, width), ""] : []),
    ...namesakeLines(plan.namesakes, width),
    ...plan.notLookedAt.map(notLookedAtLine),
  ];
  lines.push(`Account ${plan.account}: ${pluralize(plan.found.length, "object")} would be ended; nothing was changed.`);
  terminal.stdout.write(`${lines.join("\n")}\n`);
  return exitCode;
}

export function downExitCode(result: DownResult): ExitCode {
  if (result.failures.some((failure) => failure.class === "interrupted")) return ExitCode.interrupted;
  if (result.namesakes.length > 0 || !isProven(result)) return ExitCode.leftovers;
  // What failed on the way and is gone all the same has not failed.
  return ExitCode.ok;
}

function conclusion(result: DownResult, exitCode: ExitCode, command: string): string {
  const { leftovers, unexplained, held, namesakes, notLookedAt, partial } = result;
  const found = pluralize(result.found.length, "object");
  const what = partial ? "that part of the fleet" : "the fleet";
  if (exitCode === ExitCode.interrupted) {
    return `Interrupted${notLookedAt.length > 0 ? ", and nothing is proven" : `; left: ${leftovers.length} of ${found}`}. Run \`${command}\` again: it goes on from there.`;
  }
  if (namesakes.length > 0) return "Nothing was ended.";
  if (
    leftovers.length > 0 &&
    leftovers.length === unexplained.length &&
    notLookedAt.every(({ everUsed }) => !everUsed)
  ) {
    return `All of ${what} that is its own is gone. Left: ${pluralize(leftovers.length, "object")} that nothing explains.`;
  }
  if (leftovers.length > 0) {
    const first =
      held.length > 0 ? `Delete what holds ${held.map(({ vpc }) => vpc).join(", ")} first, then run` : "Run";
    return `Left: ${leftovers.length} of ${pluralize(result.found.length + unexplained.length, "object")}. ${first} \`${command}\` again.`;
  }
  if (exitCode !== ExitCode.ok)
    return `Not proven: a region that the fleet uses did not answer. Run \`${command}\` again.`;
  if (result.found.length === 0) return `Nothing to end: ${where(result)} showed nothing of ${what}.`;
  return `Proven: all ${found} of ${what} are gone; ${where(result)} again showed nothing.`;
}

/** What was listed, as far as it was. */
function where({ regions, everywhere }: DownResult): string {
  return everywhere ? "listing every region of the account" : `listing ${regions.join(", ") || "no region"}`;
}

function namesakeLines(namesakes: DownResult["namesakes"], width: number): string[] {
  if (namesakes.length === 0) return [];
  const rows = namesakes.map(({ lineage, objects }) => {
    const instances = objects.filter(({ kind }) => kind === "instance").length;
    return [
      lineage,
      String(instances),
      String(objects.length - instances),
      [...new Set(objects.map(({ region }) => region))].sort().join(", "),
    ];
  });
  return [
    "This place has no record of the stack, and possibly somebody else's fleet has its name:",
    tableText(["FLEET ID", "INSTANCES", "OTHER", "REGIONS"], rows, width),
    ...namesakes.map(
      ({ lineage }) =>
        `\`recover --fleet-id ${lineage}\` ends it, and asks first. If another machine has its state, run \`down\` there instead.`,
    ),
    "",
  ];
}

function notLookedAtLine({ region, error }: DownResult["notLookedAt"][number]): string {
  return `Not looked at: ${region} (${error.message}). ${error.next}`;
}

/**
 * Says what came of ending a fleet, or a part of it.
 * @param command the one that does it again
 */
export function reportDown(context: Output, result: DownResult, command = "down"): ExitCode {
  const { options, terminal } = context;
  const exitCode = downExitCode(result);
  const found = result.found.length;
  if (options.json) {
    jsonLine(context, { type: "result", command, exitCode, ...result, found });
    return exitCode;
  }
  const width = widthOf(terminal.stdout);
  const lines: string[] = [];
  if (result.leftovers.length > 0) {
    lines.push(
      tableText(
        ["LEFT", "REGION", "ID", "DETAIL"],
        result.leftovers.map(({ kind, region, id, detail }) => [kind, region, id, detail]),
        width,
      ),
      "",
    );
  }
  lines.push(...namesakeLines(result.namesakes, width));
  const holding = result.held.flatMap(({ vpc, by }) =>
    by.map(({ kind, region, id, detail }) => [vpc, kind, region, id, detail]),
  );
  if (holding.length > 0)
    lines.push(tableText(["HELD", "BY", "REGION", "ID", "WHICH IS NOT OF THIS FLEET"], holding, width), "");
  if (exitCode !== ExitCode.interrupted) lines.push(...result.notLookedAt.map(notLookedAtLine));
  if (result.unexplained.length > 0)
    lines.push(
      `Left alone: ${pluralize(result.unexplained.length, "object")} with this fleet's tags that neither its record nor a run explains; see the warnings above.`,
    );
  if (result.others.length > 0)
    lines.push(
      `Left alone: ${pluralize(result.others.length, "object")} that carry the fleet's ID and belong to stack ${[...new Set(result.others.map(({ tags }) => tags[Tag.stack] ?? "none"))].sort().join(", ")}.`,
    );
  if (result.setAside !== undefined) lines.push(`The state that stood there is kept as ${result.setAside}.`);
  lines.push(conclusion(result, exitCode, command));
  if (result.partial && exitCode === ExitCode.ok && found > 0)
    lines.push("config.yaml may still ask for it: then the next `up` makes it again.");
  terminal.stdout.write(`${lines.join("\n")}\n`);
  return exitCode;
}
