import { isDeepStrictEqual } from "node:util";
import { wordsOf } from "../../../fleet/errors";
import type { FleetRecord } from "../../../fleet/plan/stack-config";
import { readStackSettings, type StackSettings } from "../../engine/stack-config";
import { reread, type Session } from "../../session";
import { failureInfo } from "../run/engine-events";

/**
 * Has the state record what the settings have come to be, where the runs of the engine have not done so already; after a
 * run that broke off, too, for plain Pulumi goes by the record. What keeps it from that is a warning: the next `up` does
 * it.
 */
export async function keepRecord(session: Session): Promise<Session> {
  const { stack, state, reporter, interrupts } = session;
  const settings = readStackSettings(stack.configFile);
  if (state.resources.length === 0 || interrupts.hard.aborted || isUpToDate(settings, session)) return session;
  const { failure, after } = await written(session);
  if (failure !== undefined)
    reporter.emit({
      type: "message",
      level: "warning",
      subject: "record",
      message: `the state's record of the fleet is not up to date: ${failure}. The next \`up\` brings it up to date.`,
    });
  return after;
}

async function written(session: Session): Promise<{ after: Session; failure?: string }> {
  try {
    const { ok, failures, programErrors } = await session.stack.writeRecord();
    const [failure = programErrors[0] ?? (ok ? undefined : "the engine was stopped")] = failures.map(
      (one) => failureInfo(one).message,
    );
    return { after: await reread(session), failure };
  } catch (error) {
    return { after: session, failure: wordsOf(error) };
  }
}

function isUpToDate(settings: Partial<StackSettings>, { state }: Session): boolean {
  const names = new Set(state.nodes.map(({ name }) => name));
  return isDeepStrictEqual(essence(state.record, names), essence(settings, names));
}

/**
 * What a run goes by. Reasons, and the launches of nodes that are not there, are other ones each time; the other values
 * that are left out are where a run looks first, and it finds the rest by the record.
 */
function essence(
  { lineage, endpoint, endpoints, account, pins }: Partial<FleetRecord> = {},
  names: ReadonlySet<string>,
): unknown {
  const launches = Object.entries(pins?.launches ?? {}).filter(([name]) => names.has(name));
  const all = {
    lineage,
    endpoint,
    endpoints,
    account,
    pins: { ...pins, unplaced: undefined, launches: Object.fromEntries(launches) },
  };
  // What is undefined is not written.
  return JSON.parse(JSON.stringify(all)) as unknown;
}
