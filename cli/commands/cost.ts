import { dollars, fleetCost } from "../../fleet/plan/cost";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { pluralize } from "../../fleet/text/words";
import { costOf, onDemandPrices, pricesOf } from "../../automation/operations/inspect/cost";
import { list } from "../../automation/operations/inspect/list";
import { exitCodeOf } from "../output/exit-code";
import { jsonLine } from "../output/json";
import { tableText } from "../output/node-table";
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
      jsonLine(terminal, {
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
      const saved = ({ hourly, onDemandHourly }: { hourly: number | null; onDemandHourly: number | null }) =>
        hourly && onDemandHourly ? `${Math.round((1 - hourly / onDemandHourly) * 100)} %` : "-";
      terminal.stdout.write(
        `${tableText(
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
        )}\n\nThe fleet: ${dollars(total.hourly)} an hour, ${dollars(total.savedHourly)} an hour less than on demand; ${dollars(total.soFar)} so far${total.unknown > 0 ? `; ${unknownText(total.unknown)}` : ""}.\nAn estimate in US dollars; storage and traffic not counted.\n`,
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

/** What runs on demand costs what AWS's price list says, which is another service with permissions of its own. */
const unknownText = (nodes: number): string =>
  `the price of ${pluralize(nodes, "node")} is not known: it runs on demand (https://aws.amazon.com/ec2/pricing/on-demand/), or AWS did not tell its spot price (--verbose says why)`;
