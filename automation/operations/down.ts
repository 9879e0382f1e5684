import { rmSync } from "node:fs";
import { errorInfo, SpotError, wordsOf, type ErrorInfo } from "../../fleet/errors";
import { callerIdentity } from "../cloud/identity";
import { inventory, type CloudObject } from "../cloud/inventory";
import { sweep } from "../cloud/sweep";
import { reread, type Session } from "../session";
import { createError, failureInfo, nodeListener } from "./engine-report";
import { recover } from "./recover";

export interface DownResult {
  account: string;
  /** Objects that were there before, instances and the rest. */
  found: number;
  /** What listing again still shows; empty is the proof. */
  leftovers: CloudObject[];
  /** Regions that could not be looked at, so that nothing is proven about them. */
  notLookedAt: { region: string; error: ErrorInfo; everUsed: boolean }[];
  failures: ErrorInfo[];
}

/**
 * Ends everything of the fleet and proves it by listing again: first by the state, then by the lineage's tag in every
 * region of the state and the settings. Needs neither config.yaml nor the payload.
 * @throws SpotError E_DECLINED, E_LOCKED, E_CREDENTIALS
 */
export async function down(opened: Session): Promise<DownResult> {
  const regions = [...new Set([...opened.state.regions, ...Object.keys(opened.settings.pins?.regions ?? {})])].sort();
  const { account } = await callerIdentity(opened.cloud);
  const session = await recover(opened, regions);
  const before = (await inventory(session.cloud, session.lineage, regions)).flatMap(({ objects }) => objects);
  await confirmed(session, account, before);

  const failures: ErrorInfo[] = [];
  if (session.state.resources.length > 0) {
    const outcome = await session.stack.destroy({ listener: nodeListener(session) });
    failures.push(...outcome.failures.map(failureInfo));
    if (outcome.interrupted) failures.push(errorInfo(new SpotError("E_INTERRUPTED", "the run was interrupted; what was in flight is finished and recorded")));
    else if (outcome.programErrors.length > 0) throw createError(outcome);
  }
  if (!session.interrupts.soft.aborted) await sweepRest(session, regions);

  const looked = await inventory(session.cloud, session.lineage, regions);
  const result: DownResult = {
    account,
    found: before.length,
    leftovers: looked.flatMap(({ objects }) => objects),
    notLookedAt: looked.flatMap(({ region, error }) => (error ? [{ region, error: errorInfo(error), everUsed: session.state.regions.includes(region) }] : [])),
    failures,
  };
  if (result.leftovers.length === 0 && result.notLookedAt.length === 0 && failures.length === 0) await forgetStack(session);
  return result;
}

/** What the state did not know, or could not delete, by the lineage's tag. */
async function sweepRest(session: Session, regions: string[]): Promise<void> {
  const rest = (await inventory(session.cloud, session.lineage, regions)).flatMap(({ objects }) => objects);
  if (rest.length === 0) return;
  const emit = (level: "info" | "warning", object: CloudObject, message: string) =>
    session.reporter.emit({ type: "message", level, subject: object.region, message: `${object.kind} ${object.id} ${message}` });
  const failures = await sweep(session.cloud, session.lineage, rest, {
    signal: session.interrupts.hard,
    onDeleted: (object) => emit("info", object, "deleted by its tag"),
  });
  for (const { object, error } of failures) emit("warning", object, `could not be deleted: ${wordsOf(error)}`);
}

async function confirmed(session: Session, account: string, before: CloudObject[]): Promise<void> {
  if (session.target.kind === "sandbox") return;
  const instances = before.filter(({ kind }) => kind === "instance").length;
  if (before.length === 0 && session.state.resources.length === 0) return;
  const message = `Account ${account}, stack ${session.target.stack}: end ${instances} instances and delete ${before.length - instances} other resources?`;
  if (!(await session.reporter.confirm({ message, unattended: false }))) throw new SpotError("E_DECLINED", "nothing was changed");
}

/** Nothing is left to record: the stack, its settings and its keys end with the fleet. */
async function forgetStack(session: Session): Promise<void> {
  if (!session.stackExists) return;
  const { state } = await reread(session);
  if (state.resources.some(({ custom, type }) => custom && type.startsWith("aws:"))) return;
  await session.stack.remove();
  rmSync(session.stack.configFile, { force: true });
  rmSync(session.keys, { recursive: true, force: true });
}
