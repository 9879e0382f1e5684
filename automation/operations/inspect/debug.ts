import { createGzip } from "node:zlib";
import { buffer } from "node:stream/consumers";
import type { Check, CloudFacts } from "../../../fleet/checks";
import { debugSections } from "../../../fleet/checks/debug-sections";
import { wordsOf } from "../../../fleet/errors";
import { mapTexts, withoutSecrets } from "../../../fleet/text/masking";
import { headLine, pluralize } from "../../../fleet/text/words";
import { consoleOutput } from "../../../cloud/resources/node-facts";
import type { StateNode } from "../../engine/state";
import type { NodeConnection } from "../../ssh/connection";
import { explanation } from "../../verify/explanation";
import type { Outcome } from "../../verify/outcome";
import type { CheckStatus, NodeVerification } from "../../verify/result";
import type { VerifyTarget } from "../../verify/runner";
import type { FleetAccess } from "../nodes/fleet-access";
import { verifyNodes } from "../nodes/verify-nodes";

/** A gzipped tar archive, its summary first, and the summary by itself. No secret is in either. */
export interface DebugBundle {
  archive: Buffer;
  summary: string;
}

/** One file of a bundle, or why it could not be had. */
type Collected =
  | { file: string; text: string; failure?: undefined }
  | { file: string; text?: undefined; failure: string };

const CONNECT_MS = 20_000;
const SECTION_MS = 30_000;
const AT_A_TIME = 4;

/**
 * Everything that can be had of a node, whatever state it is in: the check list, what AWS says and, when a login
 * succeeds, its logs, records and journals. Only reads.
 * @param options.asTyped gives the steps of the results what leads them to this fleet
 */
export async function debugBundle(
  access: FleetAccess,
  node: StateNode,
  options: { checks: readonly Check[]; at: Date; asTyped: (node: NodeVerification) => NodeVerification },
): Promise<DebugBundle> {
  const [target] = await access.targets([node]);
  if (target === undefined) throw new Error("a node has one target");
  const { session } = access;
  const { region } = node.pin.pool;
  const [verification, console] = await Promise.all([
    // A login is waited for, and nothing else for longer.
    verifyNodes(access, [node], { checks: options.checks, patienceMs: CONNECT_MS }),
    consoleOutput(session.cloud, region, node.instanceId),
  ]);
  const secrets = access.secretsOf([node]);
  const hide = (text: string): string => withoutSecrets(text, secrets);
  // Text by text, so that it stays JSON.
  const json = (value: unknown): string => `${JSON.stringify(mapTexts(value, hide), null, 2)}\n`;
  const cloud: Collected[] = [
    { file: "cloud/facts.json", text: json(target.cloud) },
    console.failure === undefined
      ? { file: "cloud/console.txt", text: console.value }
      : { file: "cloud/console.txt", failure: console.failure },
  ];
  const [verified] = verification.nodes;
  if (verified === undefined) throw new Error("a node has one verification");
  const found = options.asTyped(verified);
  const onNode = await sectionsOf(target, found);
  const files = [...cloud, { file: "verification.json", text: json(found) }, ...onNode];
  const summary = hide(
    summaryOf({ node: found, cloud: target.cloud, files, at: options.at, stack: session.target.stack }),
  );
  const archive = await archiveOf(
    [
      { file: "summary.md", text: summary },
      ...files.flatMap(({ file, text }) => (text === undefined ? [] : [{ file, text: hide(text) }])),
    ],
    options.at,
  );
  return { archive, summary };
}

/**
 * What only a login gives. A login that failed a moment ago is not tried again; one that was not tried, because a check
 * of the cloud failed, or that found its sudo refused, is: what can be had without is worth having.
 */
