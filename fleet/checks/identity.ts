import { paths } from "../layout";
import type { Check } from "./types";
import {
  expectEqual,
  firstLine,
  isRecord,
  joinList,
  expectEmpty,
  parseJsonObject,
  QUICK,
  REPLACE,
  expectFields,
  LOOK_AT_STARTUP_LOG,
} from "./expectations";

const { identity: IDENTITY, sensorConfig: SENSOR_CONFIG, bacalhauConfig: BACALHAU_CONFIG } = paths;

/** As instance/scripts/workloads.py has it; in brackets, so that no shell takes a part of it for its own. */
const PLACEHOLDER = "[$][{][^}]*[}]|[{][{][^}]*[}][}]|<[A-Z][A-Z_]+>|(CHANGE|REPLACE)_?ME";

/** G: who the node is, and what it was told to run. */
export const identityChecks: readonly Check[] = [
  {
    id: "G1",
    title: "identity present and whole",
    phase: "identity",
    where: "node",
    needs: ["F6"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => `stat -c %a ${IDENTITY} && cat ${IDENTITY}`,
    judge: ({ stdout, stderr, code }) => {
      if (code !== 0) return { ok: false, expected: IDENTITY, actual: firstLine(stderr) };
      const mode = stdout.split("\n", 1)[0] ?? "";
      const identity = parseJsonObject(stdout.slice(mode.length));
      return expectFields(
        {
          mode: "644",
          sensor_id: "SENSOR_<state>_<city>_<number>",
          parts: "location, device_info, deployment, metadata",
        },
        {
          mode,
          sensor_id: /^SENSOR_[A-Z]{2}_[A-Z]{3}_\d{4}$/.test(String(identity?.sensor_id))
            ? "SENSOR_<state>_<city>_<number>"
            : String(identity?.sensor_id),
          parts: ["location", "device_info", "deployment", "metadata"]
            .filter((part) => isRecord(identity?.[part]))
            .join(", "),
        },
      );
    },
    cause: "The startup did not write the identity.",
    next: LOOK_AT_STARTUP_LOG,
  },
  {
    id: "G2",
    title: "identity is of this instance",
    phase: "identity",
    where: "node",
    needs: ["G1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => `cat ${IDENTITY}`,
    judge: ({ stdout }, { instanceId }) => {
      const metadata = parseJsonObject(stdout)?.metadata;
      return expectEqual(instanceId, isRecord(metadata) ? String(metadata.instance_id) : "no instance id");
    },
    cause: "The identity was made for another instance.",
    next: REPLACE,
  },
  {
    id: "G3",
    title: "identity equals a regeneration",
    phase: "identity",
    where: "node",
    needs: ["G2"],
    severity: "fail",
    deadlineMs: QUICK,
    command: ({ instanceId }) =>
      `INSTANCE_ID=${instanceId} python3 -B ${paths.identityScript} --output - | cmp - ${IDENTITY} && echo identical`,
    judge: ({ stdout, stderr }) => expectEqual("identical", firstLine(stdout, stderr)),
    cause: "The identity was edited, or made by another version of the generator.",
    next: REPLACE,
  },
  {
    id: "G4",
    title: "identity unique in the fleet",
    phase: "identity",
    where: "fleet",
    needs: ["G1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => `cat ${IDENTITY}`,
    // The sensor_id has too few digits to be unique (about 4 in 1,000 nodes share one); the uid is what counts.
    valueOf: ({ stdout }) => {
      const metadata = parseJsonObject(stdout)?.metadata;
      return isRecord(metadata) && typeof metadata.sensor_uid === "string" ? metadata.sensor_uid : undefined;
    },
    judge: (uid, others) => {
      const alike = [...others].flatMap(([name, other]) => (other === uid ? [name] : []));
      const expected = `a sensor_uid that none of ${others.size} other nodes has`;
      if (uid === undefined) return { ok: false, expected, actual: "no sensor_uid" };
      return { ok: alike.length === 0, expected, actual: alike.length === 0 ? uid : `${uid}, as ${joinList(alike)}` };
    },
    cause: "Two nodes made their identity from one instance id, or it was copied.",
    next: REPLACE,
  },
  {
    id: "G5",
    title: "rendered configuration without placeholders",
    phase: "identity",
    where: "node",
    needs: ["F6"],
    severity: "fail",
    deadlineMs: QUICK,
    // By root, because of the token; of the files only the names come back.
    command: () =>
      `sudo -n sh -c '[ -e ${SENSOR_CONFIG} ] || echo "missing: ${SENSOR_CONFIG}"; grep -lE "${PLACEHOLDER}" ${SENSOR_CONFIG} ${BACALHAU_CONFIG} | sed "s/^/a placeholder in /"; find ${BACALHAU_CONFIG} -perm /077 -printf "readable by others: %p\\n"; echo looked' 2>/dev/null`,
    judge: ({ stdout }) => {
      const lines = stdout.trim().split("\n");
      return lines.at(-1) === "looked"
        ? expectEmpty(lines.slice(0, -1).join("\n"))
        : { ok: false, expected: "none", actual: "the files could not be looked at" };
    },
    cause: "The startup's rendering is not whole, or a file was changed since.",
    next: LOOK_AT_STARTUP_LOG,
  },
];
