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

/**
 * The checks in the order in which things happen on the way of a node: each stands behind everything that can make it
 * fail, so that the first failure of a list is the cause of those that follow from it.
 */
const ORDER = [
  // The cloud, and the way to the node.
  ["A1", "A2", "A3", "A4", "A5", "A6"],
  ["B1", "B2", "B3", "B4", "B6", "B7", "K1", "K4"],
  // Its first boot, the upload, the deployment and what that leaves behind.
  ["C3", "C1", "C2", "C5", "C4", "C6", "C7"],
  ["D1", "D5", "D2", "D3", "D6"],
  ["E2", "E1", "E3", "E4", "E5", "D4", "F1", "F2", "F3"],
  // The reboot, the system, and what the startup makes.
  ["B5", "F4", "F9", "K2"],
  ["F6", "F5", "G1", "G2", "G3", "G4", "G5", "G6"],
  // What the node is there for.
  ["H3", "F7", "F8", "F10", "H2", "H1", "H4", "H5", "H7", "H6"],
  ["K3"],
].flat();

/** The check list, in the order in which it is shown. What a node runs and in which order follows from `needs` and `after`. */
export const checks: readonly Check[] = inOrder([
  ...cloudChecks,
  ...reachChecks,
  ...cloudInitChecks,
  ...fileChecks,
  ...deploymentChecks,
  ...unitChecks,
  ...identityChecks,
  ...workloadChecks,
  ...healthChecks,
]);

function inOrder(all: readonly Check[]): Check[] {
  const placeOf = ({ id }: Check): number => {
    const place = ORDER.indexOf(id);
    if (place === -1) throw new Error(`check ${id} has no place in the order`);
    return place;
  };
  return [...all].sort((a, b) => placeOf(a) - placeOf(b));
}

/** The whole list for a fleet: ours, then the user's own. */
export const checksFor = (config: Pick<FleetConfig, "checks">): readonly Check[] => [
  ...checks,
  ...ownChecks(config.checks),
];

/** What the deployment makes for the applications. */
export const applicationDirectories: readonly DirectoryExpectation[] = layout.directories
  .filter(({ kind }) => kind === "application")
  .map(({ path, mode }) => ({ path, owner: "root", mode }));
