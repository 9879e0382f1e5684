import { cloudInitChecks } from "./cloud-init";
import { cloudChecks } from "./cloud";
import { deploymentChecks } from "./deployment";
import { fileChecks } from "./files";
import { healthChecks } from "./health";
import { identityChecks } from "./identity";
import { ownChecks } from "./user-checks";
import { reachChecks } from "./reach";
import type { Check, DirectoryExpectation } from "./types";
import { unitChecks } from "./units";
import { workloadChecks } from "./workload";
import type { FleetConfig } from "../config";
import { layout } from "../layout";

export * from "./types";

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
export const checksFor = (config: Pick<FleetConfig, "checks">): readonly Check[] => [
  ...checks,
  ...ownChecks(config.checks),
];

/** What the deployment makes for the applications. */
export const applicationDirectories: readonly DirectoryExpectation[] = layout.directories
  .filter(({ kind }) => kind === "application")
  .map(({ path, mode }) => ({ path, owner: "root", mode }));
