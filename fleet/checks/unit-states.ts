import { outside } from "../steps";
import { shellQuote } from "../text/shell-quote";
import { withoutSecrets } from "../text/masking";
import { plainLine, pluralize } from "../text/words";
import type { Span, UnitJournal, Verdict } from "./types";
import { expectAll, joinList, propertiesOf } from "./expectations";

/** The state of units as `systemctl show` tells it. */
export type UnitStates = ReadonlyMap<string, Record<string, string>> & {
  uptime: number;
  journals: readonly UnitJournal[];
};

/** A unit that came up this long ago may still be one that ends at once, s. */
export const SETTLED_S = 3;

/** Longer after the boot's startup than this, nothing of ours has a reason to come up, s. */
const BOOTING_S = 60;

/**
 * A restart this long ago or less says that a workload does not stay up; what was before is told and fails nobody, s.
 * Long enough for one that runs out of memory every few minutes; our own units give up at five restarts in five minutes.
 */
export const RESTART_WINDOW_S = 900;

/** The window in the words of a title. */
export const RESTART_WINDOW = `the last ${RESTART_WINDOW_S / 60} minutes`;

const PROPERTIES =
  "Id,ActiveState,SubState,Result,NRestarts,Type,UnitFileState,ActiveEnterTimestamp,ActiveEnterTimestampMonotonic,StateChangeTimestampMonotonic";

/** Of each journal that is shown: its last lines, and the bytes of one. */
const JOURNAL_LINES = 8;
const JOURNAL_LINE_BYTES = 300;
/** What is printed before a unit's journal, and before each line of it: so no line can pass for anything else. */
const HEAD = "== ";
const MARK = "| ";

/** The end of the journal of each unit that stdin names, in this boot. */
const EACH_JOURNAL = `while read -r unit rest; do printf '${HEAD}%s\\n' "$unit"; sudo -n journalctl -b -q -n ${JOURNAL_LINES} -o cat --no-pager -u "$unit" </dev/null | cut -c -${JOURNAL_LINE_BYTES} | sed 's/^/${MARK}/'; done`;

/** Units of which journals are shown at once. */
const JOURNALS = 5;

/** Prints the journals of the units that a command names, one in a line. */
export const journalsOf = (naming: string): string => `${naming} | head -n ${JOURNALS} | ${EACH_JOURNAL}`;

/** The names of those units that are not active, or were restarted. */
const notWell = (names: string): string =>
  `systemctl show -p Id,ActiveState,NRestarts ${names} | awk -v RS= '/ActiveState=active/ && !/NRestarts=[1-9]/ { next } { sub(/.*Id=/, ""); sub(/\\n.*/, ""); print }'`;

/**
 * Reads the state of units, and the machine's uptime, with which systemd's monotonic times are compared. Times are in
 * UTC. Then the journals of those that may be amiss, so that nobody has to ask for them.
 */
export const showUnits = (names: readonly string[]): string => {
  const quoted = names.map(shellQuote).join(" ");
  return `cut -d' ' -f1 /proc/uptime; TZ=UTC systemctl show -p ${PROPERTIES} ${quoted}; ${journalsOf(notWell(quoted))}`;
};

/** What stands before the first journal. */
export const withoutJournals = (stdout: string): string => stdout.split(new RegExp(`^${HEAD}`, "m"), 1).join();

/** The journals that `journalsOf` printed, without those of which there is nothing. */
export function unitJournals(stdout: string): UnitJournal[] {
  return stdout
    .split(new RegExp(`^${HEAD}`, "m"))
    .slice(1)
    .flatMap((section): UnitJournal[] => {
      const [unit = "", ...rest] = section.split("\n");
      const lines = rest
        .filter((line) => line.startsWith(MARK))
        .map((line) => withoutSecrets(plainLine(line.slice(MARK.length)), []))
        .filter((line) => line !== "");
      return lines.length === 0 ? [] : [{ unit, lines }];
    });
}

