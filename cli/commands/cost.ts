import { dollars, fleetCost, ON_DEMAND_PRICES, sumText, type FleetCost, type NodeCost } from "../../fleet/plan/cost";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { pluralize } from "../../fleet/text/words";
import { costOf, onDemandPrices, pricesOf } from "../../automation/operations/inspect/cost";
import { list } from "../../automation/operations/inspect/list";
import { exitCodeOf } from "../output/exit-code";
import { jsonLine } from "../output/json";
import { tableText, widthOf } from "../output/table";
import type { CommandContext } from "../runtime/context";
import { withSession } from "../runtime/with-session";

export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal } = context;
  return withSession(context, { needs: "place", reads: true }, async ({ session, reporter }) => {
    const { nodes, failedRegions, stack } = await list(session);
    const launches = nodes.map(({ launchedAt }) => (launchedAt === null ? Date.now() : Date.parse(launchedAt)));
    const [prices, onDemand] = await Promise.all([
      pricesOf(session, nodes, new Date(Math.min(Date.now(), ...launches))),
      onDemandPrices(session, nodes),
    ]);
    const now = Date.now();
    const rows = nodes.map((node) => ({
      node,
      cost: costOf(node, prices, now, onDemand.get(node.instanceId) ?? null),
    }));
    const total = fleetCost(rows.map(({ cost }) => cost));
    if (options.json) {
      jsonLine(context, {
        stack,
        currency: "USD",
        nodes: rows.map(({ node, cost }) => ({
          name: node.name,
          instanceId: node.instanceId,
          availabilityZone: node.availabilityZone,
          instanceType: node.instanceType,
          market: node.market,
          state: node.state,
          ...cost,
        })),
        total,
      });
    } else if (rows.length === 0) {
      terminal.stdout.write(`No nodes in stack ${stack}: nothing is spent.\n`);
    } else {
      const saved = ({ hourly, onDemandHourly }: NodeCost) =>
        hourly && onDemandHourly ? `${Math.round((1 - hourly / onDemandHourly) * 100)} %` : "-";
      const table = tableText(
        ["NODE", "ZONE", "TYPE", "MARKET", "STATE", "$/H NOW", "$/H ON DEMAND", "SAVED", "SO FAR"],
        rows.map(({ node, cost }) => [
          node.name,
          node.availabilityZone,
          node.instanceType,
          node.market,
          node.state,
          dollars(cost.hourly),
          dollars(cost.onDemandHourly),
          saved(cost),
          dollars(cost.soFar),
        ]),
        widthOf(terminal.stdout),
      );
      terminal.stdout.write(
        `${table}\n\n${totalText(total)}\nAn estimate in US dollars; storage and traffic not counted.\n`,
      );
    }
    for (const { region, error } of failedRegions)
      reporter.emit({ type: "message", level: "error", subject: region, message: error.message, error });
    return exitCodeOf(
      failedRegions.map(({ error }) => error),
      nodes.length,
    );
  });
}

function totalText({ hourly, savedHourly, soFar, unknown, unknownSoFar }: FleetCost): string {
  if (hourly === null) return `What the fleet costs is not known: ${unknownText(unknown)}.`;
  return `The fleet: ${[
    `${sumText(hourly, unknown)} an hour${savedHourly === null ? "" : `, ${sumText(savedHourly, unknown)} an hour less than on demand`}`,
    `${sumText(soFar, unknownSoFar)} so far`,
    ...(unknown > 0 ? [unknownText(unknown)] : []),
  ].join("; ")}.`;
}

/** What runs on demand costs what AWS's price list says, which is another service with permissions of its own. */
const unknownText = (nodes: number): string =>
  `the price of ${pluralize(nodes, "node")} is not known: it runs on demand (${ON_DEMAND_PRICES}), its region did not answer, or AWS did not tell its spot price (--verbose says why)`;
