import { layout, paths, placed, units } from "../layout";
import { copiesOf, ownDirectories, rowAt, rowsOf } from "../node/placed";
import { differenceOf, lookAt, lookBelow, lookOf, type Look } from "./look";
import type { Check, CommandOutput, NodeExpectation, Verdict } from "./types";
import {
  expectAll,
  expectEqual,
  expectFields,
  fieldOf,
  firstLine,
  isRecord,
  judgeSteps,
  REPLACE_BY_LOG,
  parseJsonObject,
  QUICK,
  REPLACE,
  SLOW,
  stepsCommand,
} from "./expectations";

/** What the log says of the last step of a deployment, which marks it complete. */
const COMPLETION = `STEP ${layout.deployment.slice(-1).join()}: ok`;

/** E: what the deployment recorded of itself. */
export const deploymentChecks: readonly Check[] = [
  {
    id: "E1",
    title: "deployment ran",
    phase: "deployment",
    where: "node",
    needs: ["D1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => `cat ${paths.deploymentResult}`,
    judge: ({ stdout, stderr }) => expectEqual("success", fieldOf(stdout, "SERVICE_RESULT") ?? firstLine(stderr)),
    cause: `${units.deploy} was never started, or ended with an error.`,
    ...REPLACE_BY_LOG,
  },
  {
    // Stands before E1: when the deployment failed, this is the check that names the step.
    id: "E2",
    title: "every deployment step",
    phase: "deployment",
    where: "node",
    needs: ["D1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => stepsCommand(paths.deploymentSteps),
    judge: judgeSteps,
    cause: "The step named failed for the reason given.",
    ...REPLACE_BY_LOG,
  },
  {
    id: "E3",
    title: "deployment complete, for this payload",
    phase: "deployment",
    where: "node",
    needs: ["E2"],
    severity: "fail",
    ofDesired: true,
    deadlineMs: QUICK,
    command: () => `cat ${paths.deploymentComplete}`,
    judge: ({ stdout, stderr }, { manifest, units: { installed, own } }) => {
      const marker = parseJsonObject(stdout);
      if (marker === undefined) return { ok: false, expected: manifest.digest, actual: firstLine(stderr) };
      const recorded = isRecord(marker.units) ? marker.units : {};
      return expectFields(
        { digest: manifest.digest, installed: namesOf(Object.keys(installed)), "your own": namesOf(own) },
        { digest: String(marker.digest), installed: namesOf(recorded.installed), "your own": namesOf(recorded.user) },
      );
    },
    cause: "The node was deployed with another payload, or its deployment did not end.",
    ...REPLACE,
  },
  {
    id: "E4",
    title: "deployment log ends with completion",
    phase: "deployment",
    where: "node",
    needs: ["E1"],
    severity: "warn",
    deadlineMs: QUICK,
    command: () => `sudo -n tail -n 1 ${paths.deploymentLog}`,
    judge: ({ stdout, stderr }) => ({
      ok: stdout.includes(COMPLETION),
      expected: COMPLETION,
      actual: firstLine(stdout, stderr),
    }),
    cause: "The deployment did not end, or was started again.",
    ...REPLACE_BY_LOG,
  },
  {
    id: "E5",
    title: "what the deployment put in place",
    phase: "deployment",
    where: "node",
    needs: ["E2"],
    severity: "fail",
    ofDesired: true,
    deadlineMs: SLOW,
    command: ({ manifest, bacalhau }) => {
      const copies = copiesOf(manifest, "E5").map(({ path }) => path);
      const others = rowsOf("E5").flatMap(({ place, below }) =>
        below || (place === "bacalhau" && bacalhau === undefined) ? [] : [paths[place]],
      );
      const listed = [paths.hooks, paths.state];
      return `${lookAt([...ownDirectories.map(({ path }) => path), ...copies, ...others])}; ${lookBelow(listed)}; sudo -n head -c 1000 ${paths.binaries}`;
    },
    judge: judgePlaced,
    cause: "It was changed on the node after the deployment.",
    ...REPLACE,
  },
];

/** Names in one text whatever their order; of something else, what it is. */
const namesOf = (value: unknown): string =>
  (Array.isArray(value) ? value.map(String).sort().join(" ") : "not recorded") || "none";

/**
 * Copies are compared with the payload. Bacalhau's program comes out of an archive or off the network, so that only the
 * node has seen it whole: it is compared with the record of its installation, which names what it came from, and which
 * nobody but root may write. Of the other records mode and owner are looked at; other checks read them.
 */
function judgePlaced(output: CommandOutput, { manifest, bacalhau }: NodeExpectation): Verdict {
  const look = lookOf(output);
  const copies = copiesOf(manifest, "E5");
  const known = new Set(copies.map(({ path }) => path));
  const ofPayload = copies.map((file) => differenceOf(file, look, "f", "what was uploaded"));
  const made = [paths.binaries, ...(bacalhau === undefined ? [] : [paths.bacalhau])];
  const others = [...look.seen].flatMap(([path, { kind }]) => (known.has(path) || kind === "d" ? [] : [path]));
  const records = [...new Set([...made, ...others])].map((path) => {
    const row = rowAt(path);
    if (row?.check !== "E5") return undefined;
    return row.place === "hooks"
      ? `${path}: was not uploaded`
      : differenceOf({ path, mode: row.mode, owner: placed.owner }, look);
  });
  const directories = ownDirectories.map((one) => differenceOf({ ...one, owner: placed.owner }, look, "d"));
  const program = bacalhau === undefined ? [] : [judgeProgram(output.stdout, look, bacalhau)];
  return expectAll([...directories, ...ofPayload, ...records, ...program], (difference) => difference);
}

function judgeProgram(
  stdout: string,
  look: Look,
  { sources }: NonNullable<NodeExpectation["bacalhau"]>,
): string | undefined {
  const path = paths.bacalhau;
  const record = parseJsonObject(stdout.slice(stdout.lastIndexOf("\n{") + 1))?.bacalhau;
  if (!isRecord(record)) return `${paths.binaries}: does not tell what ${path} came from`;
  if (!sources.includes(String(record.source_sha256)))
    return `${path}: came from ${String(record.source_sha256)}, which is not configured`;
  return record.sha256 === look.seen.get(path)?.sha256 ? undefined : `${path}: differs from what was installed`;
}