/** A time of systemd's, such as `Tue 2023-11-14 22:13:20 UTC`; empty when there was none. */
const TIME = /^\w+ (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC$/;

/** What `showUnits` printed. */
export function unitStates(stdout: string): UnitStates {
  const [uptime = "", ...rest] = withoutJournals(stdout).split("\n");
  const states = new Map(
    rest
      .join("\n")
      .split("\n\n")
      .map(propertiesOf)
      .map((unit) => [unit.Id ?? "", unit] as const),
  );
  return Object.assign(states, { uptime: Number(uptime), journals: unitJournals(stdout) });
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
  const isWell = (name: string): boolean => {
    const unit = states.get(name);
    if (unit === undefined) return false;
    const hasEnded = unit.Type === "oneshot" && unit.ActiveState === "inactive" && unit.Result === "success";
    const isOthers = unit.UnitFileState === "static" && unit.ActiveState === "inactive";
    return unit.ActiveState === "active" || hasEnded || isOthers;
  };
  const spans = names.flatMap((name): Span[] => {
    const [, date, time] = TIME.exec(states.get(name)?.ActiveEnterTimestamp ?? "") ?? [];
    return date && time ? [{ name, start: `${date}T${time}.000Z` }] : [];
  });
  const starting = names.filter((name) => isStarting(states.get(name) ?? {}));
  return {
    ...expectAll(names, (name) => (isWell(name) ? undefined : described(name, states.get(name)))),
    pending: starting.length > 0,
    ...(starting.length > 0 ? { cause: hanging(starting) } : {}),
    spans,
    journals: states.journals.filter(({ unit }) => names.includes(unit) && !isWell(unit)),
  };
}

const ago = (seconds: number): string =>
  seconds < 120 ? `${seconds.toFixed(0)} s ago` : `${(seconds / 60).toFixed(0)} minutes ago`;

/**
 * None of these was restarted by systemd of late, and none has only just come up although the boot is long over:
 * something else may be starting it again and again. Restarts before the window are told. Never waits; a unit that is
 * too young is worth another look.
 *
 * systemd counts restarts from a unit's start by hand or by the boot (systemd.service(5), Restart=). Each ends in a new
 * start, so that a unit that has been active for the whole window was not restarted in it.
 */
export function settledOf(states: UnitStates, names: readonly string[], startup?: string): Verdict {
  const since = (name: string): number => {
    const { ActiveState, ActiveEnterTimestampMonotonic, StateChangeTimestampMonotonic } = states.get(name) ?? {};
    const time = ActiveState === "active" ? ActiveEnterTimestampMonotonic : StateChangeTimestampMonotonic;
    return states.uptime - Number(time ?? 0) / 1e6;
  };
  const isBooting = startup !== undefined && states.has(startup) && since(startup) < BOOTING_S;
  const young = names.filter(
    (name) => states.get(name)?.ActiveState === "active" && !isBooting && since(name) < SETTLED_S,
  );
  const restarts = (name: string): number => Number(states.get(name)?.NRestarts ?? 0);
  const restarted = names.filter((name) => restarts(name) > 0);
  const lately = restarted.filter((name) => since(name) < RESTART_WINDOW_S);
  const told = (name: string): string =>
    `${name}: ${pluralize(restarts(name), "restart")} in this boot, the last ${ago(since(name))}`;
  const journals = (amiss: readonly string[]): Verdict["journals"] =>
    states.journals.filter(({ unit }) => amiss.includes(unit));
  const expected = `none restarted in ${RESTART_WINDOW}`;
  if (lately.length + young.length > 0)
    return {
      ok: false,
      expected,
      actual: joinList([
        ...lately.map(told),
        ...young
          .filter((name) => !lately.includes(name))
          .map((name) => `${name}: active for ${since(name).toFixed(1)} s only, long after the boot`),
      ]),
      pending: young.length > 0 && lately.length === 0,
      journals: journals([...lately, ...young]),
    };
  if (restarted.length === 0) return { ok: true, expected, actual: expected };
  return {
    ok: false,
    expected,
    actual: joinList(restarted.map(told)),
    severity: "info",
    cause: `It crashed earlier, and has run for ${RESTART_WINDOW} and longer.`,
    next: "Nothing has to be done. Its journal tells why it crashed (`journalctl -b -u UNIT` on the node).",
    step: outside("let-it-be"),
    journals: journals(restarted),
  };
}
