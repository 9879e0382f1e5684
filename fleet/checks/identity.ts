import { isDeepStrictEqual } from "node:util";
import { paths, placed } from "../layout";
import { rowAt, rowsOf } from "../node/placed";
import { differenceOf, lookAt, lookOf } from "./look";
import type { Check, CommandOutput, NodeExpectation, Verdict } from "./types";
import {
  expectAll,
  expectEqual,
  firstLine,
  isRecord,
  joinList,
  lastLine,
  parseJsonObject,
  QUICK,
  REPLACE,
  expectFields,
  REPLACE_BY_STARTUP_LOG,
} from "./expectations";

const { identity: IDENTITY, sensorConfig: SENSOR_CONFIG, bacalhauConfig: BACALHAU_CONFIG } = paths;
const { instance: INSTANCE, startupComplete: STARTED } = paths;

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
    command: () => `sudo -n stat -c '%U %a' ${IDENTITY} && sudo -n cat ${IDENTITY}`,
    judge: ({ stdout, stderr, code }) => {
      if (code !== 0) return { ok: false, expected: IDENTITY, actual: firstLine(stderr) };
      const head = stdout.split("\n", 1)[0] ?? "";
      const [owner = "", mode = ""] = head.split(" ");
      const identity = parseJsonObject(stdout.slice(head.length));
      const verdict = expectFields(
        {
          owner: placed.owner,
          mode: modeOf(IDENTITY),
          sensor_id: "SENSOR_<state>_<city>_<number>",
          parts: "location, device_info, deployment, metadata",
        },
        {
          owner,
          mode,
          sensor_id: /^SENSOR_[A-Z]{2}_[A-Z]{3}_\d{4}$/.test(String(identity?.sensor_id))
            ? "SENSOR_<state>_<city>_<number>"
            : String(identity?.sensor_id),
          parts: ["location", "device_info", "deployment", "metadata"]
            .filter((part) => isRecord(identity?.[part]))
            .join(", "),
        },
      );
      // Whose it is can be read from one that is whole.
      return isRecord(identity?.metadata) ? { ...verdict, blocks: [] } : verdict;
    },
    cause: "The startup did not write the identity.",
    ...REPLACE_BY_STARTUP_LOG,
  },
  {
    id: "G2",
    title: "identity is of this instance",
    phase: "identity",
    where: "node",
    needs: ["G1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => `sudo -n cat ${IDENTITY}`,
    judge: ({ stdout }, { instanceId }) => {
      const metadata = parseJsonObject(stdout)?.metadata;
      return expectEqual(instanceId, isRecord(metadata) ? String(metadata.instance_id) : "no instance id");
    },
    cause: "The identity was made for another instance.",
    ...REPLACE,
  },
  {
    id: "G3",
    title: "identity equals a regeneration",
    phase: "identity",
    where: "node",
    needs: ["G2", "D2"],
    severity: "fail",
    deadlineMs: QUICK,
    command: ({ instanceId }) =>
      `INSTANCE_ID=${instanceId} python3 -B ${paths.identityScript} --output - | sudo -n cmp - ${IDENTITY} && echo identical`,
    judge: ({ stdout, stderr }) => expectEqual("identical", firstLine(stdout, stderr)),
    cause: "The identity was edited, or made by another version of the generator.",
    ...REPLACE,
  },
  {
    id: "G4",
    title: "identity unique in the fleet",
    phase: "identity",
    where: "fleet",
    needs: ["G1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => `sudo -n cat ${IDENTITY}`,
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
    ...REPLACE,
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
      `${lookAt(RENDERED.map(({ path }) => path))}; sudo -n grep -lE '${PLACEHOLDER}' ${SENSOR_CONFIG} ${BACALHAU_CONFIG} 2>/dev/null | sed 's/^/a placeholder in /'; echo looked`,
    judge: (output, { bacalhau }) => {
      const look = lookOf(output);
      const problems = RENDERED.map((file) =>
        file.path === BACALHAU_CONFIG && bacalhau === undefined && !look.seen.has(file.path)
          ? undefined
          : differenceOf(file, look),
      );
      const placeholders = output.stdout.split("\n").filter((line) => line.startsWith("a placeholder in "));
      return output.stdout.trimEnd().endsWith("looked")
        ? { ...expectAll([...problems, ...placeholders], (problem) => problem), expected: "none" }
        : { ok: false, expected: "none", actual: "the files could not be looked at" };
    },
    cause: "The startup's rendering is not whole, or a file was changed since.",
    ...REPLACE_BY_STARTUP_LOG,
  },
  {
    id: "G6",
    title: "rendered configuration as computed",
    phase: "identity",
    where: "node",
    needs: ["G3"],
    severity: "fail",
    ofDesired: true,
    deadlineMs: QUICK,
    applies: ({ rendered }) => rendered !== undefined,
    // By root, because of the token, in whose place its sha256 comes back.
    command: ({ rendered }) => {
      const read = [IDENTITY, SENSOR_CONFIG, ...(rendered?.bacalhau ? [BACALHAU_CONFIG] : []), INSTANCE, STARTED];
      return `cat /proc/sys/kernel/random/boot_id; sudo -n python3 -I -c 'import hashlib, json, sys; hide = lambda o: {k: hashlib.sha256(v.encode()).hexdigest() if k == "Token" and isinstance(v, str) else v for k, v in o.items()}; [print(json.dumps([p, json.loads(open(p).read(${READ_BYTES}), object_hook=hide)]), flush=True) for p in sys.argv[1:]]' ${read.join(" ")}`;
    },
    judge: judgeRendered,
    cause: "The file was changed on the node after its start.",
    ...REPLACE,
  },
];

/** Of one file. */
const READ_BYTES = 1_000_000;

const RENDERED = rowsOf("G5").map(({ place, mode }) => ({ path: paths[place], mode, owner: placed.owner }));

const modeOf = (path: string): string => rowAt(path)?.mode ?? "";

/** Each file has what the settings, the cloud and the node's identity (G3) make of it. */
function judgeRendered({ stdout, stderr }: CommandOutput, node: NodeExpectation): Verdict {
  const [bootId = "", ...lines] = stdout.split("\n");
  const found = new Map(
    lines.flatMap((line): [string, Record<string, unknown>][] => {
      const [path, value] = parseJsonArray(line);
      return typeof path === "string" && isRecord(value) ? [[path, value]] : [];
    }),
  );
  const { rendered, instanceId, region, availabilityZone, instanceType } = node;
  const sensorId = { sensor_id: found.get(IDENTITY)?.sensor_id };
  const sensor = { ...rendered?.sensor, ...sensorId };
  const bacalhau = rendered?.bacalhau && {
    ...rendered.bacalhau,
    Labels: { ...rendered.bacalhau.Labels, ...sensorId },
  };
  const expected: [string, Record<string, unknown>][] = [
    [SENSOR_CONFIG, sensor],
    ...(bacalhau ? [[BACALHAU_CONFIG, bacalhau] as [string, Record<string, unknown>]] : []),
    [INSTANCE, { instanceId, region, availabilityZone, instanceType, bootId }],
    [STARTED, { instanceId, bootId, completedAt: found.get(STARTED)?.completedAt }],
  ];
  return expectAll(expected, ([path, wanted]) => {
    const actual = found.get(path);
    if (actual === undefined) return `${path}: ${lastLine(stderr)}`;
    const keys = [...new Set([...Object.keys(wanted), ...Object.keys(actual)])];
    const different = keys.filter((key) => !isDeepStrictEqual(wanted[key], actual[key]));
    return different.length === 0 ? undefined : `${path}: ${joinList(different)} differs from what was computed`;
  });
}

function parseJsonArray(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