async function sectionsOf({ expectation, connect }: VerifyTarget, { results }: NodeVerification): Promise<Collected[]> {
  const sections = debugSections(expectation);
  const without = (failure: string): Collected[] => sections.map(({ file }) => ({ file, failure }));
  const unreached = results.find(({ diagnosis }) => diagnosis !== undefined);
  if (unreached !== undefined) return without(`no login: see ${unreached.id}`);
  const connection = await connect(CONNECT_MS).catch((error: unknown) => wordsOf(error));
  if (typeof connection === "string") return without(connection);
  return collect(
    connection,
    sections.map(({ file, command }) => ({ file, command: command(expectation) })),
  );
}

async function collect(
  connection: NodeConnection,
  sections: { file: string; command: string }[],
): Promise<Collected[]> {
  const { default: pMap } = await import("p-map");
  try {
    return await pMap(
      sections,
      async ({ file, command }): Promise<Collected> => {
        try {
          const { stdout, stderr } = await connection.run(command, { deadlineMs: SECTION_MS });
          return stdout === "" && stderr !== ""
            ? { file, failure: stderr.trim() }
            : { file, text: stderr === "" ? stdout : `${stdout}\n--- on standard error:\n${stderr}` };
        } catch (error) {
          return { file, failure: wordsOf(error) };
        }
      },
      { concurrency: AT_A_TIME },
    );
  } finally {
    await connection.close();
  }
}

/** Statuses of results that are shown in full. */
const EXPLAINED: ReadonlySet<CheckStatus> = new Set<CheckStatus>(["failed", "unknown", "warning"]);

const HEADS: Record<Outcome, string> = {
  verified: "verified",
  failed: "not verified",
  unknown: "not verified, unknown",
  skipped: "not verified",
};

/** What a person reads first. */
function summaryOf({
  node,
  cloud,
  files,
  at,
  stack,
}: {
  node: NodeVerification;
  cloud: CloudFacts;
  files: readonly Collected[];
  at: Date;
  stack: string;
}): string {
  const failed = node.results.filter(({ status }) => EXPLAINED.has(status));
  const skipped = node.results.filter(({ status }) => status === "skipped");
  const missing = files.flatMap(({ file, failure }) => (failure === undefined ? [] : [{ file, failure }]));
  const { instance } = cloud;
  return [
    `# ${node.node}: ${HEADS[node.outcome]}`,
    "",
    `${node.instanceId} at ${node.address ?? "no address"}, ${instance ? `${instance.state}, ${instance.instanceType}, ${instance.availabilityZone}, ${instance.market}` : cloud.unanswered === undefined ? "unknown to AWS" : "AWS did not answer"}; stack ${stack}; ${at.toISOString()}`,
    "",
    `${node.results.filter(({ status }) => status === "ok").length} of ${pluralize(node.results.length, "check")} ok, ${failed.length} not, ${skipped.length} skipped because of them.`,
    ...failed.flatMap((result) => [
      "",
      `## ${result.id} ${result.title}: ${result.status}`,
      "",
      "```",
      ...explanation(result),
      "```",
    ]),
    ...(skipped.length === 0
      ? []
      : ["", `Skipped: ${skipped.map(({ id, because }) => `${id} (${because ?? ""})`).join(", ")}`]),
    "",
    "## In this archive",
    "",
    ...files.flatMap(({ file, text }) => (text === undefined ? [] : [`- ${file} (${Buffer.byteLength(text)} bytes)`])),
    ...(missing.length === 0
      ? []
      : ["", "## What could not be had", "", ...missing.map(({ file, failure }) => `- ${file}: ${headLine(failure)}`)]),
    "",
    "Secrets that are known, and what looks like one, are replaced by `***`; look before you pass it on.",
    "",
  ].join("\n");
}

async function archiveOf(files: readonly { file: string; text: string }[], mtime: Date): Promise<Buffer> {
  const { pack } = await import("tar-stream");
  const archive = pack();
  for (const { file, text } of files) archive.entry({ name: file, mode: 0o600, mtime }, text);
  archive.finalize();
  return buffer(archive.pipe(createGzip()));
}
