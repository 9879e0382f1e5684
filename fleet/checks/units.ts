import { paths, units as ourUnits } from "../layout";
import type { Check } from "./types";
import { copiesOf } from "../node/placed";
import { differenceOf, lookAt, lookOf } from "./look";
import {
  activeOf,
  journalsOf,
  RESTART_WINDOW,
  settledOf,
  SETTLED_S,
  showUnits,
  unitJournals,
  unitStates,
  withoutJournals,
} from "./unit-states";
import {
  expectAll,
  judgeSteps,
  REPLACE_BY_LOG,
  expectEmpty,
  propertiesOf,
  QUICK,
  SLOW,
  STARTING,
  stepsCommand,
  REPLACE_BY_STARTUP_LOG,
  replaceByJournal,
  correctPayload,
} from "./expectations";

const FAILED_UNITS = "systemctl list-units --state=failed --no-legend --plain --no-pager";

/** F: what systemd made of the boot. */
export const unitChecks: readonly Check[] = [
  {
    id: "F1",
    title: "unit files as in the payload",
    phase: "units",
    where: "node",
    needs: ["E2"],
    severity: "fail",
    ofDesired: true,
    deadlineMs: QUICK,
    command: ({ units }) => lookAt(Object.keys(units.installed).map((name) => `${paths.units}/${name}`)),
    judge: (output, { units, manifest }) => {
      const look = lookOf(output);
      const copies = new Map(copiesOf(manifest, "F1").map((file) => [file.path, file]));
      return expectAll(Object.entries(units.installed), ([name, source]) => {
        const copy = copies.get(`${paths.units}/${name}`);
        return copy === undefined ? undefined : differenceOf(copy, look, "f", source);
      });
    },
    cause: "The deployment's step `units` failed, or a unit was changed on the node.",
    ...REPLACE_BY_LOG,
  },
  {
    id: "F2",
    title: "unit files are sound",
    phase: "units",
    where: "node",
    needs: ["E2"],
    severity: "fail",
    deadlineMs: SLOW,
    command: ({ units }) =>
      `cd ${paths.units} && systemd-analyze verify --man=no ${Object.keys(units.installed).join(" ")} 2>&1`,
    judge: ({ stdout }, { units }) => {
      const names = Object.keys(units.installed);
      return expectEmpty(
        stdout
          .split("\n")
          .filter((line) => names.some((name) => line.includes(name)))
          .join("\n"),
      );
    },
    cause: "A unit file has a fault that systemd names.",
    ...correctPayload(
      "Correct it; then `up` replaces the node. Where it was changed on the node (F1): `replace NODE`.",
    ),
  },
  {
    id: "F3",
    title: "every unit enabled",
    phase: "units",
    where: "node",
    needs: ["E2"],
    severity: "fail",
    ofDesired: true,
    deadlineMs: QUICK,
    command: ({ units }) => `systemctl is-enabled ${units.enabled.join(" ")} 2>&1`,
    judge: ({ stdout }, { units }) => {
      const states = stdout.split("\n");
      return expectAll(units.enabled, (name, n) =>
        states[n] === "enabled" || (states[n] === "static" && units.own.includes(name))
          ? undefined
          : `${name}: ${states[n] || "unknown"}`,
      );
    },
    cause: "The deployment's step `units` failed, or a unit was disabled on the node.",
    ...REPLACE_BY_LOG,
  },
  {
    id: "F4",
    title: "no ordering cycle in this boot",
    phase: "units",
    where: "node",
    needs: ["B5"],
    severity: "fail",
    deadlineMs: SLOW,
    command: () => "sudo -n journalctl -b -o cat --no-pager _PID=1 | grep -i 'ordering cycle'; true",
    judge: ({ stdout }) => expectEmpty(stdout),
    cause: "Units order themselves in a circle, so systemd dropped one of them.",
    ...correctPayload("Correct the unit's After= and WantedBy=; then `up` replaces the node."),
  },
  {
    id: "F5",
    title: "startup ran in this boot",
    phase: "units",
    where: "node",
    needs: ["B5"],
    severity: "fail",
    deadlineMs: QUICK,
    patienceMs: STARTING,
    command: () =>
      `systemctl show -p ActiveState,SubState,Result,ExecMainStatus ${ourUnits.startup}; systemctl is-active -q ${ourUnits.startup} || ${journalsOf(`echo ${ourUnits.startup}`)}`,
    judge: ({ stdout }) => {
      const {
        ActiveState: active = "unknown",
        SubState: sub = "unknown",
        Result: result = "unknown",
        ExecMainStatus: status = "?",
      } = propertiesOf(withoutJournals(stdout));
      return {
        ok: active === "active" && sub === "exited" && result === "success" && status === "0",
        expected: "active (exited), success, status 0",
        actual: `${active} (${sub}), ${result}, status ${status}`,
        pending: active === "activating",
        journals: unitJournals(stdout),
      };
    },
    cause: "The startup script failed, or systemd did not start it.",
    ...REPLACE_BY_STARTUP_LOG,
  },
  {
    // Stands before F5: when the startup failed, this is the check that names the step.
    id: "F6",
    title: "every startup step",
    phase: "units",
    where: "node",
    needs: ["B5"],
    severity: "fail",
    deadlineMs: QUICK,
    patienceMs: STARTING,
    command: () => stepsCommand(paths.startupSteps),
    judge: judgeSteps,
    cause: "The step named failed for the reason given.",
    ...REPLACE_BY_STARTUP_LOG,
  },
  {
    id: "F7",
    title: "every workload active",
    phase: "units",
    where: "node",
    needs: ["F5"],
    severity: "fail",
    deadlineMs: QUICK,
    patienceMs: STARTING,
    applies: ({ units }) => units.workloads.length > 0,
    command: ({ units }) => showUnits(units.workloads),
    judge: ({ stdout }, { units }) => {
      const states = unitStates(stdout);
      return {
        ...activeOf(states, units.workloads),
        blocks: units.workloads.filter((name) => !activeOf(states, [name]).ok),
      };
    },
    cause: "A workload does not start, or ends again.",
    ...replaceByJournal("UNIT"),
  },
  {
    id: "F8",
    title: `no workload restarted in ${RESTART_WINDOW}`,
    phase: "units",
    where: "node",
    needs: ["F5"],
    after: ["F7"],
    severity: "fail",
    deadlineMs: QUICK,
    patienceMs: 2 * SETTLED_S * 1000,
    applies: ({ units }) => units.workloads.length > 0,
    command: ({ units }) => showUnits([ourUnits.startup, ...units.workloads]),
    judge: ({ stdout }, { units }) => settledOf(unitStates(stdout), units.workloads, ourUnits.startup),
    cause: "A workload crashes and is started again.",
    ...replaceByJournal("UNIT"),
  },
  {
    id: "F9",
    title: "no other failed unit",
    phase: "units",
    where: "node",
    needs: ["B3"],
    after: ["C1"],
    severity: "warn",
    deadlineMs: QUICK,
    command: () => `${FAILED_UNITS}; ${journalsOf(FAILED_UNITS)}`,
    // Ours have checks of their own.
    judge: ({ stdout }, { units }) => {
      const isOurs = (line: string): boolean => Object.hasOwn(units.installed, line.split(" ", 1)[0] ?? "");
      const failed = withoutJournals(stdout).split("\n");
      return {
        ...expectEmpty(failed.filter((line) => !isOurs(line)).join("\n")),
        journals: unitJournals(stdout).filter(({ unit }) => !isOurs(unit)),
      };
    },
    cause: "A unit of the image failed.",
    ...replaceByJournal("UNIT"),
  },
  {
    id: "F10",
    title: "no errors in our units' journals",
    phase: "units",
    where: "node",
    needs: ["B3"],
    after: ["F8"],
    severity: "warn",
    deadlineMs: SLOW,
    command: ({ units }) =>
      `sudo -n journalctl -b -q -p err -o cat --no-pager -n 5 ${Object.keys(units.installed)
        .map((name) => `-u ${name}`)
        .join(" ")}`,
    judge: ({ stdout }) => expectEmpty(stdout),
    cause: "A unit reported an error.",
    ...replaceByJournal("UNIT"),
  },
];
