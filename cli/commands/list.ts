import { readFileSync } from "node:fs";
import path from "node:path";
import { spotStatusText } from "../../fleet/aws/spot-requests";
import { fleetCost, sumText } from "../../fleet/plan/cost";
import { exitCodeOfClass, SpotError } from "../../fleet/errors";
import { outside, spot } from "../../fleet/steps";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { didYouMean } from "../../fleet/text/suggest";
import { pluralize } from "../../fleet/text/words";
import { packageRoot } from "../../project/package-root";
import { isStopped } from "../../fleet/drift/compare";
import { driftLines } from "../output/drift";
import type { Drift } from "../../fleet/drift/types";
import type { ListedNode, Listing } from "../../automation/operations/inspect/list";
import { pathsOf } from "../../automation/target/paths";
import { targetPlace } from "../../automation/target";
import { exitCodeOf } from "../output/exit-code";
import { jsonLine } from "../output/json";
import { nodeTable, sorted, tableShape, type PricedNode, type TableShape } from "../output/node-table";
import { tableText, widthOf } from "../output/table";
import type { CommandContext } from "../runtime/context";
import { placeFrom } from "../runtime/place";

/** What `list` shows, with the moment at which it was so. */
export type Seen = Omit<Listing, "nodes" | "drift" | "driftUnknown"> &
  Partial<Pick<Listing, "drift" | "driftUnknown">> & { at: string; nodes: PricedNode[] };

export async function run(context: CommandContext): Promise<ExitCode> {
  const shape = tableShape(context.options);
  if (context.options.cached) return show(context, readCached(context), shape);
  // What asks AWS takes longer to load than the kept listing takes to show.
  const { watchList } = await import("./list-live.js");
  return watchList(context, (seen) => show(context, seen, shape));
}

function show(context: CommandContext, seen: Seen, shape: TableShape): ExitCode {
  const { options, terminal } = context;
  const known = [...new Set(seen.nodes.map(({ region }) => region))];
  if (options.region !== undefined && !known.includes(options.region)) {
    throw new SpotError("E_NOT_FOUND", {
      message: `the fleet has no node in region ${options.region}${didYouMean(options.region, known)}`,
      next: `It has nodes in: ${known.join(", ") || "no region"}.`,
      step: outside("correct-command-line"),
    });
  }
  const listing = {
    ...seen,
    nodes: sorted(
      seen.nodes.filter(({ region }) => region === (options.region ?? region)),
      shape,
    ),
    // What an earlier version kept has none.
    driftUnknown: (seen.driftUnknown ?? []).filter((region) => region === (options.region ?? region)),
    drift: (seen.drift ?? []).filter(({ region }) => region === (options.region ?? region)),
  };
  if (options.json) jsonLine(context, listing);
  else {
    if (options.cached) terminal.stdout.write(`As of ${seen.at}:\n`);
    terminal.stdout.write(
      listing.nodes.length === 0
        ? `No nodes in stack ${listing.stack}.\n`
        : `${nodeTable(terminal, listing.nodes, shape)}\n`,
    );
    const told = costText(listing.nodes);
    if (told !== undefined) terminal.stdout.write(`${told}\n`);
    for (const line of remarks(listing, widthOf(terminal.stdout))) terminal.stdout.write(`${line}\n`);
  }
  return listing.problem
    ? exitCodeOfClass[listing.problem.class]
    : exitCodeOf(
        listing.failedRegions.map(({ error }) => error),
        listing.nodes.length,
      );
}

/** What the nodes cost together; undefined: nothing, or it is known of none. */
function costText(nodes: readonly PricedNode[]): string | undefined {
  const { hourly, soFar, unknown, unknownSoFar } = fleetCost(nodes.flatMap(({ cost }) => cost ?? []));
  if (hourly === null || (hourly === 0 && unknown === 0)) return undefined;
  return [
    `${sumText(hourly, unknown)} an hour, ${sumText(soFar, unknownSoFar)} so far`,
    "an estimate without storage and traffic",
    ...(unknown > 0 ? [`what ${pluralize(unknown, "node")} ${unknown === 1 ? "costs" : "cost"} is not known`] : []),
  ].join("; ");
}

export const cacheFile = (scratch: string, stack: string): string =>
  path.join(scratch, `list-${stack.replaceAll("/", "_")}.json`);

/** @throws SpotError E_NOT_FOUND when nothing was kept */
function readCached(context: CommandContext): Seen {
  const { options, env } = context;
  const { scratch, stack } = targetPlace({
    sandbox: options.sandbox,
    projectDir: packageRoot(),
    paths: pathsOf(env),
    stack: options.stack ?? placeFrom(context).stack,
    env,
  });
  try {
    return JSON.parse(readFileSync(cacheFile(scratch, stack), "utf8")) as Seen;
  } catch (cause) {
    throw new SpotError("E_NOT_FOUND", {
      message: `nothing is kept of stack ${stack} here`,
      cause,
      next: "Run `list` without --cached once.",
      step: spot("list"),
    });
  }
}

/** What a row of the table has no room for: what becomes of an instance and why, and fleets of other places. */
function remarks({ nodes, foreign, drift }: Listing, width: number): string[] {
  const own = [...nodes.flatMap((node) => remarkOn(node) ?? []), ...driftLines(drift.filter(isNoEnd))];
  if (foreign.length === 0) return own;
  const rows = foreign.map(({ lineage, stack, node, instanceId, region, state }) => [
    lineage,
    stack,
    node,
    instanceId,
    region,
    state,
  ]);
  return [
    ...own,
    "",
    "Not ours: instances of fleets whose record is not in this place. Nothing here touches them; `recover --fleet-id ID` ends a fleet whose record is lost.",
    tableText(["FLEET ID", "STACK", "NODE", "INSTANCE", "REGION", "STATE"], rows, width),
  ];
}

function remarkOn({
  name,
  instanceId,
  state,
  stateReason,
  spotRequest,
  interruptionPending,
  underWay,
}: ListedNode): string | undefined {
  // A run is at work on it: no other is needed.
  if (underWay !== undefined) return undefined;
  const told = spotRequest ? spotStatusText(spotRequest) : undefined;
  const code = spotRequest ? ` (${spotRequest.status})` : "";
  if (interruptionPending)
    return `${name}: interruption pending: ${told ?? "AWS takes it back"}${code}. \`up\` makes it again when it has ended.`;
  if (ENDED.has(state)) {
    const why = stateReason ? `: ${stateReason}` : "";
    return `${name}: ${instanceId} is ${state}${why}${told === undefined ? "" : `; ${told}`}. \`repair\` makes it again.`;
  }
  if (isStopped({ kind: "instance", is: state }))
    return `${name}: ${instanceId} is ${state}: that was done outside this tool. \`up\` replaces it, and asks first.`;
  return told === undefined ? undefined : `${name}: ${told}${code}.`;
}

const ENDED: ReadonlySet<string> = new Set(["terminated", "shutting-down", "gone"]);

/** What became of an instance is said of its node. */
const isNoEnd = ({ kind }: Drift): boolean => kind !== "instance";
