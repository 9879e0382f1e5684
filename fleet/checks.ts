import { cloudInitChecks } from "./checks/cloud-init";
import { cloudChecks } from "./checks/cloud";
import { deploymentChecks } from "./checks/deployment";
import { fileChecks } from "./checks/files";
import { healthChecks } from "./checks/health";
import { identityChecks } from "./checks/identity";
import { ownChecks } from "./checks/own";
import { reachChecks } from "./checks/reach";
import type { Check, DirectoryExpectation } from "./checks/types";
import { unitChecks } from "./checks/units";
import { workloadChecks } from "./checks/workload";
import type { FleetConfig } from "./config";

export * from "./checks/types";

/** The check list, in the order in which it is shown. What a node runs and in which order follows from `needs`. */
export const checks: readonly Check[] = [
  ...cloudChecks,
  ...reachChecks,
  ...cloudInitChecks,
  ...fileChecks,
  ...deploymentChecks,
  ...unitChecks,
  ...identityChecks,
  ...workloadChecks,
  ...healthChecks,
];

/** The whole list for a fleet: ours, then the user's own. */
export const checksFor = (config: Pick<FleetConfig, "checks">): readonly Check[] => [...checks, ...ownChecks(config.checks)];

/** What the deployment makes (instance/scripts/deploy_services.py). */
export const applicationDirectories: readonly DirectoryExpectation[] = [
  ...["/opt/sensor", "/opt/sensor/config", "/opt/sensor/data", "/opt/sensor/logs", "/opt/sensor/exports", "/bacalhau_node"].map(
    (path) => ({ path, owner: "root", mode: "755" }),
  ),
  { path: "/bacalhau_data", owner: "root", mode: "700" },
];
