import { pluralize } from "../text/words";
import { paths, units as ourUnits } from "../layout";
import { outside, spot } from "../steps";
import type { Check, NodeExpectation } from "./types";
import { connectCommand, judgeConnections } from "./tcp";
import { activeOf, RESTART_WINDOW, settledOf, showUnits, unitStates } from "./unit-states";
import {
  expectEqual,
  fieldOf,
  firstLine,
  isRecord,
  lastLine,
  parseJsonObject,
  QUICK,
  REPLACE,
  SLOW,
  STARTING,
  replaceByJournal,
  correctConfiguration,
  correctPayload,
} from "./expectations";

/** Bacalhau's agent on the node (instance/config/bacalhau.json). */
const AGENT = "http://127.0.0.1:1234/api/v1/agent";

const hasBacalhau = ({ bacalhau }: NodeExpectation): boolean => bacalhau !== undefined;

const placesOf = (bacalhau: NodeExpectation["bacalhau"]): string[] =>
  (bacalhau?.orchestrators ?? []).map((url) => url.replace("nats://", ""));

const NEWEST_READING_MS = 10_000;

/** The watcher looks every five seconds (instance/scripts/interruption_watcher.py). */
const WATCHER_STALE_MS = 15_000;
const WATCHER_PATIENCE_MS = 10_000;

