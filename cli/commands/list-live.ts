import type { ExitCode } from "../../fleet/errors/exit-codes";
import { costOf, pricesOf } from "../../automation/operations/inspect/cost";
import { list, type ListedNode } from "../../automation/operations/inspect/list";
import type { Session } from "../../automation/session";
import { CLEAR } from "../output/live/screen";
import type { PricedNode } from "../output/node-table";
import { tryWriteFile } from "../../system/atomic-file";
import type { CommandContext } from "../runtime/context";
import { watching } from "../runtime/watch";
import { withSessions } from "../runtime/with-session";
import { cacheFile, type Seen } from "./list";

/** Between two looks of `--watch`. */
const WATCH_MS = 5000;

/** Looks, shows and keeps what was seen; with --watch again and again. */
export async function watchList(context: CommandContext, show: (seen: Seen) => ExitCode): Promise<ExitCode> {
  const { options, terminal } = context;
  const access = { needs: "place", reads: true, withoutState: true } as const;
  return withSessions(context, access, async ({ open, reporter, interrupts }) => {
    const once = () =>
      open(async (session) => {
        const seen = await look(session);
        interrupts.soft.throwIfAborted();
        keep(session, seen);
        if (options.watch && terminal.stdout.isTTY && !options.json) terminal.stdout.write(CLEAR);
        const exitCode = show(seen);
        for (const { region, error } of seen.failedRegions)
          reporter.emit({ type: "message", level: "error", subject: region, message: error.message, error });
        if (seen.problem)
          reporter.emit({
            type: "message",
            level: "error",
            subject: "state",
            message: seen.problem.message,
            error: seen.problem,
          });
        return exitCode;
      });
    if (options.watch) return watching(context, { reporter, everyMs: WATCH_MS, signal: interrupts.soft, look: once });
    return once();
  });
}

/** The listing and, at the same time, the prices of the pools on record. */
async function look(session: Session): Promise<Seen> {
  const { nodes: recorded } = session.state;
  const since = Math.min(Date.now(), ...recorded.map(({ created }) => (created ? Date.parse(created) : Date.now())));
  const [listing, prices] = await Promise.all([
    list(session),
    pricesOf(
      session,
      recorded.map(({ pin }) => pin.pool),
      new Date(since),
    ),
  ]);
  const now = Date.now();
  const priced = (node: ListedNode): PricedNode => ({ ...node, cost: costOf(node, prices, now) });
  return { ...listing, at: new Date(now).toISOString(), nodes: listing.nodes.map(priced) };
}

/** For `list --cached`. */
function keep({ target }: Session, seen: Seen): void {
  tryWriteFile(cacheFile(target.scratch, target.stack), JSON.stringify(seen));
}
