import type { Span, Verdict } from "./types";
import { expectAll, joinList, propertiesOf } from "./expectations";

/** The state of units as `systemctl show` tells it. */
export type UnitStates = ReadonlyMap<string, Record<string, string>> & { uptime: number };

/** A unit that came up this long ago may still be one that ends at once, s. */
export const SETTLED_S = 3;

/** Longer after the boot's startup than this, nothing of ours has a reason to come up, s. */
const BOOTING_S = 60;

const PROPERTIES =
  "Id,ActiveState,SubState,Result,NRestarts,Type,UnitFileState,ActiveEnterTimestamp,ActiveEnterTimestampMonotonic";

/** Reads the state of units, and the machine's uptime, with which systemd's monotonic times are compared. Times are in UTC. */
export const showUnits = (names: readonly string[]): string =>
  `cut -d' ' -f1 /proc/uptime; TZ=UTC systemctl show -p ${PROPERTIES} ${names.join(" ")}`;

/** A time of systemd's, such as `Tue 2023-11-14 22:13:20 UTC`; empty when there was none. */
const TIME = /^\w+ (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC$/;

/** What `showUnits` printed. */
export function unitStates(stdout: string): UnitStates {
  const [uptime = "", ...rest] = stdout.split("\n");
  const states = new Map(
    rest
      .join("\n")
      .split("\n\n")
      .map(propertiesOf)
      .map((unit) => [unit.Id ?? "", unit] as const),
  );
  return Object.assign(states, { uptime: Number(uptime) });
}

/** A unit that failed and waits for its restart is not one that is starting: waiting would only hide it. */
const isStarting = ({ ActiveState, SubState }: Record<string, string>): boolean =>
  ActiveState === "activating" && SubState !== "auto-restart";

const hanging = (names: readonly string[]): string =>
  `${joinList(names)} hangs in its start: a unit of Type=oneshot has started when its program ends, one of Type=notify when it says READY=1.`;

const described = (name: string, unit: Record<string, string> | undefined): string => {
  const { ActiveState = "unknown", SubState = "unknown", Result = "unknown" } = unit ?? {};
  return `${name}: ${unit ? `${ActiveState} (${SubState}), ${Result}` : "unknown"}`;
};

/** Each of these is active; one that only does its work and ends (oneshot) may have ended well. `static` ones are started by others. */
export function activeOf(states: UnitStates, names: readonly string[]): Verdict {
  const verdict = expectAll(names, (name) => {
    const unit = states.get(name);
    if (unit === undefined) return described(name, unit);
    const hasEnded = unit.Type === "oneshot" && unit.ActiveState === "inactive" && unit.Result === "success";
    const isOthers = unit.UnitFileState === "static" && unit.ActiveState === "inactive";
    return unit.ActiveState === "active" || hasEnded || isOthers ? undefined : described(name, unit);
  });
  const spans = names.flatMap((name): Span[] => {
    const [, date, time] = TIME.exec(states.get(name)?.ActiveEnterTimestamp ?? "") ?? [];
    return date && time ? [{ name, start: `${date}T${time}.000Z` }] : [];
  });
  const starting = names.filter((name) => isStarting(states.get(name) ?? {}));
  return {
    ...verdict,
    pending: starting.length > 0,
    ...(starting.length > 0 ? { cause: hanging(starting) } : {}),
    spans,
  };
}

/**
 * None of these was restarted by systemd, and none has only just come up although the boot is long over: something
 * else may be starting it again and again. Never waits; a unit that is too young is worth another look.
 */
export function settledOf(states: UnitStates, names: readonly string[], startup?: string): Verdict {
  const age = (name: string): number =>
    states.uptime - Number(states.get(name)?.ActiveEnterTimestampMonotonic ?? 0) / 1e6;
  const isBooting = startup !== undefined && states.has(startup) && age(startup) < BOOTING_S;
  const young = names.filter(
    (name) => states.get(name)?.ActiveState === "active" && !isBooting && age(name) < SETTLED_S,
  );
  const restarted = (name: string): string | undefined => {
    const { NRestarts = "0" } = states.get(name) ?? {};
    return NRestarts === "0" ? undefined : `${name}: ${NRestarts} restarts`;
  };
  const verdict = expectAll(
    names,
    (name) =>
      restarted(name) ??
      (young.includes(name) ? `${name}: active for ${age(name).toFixed(1)} s only, long after the boot` : undefined),
  );
  return { ...verdict, pending: young.length > 0 && !names.some(restarted) };
}
