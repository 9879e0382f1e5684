import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { applicationDirectories, type BacalhauExpectation, type NodeExpectation } from "../../../fleet/checks";
import { unitsOf } from "../../../fleet/checks/expected-units";
import type { FleetConfig } from "../../../fleet/config";
import { placed } from "../../../fleet/layout";
import type { NodePin, Pins } from "../../../fleet/model";
import type { Payload } from "../../../fleet/node/payload";
import { renderedBacalhau, type RenderedSettings } from "../../../fleet/node/rendered";
import { filesWritten } from "../../../fleet/node/user-data";
import { PROGRAM_FILE, TOKEN_FILE } from "../../../fleet/node/workloads";
import type { FleetDefinition } from "../../../project/definition";
import type { StateNode } from "../../engine/state";
import type { Session } from "../../session";

/**
 * What the checks hold a node against.
 * @param address at which it is reached now
 * @param token the node's secret, part of its user data
 */
export function expectationOf(
  { lineage, cloud }: Session,
  definition: FleetDefinition,
  ssh: Pins["ssh"],
  { node, address, token }: { node: StateNode; address: string | undefined; token: string },
): NodeExpectation {
  const { name, instanceId, generation, pin } = node;
  const { payload, config, slots, owner } = definition;
  const { manifest } = payload;
  const desired = slots.find((one) => one.name === name);
  const slot = desired ?? { name, homeRegion: pin.pool.region, ordinal: 0 };
  const userData = definition.userDataOf(slot, generation, ssh.publicKey, token);
  return {
    ...pin.pool,
    name,
    instanceId,
    ...(address === undefined ? {} : { address }),
    lineage,
    awsCli: cloud.cli,
    username: config.username,
    hasOwnNetwork: config.network === "create",
    isAsDesired: desired !== undefined && definition.launchSpec(desired, pin, ssh.publicKey).generation === generation,
    sshFrom: [...ssh.allow, ...ssh.callers],
    mayAdmitCallers: config.ssh.allow.includes("auto"),
    manifest,
    userDataSha256: sha256(userData),
    userDataFiles: filesWritten(userData).map(({ path, content, mode }) => ({
      path,
      mode,
      owner: placed.owner,
      sha256: sha256(content),
    })),
    hostKeyToken: token,
    // Scripts of the user's own may render something else.
    ...(config.scriptsDirectory === undefined
      ? { rendered: renderedOf(payload, config, { ...pin.pool, name, instanceId, stack: owner.stack }) }
      : {}),
    packages: config.packages,
    directories: applicationDirectories,
    units: unitsOf(manifest, config),
    ...(config.bacalhau ? { bacalhau: bacalhauOf(payload, config.bacalhau) } : {}),
  };
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

function bacalhauOf({ manifest }: Payload, bacalhau: NonNullable<FleetConfig["bacalhau"]>): BacalhauExpectation {
  const { version, orchestrators, api, program } = bacalhau;
  const uploaded = manifest.entries.flatMap((entry) =>
    entry.path === PROGRAM_FILE && entry.type === "file" ? [entry.sha256] : [],
  );
  return {
    version,
    orchestrators,
    ...(api === undefined ? {} : { api }),
    sources: [...uploaded, ...Object.values(program.downloads ?? {}).map((download) => download.sha256)],
  };
}

/** What a node makes of the settings in its payload. */
function renderedOf(
  { sources }: Payload,
  { bacalhau }: FleetConfig,
  node: NodePin["pool"] & { name: string; instanceId: string; stack: string },
): RenderedSettings {
  const textOf = (path: string): string => {
    const source = sources.get(path) ?? "{}";
    return Buffer.isBuffer(source) ? source.toString() : readFileSync(source, "utf8");
  };
  const objectOf = (path: string) => JSON.parse(textOf(path)) as Record<string, unknown>;
  const sensor = objectOf("config/sensor-config.json");
  if (bacalhau === undefined) return { sensor };
  const { orchestrators, allowedPaths, labels } = bacalhau;
  return {
    sensor,
    bacalhau: renderedBacalhau({
      template: objectOf("config/bacalhau.json"),
      orchestrators,
      allowedPaths,
      labels,
      ownLabels: {
        instance_id: node.instanceId,
        instance_type: node.instanceType,
        region: node.region,
        availability_zone: node.availabilityZone,
        stack: node.stack,
        node: node.name,
      },
      ...(sources.has(TOKEN_FILE) ? { token: textOf(TOKEN_FILE).trim() } : {}),
    }),
  };
}