/** H: what the node is there for. */
export const workloadChecks: readonly Check[] = [
  {
    id: "H2",
    title: "Bacalhau's agent alive",
    phase: "workload",
    where: "node",
    needs: ["F7"],
    about: ourUnits.bacalhau,
    severity: "fail",
    deadlineMs: QUICK,
    patienceMs: STARTING,
    applies: hasBacalhau,
    command: () => `curl -s -m 5 ${AGENT}/alive`,
    judge: ({ stdout, code }) => ({
      ...expectEqual("OK", fieldOf(stdout, "Status") ?? `no answer (curl ended with ${code})`),
      pending: code !== 0,
    }),
    cause: "Bacalhau does not start.",
    ...replaceByJournal("bacalhau"),
  },
  {
    id: "H1",
    title: "Bacalhau's version as configured",
    phase: "workload",
    where: "node",
    needs: ["H2"],
    severity: "fail",
    ofDesired: true,
    deadlineMs: QUICK,
    applies: hasBacalhau,
    command: () => `curl -s -m 5 ${AGENT}/version`,
    judge: ({ stdout, code }, { bacalhau }) =>
      expectEqual(
        bacalhau?.version ?? "",
        (fieldOf(stdout, "GitVersion") ?? `no answer (curl ended with ${code})`).replace(/^v/, ""),
      ),
    cause: "The program that was installed is of another version than `bacalhau.version` says.",
    ...REPLACE,
  },
  {
    id: "H3",
    title: "orchestrators reachable",
    phase: "workload",
    where: "node",
    needs: ["B3"],
    severity: "fail",
    deadlineMs: SLOW,
    applies: ({ bacalhau }) => (bacalhau?.orchestrators.length ?? 0) > 0,
    command: ({ bacalhau }) => connectCommand(placesOf(bacalhau)),
    judge: ({ stdout }, { bacalhau }) => judgeConnections(stdout, placesOf(bacalhau)),
    cause:
      "The orchestrator does not run, its address is wrong, or something on the way does not let the node through.",
    next: "Check `bacalhau.orchestrators` (where it changes, `up` replaces the nodes), and that the orchestrator's firewall admits the nodes; then run `verify` again.",
    step: outside("mend-orchestrator", spot("verify")),
  },
  {
    id: "H4",
    title: "node connected to the orchestrator",
    phase: "workload",
    where: "node",
    needs: ["H2", "H3"],
    severity: "fail",
    deadlineMs: QUICK,
    patienceMs: STARTING,
    applies: ({ bacalhau }) => bacalhau?.api !== undefined,
    command: ({ bacalhau }) => `curl -s -m 5 '${bacalhau?.api ?? ""}/api/v1/orchestrator/nodes'`,
    judge: ({ stdout, code }, { instanceId }) => {
      const nodes = parseJsonObject(stdout)?.Nodes;
      const expected = "in its list, CONNECTED";
      if (!Array.isArray(nodes))
        return { ok: false, expected, actual: `no list of nodes (curl ended with ${code})`, pending: true };
      const own = nodes
        .filter(isRecord)
        .find(({ Info }) => isRecord(Info) && isRecord(Info.Labels) && Info.Labels.instance_id === instanceId);
      const status = own && isRecord(own.ConnectionState) ? String(own.ConnectionState.Status) : undefined;
      return {
        ok: status === "CONNECTED",
        expected,
        actual: own === undefined ? `not among its ${pluralize(nodes.length, "node")}` : String(status),
        pending: true,
      };
    },
    cause: "The node was not let in: a wrong token, or another cluster.",
    ...correctConfiguration(
      "Correct `bacalhau.token_file` or `bacalhau.orchestrators`, then `up` replaces the node; Bacalhau's journal tells why (`journalctl -u bacalhau` on the node).",
    ),
  },
  {
    id: "H5",
    title: "sensor writes readings",
    phase: "workload",
    where: "node",
    needs: ["F7"],
    about: ourUnits.sensor,
    severity: "fail",
    deadlineMs: QUICK,
    patienceMs: STARTING,
    applies: ({ units }) => units.workloads.includes(ourUnits.sensor),
    command: () =>
      `sudo -n python3 -c 'import sqlite3; print(*sqlite3.connect("file:${paths.database}?mode=ro", uri=True).execute("SELECT timestamp, id FROM sensor_readings ORDER BY id DESC LIMIT 1").fetchone() or ["none"])' && date -u +%FT%T.%3NZ`,
    judge: ({ stdout, stderr }) => {
      const [reading = "", now = ""] = stdout.split("\n");
      const age = Date.parse(now) - Date.parse(reading.split(" ")[0] ?? "");
      const ok = age <= NEWEST_READING_MS;
      return {
        ok,
        expected: `a reading of the last ${NEWEST_READING_MS / 1000} s`,
        actual: Number.isNaN(age)
          ? stdout === ""
            ? lastLine(stderr)
            : "no reading"
          : `the newest is ${(age / 1000).toFixed(1)} s old`,
        pending: !ok,
      };
    },
    cause: "The sensor runs but does not write.",
    ...replaceByJournal("sensor"),
  },
  {
    id: "H6",
    title: `your own units active, none restarted in ${RESTART_WINDOW}`,
    phase: "workload",
    where: "node",
    needs: ["B5"],
    after: ["F5"],
    severity: "fail",
    deadlineMs: QUICK,
    patienceMs: STARTING,
    applies: ({ units }) => units.own.length > 0,
    command: ({ units }) => showUnits([ourUnits.startup, ...units.own]),
    judge: ({ stdout }, { units }) => {
      const states = unitStates(stdout);
      const active = activeOf(states, units.own);
      return active.ok ? { ...settledOf(states, units.own, ourUnits.startup), spans: active.spans } : active;
    },
    cause: "A unit of files/systemd does not start, or ends again.",
    ...correctPayload(
      "Correct the unit or what it runs (its journal tells why: `journalctl -u UNIT` on the node), then `up` replaces the node. Where nothing of yours is the cause: `replace NODE`.",
    ),
  },
  {
    id: "H7",
    title: "interruption watcher sees the metadata service",
    phase: "workload",
    where: "node",
    needs: ["F7"],
    about: ourUnits.interruption,
    severity: "fail",
    deadlineMs: QUICK,
    patienceMs: WATCHER_PATIENCE_MS,
    command: () => `cat ${paths.interruption} && date -u +%FT%T.%3NZ`,
    judge: ({ stdout, stderr }) => {
      const end = stdout.lastIndexOf("}") + 1;
      const status = parseJsonObject(stdout.slice(0, end));
      const age = Date.parse(stdout.slice(end).trim()) - Date.parse(String(status?.checkedAt));
      const expected = `metadata ok, within the last ${WATCHER_STALE_MS / 1000} s`;
      if (status === undefined || Number.isNaN(age))
        return { ok: false, expected, actual: firstLine(stderr, stdout), pending: true };
      const seen =
        status.metadata === "ok" ? "metadata ok" : `metadata ${String(status.metadata)}: ${String(status.detail)}`;
      const ok = status.metadata === "ok" && age <= WATCHER_STALE_MS;
      return { ok, expected, actual: `${seen}, ${(age / 1000).toFixed(0)} s ago`, pending: true };
    },
    cause: "The watcher cannot ask the metadata service, so a notice of interruption would not be seen.",
    ...replaceByJournal("spot-interruption"),
  },
];
