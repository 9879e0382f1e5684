import type { UnitExpectation } from "./index";
import type { FleetConfig } from "../config";
import type { Manifest } from "../node/payload";

/** A payload path that deployment makes a unit of: ours, or one of the user's. */
const UNIT = /^(?:services|files\/systemd)\/([^/]+\.service)$/;

/** The payload's folder of our units; the others are the user's. */
const OURS = "services/";

/** Ours that no target wants: a unit that is started on purpose, once. */
const NEVER_ENABLED = ["spot-reboot.service"];

/** Ours that end when their work is done. */
const ONESHOT = ["bacalhau-startup.service", "spot-own-units.service", ...NEVER_ENABLED];

/** Travels with every payload, and is installed only when config.yaml asks for it. */
const BACALHAU_UNIT = "bacalhau.service";

/** What a node must have of systemd units, as its payload and configuration say. The rule is the node's own (deploy_services.py). */
export function unitsOf(manifest: Manifest, { bacalhau }: Pick<FleetConfig, "bacalhau">): UnitExpectation {
  const isWanted = (name: string): boolean => name !== BACALHAU_UNIT || bacalhau !== undefined;
  const installed = Object.fromEntries(
    manifest.entries.flatMap(({ path, type }) => {
      const name = UNIT.exec(path)?.[1];
      return type === "file" && name !== undefined && isWanted(name) ? [[name, path] as const] : [];
    }),
  );
  const names = Object.keys(installed);
  return {
    installed,
    enabled: names.filter((name) => !NEVER_ENABLED.includes(name)),
    workloads: names.filter((name) => installed[name]?.startsWith(OURS) && !ONESHOT.includes(name)),
    own: names.filter((name) => !installed[name]?.startsWith(OURS)),
  };
}
