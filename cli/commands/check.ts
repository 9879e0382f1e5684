import { ExitCode } from "../../fleet/errors/exit-codes";
import { pluralize } from "../../fleet/text/words";
import { preflight, type Preflight } from "../../automation/operations/inspect/check";
import type { Finding, RegionReport } from "../../automation/operations/plan/region-checks";
import { driftLines } from "../output/drift";
import { jsonLine } from "../output/json";
import type { CommandContext } from "../runtime/context";
import { withSession } from "../runtime/with-session";

export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal } = context;
  return withSession(context, { needs: "config", starts: true }, async ({ session, given }) => {
    const found = await preflight(session, given);
    const exitCode = preflightExitCode(found);
    if (options.json) jsonLine(context, { stack: session.target.stack, exitCode, ...found });
    else terminal.stdout.write(`${preflightText(found)}\n`);
    return exitCode;
  });
}

const isBad = ({ findings }: RegionReport): boolean => findings.some(({ level }) => level === "error");

/** A fault of this machine's stops everything; a region's stops that region. */
export function preflightExitCode({ local, regions }: Preflight): ExitCode {
  if (local.length > 0 || (regions.length > 0 && regions.every(isBad))) return ExitCode.usage;
  return regions.some(isBad) ? ExitCode.partial : ExitCode.ok;
}

/** One line for each region, and below it each problem with what to do about it. */
export function preflightText({ account, arn, local, regions, drift }: Preflight): string {
  const width = Math.max(...regions.map(({ region }) => region.length), 0);
  const good = regions.filter((region) => !isBad(region)).length;
  return [
    `account ${account}, ${arn}`,
    ...local.map(findingLine),
    ...regions.flatMap(({ region, nodes, pool, vcpus, findings }) => [
      `${findings.length === 0 ? "ok     " : isBad({ region, nodes, findings }) ? "ERROR  " : "WARNING"} ${region.padEnd(width)}  ${pluralize(nodes, "node")}${pool ? `, first pool ${pool}` : ""}${vcpus ? `, ${vcpus.wanted} of ${vcpus.free} free vCPUs` : ""}`,
      ...findings.map(findingLine),
    ]),
    ...driftLines(drift),
    `${good} of ${pluralize(regions.length, "region")} can be used.`,
  ].join("\n");
}

const findingLine = ({ check, error }: Finding): string =>
  `        ${check}: ${error.message}\n          next: ${error.next}`;
