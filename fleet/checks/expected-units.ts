import type { UnitExpectation } from "./index";
import type { FleetConfig } from "../config";
import { isOfKind, units } from "../layout";
import type { Manifest } from "../node/payload";

/** A payload path that deployment makes a unit of: ours, or one of the user's. */
const UNIT = /^(?:services|files\/systemd)\/([^/]+\.service)$/;

/** The payload's folder of our units; the others are the user's. */
const OURS = "services/";

/**
 * What a node must have of systemd units, as its payload and configuration say. The rule is the node's own
 * (instance/scripts/deployment.py).
 */
export function unitsOf(manifest: Manifest, { bacalhau }: Pick<FleetConfig, "bacalhau">): UnitExpectation {
  // Bacalhau's travels with every payload, and is installed only when config.yaml asks for it.
  const isWanted = (name: string): boolean => name !== units.bacalhau || bacalhau !== undefined;
  const installed = Object.fromEntries(
    manifest.entries.flatMap(({ path, type }) => {
      const name = UNIT.exec(path)?.[1];
      return type === "file" && name !== undefined && isWanted(name) ? [[name, path] as const] : [];
    }),
  );
  const names = Object.keys(installed);
  return {
    installed,
    enabled: names.filter((name) => !isOfKind("asked", name)),
    workloads: names.filter((name) => installed[name]?.startsWith(OURS) && isOfKind("lasting", name)),
    own: names.filter((name) => !installed[name]?.startsWith(OURS)),
  };
}
