import { createHash } from "node:crypto";
import { applicationDirectories, type NodeExpectation } from "../../../fleet/checks";
import { unitsOf } from "../../../fleet/checks/expected-units";
import type { Pins } from "../../../fleet/model";
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
  const {
    payload: { manifest },
    config,
    slots,
  } = definition;
  const slot = slots.find((one) => one.name === name) ?? { name, homeRegion: pin.pool.region, ordinal: 0 };
  const userData = definition.userDataOf(slot, generation, ssh.publicKey, token);
  return {
    ...pin.pool,
    name,
    instanceId,
    ...(address === undefined ? {} : { address }),
    lineage,
    awsCli: cloud.cli,
    username: config.username,
    sshFrom: [...ssh.allow, ...ssh.callers],
    manifest,
    userDataSha256: createHash("sha256").update(userData).digest("hex"),
    packages: config.packages,
    directories: applicationDirectories,
    units: unitsOf(manifest, config),
    ...(config.bacalhau ? { bacalhau: config.bacalhau } : {}),
  };
}
